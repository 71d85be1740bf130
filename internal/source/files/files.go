// Package files is data files as a data source: CSV, Parquet and JSON lines, on this machine or in S3, without a database.
//
// It owns where the files are, and which of them are a dataset. Package column reads them; package quick answers most
// statements that checks are made of, and SQLite all others, over the same columns.
package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/source/files/column"
	"github.com/sodalite-dq/sodalite/internal/source/files/quick"
	"github.com/sodalite-dq/sodalite/internal/source/sqlite"
)

// defaultMaxSize is how many bytes a dataset's files may have if nothing is set.
const defaultMaxSize = 1 << 30

// New makes a source of files. Settings: path (a file, folder or pattern, each file is a dataset), tables (names of datasets
// with the file or pattern of files of each), delimiter, header (true), null, max_size (bytes of a dataset), and for s3:// those
// of package awsconfig.
func New(s *source.Settings) (*engine.Source, error) {
	o, err := readOptions(s)
	if err != nil {
		return nil, err
	}
	d := sqlite.Dialect()
	d.Name, d.Columns, d.Tables = "files", describe, show
	d.Synonyms = map[string][]string{
		"varchar": {"character varying", "text", "string"}, "double": {"double precision", "decimal", "numeric", "float"}, "bigint": {"integer", "int"},
		"timestamp": {"timestamp without time zone"}, "timestamp with time zone": {"timestamptz"},
	}
	return &engine.Source{
		Name: s.Name, Type: s.Type, Dialect: d,
		Open: func(ctx context.Context) (engine.Connection, error) { return open(ctx, o) },
	}, nil
}

// options are the settings, checked.
type options struct {
	settings *source.Settings
	path     string
	tables   map[string]string
	csv      column.CSV
	maxSize  int64
}

func readOptions(s *source.Settings) (options, error) {
	o := options{settings: s, path: s.Text("path", ""), tables: s.Group("tables"), csv: column.CSV{Null: s.Text("null", "")}, maxSize: defaultMaxSize}
	if o.path == "" && len(o.tables) == 0 {
		return o, s.Errorf("data source %s (%s) needs \"path\", a file, folder or pattern such as data/*.csv, or \"tables\"", s.Name, s.Type)
	}
	switch d := s.Text("delimiter", ""); {
	case d == `\t`:
		o.csv.Delimiter = '\t'
	case len(d) == 1 && d[0] != '"' && d[0] != '\n' && d[0] != '\r':
		o.csv.Delimiter = d[0]
	case d != "":
		return o, s.Errorf("data source %s: delimiter %q is not one character", s.Name, d)
	}
	header, err := strconv.ParseBool(strings.ToLower(s.Text("header", "true")))
	if err != nil {
		return o, s.Errorf("data source %s: header %q is neither true nor false", s.Name, s.Text("header", ""))
	}
	o.csv.NoHeader = !header
	if text := s.Text("max_size", ""); text != "" {
		n, err := humanize.ParseBytes(text)
		if err != nil || n == 0 || n > 1<<50 {
			return o, s.Errorf("data source %s: max_size %q is no size, such as 500 MB", s.Name, text)
		}
		o.maxSize = int64(n)
	} else if mb, err := strconv.ParseInt(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 64); err == nil {
		o.maxSize = min(o.maxSize, mb<<20/4) // what is read takes up to three times its size
	}
	return o, nil
}

// describe and show ask for the catalogue. They are no SQL; the connection knows them.
func describe(_ *engine.Source, table string) string {
	return describing + quoted(strings.Trim(table, `"`))
}

func show(_ *engine.Source, include, exclude []string) string {
	like := engine.Like("name", include, exclude)
	if like == "" {
		like = "1 = 1"
	}
	return showing + like
}

const (
	describing = "DESCRIBE "
	showing    = "SHOW TABLES WHERE "
)

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// connection is the datasets, read when a statement first asks for them.
type connection struct {
	options
	datasets []*dataset
	place    place
	any      *anySQL
}

// dataset is a table, and the files whose rows it has.
type dataset struct {
	name    string
	files   []file
	mu      sync.Mutex // of what follows
	table   *column.Table
	indexes *indexes // of table
	err     error
	close   []func() error
}

func open(ctx context.Context, o options) (engine.Connection, error) {
	c := &connection{options: o}
	var err error
	if c.place, err = placeOf(ctx, o); err != nil {
		return nil, err
	}
	if c.datasets, err = locate(ctx, c.place, o); err != nil {
		return nil, err
	}
	c.any = newAnySQL(c)
	return c, nil
}

