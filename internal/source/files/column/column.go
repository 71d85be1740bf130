// Package column reads data files (CSV, Parquet, JSON lines) by column.
//
// It owns the formats, what type a column has, and what is in memory: columns of Parquet that were asked for, all of JSON, and of
// CSV what is being looked at. Where the bytes come from is package files' business, what is asked of the
// columns package quick's.
package column

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"sync"
	"unsafe"
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

// Chunk is some rows of a table. It may be used by many at a time.
type Chunk struct {
	Rows  int
	types []Type
	load  func(columns []int, types []Type) ([]*Vector, error)
}

// Vectors gives the values of some columns. Those of a CSV file are read from it each time, so ask for all that are needed at
// once, and keep none that are not needed any more.
func (c *Chunk) Vectors(columns ...int) ([]*Vector, error) {
	if len(columns) == 0 {
		return nil, nil
	}
	types := make([]Type, len(columns))
	for i, at := range columns {
		types[i] = c.types[at]
	}
	return c.load(columns, types)
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
func NewChunk(rows int, columns []Column, vectors []*Vector) *Chunk {
	return keeping(rows, columns, vectors, nil)
}

// keeping makes a chunk of vectors that are kept. Those that are nil are loaded when they are first asked for.
func keeping(rows int, columns []Column, vectors []*Vector, load func(column int) (*Vector, error)) *Chunk {
	c := &Chunk{Rows: rows, types: typesOf(columns)}
	var mu sync.Mutex
	c.load = func(columns []int, types []Type) ([]*Vector, error) {
		mu.Lock()
		defer mu.Unlock()
		out := make([]*Vector, len(columns))
		for i, at := range columns {
			if vectors[at] == nil {
				v, err := load(at)
				if err != nil {
					return nil, err
				}
				vectors[at] = v
			}
			out[i] = vectors[at].as(c.types[at], types[i])
		}
		return out, nil
	}
	return c
}

func typesOf(columns []Column) []Type {
	types := make([]Type, len(columns))
	for i, c := range columns {
		types[i] = c.Type
	}
	return types
}

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
		for _, c := range t.Chunks {
			out.Chunks = append(out.Chunks, c.among(t.Columns, out.Columns))
		}
	}
	return out
}

// among is the chunk of a table with these columns as one of a table with those, which are as wide at least.
func (c *Chunk) among(these, those []Column) *Chunk {
	own := map[string]int{}
	for i, c := range these {
		own[c.Name] = i
	}
	return &Chunk{Rows: c.Rows, types: typesOf(those), load: func(columns []int, types []Type) ([]*Vector, error) {
		out := make([]*Vector, len(columns))
		var at, from []int
		var wide []Type
		for i, column := range columns {
			if f, ok := own[those[column].Name]; ok {
				at, from, wide = append(at, i), append(from, f), append(wide, types[i])
			} else {
				out[i] = nulls(c.Rows, types[i])
			}
		}
		found, err := c.load(from, wide)
		for i, v := range found {
			out[at[i]] = v
		}
		return out, err
	}}
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

// view is bytes as a text without a copy, for as long as they do not change.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// atLine puts the line of an offset before an error.
func atLine(r io.ReaderAt, offset int64, err error) error {
	var lines lineCounter
	if _, err := io.Copy(&lines, io.NewSectionReader(r, 0, offset)); err != nil {
		return err
	}
	return fmt.Errorf("line %d: %w", lines+1, err)
}

type lineCounter int

func (c *lineCounter) Write(b []byte) (int, error) {
	*c += lineCounter(bytes.Count(b, []byte{'\n'}))
	return len(b), nil
}
