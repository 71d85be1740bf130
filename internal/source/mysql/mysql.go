// Package mysql is MySQL or MariaDB as a data source.
package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	schema := func(prefix []string) string {
		if n := len(prefix); n > 0 {
			return prefix[n-1]
		}
		return database
	}
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
				return "SELECT column_name, column_type FROM information_schema.columns WHERE table_name = " + engine.Text(table) +
					" AND table_schema = " + engine.Text(schema(prefix)) + " ORDER BY ordinal_position"
			},
			SameTypes: [][]string{{"integer", "int"}, {"decimal", "numeric"}, {"double", "double precision"}, {"boolean", "bool", "tinyint"}},
			Tables: func(_ *engine.Source, include, exclude []string) string {
				where := place("table_schema")
				if like := engine.Like("table_name", include, exclude); like != "" {
					where += " AND " + like
				}
				return "SELECT table_name FROM information_schema.tables WHERE " + where + " ORDER BY table_name"
			},
			RoundsAverage: true,
			Slices: func(ctx context.Context, c engine.Connection, _ *engine.Source, t engine.Sliceable) ([]string, error) {
				return cut(ctx, c, schema(t.Prefix), t)
			},
			Synonyms: map[string][]string{"text": {"varchar", "char"}, "varchar": {"text", "char"}},
		},
		Open: func(ctx context.Context) (engine.Connection, error) {
			connector, err := driver.NewConnector(config)
			if err != nil {
				return nil, err
			}
			return connect(ctx, connector)
		},
	}, nil
}

// cut makes slices of a table by its primary key, if that is one column of whole numbers.
func cut(ctx context.Context, c engine.Connection, schema string, t engine.Sliceable) ([]string, error) {
	place := " WHERE table_schema = " + engine.Text(schema) + " AND table_name = " + engine.Text(t.Table)
	rows, err := c.Query(ctx, "SELECT table_rows FROM information_schema.tables"+place, 1)
	if err != nil || len(rows.Rows) == 0 {
		return nil, err
	}
	if n, ok := rows.Rows[0][0].(int64); !ok || n < t.Least { // NULL of a view
		return nil, nil
	}
	keys, err := c.Query(ctx, "SELECT column_name, data_type FROM information_schema.columns"+place+" AND column_key = 'PRI'", 2)
	if err != nil {
		return nil, err
	}
	if len(keys.Rows) != 1 || !strings.HasSuffix(fmt.Sprint(keys.Rows[0][1]), "int") {
		return nil, errors.New("its primary key is not one column of whole numbers")
	}
	key := "`" + strings.ReplaceAll(fmt.Sprint(keys.Rows[0][0]), "`", "``") + "`"
	ends, err := c.Query(ctx, "SELECT MIN("+key+"), MAX("+key+") FROM "+t.From, 1)
	if err != nil {
		return nil, err
	}
	least, ok1 := ends.Rows[0][0].(int64)
	greatest, ok2 := ends.Rows[0][1].(int64)
	if !ok1 || !ok2 {
		return nil, nil
	}
	return engine.Ranges(key, least, greatest, t.Count, "%d"), nil
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
