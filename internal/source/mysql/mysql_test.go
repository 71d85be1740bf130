package mysql_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/contract"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/source"
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

func TestSlices(t *testing.T) {
	server := mysqltest.Start(t)
	server.Exec(t, strings.Join(sourcetest.Readings("DOUBLE", func(n string) string { return "TIMESTAMP '2026-03-01 00:00:00' + INTERVAL " + n + " SECOND" }), ";\n")+";\nANALYZE TABLE readings")
	sourcetest.Slices(t, sourcetest.Subject{
		New: mysql.New, Kind: "mysql", Lacks: []string{sourcetest.Percentiles, sourcetest.Deviations},
		Settings: map[string]string{"host": "127.0.0.1", "port": fmt.Sprint(server.Port), "username": "suite", "password": mysqltest.Password, "database": "suite"},
	})
}

// TestContracts verifies a contract on a table that has each type as people declare it, and one in which each is another.
func TestContracts(t *testing.T) {
	server := mysqltest.Start(t)
	columns := []struct{ name, declared, right, wrong string }{
		{"an_integer", "INTEGER", "integer", "bigint"},
		{"an_int", "INT", "{data_type: int}", "smallint"},
		{"unsigned", "INT UNSIGNED", "int unsigned", "int"},
		{"big", "BIGINT", "bigint", "int"},
		{"small", "SMALLINT", "smallint", "int"},
		{"flag", "BOOLEAN", "boolean", "bit"},
		{"tiny", "TINYINT", "tinyint", "smallint"},
		{"amount", "DECIMAL(10,2)", "{data_type: decimal, numeric_precision: 10, numeric_scale: 2}", "{data_type: numeric, numeric_precision: 12}"},
		{"plain_amount", "NUMERIC(8)", "numeric", "float"},
		{"ratio", "DOUBLE", "double", "float"},
		{"share", "FLOAT", "float", "double"},
		{"code", "VARCHAR(20)", "{data_type: varchar, character_maximum_length: 20}", "{data_type: varchar, character_maximum_length: 40}"},
		{"sign", "CHAR(3)", "char", "varchar"},
		{"note", "TEXT", "text", "varchar"},
		{"day", "DATE", "date", "datetime"},
		{"at", "DATETIME(6)", "{data_type: datetime, datetime_precision: 6}", "{data_type: datetime, datetime_precision: 3}"},
		{"stamp", "TIMESTAMP", "timestamp", "datetime"},
		{"clock", "TIME", "time", "date"},
		{"kind", "ENUM('a','b')", "enum", "varchar"},
		{"document", "LONGTEXT", "longtext", "text"},
		{"bytes", "BLOB", "blob", "text"},
	}
	create, right, wrong := "", "", ""
	for _, c := range columns {
		create += fmt.Sprintf(", `%s` %s NULL", c.name, c.declared)
		right += "  - " + column(c.name, c.right) + "\n"
		wrong += "  - " + column(c.name, c.wrong) + "\n"
	}
	server.Exec(t, "CREATE TABLE types ("+create[2:]+")")
	verify := func(list string) *dq.Scan {
		c := contract.Parse(sodacl.File{Name: "types.yml", Text: []byte("dataset: shop/suite/types\ncolumns:\n" + list + "checks:\n  - schema:\n")}, contract.Inputs{Now: time.Now()})
		if c.Failed() {
			t.Fatal(c.Mistakes)
		}
		made, err := mysql.New(source.NewSettings("shop", "mysql", map[string]string{"host": "127.0.0.1", "port": fmt.Sprint(server.Port), "username": "suite", "password": mysqltest.Password, "database": "suite"}))
		if err != nil {
			t.Fatal(err)
		}
		return engine.Verify(t.Context(), c, engine.Options{Now: time.Now(), Parallel: 1, Sources: func(string) (*engine.Source, error) { return made, nil }})
	}
	if scan := verify(right); scan.State != dq.Completed {
		t.Errorf("%s: %s %s", scan.State, scan.Results[0].ValueLabel, scan.Results[0].Diagnostics)
	}
	if scan := verify(wrong); len(scan.Results) != 1 || scan.Results[0].Value != json.Number(fmt.Sprint(len(columns))) {
		t.Errorf("%s: %s %s", scan.State, scan.Results[0].ValueLabel, scan.Results[0].Diagnostics)
	}
}

// column is a column of a contract: {name: …, data_type: …}.
func column(name, kind string) string {
	if rest, ok := strings.CutPrefix(kind, "{"); ok {
		return "{name: " + name + ", " + rest
	}
	return "{name: " + name + ", data_type: " + kind + "}"
}

// TestStatementsEndInTheServer: a statement whose context ended is not left running there.
func TestStatementsEndInTheServer(t *testing.T) {
	server := mysqltest.Start(t)
	src, err := mysql.New(source.NewSettings("src", "mysql", map[string]string{"host": "127.0.0.1", "port": fmt.Sprint(server.Port), "username": "suite", "password": mysqltest.Password, "database": "suite"}))
	if err != nil {
		t.Fatal(err)
	}
	c, err := src.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := c.Query(ctx, "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT COUNT(*) FROM n AS a, n AS b, n AS c, n AS d", 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	running := func() int64 {
		rows, err := c.Query(t.Context(), "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'WITH RECURSIVE%'", 1)
		if err != nil {
			t.Fatal(err)
		}
		return rows.Rows[0][0].(int64)
	}
	for end := time.Now().Add(10 * time.Second); running() > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the statement still runs in the server")
		}
	}
}
