package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/source/mysql"
	"github.com/sodalite-dq/sodalite/internal/source/mysql/mysqltest"
	"github.com/sodalite-dq/sodalite/internal/source/sourcetest"
)

func TestSuite(t *testing.T) {
	server := mysqltest.Start(t)
	var statements []string
	for _, table := range sourcetest.Tables() {
		statements = append(statements, table.SQL(map[sourcetest.Kind]string{
			sourcetest.Integer: "bigint", sourcetest.Decimal: "decimal(10,2)", sourcetest.Float: "double", sourcetest.Boolean: "boolean", sourcetest.String: "text",
			sourcetest.Day: "date", sourcetest.Timestamp: "datetime", sourcetest.TimestampZone: "datetime",
		}, "`")...)
	}
	server.Exec(t, strings.Join(statements, ";\n"))
	sourcetest.Run(t, sourcetest.Subject{
		New: mysql.New, Kind: "mysql", Numbers: true, Slow: "SELECT SLEEP(120)", Lacks: []string{sourcetest.Percentiles, sourcetest.Deviations},
		Settings: map[string]string{"host": "127.0.0.1", "port": fmt.Sprint(server.Port), "username": "suite", "password": mysqltest.Password, "database": "suite"},
		Broken: map[string]sourcetest.Broken{
			"no server":        sourcetest.Says("refused", "port", "1"),
			"a wrong password": sourcetest.Says("Access denied", "password", sourcetest.Secret),
			"no database":      sourcetest.Says("denied", "database", "none"),
			"a bad port":       sourcetest.Says("port", "port", "many"),
		},
	})
}
