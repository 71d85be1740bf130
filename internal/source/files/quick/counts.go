package quick

import (
	"cmp"
	"context"
	"encoding/binary"
	"hash/maphash"
	"math"
	"runtime"
	"slices"

	"github.com/sodalite-dq/sodalite/internal/source/files/column"
)

// grouped answers a query that counts the rows of groups: a table with a row for each group, and the count as its column.
func (q *query) grouped(ctx context.Context, tables func(string) (*column.Table, error)) (*column.Table, error) {
	t, err := q.source(ctx, tables)
	if err != nil {
		return nil, err
	}
	var where *node
	var keys []*node
	name := ""
	err = attempt(func() {
		if q.join != nil || len(q.group) == 0 || !q.counts() || q.items[0].name == "" {
			unsupported()
		}
		name = q.items[0].name
		if q.where != nil {
			where = asBools(compile(q.where, t))
		}
		for _, g := range q.group {
			keys = append(keys, compile(columnx{name: g}, t))
		}
	})
	if err != nil {
		return nil, err
	}
	counts, err := countGroups(ctx, t, where, keys)
	if err != nil {
		return nil, err
	}
	columns := []column.Column{{Name: name, Type: column.Integer}}
	return &column.Table{Columns: columns, Chunks: []*column.Chunk{column.NewChunk(len(counts), columns, []*column.Vector{{Ints: counts}})}}, nil
}

// counts tells whether rows are counted, and nothing else is selected.
func (q *query) counts() bool {
	if len(q.items) != 1 {
		return false
	}
	c, ok := q.items[0].x.(call)
	return ok && c.name == "count" && c.star
}

func countGroups(ctx context.Context, t *scope, where *node, keys []*node) ([]int64, error) {
	if len(keys) > 1 {
		return count(ctx, t, where, keys, tuples, tally)
	}
	switch keys[0].kind {
	case ints:
		return count(ctx, t, where, keys, intKeys, runs)
	case floats:
		return count(ctx, t, where, keys, floatKeys, runs)
	}
	return count(ctx, t, where, keys, textKeys, tally)
}

// count counts the rows of each group.
func count[K comparable](ctx context.Context, t *scope, where *node, keys []*node, keysOf func([]*vec, int) []K, counted func(parts [][]K) []int64) ([]int64, error) {
	parts, nulls, err := split(ctx, t, where, keys, keysOf, maphash.MakeSeed())
	if err != nil {
		return nil, err
	}
	counts := make([][]int64, len(parts))
	err = each(ctx, len(parts), func(i int) { counts[i] = counted(parts[i]) })
	out := slices.Concat(counts...)
	if nulls > 0 {
		out = append(out, nulls)
	}
	return out, err
}

// split tells the keys of rows apart by their hash, for each part to be counted by one processor. Each part is in pieces. Where
// there is one key, NULLs are only counted.
func split[K comparable](ctx context.Context, t *scope, where *node, keys []*node, keysOf func([]*vec, int) []K, seed maphash.Seed) ([][][]K, int64, error) {
	n := runtime.GOMAXPROCS(0)
	pieces := make([][][]K, len(t.Chunks))
	nulls := make([]int64, len(t.Chunks))
	err := each(ctx, len(t.Chunks), func(i int) {
		b := t.batch(t.Chunks[i])
		keep, vectors := kept(where, b), evaluated(keys, b)
		pieces[i] = make([][]K, n)
		for row, v := range keysOf(vectors, b.rows) {
			switch {
			case keep != nil && !keep[row]:
			case len(keys) == 1 && vectors[0].null != nil && vectors[0].null[row]:
				nulls[i]++
			default:
				at := maphash.Comparable(seed, v) % uint64(n)
				pieces[i][at] = append(pieces[i][at], v)
			}
		}
	})
	parts, all := make([][][]K, n), int64(0)
	for i, piece := range pieces {
		for at := range piece {
			parts[at] = append(parts[at], piece[at])
		}
		all += nulls[i]
	}
	return parts, all, err
}

func evaluated(nodes []*node, b *batch) []*vec {
	out := make([]*vec, len(nodes))
	for i, n := range nodes {
		out[i] = n.eval(b)
	}
	return out
}

// Keys of rows: of one column, or of several.

func intKeys(v []*vec, _ int) []int64   { return v[0].ints }
func textKeys(v []*vec, _ int) []string { return v[0].texts }

func floatKeys(v []*vec, _ int) []uint64 {
	out := make([]uint64, len(v[0].floats))
	for i, x := range v[0].floats {
		out[i] = math.Float64bits(x + 0) // -0 is 0
	}
	return out
}

// tuples are keys of several columns, each as a text that no other tuple has.
func tuples(vectors []*vec, rows int) []string {
	var all []byte
	ends := make([]int, rows)
	for i := range ends {
		for _, v := range vectors {
			switch {
			case v.null != nil && v.null[i]:
				all = append(all, 0)
			case v.ints != nil:
				all = binary.LittleEndian.AppendUint64(append(all, 1), uint64(v.ints[i]))
			case v.floats != nil:
				all = binary.LittleEndian.AppendUint64(append(all, 2), math.Float64bits(v.floats[i]+0))
			default:
				all = append(binary.AppendUvarint(append(all, 3), uint64(len(v.texts[i]))), v.texts[i]...)
			}
		}
		ends[i] = len(all)
	}
	out, text, begin := make([]string, rows), string(all), 0
	for i, end := range ends {
		out[i], begin = text[begin:end], end
	}
	return out
}

// runs counts how often each number is there, by sorting them, which takes no room.
func runs[K cmp.Ordered](parts [][]K) []int64 {
	var counts []int64
	all := slices.Concat(parts...)
	slices.Sort(all)
	for i, v := range all {
		if i == 0 || v != all[i-1] {
			counts = append(counts, 0)
		}
		counts[len(counts)-1]++
	}
	return counts
}

// tally counts how often each text is there.
func tally(parts [][]string) []int64 {
	var counts []int64
	at := map[string]int32{}
	for _, part := range parts {
		for _, v := range part {
			i, ok := at[v]
			if !ok {
				i = int32(len(counts))
				at[v] = i
				counts = append(counts, 0)
			}
			counts[i]++
		}
	}
	return counts
}
