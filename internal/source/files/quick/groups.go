package quick

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/source/files/column"
)

// maxGroups bounds what groups take; SQLite has statements with more.
const maxGroups = 10_000

// group is the rows with the same keys.
type group struct {
	keys   []any
	states []state
}

// grouping is a query for aggregates of groups that is ready to run.
type grouping struct {
	plan *plan
	keys []*node
}

// groups answers a query that has a row for each group, with its keys and aggregates, in the order of the keys as SQLite has it.
func (q *query) groups(ctx context.Context, tables func(string) (*column.Table, error)) (*Result, error) {
	t, err := q.source(ctx, tables)
	if err != nil {
		return nil, err
	}
	g := &grouping{plan: &plan{of: t}}
	if err := attempt(func() { g.prepare(q, t) }); err != nil {
		return nil, err
	}
	parts := make([]map[string]*group, len(t.Chunks))
	if err := each(ctx, len(parts), func(i int) { parts[i] = g.chunk(t.Chunks[i]) }); err != nil {
		return nil, err
	}
	var r *Result
	err = attempt(func() { r = g.result(merged(parts)) })
	return r, err
}

// prepare plans the items: keys, whose values follow those of the aggregates, and what is made of aggregates. Names are those
// that are written, as others are each database's own.
func (g *grouping) prepare(q *query, t *scope) {
	p := g.plan
	if q.join != nil {
		unsupported()
	}
	if q.where != nil {
		p.where = asBools(compile(q.where, t))
	}
	for _, name := range q.group {
		g.keys = append(g.keys, compile(columnx{name: name}, t))
	}
	for _, i := range q.items {
		c, isColumn := i.x.(columnx)
		if i.name == "" && !isColumn {
			unsupported()
		}
		if !isColumn {
			p.names, p.results = append(p.names, i.name), append(p.results, p.result(i.x, t))
			continue
		}
		at := slices.IndexFunc(q.group, func(name string) bool { return strings.EqualFold(name, c.name) })
		if at < 0 {
			unsupported()
		}
		of := t.Columns[t.find(c)]
		p.names = append(p.names, cmp.Or(i.name, of.Name))
		p.results = append(p.results, func(values []any) (any, column.Type) { return values[len(p.aggregates)+at], of.Type })
	}
}

// chunk aggregates a chunk: its rows are put in the order of their groups, so that each group's are beside each other.
func (g *grouping) chunk(c *column.Chunk) map[string]*group {
	b := g.plan.of.batch(c)
	vectors := evaluated(g.keys, b)
	rows, names, ends := inGroups(tuples(vectors, b.rows), kept(g.plan.where, b))
	out := map[string]*group{}
	begin := 0
	for i, name := range names {
		one := &group{}
		for _, v := range vectors {
			one.keys = append(one.keys, v.at(rows[begin]))
		}
		out[name], begin = one, ends[i]
	}
	for _, a := range g.plan.aggregates {
		var v *vec
		if a.x != nil {
			v = a.x.eval(b).pick(rows)
		}
		begin := 0
		for i, name := range names {
			s := a.start()
			s.add(v.part(begin, ends[i]), ends[i]-begin, nil)
			out[name].states, begin = append(out[name].states, s), ends[i]
		}
	}
	return out
}

// inGroups orders rows by their groups, as far as they are kept, and tells where each group ends.
func inGroups(keys []string, keep []bool) (rows []int, names []string, ends []int) {
	at := map[string]int{}
	of := make([]int, len(keys))
	for row, key := range keys {
		if keep != nil && !keep[row] {
			of[row] = -1
			continue
		}
		i, ok := at[key]
		if !ok {
			if i = len(names); i == maxGroups {
				unsupported()
			}
			at[key], names, ends = i, append(names, key), append(ends, 0)
		}
		of[row] = i
		ends[i]++
	}
	total := 0
	next := make([]int, len(ends))
	for i, n := range ends {
		next[i] = total
		total += n
		ends[i] = total
	}
	rows = make([]int, total)
	for row, i := range of {
		if i >= 0 {
			rows[next[i]] = row
			next[i]++
		}
	}
	return rows, names, ends
}

func merged(parts []map[string]*group) []*group {
	all := map[string]*group{}
	for _, part := range parts {
		for name, g := range part {
			whole, ok := all[name]
			if !ok {
				all[name] = g
				continue
			}
			for i, s := range g.states {
				whole.states[i].merge(s)
			}
		}
		if len(all) > maxGroups {
			unsupported()
		}
	}
	return slices.Collect(maps.Values(all))
}

func (g *grouping) result(groups []*group) *Result {
	slices.SortFunc(groups, func(a, b *group) int { return slices.CompareFunc(a.keys, b.keys, inOrder) })
	r := &Result{Names: g.plan.names, Types: make([]column.Type, len(g.plan.names))}
	for i, f := range g.plan.results { // for the types where there is no group
		_, r.Types[i] = f(make([]any, len(g.plan.aggregates)+len(g.keys)))
	}
	for _, one := range groups {
		var values, row []any
		for _, s := range one.states {
			values = append(values, s.value())
		}
		values = append(values, one.keys...)
		for i, f := range g.plan.results {
			v, t := f(values)
			row, r.Types[i] = append(row, v), t
		}
		r.Rows = append(r.Rows, row)
	}
	return r
}

// inOrder compares values of one kind; NULL is before all.
func inOrder(a, b any) int {
	switch a := a.(type) {
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
	case float64:
		if b, ok := b.(float64); ok {
			return cmp.Compare(a, b)
		}
	case string:
		if b, ok := b.(string); ok {
			return cmp.Compare(a, b)
		}
	case nil:
		if b == nil {
			return 0
		}
		return -1
	}
	return 1
}

// at is the value in a row.
func (v *vec) at(row int) any {
	switch {
	case v.null != nil && v.null[row]:
		return nil
	case v.ints != nil:
		return v.ints[row]
	case v.floats != nil:
		return v.floats[row]
	}
	return v.texts[row]
}

// pick is the values in some rows, part those from one row to another; of nothing, as COUNT(*) has it, nothing.
func (v *vec) pick(rows []int) *vec {
	return &vec{ints: picked(v.ints, rows), floats: picked(v.floats, rows), texts: picked(v.texts, rows), bools: picked(v.bools, rows), null: picked(v.null, rows)}
}

func picked[T any](all []T, rows []int) []T {
	if all == nil {
		return nil
	}
	out := make([]T, len(rows))
	for i, row := range rows {
		out[i] = all[row]
	}
	return out
}

func (v *vec) part(from, to int) *vec {
	if v == nil {
		return nil
	}
	return &vec{ints: between(v.ints, from, to), floats: between(v.floats, from, to), texts: between(v.texts, from, to), bools: between(v.bools, from, to), null: between(v.null, from, to)}
}

func between[T any](all []T, from, to int) []T {
	if all == nil {
		return nil
	}
	return all[from:to]
}
