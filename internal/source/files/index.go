package files

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync"

	"modernc.org/sqlite/vtab"

	"github.com/sodalite-dq/sodalite/internal/source/files/column"
)

// indexes are what joins have asked for of one dataset. Without them a join reads the whole table for each row of the other:
// SQLite makes indexes of its own only for tables that it stores itself.
type indexes struct {
	table *column.Table
	mu    sync.Mutex
	byKey map[string]*index
	held  map[int][]*column.Vector // columns, by chunk
}

func newIndexes(t *column.Table) *indexes {
	return &indexes{table: t, byKey: map[string]*index{}, held: map[int][]*column.Vector{}}
}

// column gives a column's vectors of all chunks, which rows in no order are taken from.
func (x *indexes) column(i int) ([]*column.Vector, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.held[i] == nil {
		all := make([]*column.Vector, len(x.table.Chunks))
		for at, chunk := range x.table.Chunks {
			v, err := chunk.Vectors(i)
			if err != nil {
				return nil, err
			}
			all[at] = v[0]
		}
		x.held[i] = all
	}
	return x.held[i], nil
}

// by gives the index by some columns, making it first if nobody has asked before.
func (x *indexes) by(columns []int) (*index, error) {
	vectors := make([][]*column.Vector, len(columns))
	for i, c := range columns {
		var err error
		if vectors[i], err = x.column(c); err != nil {
			return nil, err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	key := keyOf(columns)
	if x.byKey[key] == nil {
		x.byKey[key] = newIndex(x.table, vectors)
	}
	return x.byKey[key], nil
}

// keyOf and columnsOf write columns as SQLite hands them from the plan to the cursor.
func keyOf(columns []int) string {
	var words []string
	for _, c := range columns {
		words = append(words, strconv.Itoa(c))
	}
	return strings.Join(words, ",")
}

func columnsOf(key string) ([]int, error) {
	var out []int
	for word := range strings.SplitSeq(key, ",") {
		c, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// equalities are the columns whose value the plan knows when it comes to this table, and asks SQLite to hand over in that order.
func equalities(info *vtab.IndexInfo) []int {
	var columns []int
	for i := range info.Constraints {
		c := &info.Constraints[i]
		if c.Usable && c.Op == vtab.OpEQ && c.Column >= 0 && !slices.Contains(columns, c.Column) {
			c.ArgIndex = len(columns)
			columns = append(columns, c.Column)
		}
	}
	return columns
}

// index finds rows by the values of some columns. It may find rows that do not match, and SQLite compares all again, but it
// never misses one. Rows with NULL in one of the columns equal nothing, and are not in it.
type index struct {
	starts []int    // the first row of each chunk
	heads  []uint32 // the first row of each hash; rows are counted from 1 on, 0 is none
	next   []uint32 // the next row with the same hash
}

func newIndex(t *column.Table, vectors [][]*column.Vector) *index {
	x := &index{}
	rows := 0
	for _, c := range t.Chunks {
		x.starts = append(x.starts, rows)
		rows += c.Rows
	}
	x.heads, x.next = make([]uint32, 1<<bits.Len(uint(rows))), make([]uint32, rows)
	key := make([]vtab.Value, len(vectors))
	for chunk := len(t.Chunks) - 1; chunk >= 0; chunk-- { // backwards, so that chains go forwards
		for row := t.Chunks[chunk].Rows - 1; row >= 0; row-- {
			for i, v := range vectors {
				key[i] = valueAt(v[chunk], row)
			}
			if slices.Contains(key, nil) {
				continue
			}
			at := x.bucket(key)
			n := x.starts[chunk] + row
			x.next[n], x.heads[at] = x.heads[at], uint32(n+1)
		}
	}
	return x
}

// place is the chunk of a row, and the row in it.
func (x *index) place(row uint32) (int, int) {
	n := int(row) - 1
	chunk, found := slices.BinarySearch(x.starts, n)
	if !found {
		chunk--
	}
	return chunk, n - x.starts[chunk]
}

var seed = maphash.MakeSeed()

// bucket is where values are that SQLite may hold equal: 1, 1.0 and "1" together, as are texts that differ in case or in spaces
// at their end, which a statement may ask to overlook.
func (x *index) bucket(key []vtab.Value) int {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, v := range key {
		switch v := v.(type) {
		case int64:
			writeNumber(&h, float64(v))
		case float64:
			writeNumber(&h, v)
		case string:
			if n, ok := numeric(v); ok {
				writeNumber(&h, n)
				continue
			}
			writeText(&h, v)
		}
	}
	return int(h.Sum64() & uint64(len(x.heads)-1))
}

func writeNumber(h *maphash.Hash, n float64) {
	var b [9]byte
	binary.LittleEndian.PutUint64(b[1:], math.Float64bits(n+0)) // -0 is 0
	_, _ = h.Write(b[:])
}

func writeText(h *maphash.Hash, s string) {
	s = strings.TrimRight(s, " ")
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		_ = h.WriteByte(c)
	}
	_ = h.WriteByte(0xff) // in no text: it is the end
}

// numeric reads a text that SQLite may take for a number.
func numeric(s string) (float64, bool) {
	s = strings.Trim(s, " \t\n\v\f\r")
	if s == "" || !strings.ContainsRune("+-.0123456789", rune(s[0])) {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(n, 0) {
		return 0, false
	}
	return n, n == n
}

// finds tells whether rows that equal a value in a column of the type are where the index looks for it. Numbers with a fraction
// are written as text by rules of SQLite's own.
func finds(t column.Type, v vtab.Value) bool {
	switch v.(type) {
	case int64:
		return true
	case float64:
		return t == column.Boolean || t == column.Integer || t == column.Double
	case string:
		return t != column.Double
	}
	return false
}

// valueAt is a vector's value in a row, as SQLite takes it.
func valueAt(v *column.Vector, row int) vtab.Value {
	switch {
	case v.Null != nil && v.Null[row]:
		return nil
	case v.Ints != nil:
		return v.Ints[row]
	case v.Floats != nil:
		return v.Floats[row]
	}
	return v.Texts[row]
}
