package quick

import (
	"cmp"
	"math"
	"unicode/utf8"

	"github.com/sodalite-dq/sodalite/internal/source/files/column"
)

// kind is what the values of an expression are.
type kind uint8

const (
	ints kind = iota
	floats
	texts
	bools
)

// vec is the values of an expression for the rows of a chunk: one of the slices is filled. null is nil where none is NULL.
type vec struct {
	ints   []int64
	floats []float64
	texts  []string
	bools  []bool
	null   []bool
}

// node is an expression that is ready to be evaluated. constant is its value if that is the same for all rows.
type node struct {
	kind     kind
	typed    column.Type // of results
	constant any
	eval     func(*batch) *vec
}

// batch is a chunk in work: the columns that are needed of it.
type batch struct {
	rows    int
	vectors []*column.Vector
}

func (s *scope) batch(c *column.Chunk) *batch {
	vectors, err := c.Vectors(s.needed...)
	if err != nil {
		panic(readError{err})
	}
	return &batch{c.Rows, vectors}
}

func kindOf(t column.Type) kind {
	switch t {
	case column.Integer, column.Boolean:
		return ints
	case column.Double:
		return floats
	}
	return texts
}

// readError carries an error of a column that could not be decoded through evaluation.
type readError struct{ error }

func columnNode(at int, t column.Type) *node {
	return &node{kind: kindOf(t), typed: t, eval: func(b *batch) *vec {
		v := b.vectors[at]
		return &vec{ints: v.Ints, floats: v.Floats, texts: v.Texts, null: v.Null}
	}}
}

func fill[T any](rows int, value T) []T {
	out := make([]T, rows)
	for i := range out {
		out[i] = value
	}
	return out
}

func constantNode(value any) *node {
	n := &node{constant: value}
	switch v := value.(type) {
	case bool:
		n.kind, n.typed = bools, column.Boolean
		n.eval = func(b *batch) *vec { return &vec{bools: fill(b.rows, v)} }
	case int64:
		n.kind, n.typed = ints, column.Integer
		n.eval = func(b *batch) *vec { return &vec{ints: fill(b.rows, v)} }
	case float64:
		n.kind, n.typed = floats, column.Double
		n.eval = func(b *batch) *vec { return &vec{floats: fill(b.rows, v)} }
	case string:
		n.kind, n.typed = texts, column.Text
		n.eval = func(b *batch) *vec { return &vec{texts: fill(b.rows, v)} }
	default:
		unsupported()
	}
	return n
}

// eitherNull is NULL where one of both is.
func eitherNull(a, b []bool) []bool {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	out := make([]bool, len(a))
	for i := range out {
		out[i] = a[i] || b[i]
	}
	return out
}

// asInts reads truth values as 0 and 1, asFloats integers as doubles, asBools numbers as truth values.
func asInts(n *node) *node {
	if n.kind != bools {
		return n
	}
	return &node{kind: ints, typed: column.Boolean, eval: func(b *batch) *vec {
		v := n.eval(b)
		out := make([]int64, b.rows)
		for i, x := range v.bools {
			if x {
				out[i] = 1
			}
		}
		return &vec{ints: out, null: v.null}
	}}
}

func asFloats(n *node) *node {
	if n = asInts(n); n.kind == floats {
		return n
	}
	if n.kind == texts {
		unsupported()
	}
	if c, ok := n.constant.(int64); ok {
		return constantNode(float64(c))
	}
	return &node{kind: floats, typed: column.Double, eval: func(b *batch) *vec {
		v := n.eval(b)
		out := make([]float64, b.rows)
		for i, x := range v.ints {
			out[i] = float64(x)
		}
		return &vec{floats: out, null: v.null}
	}}
}

func asBools(n *node) *node {
	if n.kind == bools {
		return n
	}
	if n.kind != ints {
		unsupported()
	}
	return &node{kind: bools, typed: column.Boolean, eval: func(b *batch) *vec {
		v := n.eval(b)
		out := make([]bool, b.rows)
		for i, x := range v.ints {
			out[i] = x != 0
		}
		return &vec{bools: out, null: v.null}
	}}
}

