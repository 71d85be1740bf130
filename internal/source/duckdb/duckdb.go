//go:build duckdb

// Package duckdb is DuckDB as a data source: a database file, opened for reading only, or files that DuckDB reads itself (CSV,
// Parquet, JSON), each as a table named by its file.
//
// It needs cgo and links a library of some 50 MB, so it is built only with the tag duckdb. Without it, package files reads
// the same files, more slowly.
package duckdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	duck "github.com/duckdb/duckdb-go/v2"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
)

// attached is the name under which a database file is attached.
const attached = "source"

// New makes a DuckDB source. Settings: path (required: a database, a file or pattern of files, or ":memory:"), schema,
// configuration (DuckDB's own settings by name).
func New(s *source.Settings) (*engine.Source, error) {
	path, err := s.Required("path")
	if err != nil {
		return nil, err
	}
	return &engine.Source{
		Name: s.Name, Type: s.Type, Schema: s.Text("schema", ""), Dialect: dialect(),
		Open: func(ctx context.Context) (engine.Connection, error) {
			return open(ctx, path, s.Text("schema", ""), s.Group("configuration"))
		},
	}, nil
}

func dialect() *engine.Dialect {
	return &engine.Dialect{
		Name: "duckdb", Quote: `"`, Fold: func(s string) string { return s }, MaxItems: 500,
		Regex:     func(x, pattern string) string { return "REGEXP_MATCHES(" + x + ", " + pattern + ")" },
		Deviation: true, Derive: true,
		Percentile: func(x, fraction string) string {
			return "PERCENTILE_DISC(" + fraction + ") WITHIN GROUP (ORDER BY " + x + ")"
		},
		NumberType: "DOUBLE", RegexReplaceAll: ", 'g'",
		Columns: func(s *engine.Source, table string) string {
			return "SELECT column_name, lower(data_type)\nFROM information_schema.columns\nWHERE lower(table_name) = lower(" + engine.Text(strings.Trim(table, `"`)) +
				")" + place(s) + "\nORDER BY ordinal_position"
		},
		Tables: func(s *engine.Source, include, exclude []string) string {
			where := ""
			if like := engine.Like("table_name", include, exclude); like != "" {
				where = " AND " + like
			}
			return "SELECT table_name\nFROM information_schema.tables\nWHERE table_catalog = current_database()" + where + place(s)[len(catalog):] + "\nORDER BY table_name"
		},
		Synonyms: map[string][]string{
			"character varying": {"varchar"}, "double precision": {"double"}, "timestamp without time zone": {"timestamp"}, "decimal": {"decimal(18,3)"},
		},
	}
}

const catalog = " AND table_catalog = current_database()"

// place are the conditions that name the source's schema.
func place(s *engine.Source) string {
	if s.Schema == "" {
		return catalog
	}
	return catalog + " AND lower(table_schema) = lower(" + engine.Text(strings.Trim(s.Schema, `"`)) + ")"
}

// open runs DuckDB within the process. A database is attached rather than opened, so that its path may have any character.
func open(ctx context.Context, path, schema string, configuration map[string]string) (engine.Connection, error) {
	session := []string{"SET TimeZone = 'UTC'"}
	for name, value := range configuration {
		session = append(session, "SET "+identifier(name)+" = "+engine.Text(value))
	}
	statements, err := load(path, schema)
	if err != nil {
		return nil, err
	}
	connector, err := duck.NewConnector("", func(c driver.ExecerContext) error {
		return each(session, func(s string) error { _, err := c.ExecContext(context.Background(), s, nil); return err })
	})
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	if err := each(statements, func(s string) error { _, err := db.ExecContext(ctx, s); return err }); err != nil {
		_ = db.Close() // the error that counts is the first
		return nil, err
	}
	if n := len(statements); n > 1 {
		session = append(session, statements[n-1]) // what is attached is there for all connections, what is used is each one's own
	}
	return source.SQL(ctx, db, convert)
}

func each(statements []string, run func(string) error) error {
	for _, s := range statements {
		if err := run(s); err != nil {
			return err
		}
	}
	return nil
}

// load gives the statements that make the path's data readable; of a database the last says that it is used.
func load(path, schema string) ([]string, error) {
	if path == ":memory:" {
		return nil, nil
	}
	if reader, table := reader(path); reader != "" {
		return []string{"CREATE " + table + " " + identifier(tableName(path)) + " AS SELECT * FROM " + reader + "(" + engine.Text(path) + ")"}, nil
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("the database file %s cannot be read: %w", path, err)
	}
	use := "USE " + attached
	if schema != "" {
		use += "." + identifier(strings.Trim(schema, `"`))
	}
	return []string{"ATTACH " + engine.Text(path) + " AS " + attached + " (READ_ONLY)", use}, nil
}

// reader is DuckDB's function that reads files of that name, "" for databases. Text is parsed once, into a table; of Parquet
// each statement reads just what it needs.
func reader(path string) (function, keep string) {
	switch name := strings.TrimSuffix(strings.ToLower(path), ".gz"); filepath.Ext(name) {
	case ".csv", ".tsv":
		return "read_csv", "TABLE"
	case ".json", ".jsonl", ".ndjson":
		return "read_json", "TABLE"
	case ".parquet":
		return "read_parquet", "VIEW"
	}
	return "", ""
}

// tableName is the file's name without folder and extensions.
func tableName(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	return name
}

func identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func convert(column *sql.ColumnType, v any) any {
	switch v := v.(type) {
	case duck.Decimal:
		return v.Float64()
	case *big.Int:
		if v.IsInt64() {
			return v.Int64()
		}
		f, _ := new(big.Float).SetInt(v).Float64()
		return f
	case time.Time:
		if column.DatabaseTypeName() == "DATE" {
			return engine.Date{Time: v}
		}
	}
	return v
}
