package quick

import (
	"cmp"
	"math"
	"slices"

	"github.com/sodalite-dq/sodalite/internal/source/files/column"
)

// state is an aggregate of some rows. States of parts of a table merge into that of the whole.
type state interface {
	// add takes the values of a chunk, of the rows that keep tells; nil for all.
	add(v *vec, rows int, keep []bool)
	merge(state)
	value() any
}

// aggregate is a call of an aggregate function. x is nil for COUNT(*).
type aggregate struct {
	x     *node
	start func() state
	typed column.Type
}

var deviations = map[string]struct{ sample, root bool }{
	"stddev": {true, true}, "stddev_samp": {true, true}, "stddev_pop": {false, true},
	"variance": {true, false}, "var_samp": {true, false}, "var_pop": {false, false},
}

// aggregateOf gives the aggregate of a call, and false if it is a call of something else.
func aggregateOf(c call, t *scope) (aggregate, bool) {
	if c.star {
		if c.name != "count" {
			unsupported()
		}
		return aggregate{start: func() state { return &counter{} }, typed: column.Integer}, true
	}
	spread, isSpread := deviations[c.name]
	switch {
	case c.name == "percentile_disc" && len(c.args) == 2 && !c.distinct:
		fraction, ok := compile(c.args[1], t).constant.(float64)
		if !ok || fraction < 0 || fraction > 1 {
			unsupported()
		}
		x := asInts(compile(c.args[0], t))
		return aggregate{x, func() state { return percentileOf(x.kind, fraction) }, x.typed}, true
	case len(c.args) != 1:
		return aggregate{}, false
	case c.name == "count" && c.distinct:
		x := asInts(compile(c.args[0], t))
		return aggregate{x, func() state { return distinctOf(x.kind) }, column.Integer}, true
	case c.distinct:
		unsupported()
	case c.name == "count":
		return aggregate{compile(c.args[0], t), func() state { return &counter{} }, column.Integer}, true
	case c.name == "min" || c.name == "max":
		x := asInts(compile(c.args[0], t))
		return aggregate{x, func() state { return extremeOf(x.kind, c.name == "max") }, x.typed}, true
	case c.name == "sum":
		if x := asInts(compile(c.args[0], t)); x.kind == ints {
			return aggregate{x, func() state { return &integerSum{} }, column.Integer}, true
		}
		return aggregate{asFloats(compile(c.args[0], t)), func() state { return &sum{} }, column.Double}, true
	case c.name == "avg":
		return aggregate{asFloats(compile(c.args[0], t)), func() state { return &sum{mean: true} }, column.Double}, true
	case isSpread:
		return aggregate{asFloats(compile(c.args[0], t)), func() state { return &deviation{sample: spread.sample, root: spread.root} }, column.Double}, true
	}
	return aggregate{}, false
}

// present calls f for each row that counts and is not NULL.
func present(v *vec, rows int, keep []bool, f func(i int)) {
	for i := range rows {
		if (keep == nil || keep[i]) && (v.null == nil || !v.null[i]) {
			f(i)
		}
	}
}

type counter struct{ n int64 }

func (c *counter) add(v *vec, rows int, keep []bool) {
	var null []bool
	if v != nil {
		null = v.null
	}
	if null == nil && keep == nil {
		c.n += int64(rows)
		return
	}
	for i := range rows {
		if (keep == nil || keep[i]) && (null == nil || !null[i]) {
			c.n++
		}
	}
}

func (c *counter) merge(o state) { c.n += o.(*counter).n }
func (c *counter) value() any    { return c.n }

// integerSum is exact; one that leaves 64 bits is refused, for SQLite to say so.
type integerSum struct {
	n    int64
	some bool
}

func (s *integerSum) plus(x int64) {
	if (x > 0 && s.n > math.MaxInt64-x) || (x < 0 && s.n < math.MinInt64-x) {
		unsupported()
	}
	s.n += x
	s.some = true
}

func (s *integerSum) add(v *vec, rows int, keep []bool) {
	present(v, rows, keep, func(i int) { s.plus(v.ints[i]) })
}

func (s *integerSum) merge(o state) {
	if other := o.(*integerSum); other.some {
		s.plus(other.n)
	}
}

func (s *integerSum) value() any {
	if !s.some {
		return nil
	}
	return s.n
}

// sum adds doubles with their rounding errors carried along (Neumaier, ZAMM 54, 1974).
type sum struct {
	mean        bool
	n           int64
	total, lost float64
}

func (s *sum) plus(x float64) {
	t := s.total + x
	if math.Abs(s.total) >= math.Abs(x) {
		s.lost += (s.total - t) + x
	} else {
		s.lost += (x - t) + s.total
	}
	s.total = t
}