// Close ends the use of all files.
func (c *connection) Close() error {
	err := c.any.close()
	for _, d := range c.datasets {
		for _, f := range d.close {
			err = errors.Join(err, f())
		}
	}
	return err
}

// find gives the dataset of a name, in any case; nil if there is none.
func (c *connection) find(name string) *dataset {
	for _, d := range c.datasets {
		if strings.EqualFold(d.name, name) {
			return d
		}
	}
	return nil
}

// lookup reads the table of a name, nil if there is none.
func (c *connection) lookup(ctx context.Context) func(string) (*column.Table, error) {
	return func(name string) (*column.Table, error) {
		if d := c.find(name); d != nil {
			return c.load(ctx, d)
		}
		return nil, nil
	}
}

// Query implements [engine.Connection].
func (c *connection) Query(ctx context.Context, sql string, keep int) (*engine.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if name, ok := strings.CutPrefix(sql, describing); ok {
		return c.columns(ctx, strings.ReplaceAll(strings.Trim(name, `"`), `""`, `"`))
	}
	if condition, ok := strings.CutPrefix(sql, showing); ok {
		return c.names(condition, keep)
	}
	for _, answer := range []func(context.Context, string, int) (*engine.Rows, error){c.quick, c.divided} {
		if out, err := answer(ctx, sql, keep); !errors.Is(err, quick.ErrUnsupported) {
			return out, err
		}
	}
	return c.any.query(ctx, sql, keep)
}

// divided answers some items of a statement from columns and the others by SQLite, each part with one row.
func (c *connection) divided(ctx context.Context, sql string, keep int) (*engine.Rows, error) {
	d, err := quick.Divide(sql, c.lookup(ctx))
	if err != nil {
		return nil, err
	}
	own, err := c.quick(ctx, d.Own, 1)
	if err != nil {
		return nil, err
	}
	other, err := c.any.query(ctx, d.Other, 1)
	if err != nil {
		return nil, err
	}
	out, row := &engine.Rows{Count: 1}, []any(nil)
	for i, at := range d.Places {
		from := own
		if !d.IsOwn[i] {
			from = other
		}
		out.Columns, row = append(out.Columns, from.Columns[at]), append(row, from.Rows[0][at])
	}
	if keep > 0 {
		out.Rows = [][]any{row}
	}
	return out, nil
}

// quick answers from columns.
func (c *connection) quick(ctx context.Context, sql string, keep int) (*engine.Rows, error) {
	r, err := quick.Run(ctx, sql, c.lookup(ctx))
	if err != nil {
		return nil, err
	}
	out := &engine.Rows{Count: int64(len(r.Rows))}
	for i, name := range r.Names {
		out.Columns = append(out.Columns, dq.Column{Name: name, Type: string(r.Types[i])})
	}
	for _, row := range r.Rows[:min(keep, len(r.Rows))] {
		for i, v := range row {
			row[i] = value(v, r.Types[i])
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

// value makes the engine's value of one that is kept in a column.
func value(v any, t column.Type) any {
	text, ok := v.(string)
	if !ok {
		return v
	}
	layout := ""
	switch t {
	case column.Date:
		layout = time.DateOnly
	case column.Timestamp:
		layout = "2006-01-02 15:04:05.999999"
	case column.TimestampZone:
		layout = "2006-01-02 15:04:05.999999Z07:00"
	default:
		return v
	}
	at, err := time.Parse(layout, text)
	switch {
	case err != nil:
		return v
	case t == column.Date:
		return engine.Date{Time: at}
	}
	return at
}

func (c *connection) columns(ctx context.Context, name string) (*engine.Rows, error) {
	out := &engine.Rows{Columns: []dq.Column{{Name: "column_name", Type: "varchar"}, {Name: "data_type", Type: "varchar"}}}
	d := c.find(name)
	if d == nil {
		return out, nil
	}
	t, err := c.load(ctx, d)
	if err != nil {
		return nil, err
	}
	for _, column := range t.Columns {
		out.Rows = append(out.Rows, []any{column.Name, string(column.Type)})
	}
	out.Count = int64(len(out.Rows))
	return out, nil
}

func (c *connection) names(condition string, keep int) (*engine.Rows, error) {
	var all []string
	for _, d := range c.datasets {
		all = append(all, d.name)
	}
	slices.Sort(all)
	names, err := quick.Matching(all, condition)
	if err != nil {
		return nil, fmt.Errorf("the names of datasets cannot be compared: %w", err)
	}
	out := &engine.Rows{Columns: []dq.Column{{Name: "table_name", Type: "varchar"}}, Count: int64(len(names))}
	for _, name := range names[:min(keep, len(names))] {
		out.Rows = append(out.Rows, []any{name})
	}
	return out, nil
}