// compared compares values of one kind.
func compared[T cmp.Ordered](op string, l, r []T) []bool {
	out := make([]bool, len(l))
	switch op {
	case "=":
		for i := range out {
			out[i] = l[i] == r[i]
		}
	case "<>":
		for i := range out {
			out[i] = l[i] != r[i]
		}
	case "<":
		for i := range out {
			out[i] = l[i] < r[i]
		}
	case "<=":
		for i := range out {
			out[i] = l[i] <= r[i]
		}
	case ">":
		for i := range out {
			out[i] = l[i] > r[i]
		}
	default:
		for i := range out {
			out[i] = l[i] >= r[i]
		}
	}
	return out
}

// alike makes two numbers the same kind; texts go with texts only, as other databases have it.
func alike(l, r *node) (*node, *node) {
	l, r = asInts(l), asInts(r)
	switch {
	case l.kind == r.kind:
		return l, r
	case l.kind == texts || r.kind == texts:
		unsupported()
	}
	return exact(l, r)
}

// exact compares an integer column with a number that happens to be written with a point as integers.
func exact(l, r *node) (*node, *node) {
	whole := func(n *node) *node {
		if f, ok := n.constant.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return constantNode(int64(f))
		}
		return nil
	}
	if w := whole(r); w != nil && l.kind == ints {
		return l, w
	}
	if w := whole(l); w != nil && r.kind == ints {
		return w, r
	}
	return asFloats(l), asFloats(r)
}

func comparison(op string, l, r *node) *node {
	l, r = alike(l, r)
	return &node{kind: bools, typed: column.Boolean, eval: func(b *batch) *vec {
		x, y := l.eval(b), r.eval(b)
		out := &vec{null: eitherNull(x.null, y.null)}
		switch l.kind {
		case ints:
			out.bools = compared(op, x.ints, y.ints)
		case floats:
			out.bools = compared(op, x.floats, y.floats)
		default:
			out.bools = compared(op, x.texts, y.texts)
		}
		return out
	}}
}

// both is AND, or OR where any is set, of three values each.
func both(l, r *node, any bool) *node {
	l, r = asBools(l), asBools(r)
	return &node{kind: bools, typed: column.Boolean, eval: func(b *batch) *vec {
		x, y := l.eval(b), r.eval(b)
		out := &vec{bools: make([]bool, b.rows)}
		if x.null == nil && y.null == nil {
			for i := range out.bools {
				out.bools[i] = x.bools[i] && y.bools[i] || any && (x.bools[i] || y.bools[i])
			}
			return out
		}
		out.null = make([]bool, b.rows)
		for i := range out.bools {
			xn, yn := x.null != nil && x.null[i], y.null != nil && y.null[i]
			decided := !xn && x.bools[i] == any || !yn && y.bools[i] == any
			out.bools[i] = decided == any
			out.null[i] = !decided && (xn || yn)
		}
		return out
	}}
}

func negated(n *node) *node {
	n = asBools(n)
	return &node{kind: bools, typed: column.Boolean, eval: func(b *batch) *vec {
		v := n.eval(b)
		out := make([]bool, b.rows)
		for i, x := range v.bools {
			out[i] = !x
		}
		return &vec{bools: out, null: v.null}
	}}
}

func nullTest(n *node, no bool) *node {
	return &node{kind: bools, typed: column.Boolean, eval: func(b *batch) *vec {
		v := n.eval(b)
		if v.null == nil {
			return &vec{bools: fill(b.rows, no)}
		}
		out := make([]bool, b.rows)
		for i, x := range v.null {
			out[i] = x != no
		}
		return &vec{bools: out}
	}}
}