func (s *sum) add(v *vec, rows int, keep []bool) {
	present(v, rows, keep, func(i int) { s.plus(v.floats[i]); s.n++ })
}

func (s *sum) merge(o state) {
	other := o.(*sum)
	s.plus(other.total)
	s.lost += other.lost
	s.n += other.n
}

func (s *sum) value() any {
	if s.n == 0 {
		return nil
	}
	total := s.total + s.lost
	if math.IsNaN(total) {
		total = s.total // an infinity among the values
	}
	if s.mean {
		return total / float64(s.n)
	}
	return total
}

// deviation is the spread of numbers, by Welford's method; parts are joined as by Chan, Golub and LeVeque (1979).
type deviation struct {
	sample, root     bool
	n, mean, squares float64
}

func (d *deviation) add(v *vec, rows int, keep []bool) {
	present(v, rows, keep, func(i int) {
		d.n++
		delta := v.floats[i] - d.mean
		d.mean += delta / d.n
		d.squares += delta * (v.floats[i] - d.mean)
	})
}

func (d *deviation) merge(o state) {
	other := o.(*deviation)
	if other.n == 0 {
		return
	}
	n, delta := d.n+other.n, other.mean-d.mean
	d.squares += other.squares + delta*delta*d.n*other.n/n
	d.mean += delta * other.n / n
	d.n = n
}

func (d *deviation) value() any {
	of := d.n
	if d.sample {
		of--
	}
	if of <= 0 {
		return nil
	}
	if d.root {
		return math.Sqrt(d.squares / of)
	}
	return d.squares / of
}

// extreme is the least or greatest value.
type extreme[T cmp.Ordered] struct {
	greatest, some bool
	best           T
	of             func(*vec) []T
}

func extremeOf(k kind, greatest bool) state {
	switch k {
	case ints:
		return &extreme[int64]{greatest: greatest, of: intsOf}
	case floats:
		return &extreme[float64]{greatest: greatest, of: floatsOf}
	}
	return &extreme[string]{greatest: greatest, of: textsOf}
}

func intsOf(v *vec) []int64     { return v.ints }
func floatsOf(v *vec) []float64 { return v.floats }
func textsOf(v *vec) []string   { return v.texts }

func (e *extreme[T]) plus(x T) {
	if !e.some || (x > e.best) == e.greatest && x != e.best {
		e.best, e.some = x, true
	}
}

func (e *extreme[T]) add(v *vec, rows int, keep []bool) {
	values := e.of(v)
	present(v, rows, keep, func(i int) { e.plus(values[i]) })
}

func (e *extreme[T]) merge(o state) {
	if other := o.(*extreme[T]); other.some {
		e.plus(other.best)
	}
}

func (e *extreme[T]) value() any {
	if !e.some {
		return nil
	}
	return e.best
}

// distinct counts different values.
type distinct[T comparable] struct {
	seen map[T]struct{}
	of   func(*vec) []T
}

func distinctOf(k kind) state {
	switch k {
	case ints:
		return &distinct[int64]{map[int64]struct{}{}, intsOf}
	case floats:
		return &distinct[float64]{map[float64]struct{}{}, floatsOf}
	}
	return &distinct[string]{map[string]struct{}{}, textsOf}
}

func (d *distinct[T]) add(v *vec, rows int, keep []bool) {
	values := d.of(v)
	present(v, rows, keep, func(i int) { d.seen[values[i]] = struct{}{} })
}

func (d *distinct[T]) merge(o state) {
	for x := range o.(*distinct[T]).seen {
		d.seen[x] = struct{}{}
	}
}

func (d *distinct[T]) value() any { return int64(len(d.seen)) }

// percentile is the first value that at least a fraction of all does not exceed.
type percentile[T cmp.Ordered] struct {
	fraction float64
	all      []T
	of       func(*vec) []T
}

func percentileOf(k kind, fraction float64) state {
	switch k {
	case ints:
		return &percentile[int64]{fraction: fraction, of: intsOf}
	case floats:
		return &percentile[float64]{fraction: fraction, of: floatsOf}
	}
	return &percentile[string]{fraction: fraction, of: textsOf}
}

func (p *percentile[T]) add(v *vec, rows int, keep []bool) {
	values := p.of(v)
	present(v, rows, keep, func(i int) { p.all = append(p.all, values[i]) })
}

func (p *percentile[T]) merge(o state) { p.all = append(p.all, o.(*percentile[T]).all...) }

func (p *percentile[T]) value() any {
	if len(p.all) == 0 {
		return nil
	}
	slices.Sort(p.all)
	return p.all[max(int(math.Ceil(p.fraction*float64(len(p.all))))-1, 0)]
}
