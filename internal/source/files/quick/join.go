package quick

import (
	"context"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/source/files/column"
)

// joined answers a query that counts the rows of a left join whose condition asks of the other table only whether there is a row,
// as checks of references do. No rows are put together: a row that others equal counts as often as there are such.
func (q *query) joined(ctx context.Context, tables func(string) (*column.Table, error)) (*Result, error) {
	if !q.counts() || q.where == nil {
		return nil, ErrUnsupported
	}
	left, filter, err := q.filtered(tables)
	if err != nil {
		return nil, err
	}
	right, err := named(q.join.table, q.join.alias, tables)
	if err != nil {
		return nil, err
	}
	m := &match{left: left, right: right}
	if err := attempt(func() { m.plan(q, filter) }); err != nil {
		return nil, err
	}
	n, err := m.count(ctx)
	return &Result{Names: []string{q.items[0].name}, Types: []column.Type{column.Integer}, Rows: [][]any{{n}}}, err
}

// filtered is the table on the left, and the condition of its rows if it is a query for all columns of some.
func (q *query) filtered(tables func(string) (*column.Table, error)) (*scope, expr, error) {
	if q.from == nil {
		t, err := named(q.table, q.alias, tables)
		return t, nil, err
	}
	if f := q.from; f.items == nil && f.from == nil && f.join == nil && f.group == nil && strings.EqualFold(f.alias, q.alias) {
		t, err := named(f.table, f.alias, tables)
		return t, f.where, err
	}
	return nil, nil, ErrUnsupported
}

// match is a join that is ready to be counted.
type match struct {
	left, right         *scope
	leftKeys, rightKeys []*node
	filter              *node // of rows on the left
	alone, paired       *node // whether a row counts to which none is equal, and each pair of equal ones
}

func (m *match) plan(q *query, filter expr) {
	if strings.EqualFold(m.left.alias, m.right.alias) {
		unsupported()
	}
	var others []string
	for _, equal := range q.join.on {
		l, ok1 := equal.l.(columnx)
		r, ok2 := equal.r.(columnx)
		if !ok1 || !ok2 || l.table == "" || r.table == "" {
			unsupported()
		}
		if strings.EqualFold(l.table, m.right.alias) {
			l, r = r, l
		}
		a, b := compile(l, m.left), compile(r, m.right)
		if a.kind != b.kind {
			unsupported()
		}
		m.leftKeys, m.rightKeys, others = append(m.leftKeys, a), append(m.rightKeys, b), append(others, strings.ToLower(r.name))
	}
	if filter != nil {
		m.filter = asBools(compile(filter, m.left))
	}
	m.alone = asBools(compile(m.assume(q.where, others, false), m.left))
	m.paired = asBools(compile(m.assume(q.where, others, true), m.left))
}

// assume puts what is known into a condition: columns of the other table that are equal to something are not NULL, and all are
// if there is no row.
func (m *match) assume(x expr, others []string, there bool) expr {
	switch x := x.(type) {
	case not:
		return not{m.assume(x.x, others, there)}
	case operation:
		if x.op == "and" || x.op == "or" {
			return operation{x.op, m.assume(x.l, others, there), m.assume(x.r, others, there)}
		}
	case isNull:
		c, ok := x.x.(columnx)
		if ok && c.table == "" {
			unsupported() // it may be of either
		}
		if ok && strings.EqualFold(c.table, m.right.alias) {
			if !slices.Contains(others, strings.ToLower(c.name)) {
				unsupported()
			}
			return literal{there == x.no}
		}
		if ok {
			return x
		}
	}
	unsupported()
	return nil
}

func (m *match) count(ctx context.Context) (int64, error) {
	if len(m.leftKeys) > 1 {
		return pairs(ctx, m, tuples)
	}
	switch m.leftKeys[0].kind {
	case ints:
		return pairs(ctx, m, intKeys)
	case floats:
		return pairs(ctx, m, floatKeys)
	}
	return pairs(ctx, m, textKeys)
}

// pairs counts, with how often each key is on the right.
func pairs[K comparable](ctx context.Context, m *match, keysOf func([]*vec, int) []K) (int64, error) {
	seed := maphash.MakeSeed()
	parts, _, err := split(ctx, m.right, nil, m.rightKeys, keysOf, seed)
	if err != nil {
		return 0, err
	}
	times := make([]map[K]int64, len(parts))
	if err := each(ctx, len(parts), func(i int) { times[i] = frequencies(parts[i]) }); err != nil {
		return 0, err
	}
	counts := make([]int64, len(m.left.Chunks))
	err = each(ctx, len(counts), func(i int) {
		b := m.left.batch(m.left.Chunks[i])
		keep, alone, paired := kept(m.filter, b), kept(m.alone, b), kept(m.paired, b)
		vectors := evaluated(m.leftKeys, b)
		var null []bool
		for _, v := range vectors {
			null = eitherNull(null, v.null)
		}
		for row, key := range keysOf(vectors, b.rows) {
			if keep != nil && !keep[row] {
				continue
			}
			n := int64(0)
			if null == nil || !null[row] { // NULL equals nothing
				n = times[maphash.Comparable(seed, key)%uint64(len(times))][key]
			}
			if n > 0 && paired[row] {
				counts[i] += n
			} else if n == 0 && alone[row] {
				counts[i]++
			}
		}
	})
	n := int64(0)
	for _, c := range counts {
		n += c
	}
	return n, err
}

func frequencies[K comparable](pieces [][]K) map[K]int64 {
	out := map[K]int64{}
	for _, piece := range pieces {
		for _, key := range piece {
			out[key]++
		}
	}
	return out
}
