package files

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math"
	"regexp"
	"strings"

	sqlite3 "modernc.org/sqlite"
	"modernc.org/sqlite/vtab"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/source/files/column"
	"github.com/sodalite-dq/sodalite/internal/source/sqlite"
)

// module is the name of the kind of virtual tables that datasets are.
const module = "columns"

// anySQL answers all that SQLite understands, with the datasets as virtual tables.
type anySQL struct {
	c  *connection
	db *sql.DB
}

func newAnySQL(c *connection) *anySQL {
	d := &sqlite3.Driver{} // of its own, so that no two data sources share tables
	a := &anySQL{c: c, db: sql.OpenDB(connector{d})}
	for name, f := range sqlite.Functions() {
		d.MustRegisterFunction(name, f) // it fails for a name twice only
	}
	if err := d.RegisterModule(module, tables{a}); err != nil {
		panic(err) // as above
	}
	return a
}

// connector opens databases in memory. Text in double quotes that is no name is a mistake, and LIKE heeds case as elsewhere.
type connector struct{ driver *sqlite3.Driver }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	return c.driver.Open("file::memory:?_dqs=0&_pragma=case_sensitive_like(1)")
}

func (c connector) Driver() driver.Driver { return c.driver }

func (a *anySQL) close() error { return a.db.Close() }

// words are names and texts of a statement, any of which may be a dataset.
var words = regexp.MustCompile(`"(?:[^"]|"")*"|[\pL_][\pL\pN_$]*`)

func (a *anySQL) query(ctx context.Context, statement string, keep int) (*engine.Rows, error) {
	c, err := a.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close() // back into the pool
	for _, word := range words.FindAllString(statement, -1) {
		d := a.c.find(strings.ReplaceAll(strings.Trim(word, `"`), `""`, `"`))
		if d == nil {
			continue
		}
		t, err := a.c.load(ctx, d)
		if err != nil {
			return nil, err
		}
		if len(t.Columns) == 0 {
			return nil, fmt.Errorf("the dataset %s has no columns: its files are empty", d.name)
		}
		if _, err := c.ExecContext(ctx, "CREATE VIRTUAL TABLE IF NOT EXISTS "+quoted(d.name)+" USING "+module); err != nil {
			return nil, fmt.Errorf("the dataset %s: %w", d.name, err)
		}
	}
	return source.Query(ctx, c, statement, keep, convert)
}

// declared is a column's type for SQLite: times are kept, and compared, as text.
var declared = map[column.Type]string{
	column.Boolean: "BOOLEAN", column.Integer: "BIGINT", column.Double: "DOUBLE", column.Text: "VARCHAR",
	column.Date: "DATE_TEXT", column.Timestamp: "TIMESTAMP_TEXT", column.TimestampZone: "TIMESTAMPTZ_TEXT",
}

var undeclared = map[string]column.Type{"DATE_TEXT": column.Date, "TIMESTAMP_TEXT": column.Timestamp, "TIMESTAMPTZ_TEXT": column.TimestampZone}

// convert reads times: those of columns, and what has their form in columns that are calculated.
func convert(c *sql.ColumnType, v any) any {
	switch name := c.DatabaseTypeName(); {
	case undeclared[name] != "":
		return value(v, undeclared[name])
	case name != "":
		return v
	}
	return sqlite.Convert(c, v)
}

// tables makes virtual tables of datasets by their names.
type tables struct{ a *anySQL }

// Create implements [vtab.Module].
func (m tables) Create(ctx vtab.Context, args []string) (vtab.Table, error) {
	name := args[2]
	d := m.a.c.find(name)
	if d == nil || d.table == nil {
		return nil, fmt.Errorf("there is no dataset %s", name)
	}
	var columns []string
	for _, c := range d.table.Columns {
		columns = append(columns, quoted(c.Name)+" "+declared[c.Type])
	}
	return rows{d.table, d.indexes}, ctx.Declare("CREATE TABLE x(" + strings.Join(columns, ", ") + ")")
}

// Connect implements [vtab.Module].
func (m tables) Connect(ctx vtab.Context, args []string) (vtab.Table, error) {
	return m.Create(ctx, args)
}

// rows is a table read row by row.
type rows struct {
	table   *column.Table
	indexes *indexes
}

