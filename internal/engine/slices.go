package engine

import (
	"context"
	"errors"
	"fmt"
	"math/big"
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
	whole    *job
	measures []*measure
	// states are the items of each measure in each slice.
	states map[*measure][][]*item
}

// cut makes jobs of the slices of tables that are read so, and takes the measures from the jobs of all rows that they measure.
func (r *run) cut(ctx context.Context) {
	for _, j := range r.jobs {
		if conditions := r.slicesOf(ctx, j); len(conditions) > 1 {
			r.jobs = append(r.jobs, r.slice(j, conditions)...)
		}
	}
}

func (r *run) slice(j *job, conditions []string) (jobs []*job) {
	s := &sliced{whole: j, states: map[*measure][][]*item{}}
	var rest []*measure
	for _, m := range j.measures {
		if m.state == nil {
			rest = append(rest, m)
		} else {
			s.measures = append(s.measures, m)
		}
	}
	j.measures, r.sliced = rest, append(r.sliced, s)
	for i, condition := range conditions {
		known := map[string]*item{}
		var list []*item
		for _, m := range s.measures {
			var items []*item
			for _, sql := range m.state.sql {
				if known[sql] == nil {
					known[sql] = &item{sql: sql}
					list = append(list, known[sql])
				}
				items = append(items, known[sql])
			}
			s.states[m] = append(s.states[m], items)
		}
		for n, part := range j.parts(list) {
			part.extent = j.extent.and(condition)
			part.name = fmt.Sprintf("%s[%d], slice %d of %d", j.name, n, i+1, len(conditions))
			part.whole = true
			jobs = append(jobs, part)
		}
	}
	return jobs
}

// slicesOf gives the conditions of the slices that a job's rows are to be read in.
func (r *run) slicesOf(ctx context.Context, j *job) []string {
	s := j.source
	mergeable := false
	for _, m := range j.measures {
		mergeable = mergeable || m.state != nil
	}
	if s.Slicing.Count < 2 || s.Dialect.Slices == nil || !mergeable {
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
	return conditions
}

// merge gives the measures their values. Those of which a slice failed go back to the job, which is to measure them at once, unless
// that would fail as well.
func (s *sliced) merge(ctx context.Context) {
	s.whole.measures = nil
	for _, m := range s.measures {
		var late overdue
		if m.value, m.err = m.merged(s.states[m]); m.err != nil && !hopeless(ctx, m.err) && !errors.As(m.err, &late) {
			s.whole.measures = append(s.whole.measures, m)
		}
	}
}

func (m *measure) merged(states [][]*item) (any, error) {
	var values [][]any
	for _, items := range states {
		var state []any
		for _, i := range items {
			if i.err != nil {
				return nil, i.err
			}
			state = append(state, i.value)
		}
		values = append(values, state)
	}
	return m.state.whole(values)
}

// and is the extent's rows for which a condition holds as well.
func (e extent) and(condition string) extent {
	if strings.TrimSpace(e.filter) == "" {
		return extent{e.table, condition}
	}
	return extent{e.table, "(" + e.filter + "\n) AND " + condition}
}

// Ranges cuts the values of an expression, from least to greatest, into n ranges of the same width, n conditions of which each
// value fulfils one. Values that have come since are in the first or the last. bound writes a value in SQL.
func Ranges(x string, least, greatest int64, n int, bound func(int64) string) []string {
	conditions := make([]string, n)
	width := new(big.Int).Sub(big.NewInt(greatest), big.NewInt(least))
	at := func(i int) string {
		share := new(big.Int).Mul(width, big.NewInt(int64(i)))
		share.Div(share, big.NewInt(int64(n)))
		return bound(share.Add(share, big.NewInt(least)).Int64())
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
