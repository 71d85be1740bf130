package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// extent is where aggregates take their rows from: a table, and the filter of a partition.
type extent struct{ table, filter string }

func (e extent) String() string {
	if strings.TrimSpace(e.filter) == "" {
		return e.table
	}
	return e.table + "\nWHERE " + e.filter
}

// none is the same without any row. A statement over it is checked by the database, and reads nothing.
func (e extent) none() string {
	if strings.TrimSpace(e.filter) == "" {
		return e.table + "\nWHERE 1 = 0"
	}
	return e.table + "\nWHERE (" + e.filter + "\n) AND 1 = 0"
}

// item is one aggregate of a statement. Equal SQL is one item, whoever asks for it.
type item struct {
	sql   string
	value any
	err   error
	// measured tells that value is there, carried that a part before has measured it.
	measured, carried bool
}

// settle makes the statements of the aggregates that were asked for: equal ones once, what follows from others not at all,
// and no more in one statement than the database takes.
func (r *run) settle() {
	var jobs []*job
	for _, j := range r.jobs {
		if j.statement != "" || j.items != nil {
			jobs = append(jobs, j)
			continue
		}
		jobs = append(jobs, j.parts(j.distinct())...)
	}
	r.jobs = jobs
}

// parts are the statements of a job's items.
func (j *job) parts(items []*item) (jobs []*job) {
	limit := max(j.source.Dialect.MaxItems, 1)
	for n := 0; len(items) > 0; n++ {
		part, count := *j, min(limit, len(items))
		part.items, items = items[:count], items[count:]
		part.name = fmt.Sprintf("%s[%d]", j.name, n)
		jobs = append(jobs, &part)
	}
	return jobs
}

// distinct gives the items that the job's measures need, and each measure its own of them.
func (j *job) distinct() []*item {
	asked := map[string]bool{}
	for _, m := range j.measures {
		asked[m.sql] = true
	}
	var list []*item
	known := map[string]*item{}
	need := func(m *measure, sql string) {
		if known[sql] == nil {
			known[sql] = &item{sql: sql}
			list = append(list, known[sql])
		}
		m.items = append(m.items, known[sql])
	}
	for _, m := range j.measures {
		at := slices.IndexFunc(m.derivations, func(d derivation) bool { return asked[d.base] })
		if at < 0 {
			need(m, m.sql)
			continue
		}
		d := m.derivations[at]
		for _, sql := range append([]string{d.base}, d.with...) {
			need(m, sql)
		}
		m.of = d.of
	}
	return list
}

// take reads the measure's value from its items.
func (m *measure) take() {
	m.err = nil // of slices that failed before
	values := make([]any, len(m.items))
	for i, item := range m.items {
		if item.err != nil {
			m.err = item.err
			return
		}
		values[i] = item.value
	}
	if m.value = values[0]; m.of != nil {
		m.value, m.err = m.of(values[0], values[1:])
	}
}

// aggregates is the statement of some items. The order of the items may change.
func (d *Dialect) aggregates(items []*item, from string) string {
	sorting := func(i *item) bool { return d.SortApart && strings.Contains(i.sql, "WITHIN GROUP") }
	slices.SortStableFunc(items, func(a, b *item) int {
		switch {
		case sorting(a) == sorting(b):
			return 0
		case sorting(a):
			return 1
		}
		return -1
	})
	at := slices.IndexFunc(items, sorting)
	if at < 1 {
		return selectFrom(items, from, "")
	}
	return "SELECT *\nFROM (\n  " + selectFrom(items[:at], from, "  ") + "\n) AS plain, (\n  " + selectFrom(items[at:], from, "  ") + "\n) AS sorted"
}

func selectFrom(items []*item, from, indent string) string {
	list := make([]string, len(items))
	for i, item := range items {
		list[i] = item.sql
	}
	return "SELECT\n  " + indent + strings.Join(list, ",\n  "+indent) + "\n" + indent + "FROM " + from
}

// runItems measures items in one statement. If it fails, the items that are wrong are found, so that the others are measured:
// first over no rows, which costs next to nothing and finds columns that are not there and types that do not fit; then, if
// the fault is in the data, by halves. When not even the rows can be counted, all fail.
func (j *job) runItems(ctx context.Context, c Connection, timeout time.Duration) {
	err := j.attempt(ctx, c, timeout, j.items, j.extent.String())
	if err == nil || j.whole || hopeless(ctx, err) || len(j.items) == 1 {
		refuse(j.items, err)
		return
	}
	if _, probe := j.query(ctx, c, timeout, "SELECT COUNT(*)\nFROM "+j.extent.none(), 1); probe != nil {
		refuse(j.items, probe)
		return
	}
	sound := j.sound(ctx, c, timeout, j.items)
	if len(sound) == len(j.items) {
		if _, probe := j.query(ctx, c, timeout, "SELECT COUNT(*)\nFROM "+j.extent.String(), 1); probe != nil {
			refuse(j.items, probe)
			return
		}
		j.halves(ctx, c, timeout, sound)
	} else if len(sound) > 0 {
		j.bisect(ctx, c, timeout, sound)
	}
}

// sound gives the items that the database accepts, and the others their errors.
func (j *job) sound(ctx context.Context, c Connection, timeout time.Duration, items []*item) []*item {
	_, err := j.query(ctx, c, timeout, j.source.Dialect.aggregates(items, j.extent.none()), 1)
	if err == nil {
		return items
	}
	if len(items) == 1 || hopeless(ctx, err) {
		refuse(items, err)
		return nil
	}
	half := len(items) / 2
	return append(j.sound(ctx, c, timeout, slices.Clone(items[:half])), j.sound(ctx, c, timeout, slices.Clone(items[half:]))...)
}

// bisect measures items, by halves where they fail.
func (j *job) bisect(ctx context.Context, c Connection, timeout time.Duration, items []*item) {
	err := j.attempt(ctx, c, timeout, items, j.extent.String())
	if err != nil && len(items) > 1 && !hopeless(ctx, err) {
		j.halves(ctx, c, timeout, items)
		return
	}
	refuse(items, err)
}

func (j *job) halves(ctx context.Context, c Connection, timeout time.Duration, items []*item) {
	half := len(items) / 2
	j.bisect(ctx, c, timeout, slices.Clone(items[:half]))
	j.bisect(ctx, c, timeout, slices.Clone(items[half:]))
}

// attempt measures items in one statement.
func (j *job) attempt(ctx context.Context, c Connection, timeout time.Duration, items []*item, from string) error {
	rows, err := j.query(ctx, c, timeout, j.source.Dialect.aggregates(items, from), 1)
	if err != nil {
		return err
	}
	if len(rows.Rows) != 1 || len(rows.Rows[0]) != len(items) {
		return fmt.Errorf("the database answered %d rows for %d aggregates", len(rows.Rows), len(items))
	}
	for i, item := range items {
		item.value, item.measured = rows.Rows[0][i], true
	}
	return nil
}

// hopeless tells whether parts of a statement would fail as the whole did.
func hopeless(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded)
}

// refuse gives all items the error, which may be nil.
func refuse(items []*item, err error) {
	for _, item := range items {
		item.err = err
	}
}
