// Package sqlite is a SQLite file as a data source, opened for reading only. It also owns the dialect of SQLite, and the
// functions that are added to it, which package files uses.
package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
)

// New makes a SQLite source. Setting: path (required).
func New(s *source.Settings) (*engine.Source, error) {
	path, err := s.Required("path")
	if err != nil {
		return nil, err
	}
	d := Dialect()
	d.Slices = cut
	return &engine.Source{
		Name: s.Name, Type: s.Type, Dialect: d,
		Open: func(ctx context.Context) (engine.Connection, error) {
			if err := Register(); err != nil {
				return nil, err
			}
			info, err := os.Stat(path)
			if err == nil && info.IsDir() {
				err = fmt.Errorf("it is a folder")
			}
			if err != nil {
				return nil, fmt.Errorf("the database file %s cannot be read: %w", path, err)
			}
			db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro")
			if err != nil {
				return nil, err
			}
			if _, err := db.ExecContext(ctx, "SELECT 1 FROM sqlite_master"); err != nil { // a ping reads nothing
				_ = db.Close() // the error that counts is the first
				return nil, err
			}
			return source.SQL(ctx, db, Convert)
		},
	}, nil
}

// Dialect is that of SQLite with the functions of [Register].
func Dialect() *engine.Dialect {
	return &engine.Dialect{
		Name: "sqlite", Quote: `"`, Fold: func(s string) string { return s }, MaxItems: 500,
		Regex:      func(x, pattern string) string { return x + " REGEXP " + pattern },
		Deviation:  true,
		Percentile: func(x, fraction string) string { return "PERCENTILE_DISC(" + x + ", " + fraction + ")" },
		NumberType: "REAL",
		Columns: func(_ *engine.Source, table string) string {
			return "SELECT name, lower(type) FROM pragma_table_info(" + engine.Text(strings.Trim(table, `"`)) + ") ORDER BY cid"
		},
		Types: func(_ *engine.Source, prefix []string, table string) string {
			list := engine.Text(table)
			if n := len(prefix); n > 0 {
				list += ", " + engine.Text(prefix[n-1])
			}
			return "SELECT name, lower(type) FROM pragma_table_info(" + list + ") ORDER BY cid"
		},
		SameTypes: [][]string{{"integer", "int", "bigint"}, {"text", "varchar", "character varying"}, {"decimal", "numeric"}, {"real", "float", "double", "double precision"}},
		Tables: func(_ *engine.Source, include, exclude []string) string {
			where := "type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
			if like := engine.Like("name", include, exclude); like != "" {
				where += " AND " + like
			}
			return "SELECT name FROM sqlite_master WHERE " + where + " ORDER BY name"
		},
	}
}

// cut makes slices of a table by its row ids. A view, or a table without them, has none.
func cut(ctx context.Context, c engine.Connection, _ *engine.Source, t engine.Sliceable) ([]string, error) {
	rows, err := c.Query(ctx, "SELECT (SELECT MIN(rowid) FROM "+t.From+"), (SELECT MAX(rowid) FROM "+t.From+")", 1) // one by one they read no rows
	if err != nil {
		return nil, err
	}
	least, ok1 := rows.Rows[0][0].(int64)
	greatest, ok2 := rows.Rows[0][1].(int64)
	if !ok1 || !ok2 || greatest-least < t.Least {
		return nil, nil
	}
	return engine.Ranges("rowid", least, greatest, t.Count, "%d"), nil
}

// layouts of times that SQLite keeps as text.
var layouts = []string{"2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", time.RFC3339Nano}

// Convert reads times, which SQLite keeps as text.
func Convert(_ *sql.ColumnType, v any) any {
	text, ok := v.(string)
	if !ok || len(text) < len(time.DateOnly) || text[4] != '-' {
		return v
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return engine.Date{Time: t}
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	return v
}
