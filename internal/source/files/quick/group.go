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
	table, err := q.source(ctx, tables)
	if err != nil {
		return nil, err
	}
	t := &scope{Table: table}
	var where *node
	var keys []*node
	name := ""
	err = attempt(func() {
		c, ok := q.items[0].x.(call)
		if len(q.items) != 1 || len(q.group) == 0 || !ok || c.name != "count" || !c.star || q.items[0].name == "" {
			unsupported()
		}
		name = q.items[0].name
		if q.where != nil {
			where = asBools(compile(q.where, t))
		}
		for _, g := range q.group {
			keys = append(keys, compile(columnx{g}, t))
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

func countGroups(ctx context.Context, t *scope, where *node, keys []*node) ([]int64, error) {
	if len(keys) > 1 {
		return count(ctx, t, where, keys, tuples, tally)
	}
	switch keys[0].kind {
	case ints:
		return count(ctx, t, where, keys, func(v []*vec, _ int) []int64 { return v[0].ints }, runs)
	case floats:
		return count(ctx, t, where, keys, func(v []*vec, _ int) []uint64 {
			out := make([]uint64, len(v[0].floats))
			for i, x := range v[0].floats {
				out[i] = math.Float64bits(x + 0) // -0 is 0
			}
			return out
		}, runs)
	}
	return count(ctx, t, where, keys, func(v []*vec, _ int) []string { return v[0].texts }, tally)
}

// tuples are keys of several columns, each as a text that no other tuple has.
func tuples(vectors []*vec, rows int) []string {
	out := make([]string, rows)
	var b []byte
	for i := range out {
		b = b[:0]
		for _, v := range vectors {
			switch {
			case v.null != nil && v.null[i]:
				b = append(b, 0)
			case v.ints != nil:
				b = binary.LittleEndian.AppendUint64(append(b, 1), uint64(v.ints[i]))
			case v.floats != nil:
				b = binary.LittleEndian.AppendUint64(append(b, 2), math.Float64bits(v.floats[i]+0))
			default:
				b = append(binary.AppendUvarint(append(b, 3), uint64(len(v.texts[i]))), v.texts[i]...)
			}
		}
		out[i] = string(b)
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

// count counts the rows of each group. First each chunk's rows are told apart by their hash, then each shard of groups is
// counted by one processor.
func count[K comparable](ctx context.Context, t *scope, where *node, keys []*node, keysOf func([]*vec, int) []K, counted func(parts [][]K) []int64) ([]int64, error) {
	n := runtime.GOMAXPROCS(0)
	seed := maphash.MakeSeed()
	type part struct {
		shards [][]K
		nulls  int64
	}
	parts := make([]part, len(t.Chunks))
	err := each(ctx, len(t.Chunks), func(i int) {
		b := t.batch(t.Chunks[i])
		keep := kept(where, b)
		vectors := make([]*vec, len(keys))
		for k := range keys {
			vectors[k] = keys[k].eval(b)
		}
		values := keysOf(vectors, b.rows)
		p := part{shards: make([][]K, n)}
		for row, v := range values {
			switch {
			case keep != nil && !keep[row]:
			case len(keys) == 1 && vectors[0].null != nil && vectors[0].null[row]:
				p.nulls++
			default:
				s := maphash.Comparable(seed, v) % uint64(n)
				p.shards[s] = append(p.shards[s], v)
			}
		}
		parts[i] = p
	})
	if err != nil {
		return nil, err
	}
	shards := make([][]int64, n)
	err = each(ctx, n, func(s int) {
		var all [][]K
		for _, p := range parts {
			all = append(all, p.shards[s])
		}
		shards[s] = counted(all)
	})
	nulls := int64(0)
	for _, p := range parts {
		nulls += p.nulls
	}
	out := slices.Concat(shards...)
	if nulls > 0 {
		out = append(out, nulls)
	}
	return out, err
}
