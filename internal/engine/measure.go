package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// measure is one value to be measured: an aggregate within a statement, or the outcome of a statement of its own.
type measure struct {
	source    *Source
	table     string
	partition string
	column    string
	// name is the metric's, identity the key of its history (Soda Core's own form).
	name, identity string
	// item is the aggregate's SQL, empty for measures with statements of their own.
	item  string
	value any
	err   error
	// derive computes the value from other measures, once they are there; nil for what is measured.
	derive func() (any, error)
	// hidden measures are parts of others and no history of their own.
	hidden bool
}

func (m *measure) describe() string {
	if m.column != "" {
		return m.name + "(" + m.column + ")"
	}
	return m.name
}

func (m *measure) dataset() dq.DatasetRef {
	return dq.DatasetRef{DataSource: m.source.Name, Name: unquoted(m.table)}
}

// job is one statement, or the aggregates of a partition, which may become several when one of them is wrong.
type job struct {
	source              *Source
	prefix              []string
	name, table, column string
	// For aggregates: where the rows come from, and the items.
	from  string
	items []*measure
	// For all others: the statement, how many rows to keep, and who reads the answer.
	statement string
	keep      int
	read      func(*Rows, error)
	// facts tells that no check needs it.
	facts bool
	// said is what was sent.
	said []dq.Query
}

func (j *job) sql() string {
	if j.items == nil {
		return j.statement
	}
	return aggregates(j.items, j.from)
}

func aggregates(items []*measure, from string) string {
	list := make([]string, len(items))
	for i, m := range items {
		list[i] = m.item
	}
	return "SELECT\n  " + strings.Join(list, ",\n  ") + "\nFROM " + from
}

// fail says that the job could not run.
func (j *job) fail(err error) {
	for _, m := range j.items {
		m.err = err
	}
	if j.read != nil {
		j.read(nil, err)
	}
}

func (j *job) run(ctx context.Context, c Connection, timeout time.Duration) {
	if j.items != nil {
		j.runItems(ctx, c, timeout, j.items)
		return
	}
	rows, err := j.query(ctx, c, timeout, j.statement, j.keep)
	j.read(rows, err)
}

func (j *job) query(ctx context.Context, c Connection, timeout time.Duration, sql string, keep int) (*Rows, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	inner := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		inner, cancel = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the statement took longer than %s", timeout))
		defer cancel()
	}
	start := time.Now()
	rows, err := c.Query(inner, sql, keep)
	q := dq.Query{Name: j.name, DataSource: j.source.Name, Prefix: j.prefix, Table: unquoted(j.table), Column: j.column, SQL: sql, Duration: time.Since(start)}
	if err != nil {
		if cause := context.Cause(inner); cause != nil && inner.Err() != nil {
			err = cause
		}
		q.Error = err.Error()
	}
	j.said = append(j.said, q)
	return rows, err
}

// runItems measures aggregates in one statement. If it fails, the statement is split to find the items that are wrong, so
// that the others are measured. When not even the table can be read, all fail with one statement more.
func (j *job) runItems(ctx context.Context, c Connection, timeout time.Duration, items []*measure) {
	rows, err := j.query(ctx, c, timeout, aggregates(items, j.from), 1)
	if err == nil {
		if len(rows.Rows) != 1 || len(rows.Rows[0]) != len(items) {
			err = fmt.Errorf("the database answered %d rows for %d aggregates", len(rows.Rows), len(items))
		} else {
			for i, m := range items {
				m.value = rows.Rows[0][i]
			}
			return
		}
	}
	whole := len(items) == len(j.items)
	if len(items) > 1 && context.Cause(ctx) == nil && !errors.Is(err, context.DeadlineExceeded) {
		if whole {
			if _, probe := j.query(ctx, c, timeout, "SELECT COUNT(*) FROM "+j.from, 1); probe != nil {
				j.fail(probe)
				return
			}
		}
		half := len(items) / 2
		j.runItems(ctx, c, timeout, items[:half])
		j.runItems(ctx, c, timeout, items[half:])
		return
	}
	for _, m := range items {
		m.err = err
	}
}
