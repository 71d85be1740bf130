package engine

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// Slicing says whether large tables are read in slices, side by side. That is for databases that use one processor for a
// statement, and for servers with more processors than they give to one.
type Slicing struct {
	// Count is how many slices a table is read in; below 2 none is.
	Count int
	// Least is how many rows a table must have, by the database's own estimate.
	Least int64
}

// Sliceable is a table that is to be read in slices.
type Sliceable struct {
	// Prefix are the containers that checks name, Table is the table's name without them, From what statements read.
	Prefix      []string
	Table, From string
	Slicing
}

// sliced is the measures of a job whose rows are read in slices.
type sliced struct {
	whole      *job
	measures   []*measure
	conditions []string
	// sql are the aggregates of all states, each once, and items those of each slice, in this order; at is where one is.
	sql   []string
	items [][]*item
	at    map[string]int
}

// cut makes jobs of the slices of tables that are read so, and takes the measures from the jobs of all rows that they measure.
func (r *run) cut(ctx context.Context) {
	for _, j := range r.jobs {
		if list := r.slicesOf(ctx, j); len(list) > 1 {
			r.jobs = append(r.jobs, r.slice(j, list)...)
		}
	}
}

// slice makes the jobs of one table's slices, but of those that are measured already.
func (r *run) slice(j *job, list []Slice) (jobs []*job) {
	s := &sliced{whole: j, at: map[string]int{}}
	var rest []*measure
	for _, m := range j.measures {
		if m.mergeable() {
			s.need(m)
		} else {
			rest = append(rest, m)
		}
	}
	j.measures, r.sliced = rest, append(r.sliced, s)
	for i, slice := range list {
		items := s.itemsOf(slice)
		s.conditions, s.items = append(s.conditions, slice.Condition), append(s.items, items)
		var left []*item
		for _, item := range items {
			if !item.measured {
				left = append(left, item)
			}
		}
		for n, part := range j.parts(left) {
			part.extent = j.extent.and(slice.Condition)
			part.name = fmt.Sprintf("%s[%d], slice %d of %d", j.name, n, i+1, len(list))
			part.whole = true
			jobs = append(jobs, part)
		}
	}
	return jobs
}

// need adds a measure, and the aggregates of its state.
func (s *sliced) need(m *measure) {
	s.measures = append(s.measures, m)
	for _, sql := range m.state.sql {
		if _, known := s.at[sql]; !known {
			s.at[sql] = len(s.sql)
			s.sql = append(s.sql, sql)
		}
	}
}

// itemsOf are the aggregates of one slice, with the values that are known.
func (s *sliced) itemsOf(slice Slice) []*item {
	items := make([]*item, len(s.sql))
	for i, sql := range s.sql {
		items[i] = &item{sql: sql}
		if text, ok := slice.Values[sql]; ok {
			value, err := read(text)
			items[i].value, items[i].measured, items[i].carried = value, err == nil, err == nil
		}
	}
	return items
}

// slicesOf gives the slices that a job's rows are to be read in: those of the part before, or new ones.
func (r *run) slicesOf(ctx context.Context, j *job) (list []Slice) {
	for _, t := range r.Tables {
		if t.Rows == j.rows() {
			return t.Slices
		}
	}
	s := j.source
	if s.Slicing.Count < 2 || s.Dialect.Slices == nil || !slices.ContainsFunc(j.measures, (*measure).mergeable) {
		return nil
	}
	c, err := r.connection(ctx, s)
	if err != nil {
		return nil // which is told where the job fails
	}
	conditions, err := s.Dialect.Slices(ctx, c, s, Sliceable{j.prefix, unquoted(j.table), j.extent.table, s.Slicing})
	if err != nil && ctx.Err() == nil {
		r.log(dq.LevelInfo, nil, "Table %s is not read in slices: %s", unquoted(j.table), err)
	}
	for _, condition := range conditions {
		list = append(list, Slice{Condition: condition})
	}
	return list
}

// merge gives the measures their values. Those of which a slice failed go back to the job, which is to measure them at once, unless
// that would fail as well. Once the context has ended, what is missing was cut off.
func (s *sliced) merge(ctx context.Context) {
	s.whole.measures = nil
	for _, m := range s.measures {
		var late overdue
		switch m.value, m.err = s.merged(m); {
		case m.err != nil && ctx.Err() != nil:
			m.err = context.Cause(ctx)
		case m.err != nil && !hopeless(ctx, m.err) && !errors.As(m.err, &late):
			s.whole.measures = append(s.whole.measures, m)
		}
	}
}

// merged is the measure's value of all slices.
func (s *sliced) merged(m *measure) (any, error) {
	var states [][]any
	for _, items := range s.items {
		var state []any
		for _, sql := range m.state.sql {
			i := items[s.at[sql]]
			if i.err != nil {
				return nil, i.err
			}
			state = append(state, i.value)
		}
		states = append(states, state)
	}
	return m.state.whole(states)
}

// and is the extent's rows for which a condition holds as well.
func (e extent) and(condition string) extent {
	if strings.TrimSpace(e.filter) == "" {
		return extent{e.table, condition}
	}
	return extent{e.table, "(" + e.filter + "\n) AND " + condition}
}

// Ranges cuts the values of an expression, from least to greatest, into n ranges of the same width, n conditions of which each
// value fulfils one. Values that have come since are in the first or the last. format writes a value in SQL, such as "%d".
func Ranges(x string, least, greatest int64, n int, format string) []string {
	conditions := make([]string, n)
	width := new(big.Int).Sub(big.NewInt(greatest), big.NewInt(least))
	at := func(i int) string {
		share := new(big.Int).Mul(width, big.NewInt(int64(i)))
		share.Div(share, big.NewInt(int64(n)))
		return fmt.Sprintf(format, share.Add(share, big.NewInt(least)))
	}
	for i := range conditions {
		var parts []string
		if i > 0 {
			parts = append(parts, x+" >= "+at(i))
		}
		if i < n-1 {
			parts = append(parts, x+" < "+at(i+1))
		}
		conditions[i] = strings.Join(parts, " AND ")
	}
	return conditions
}
