// Package mysql is MySQL or MariaDB as a data source.
package mysql

import (
	"context"
	"database/sql"
	"net"
	"strconv"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
)

// New makes a MySQL source. Settings: host, port, username, password, database, schema (a prefix of tables, if given).
func New(s *source.Settings) (*engine.Source, error) {
	port, err := s.Port(3306)
	if err != nil {
		return nil, err
	}
	config := driver.NewConfig()
	config.Net, config.Addr = "tcp", net.JoinHostPort(s.Text("host", "localhost"), strconv.Itoa(port))
	config.User, config.Passwd, config.DBName = s.User(), s.Text("password", ""), s.Text("database", "")
	config.ParseTime, config.Loc, config.Timeout = true, time.UTC, 15*time.Second
	config.ConnectionAttributes = "program_name:sodalite"
	database := config.DBName
	place := func(column string) string { return column + " = " + engine.Text(database) }
	return &engine.Source{
		Name: s.Name, Type: s.Type, Schema: s.Text("schema", ""),
		Dialect: &engine.Dialect{
			Name: "mysql", Quote: "`", Fold: func(s string) string { return s }, MaxItems: 500, EscapeRegex: true,
			Regex:      func(x, pattern string) string { return x + " RLIKE " + pattern },
			NumberType: "DOUBLE", Formats: formats,
			Columns: func(_ *engine.Source, table string) string {
				return "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = " + engine.Text(strings.Trim(table, "`\"")) +
					" AND " + place("table_schema") + " ORDER BY ordinal_position"
			},
			Types: func(_ *engine.Source, prefix []string, table string) string {
				schema := database
				if n := len(prefix); n > 0 {
					schema = prefix[n-1]
				}
				return "SELECT column_name, column_type FROM information_schema.columns WHERE table_name = " + engine.Text(table) +
					" AND table_schema = " + engine.Text(schema) + " ORDER BY ordinal_position"
			},
			SameTypes: [][]string{{"integer", "int"}, {"decimal", "numeric"}, {"double", "double precision"}, {"boolean", "bool", "tinyint"}},
			Tables: func(_ *engine.Source, include, exclude []string) string {
				where := place("table_schema")
				if like := engine.Like("table_name", include, exclude); like != "" {
					where += " AND " + like
				}
				return "SELECT table_name FROM information_schema.tables WHERE " + where + " ORDER BY table_name"
			},
			Synonyms: map[string][]string{"text": {"varchar", "char"}, "varchar": {"text", "char"}},
		},
		Open: func(ctx context.Context) (engine.Connection, error) {
			connector, err := driver.NewConnector(config)
			if err != nil {
				return nil, err
			}
			return source.SQL(ctx, sql.OpenDB(connector), convert)
		},
	}, nil
}

// formats are those whose patterns MySQL 5.7 could not read; they use POSIX classes.
var formats = map[string]string{
	"integer":          `^[[:blank:]]*[-+]?[[:blank:]]*[[:digit:]]+[[:blank:]]*$`,
	"positive integer": `^[[:blank:]]*[+]?[[:blank:]]*[[:digit:]]+[[:blank:]]*$`,
	"negative integer": `^[[:blank:]]*(-[[:blank:]]*[[:digit:]]+|0+)[[:blank:]]*$`,
}

func convert(column *sql.ColumnType, v any) any {
	switch kind := column.DatabaseTypeName(); {
	case strings.HasPrefix(kind, "DECIMAL"), strings.HasPrefix(kind, "DOUBLE"), strings.HasPrefix(kind, "FLOAT"):
		return source.Number(v)
	case strings.Contains(kind, "INT"), kind == "YEAR":
		if text, ok := v.([]byte); ok {
			if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
				return n
			}
		}
	case kind == "DATE":
		if t, ok := v.(time.Time); ok {
			return engine.Date{Time: t}
		}
	}
	return v
}
