package quick

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"math"
	"runtime"

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
	return &column.Table{
		Columns: []column.Column{{Name: name, Type: column.Integer}},
		Chunks:  []*column.Chunk{column.NewChunk(len(counts), []*column.Vector{{Ints: counts}})},
	}, nil
}

func countGroups(ctx context.Context, t *column.Table, where *node, keys []*node) ([]int64, error) {
	if len(keys) > 1 {
		return count(ctx, t, where, keys, tuples)
	}
	switch keys[0].kind {
	case ints:
		return count(ctx, t, where, keys, func(v []*vec, _ int) []int64 { return v[0].ints })
	case floats:
		return count(ctx, t, where, keys, func(v []*vec, _ int) []uint64 {
			out := make([]uint64, len(v[0].floats))
			for i, x := range v[0].floats {
				out[i] = math.Float64bits(x + 0) // -0 is 0
			}
			return out
		})
	}
	return count(ctx, t, where, keys, func(v []*vec, _ int) []string { return v[0].texts })
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

// shard is a part of all groups: those whose hash it owns.
type shard[K comparable] struct {
	at     map[K]int32
	counts []int64
}

// count counts the rows of each group. First each chunk's rows are told apart by their hash, then each shard of groups is
// counted by one processor, so that no two share a map.
func count[K comparable](ctx context.Context, t *column.Table, where *node, keys []*node, keysOf func([]*vec, int) []K) ([]int64, error) {
	n := runtime.GOMAXPROCS(0)
	seed := maphash.MakeSeed()
	type part struct {
		shards [][]K
		nulls  int64
	}
	parts := make([]part, len(t.Chunks))
	err := each(ctx, len(t.Chunks), func(i int) {
		b := &batch{t.Chunks[i], t.Chunks[i].Rows}
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
	shards := make([]shard[K], n)
	err = each(ctx, n, func(s int) {
		own := shard[K]{at: map[K]int32{}}
		for _, p := range parts {
			for _, v := range p.shards[s] {
				i, ok := own.at[v]
				if !ok {
					i = int32(len(own.counts))
					own.at[v] = i
					own.counts = append(own.counts, 0)
				}
				own.counts[i]++
			}
		}
		shards[s] = own
	})
	var out []int64
	nulls := int64(0)
	for _, p := range parts {
		nulls += p.nulls
	}
	if nulls > 0 {
		out = append(out, nulls)
	}
	for _, s := range shards {
		out = append(out, s.counts...)
	}
	return out, err
}
