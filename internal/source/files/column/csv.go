package column

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"strings"
	"sync"
)

// CSV says how a CSV file is written (RFC 4180). Zero values mean what is usual.
type CSV struct {
	// Delimiter is told from the first line if 0: the most frequent of comma, semicolon, tab and bar.
	Delimiter byte
	// NoHeader: the first line is data; columns are named column0, column1 …
	NoHeader bool
	// Null is a text that means NULL, beside the empty one.
	Null string
}

// OpenCSV reads a CSV file once, for what columns it has, their types, and its number of rows, and keeps nothing else. Values
// are read again when they are asked for, so the file must stay as it is: a change is an error then. A mistake in the file is
// an error with the line.
func OpenCSV(ctx context.Context, r io.ReaderAt, size int64, o CSV) (*Table, error) {
	return openCSV(ctx, r, size, o, blockSize)
}

func openCSV(ctx context.Context, r io.ReaderAt, size int64, o CSV, blockSize int) (*Table, error) {
	f := &csvFile{csvForm: csvForm{CSV: o}, from: r, size: size, blockSize: blockSize, seed: maphash.MakeSeed(), rooms: sync.Pool{New: func() any { return &scratch{} }}}
	start, err := f.open()
	if err != nil {
		return nil, err
	}
	blocks, err := f.look(ctx, start)
	if err != nil {
		return nil, err
	}
	t := &Table{Columns: f.columns}
	for _, b := range blocks {
		for i, kind := range b.types {
			t.Columns[i].Type = join(t.Columns[i].Type, kind)
		}
	}
	for i := range t.Columns {
		if t.Columns[i].Type == Unknown {
			t.Columns[i].Type = Text
		}
	}
	types := typesOf(t.Columns)
	for _, b := range blocks {
		if n := len(b.rows); n > 0 {
			t.Chunks = append(t.Chunks, &Chunk{Rows: n, types: types, load: func(columns []int, types []Type) ([]*Vector, error) {
				return f.values(b, columns, types)
			}})
		}
	}
	return t, nil
}

type csvFile struct {
	csvForm
	from      io.ReaderAt
	size      int64
	blockSize int
	columns   []Column
	seed      maphash.Seed
	rooms     sync.Pool // of scratch
}

// open reads the header, and gives the offset of the data.
func (f *csvFile) open() (start int64, err error) {
	data, err := f.cut(0, nil)
	if err != nil {
		return 0, err
	}
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		data, start = data[3:], 3
	}
	if f.Delimiter == 0 {
		f.Delimiter = delimiterOf(data)
	}
	f.prepare()
	at, first, after := start, []field(nil), 0
	for {
		if first, after, err = f.record(data, 0, nil, math.MaxInt); err != nil {
			return 0, f.mistake(at, 0, err)
		}
		if len(first) > 0 {
			break
		}
		if at += int64(len(data)); at == f.size {
			return 0, errors.New("the file is empty: not even a header is there")
		}
		if data, err = f.cut(at, data); err != nil { // it was blank lines only
			return 0, err
		}
	}
	names := make([]string, len(first))
	for i, name := range first {
		if names[i] = strings.Clone(name.text(data)); f.NoHeader {
			names[i] = fmt.Sprintf("column%d", i)
		}
	}
	if !f.NoHeader {
		start = at + int64(after)
	}
	f.columns, f.single = unique(names), len(names) == 1
	return start, nil
}

// unique names columns that have none, or the name of another, as DuckDB does.
func unique(names []string) []Column {
	columns := make([]Column, len(names))
	seen := map[string]bool{}
	for i, name := range names {
		if name == "" {
			name = fmt.Sprintf("column%d", i)
		}
		for n, base := 1, name; seen[strings.ToLower(name)]; n++ {
			name = fmt.Sprintf("%s_%d", base, n)
		}
		seen[strings.ToLower(name)] = true
		columns[i].Name = name
	}
	return columns
}

func delimiterOf(data []byte) byte {
	line := data[:min(len(data), 64<<10)]
	best, most := byte(','), 0
	for _, d := range []byte{',', ';', '\t', '|'} {
		n, quoted := 0, false
		for _, c := range line {
			if c == '"' {
				quoted = !quoted
			} else if c == '\n' && !quoted {
				break
			} else if c == d && !quoted {
				n++
			}
		}
		if n > most {
			best, most = d, n
		}
	}
	return best
}
