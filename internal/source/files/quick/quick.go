// Package quick answers the SQL that checks are made of from columns: aggregates of the rows of one table, of each of its
// groups, or of the counts of groups, and counts of rows that have, or have no, equal one in another table; on all processors at once.
//
// It is no database. What it does not understand in full it refuses with [ErrUnsupported], and SQLite answers (package files);
// what it answers, it answers as SQLite does, but for what a test lists. It exists because SQLite reads a row at a time,
// which is some ten times slower (docs/decisions).
package quick

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/sodalite-dq/sodalite/internal/source/files/column"
)

// ErrUnsupported is what a statement gets that this package leaves to others.
var ErrUnsupported = errors.New("the statement is not among those that are answered from columns")

// Result is an answer. Values are nil, int64, float64 or string.
type Result struct {
	Names []string
	Types []column.Type
	Rows  [][]any
}

// Run answers a statement. tables gives the table of a name, nil if there is none.
func Run(ctx context.Context, sql string, tables func(name string) (*column.Table, error)) (*Result, error) {
	q, err := parse(sql)
	if err != nil {
		return nil, err
	}
	return q.run(ctx, tables)
}

// Matching filters names by a condition on the column "name", as a catalogue would.
func Matching(names []string, condition string) ([]string, error) {
	v := &column.Vector{Texts: names}
	columns := []column.Column{{Name: "name", Type: column.Text}}
	t := &scope{Table: &column.Table{Columns: columns}}
	q, err := parse("SELECT COUNT(*) FROM t WHERE " + condition)
	if err != nil {
		return nil, err
	}
	var out []string
	err = attempt(func() {
		is := asBools(compile(q.where, t)).eval(t.batch(column.NewChunk(len(names), columns, []*column.Vector{v})))
		for i, name := range names {
			if is.bools[i] {
				out = append(out, name)
			}
		}
	})
	return out, err
}

func (q *query) run(ctx context.Context, tables func(string) (*column.Table, error)) (*Result, error) {
	switch {
	case q.items == nil:
		return nil, ErrUnsupported
	case q.group != nil:
		return q.groups(ctx, tables)
	case q.join != nil:
		return q.joined(ctx, tables)
	}
	t, err := q.source(ctx, tables)
	if err != nil {
		return nil, err
	}
	p, err := q.plan(t)
	if err != nil {
		return nil, err
	}
	return p.run(ctx)
}

// source is the table that the query reads.
func (q *query) source(ctx context.Context, tables func(string) (*column.Table, error)) (*scope, error) {
	if q.from != nil {
		t, err := q.from.grouped(ctx, tables)
		return &scope{Table: t, alias: q.alias}, err
	}
	return named(q.table, q.alias, tables)
}

func named(table, alias string, tables func(string) (*column.Table, error)) (*scope, error) {
	t, err := tables(table)
	if err == nil && t == nil {
		err = ErrUnsupported
	}
	return &scope{Table: t, alias: alias}, err
}

// plan is a query that is ready to run: aggregates of the rows that match, and what is made of them.
type plan struct {
	of         *scope
	where      *node
	aggregates []aggregate
	names      []string
	results    []func(values []any) (any, column.Type)
}

func (q *query) plan(t *scope) (*plan, error) {
	p := &plan{of: t}
	return p, attempt(func() {
		if q.where != nil {
			p.where = asBools(compile(q.where, t))
		}
		for _, i := range q.items {
			p.names = append(p.names, i.name)
			p.results = append(p.results, p.result(i.x, t))
		}
	})
}

