package engine

import (
	"context"
	"fmt"
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
	// aggregate is empty for measures with statements of their own.
	aggregate
	// items are what is measured for it, and of computes its value from theirs; nil if it is the first one's.
	items []*item
	of    func(base any, with []any) (any, error)
	value any
	err   error
	// rows are the first of those that the statement gave, where they are to be a sample.
	rows *Rows
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

// mergeable tells whether the measure of all rows follows from what is measured of slices.
func (m *measure) mergeable() bool { return m.state != nil }

func (m *measure) dataset() dq.DatasetRef {
	return dq.DatasetRef{DataSource: m.source.Name, Name: unquoted(m.table)}
}

// job is one statement, or the aggregates of a partition, which may become several when one of them is wrong.
type job struct {
	source              *Source
	prefix              []string
	name, table, column string
	// For aggregates: where the rows come from, who asks, and what the statement has.
	extent   extent
	measures []*measure
	items    []*item
	// For all others: the statement, how many rows to keep, and who reads the answer.
	statement string
	keep      int
	read      func(*Rows, error)
	// whole tells that the statement is not split if it fails, which is then no error by itself.
	whole bool
	// facts tells that no check needs it.
	facts bool
	// otherwise is tried when the statement fails, only to count its rows.
	otherwise string
	// said is what was sent.
	said []dq.Query
}

func (j *job) sql() string {
	if j.items == nil {
		return j.statement
	}
	return j.source.Dialect.aggregates(j.items, j.extent.String())
}

// fail says that the job could not run.
func (j *job) fail(err error) {
	refuse(j.items, err)
	if j.read != nil {
		j.read(nil, err)
	}
}

func (j *job) run(ctx context.Context, c Connection, timeout time.Duration) {
	if j.items != nil {
		j.runItems(ctx, c, timeout)
		return
	}
	rows, err := j.query(ctx, c, timeout, j.statement, j.keep)
	if err != nil && j.otherwise != "" && context.Cause(ctx) == nil {
		j.said = nil // that the statement could not be wrapped is nobody's error
		rows, err = j.query(ctx, c, timeout, j.otherwise, 0)
	}
	j.read(rows, err)
}

// overdue is the error of a statement that took longer than it may.
type overdue time.Duration

func (o overdue) Error() string {
	return fmt.Sprintf("the statement took longer than %s", time.Duration(o))
}

func (j *job) query(ctx context.Context, c Connection, timeout time.Duration, sql string, keep int) (*Rows, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	inner := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		inner, cancel = context.WithTimeoutCause(ctx, timeout, overdue(timeout))
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
