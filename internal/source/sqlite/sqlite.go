// Package sqlite is a SQLite file as a data source, opened for reading only.
package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"database/sql/driver"

	sqlite3 "modernc.org/sqlite"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
)

// register adds REGEXP, which SQLite has as an operator without a function. Patterns are Go's (RE2).
var register = sync.OnceValue(func() error {
	var compiled sync.Map
	return sqlite3.RegisterDeterministicScalarFunction("regexp", 2, func(_ *sqlite3.FunctionContext, args []driver.Value) (driver.Value, error) {
		pattern, ok1 := args[0].(string)
		text, ok2 := args[1].(string)
		if !ok1 || !ok2 {
			return nil, nil
		}
		re, ok := compiled.Load(pattern)
		if !ok {
			r, err := regexp.Compile(pattern)
			if err != nil {
				return nil, err
			}
			re, _ = compiled.LoadOrStore(pattern, r)
		}
		return re.(*regexp.Regexp).MatchString(text), nil
	})
})

// New makes a SQLite source. Setting: path (required).
func New(s *source.Settings) (*engine.Source, error) {
	path, err := s.Required("path")
	if err != nil {
		return nil, err
	}
	return &engine.Source{
		Name: s.Name, Type: s.Type,
		Dialect: &engine.Dialect{
			Name: "sqlite", Quote: `"`, Fold: func(s string) string { return s }, MaxItems: 500,
			Regex:      func(x, pattern string) string { return x + " REGEXP " + pattern },
			NumberType: "REAL",
			Columns: func(_ *engine.Source, table string) string {
				return "SELECT name, lower(type) FROM pragma_table_info(" + engine.Text(strings.Trim(table, `"`)) + ") ORDER BY cid"
			},
			Tables: func(_ *engine.Source, include, exclude []string) string {
				where := "type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
				if like := engine.Like("name", include, exclude); like != "" {
					where += " AND " + like
				}
				return "SELECT name FROM sqlite_master WHERE " + where + " ORDER BY name"
			},
		},
		Open: func(ctx context.Context) (engine.Connection, error) {
			if err := register(); err != nil {
				return nil, err
			}
			if _, err := os.Stat(path); err != nil {
				return nil, fmt.Errorf("the database file %s cannot be read: %w", path, err)
			}
			db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro")
			if err != nil {
				return nil, err
			}
			return source.SQL(ctx, db, convert)
		},
	}, nil
}

// convert reads times, which SQLite keeps as text, of columns that are declared to hold them.
func convert(column *sql.ColumnType, v any) any {
	text, ok := v.(string)
	if !ok {
		return v
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return engine.Date{Time: t}
	}
	for _, layout := range []string{"2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", time.RFC3339Nano} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	return v
}