// result plans an item: an aggregate, a number, or a calculation with them.
func (p *plan) result(x expr, t *scope) func([]any) (any, column.Type) {
	switch x := x.(type) {
	case literal:
		if n, ok := x.value.(int64); ok {
			return func([]any) (any, column.Type) { return n, column.Integer }
		}
		if f, ok := x.value.(float64); ok {
			return func([]any) (any, column.Type) { return f, column.Double }
		}
	case operation:
		if strings.Contains("+-*/", x.op) {
			l, r := p.result(x.l, t), p.result(x.r, t)
			return func(values []any) (any, column.Type) {
				a, _ := l(values)
				b, _ := r(values)
				return calculate(x.op, a, b)
			}
		}
	case call:
		if a, ok := aggregateOf(x, t); ok {
			at := len(p.aggregates)
			p.aggregates = append(p.aggregates, a)
			return func(values []any) (any, column.Type) { return values[at], a.typed }
		}
	}
	unsupported()
	return nil
}

// calculate works as SQLite does: integers stay integers, and dividing by zero gives NULL.
func calculate(op string, a, b any) (any, column.Type) {
	x, ok1 := a.(int64)
	y, ok2 := b.(int64)
	if a == nil || b == nil {
		return nil, column.Double
	}
	if !ok1 || !ok2 {
		return calculateDoubles(op, a, b)
	}
	const safe = 1 << 31
	if op == "/" {
		if y == 0 {
			return nil, column.Integer
		}
		return x / y, column.Integer
	}
	if op == "*" && (x > safe || x < -safe || y > safe || y < -safe) || x > 1<<62 || x < -1<<62 || y > 1<<62 || y < -1<<62 {
		unsupported()
	}
	return map[string]int64{"+": x + y, "-": x - y, "*": x * y}[op], column.Integer
}

func calculateDoubles(op string, a, b any) (any, column.Type) {
	x, ok1 := toDouble(a)
	y, ok2 := toDouble(b)
	if !ok1 || !ok2 {
		unsupported()
	}
	switch op {
	case "+":
		return x + y, column.Double
	case "-":
		return x - y, column.Double
	case "*":
		return x * y, column.Double
	}
	if y == 0 {
		return nil, column.Double
	}
	return x / y, column.Double
}

func toDouble(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func (p *plan) run(ctx context.Context) (*Result, error) {
	chunks := p.of.Chunks
	parts := make([][]state, len(chunks))
	err := each(ctx, len(chunks), func(i int) { parts[i] = p.chunk(chunks[i]) })
	if err != nil {
		return nil, err
	}
	r := &Result{Names: p.names}
	err = attempt(func() {
		values := make([]any, len(p.aggregates))
		for i, a := range p.aggregates {
			whole := a.start()
			for _, part := range parts {
				whole.merge(part[i])
			}
			values[i] = whole.value()
		}
		var row []any
		for _, f := range p.results {
			v, typed := f(values)
			row, r.Types = append(row, v), append(r.Types, typed)
		}
		r.Rows = append(r.Rows, row)
	})
	return r, err
}

func (p *plan) chunk(c *column.Chunk) []state {
	b := p.of.batch(c)
	keep := kept(p.where, b)
	states := make([]state, len(p.aggregates))
	for i, a := range p.aggregates {
		states[i] = a.start()
		var v *vec
		if a.x != nil {
			v = a.x.eval(b)
		}
		states[i].add(v, b.rows, keep)
	}
	return states
}

// kept are the rows for which a condition is true; nil for all.
func kept(where *node, b *batch) []bool {
	if where == nil {
		return nil
	}
	v := where.eval(b)
	if v.null == nil {
		return v.bools
	}
	keep := make([]bool, b.rows)
	for i := range keep {
		keep[i] = v.bools[i] && !v.null[i]
	}
	return keep
}

// each does work for 0 to n-1 on all processors. Panics of unsupported and unreadable things become errors.
func each(ctx context.Context, n int, work func(i int)) error {
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	workers := min(n, runtime.GOMAXPROCS(0))
	errs := make([]error, workers)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			defer func() {
				switch r := recover().(type) {
				case nil:
				case readError:
					errs[w] = r.error
				case error:
					if r != ErrUnsupported {
						panic(r)
					}
					errs[w] = r
				default:
					panic(r)
				}
			}()
			for i := range next {
				if ctx.Err() != nil {
					errs[w] = fmt.Errorf("the statement was ended: %w", context.Cause(ctx))
					return
				}
				work(i)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