// costOfIndex is about how many rows are read for one value, beside the whole table.
const costOfIndex = 4

// BestIndex implements [vtab.Table]: statements read all rows, or with values to be equal to, those that an index finds.
func (r rows) BestIndex(info *vtab.IndexInfo) error {
	info.EstimatedRows = max(1, int64(r.table.Rows()))
	if columns := equalities(info); len(columns) > 0 && info.EstimatedRows < math.MaxUint32 {
		info.IdxStr, info.EstimatedRows = keyOf(columns), min(info.EstimatedRows, costOfIndex)
	}
	info.EstimatedCost = float64(info.EstimatedRows)
	return nil
}

// Open implements [vtab.Table].
func (r rows) Open() (vtab.Cursor, error) {
	return &cursor{rows: r, vectors: make([]*column.Vector, len(r.table.Columns))}, nil
}

// Disconnect implements [vtab.Table].
func (rows) Disconnect() error { return nil }

// Destroy implements [vtab.Table].
func (rows) Destroy() error { return nil }

// cursor is at a row of a chunk.
type cursor struct {
	rows
	chunk, row int
	read       int              // the chunk that the vectors are of
	vectors    []*column.Vector // those asked for
	// With an index, which of its rows is next, and the vectors of all chunks.
	index *index
	found uint32
	held  [][]*column.Vector
}

// Filter implements [vtab.Cursor].
func (c *cursor) Filter(_ int, key string, values []vtab.Value) error {
	c.index, c.chunk, c.row = nil, 0, 0
	if key == "" {
		return nil // all rows
	}
	columns, err := columnsOf(key)
	if err != nil {
		return err
	}
	for i, v := range values {
		if v == nil { // equal to nothing
			c.chunk = len(c.table.Chunks)
			return nil
		}
		if !finds(c.table.Columns[columns[i]].Type, v) {
			return nil // all rows
		}
	}
	if c.index, err = c.indexes.by(columns); err != nil {
		return err
	}
	if c.held == nil {
		c.held = make([][]*column.Vector, len(c.table.Columns))
	}
	c.move(c.index.heads[c.index.bucket(values)])
	return nil
}

// move goes to a row that the index has found.
func (c *cursor) move(row uint32) {
	if c.found = row; row != 0 {
		c.chunk, c.row = c.index.place(row)
	}
}

// Next implements [vtab.Cursor].
func (c *cursor) Next() error {
	if c.index != nil {
		c.move(c.index.next[c.found-1])
		return nil
	}
	if c.row++; c.row == c.table.Chunks[c.chunk].Rows {
		c.chunk, c.row = c.chunk+1, 0
	}
	return nil
}

// Eof implements [vtab.Cursor].
func (c *cursor) Eof() bool {
	if c.index != nil {
		return c.found == 0
	}
	return c.chunk >= len(c.table.Chunks)
}

// Column implements [vtab.Cursor].
func (c *cursor) Column(i int) (vtab.Value, error) {
	v, err := c.vector(i)
	if err != nil {
		return nil, err
	}
	return valueAt(v, c.row), nil
}

// vector gives a column of the chunk at hand.
func (c *cursor) vector(i int) (_ *column.Vector, err error) {
	if c.index != nil {
		if c.held[i] == nil {
			c.held[i], err = c.indexes.column(i)
		}
		if err != nil {
			return nil, err
		}
		return c.held[i][c.chunk], nil
	}
	if c.read != c.chunk || c.vectors[i] == nil {
		err = c.load(i)
	}
	return c.vectors[i], err
}

// load reads a column of the present chunk. What was asked for of the chunk before is read at once.
func (c *cursor) load(column int) error {
	wanted := []int{column}
	for i, v := range c.vectors {
		if v != nil && c.read != c.chunk && i != column {
			wanted = append(wanted, i)
		}
	}
	vectors, err := c.table.Chunks[c.chunk].Vectors(wanted...)
	if err != nil {
		return err
	}
	c.read = c.chunk
	for i, at := range wanted {
		c.vectors[at] = vectors[i]
	}
	return nil
}

// Rowid implements [vtab.Cursor].
func (c *cursor) Rowid() (int64, error) { return int64(c.chunk)<<32 | int64(c.row), nil }

// Close implements [vtab.Cursor].
func (c *cursor) Close() error { return nil }