// among tells which values are in a list.
func among(n *node, list []any, no bool) *node {
	n = asInts(n)
	numbers, strings := map[float64]bool{}, map[string]bool{}
	for _, x := range list {
		switch x := x.(type) {
		case string:
			strings[x] = true
		case int64:
			if x > 1<<53 || x < -1<<53 {
				unsupported()
			}
			numbers[float64(x)] = true
		case float64:
			numbers[x] = true
		case bool:
			numbers[map[bool]float64{true: 1}[x]] = true
		default:
			unsupported() // NULL in a list has a meaning of its own
		}
	}
	if n.kind == texts && len(numbers) > 0 || n.kind != texts && len(strings) > 0 {
		unsupported()
	}
	return &node{kind: bools, typed: column.Boolean, eval: func(b *batch) *vec {
		v := n.eval(b)
		out := make([]bool, b.rows)
		switch n.kind {
		case ints:
			for i, x := range v.ints {
				out[i] = numbers[float64(x)] != no
			}
		case floats:
			for i, x := range v.floats {
				out[i] = numbers[x] != no
			}
		default:
			for i, x := range v.texts {
				out[i] = strings[x] != no
			}
		}
		return &vec{bools: out, null: v.null}
	}}
}

func matching(n *node, p *pattern) *node {
	if n.kind != texts {
		unsupported()
	}
	return &node{kind: bools, typed: column.Boolean, eval: func(b *batch) *vec {
		v := n.eval(b)
		return &vec{bools: p.matches(v.texts, v.null), null: v.null}
	}}
}

func length(n *node) *node {
	if n.kind != texts {
		unsupported()
	}
	return &node{kind: ints, typed: column.Integer, eval: func(b *batch) *vec {
		v := n.eval(b)
		out := make([]int64, b.rows)
		for i, x := range v.texts {
			out[i] = int64(utf8.RuneCountInString(x))
		}
		return &vec{ints: out, null: v.null}
	}}
}

// arithmetic calculates with doubles. Integers among themselves can overflow, which databases treat in ways of their own.
func arithmetic(op string, l, r *node) *node {
	if l.kind != floats && r.kind != floats {
		unsupported()
	}
	l, r = asFloats(l), asFloats(r)
	return &node{kind: floats, typed: column.Double, eval: func(b *batch) *vec {
		x, y := l.eval(b), r.eval(b)
		out := &vec{floats: make([]float64, b.rows), null: eitherNull(x.null, y.null)}
		for i := range out.floats {
			switch op {
			case "+":
				out.floats[i] = x.floats[i] + y.floats[i]
			case "-":
				out.floats[i] = x.floats[i] - y.floats[i]
			default:
				out.floats[i] = x.floats[i] * y.floats[i]
			}
		}
		return out
	}}
}

// chosen is CASE: the result of the first condition that is true.
func chosen(conditions, results []*node, otherwise *node) *node {
	k := results[0].kind
	for _, r := range results {
		if r.kind != k {
			unsupported()
		}
	}
	if otherwise != nil && otherwise.kind != k {
		unsupported()
	}
	return &node{kind: k, typed: results[0].typed, eval: func(b *batch) *vec {
		out := room(k, b.rows)
		done := make([]bool, b.rows)
		out.null = fill(b.rows, true)
		for c, condition := range conditions {
			is, from := condition.eval(b), results[c].eval(b)
			for i, x := range is.bools {
				if x && !done[i] && (is.null == nil || !is.null[i]) {
					done[i] = true
					out.set(i, from, k)
				}
			}
		}
		if otherwise != nil {
			from := otherwise.eval(b)
			for i := range done {
				if !done[i] {
					out.set(i, from, k)
				}
			}
		}
		return out
	}}
}

func room(k kind, rows int) *vec {
	switch k {
	case ints:
		return &vec{ints: make([]int64, rows)}
	case floats:
		return &vec{floats: make([]float64, rows)}
	case texts:
		return &vec{texts: make([]string, rows)}
	}
	return &vec{bools: make([]bool, rows)}
}

func (v *vec) set(i int, from *vec, k kind) {
	v.null[i] = from.null != nil && from.null[i]
	switch k {
	case ints:
		v.ints[i] = from.ints[i]
	case floats:
		v.floats[i] = from.floats[i]
	case texts:
		v.texts[i] = from.texts[i]
	default:
		v.bools[i] = from.bools[i]
	}
}
