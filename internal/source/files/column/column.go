// Package column reads data files (CSV, Parquet, JSON lines) into memory, by column.
//
// It owns the formats and what type a column has. Where the bytes come from is package files' business, what is asked of the
// columns package quick's.
package column

import (
	"runtime"
	"sync"
)

// Type is a column's type, in the words of DuckDB's catalogue.
type Type string

// Types. Dates and times are kept as text in ISO 8601 form, "2006-01-02", "2006-01-02 15:04:05.999999", and with a zone in UTC,
// "2006-01-02 15:04:05.999999+00:00", so that they compare as text.
const (
	Unknown       Type = "" // only NULLs so far
	Boolean       Type = "boolean"
	Integer       Type = "bigint"
	Double        Type = "double"
	Text          Type = "varchar"
	Date          Type = "date"
	Timestamp     Type = "timestamp"
	TimestampZone Type = "timestamp with time zone"
)

// Column is one column of a table.
type Column struct {
	Name string
	Type Type
}

// Vector is the values of one column in a chunk. One of the slices is filled: Ints of integers and booleans (0 and 1), Floats
// of doubles, Texts of all else. Null tells which are NULL; nil if none is.
type Vector struct {
	Ints   []int64
	Floats []float64
	Texts  []string
	Null   []bool
}

// Chunk is some rows of a table. It may be used by many at a time.
type Chunk struct {
	Rows    int
	mu      sync.Mutex
	vectors []*Vector
	load    func(column int) (*Vector, error)
}

// Vector gives a column's values, decoding them first if nobody has asked before.
func (c *Chunk) Vector(column int) (*Vector, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.vectors[column] == nil {
		v, err := c.load(column)
		if err != nil {
			return nil, err
		}
		c.vectors[column] = v
	}
	return c.vectors[column], nil
}

// Table is the rows of a data set, in one or more chunks.
type Table struct {
	Columns []Column
	Chunks  []*Chunk
}

// Rows counts all rows.
func (t *Table) Rows() int {
	n := 0
	for _, c := range t.Chunks {
		n += c.Rows
	}
	return n
}

// NewChunk makes a chunk of vectors that are there.
func NewChunk(rows int, vectors []*Vector) *Chunk { return &Chunk{Rows: rows, vectors: vectors} }

// Union puts tables of the same columns under each other, by name. A column that one of them lacks is NULL there.
func Union(tables []*Table) *Table {
	if len(tables) == 1 {
		return tables[0]
	}
	out := &Table{}
	at := map[string]int{}
	for _, t := range tables {
		for _, c := range t.Columns {
			i, ok := at[c.Name]
			if !ok {
				i = len(out.Columns)
				at[c.Name] = i
				out.Columns = append(out.Columns, c)
			}
			out.Columns[i].Type = join(out.Columns[i].Type, c.Type)
		}
	}
	for _, t := range tables {
		own := map[string]int{}
		for i, c := range t.Columns {
			own[c.Name] = i
		}
		for _, c := range t.Chunks {
			out.Chunks = append(out.Chunks, &Chunk{Rows: c.Rows, vectors: make([]*Vector, len(out.Columns)), load: func(i int) (*Vector, error) {
				from, ok := own[out.Columns[i].Name]
				if !ok {
					return nulls(c.Rows, out.Columns[i].Type), nil
				}
				v, err := c.Vector(from)
				if err != nil {
					return nil, err
				}
				return v.as(t.Columns[from].Type, out.Columns[i].Type), nil
			}})
		}
	}
	return out
}

// nulls is a vector of NULLs.
func nulls(rows int, t Type) *Vector {
	v := &Vector{Null: make([]bool, rows)}
	for i := range v.Null {
		v.Null[i] = true
	}
	switch t {
	case Integer, Boolean:
		v.Ints = make([]int64, rows)
	case Double:
		v.Floats = make([]float64, rows)
	default:
		v.Texts = make([]string, rows)
	}
	return v
}

// parallel runs work for 0 to n-1 on all processors, and gives the error of the lowest that failed.
func parallel(n int, work func(i int) error) error {
	errs := make([]error, n)
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := range next {
				errs[i] = work(i)
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
