package column

import "strconv"

// Vector is the values of one column in a chunk. One of the slices is filled: Ints of integers and booleans (0 and 1), Floats
// of doubles, Texts of all else. Null tells which are NULL; nil if none is.
type Vector struct {
	Ints   []int64
	Floats []float64
	Texts  []string
	Null   []bool
}

// builder makes a vector of texts, none of which it keeps.
type builder struct {
	kind  Type
	v     *Vector
	rows  int
	bytes []byte // of texts and times, one after the other
	ends  []int
}

func newBuilder(t Type, rows int) *builder {
	b := &builder{}
	b.start(t, rows)
	return b
}

// start begins another vector. What room there is for texts is used again.
func (b *builder) start(t Type, rows int) {
	b.kind, b.rows, b.v, b.bytes, b.ends = t, rows, &Vector{}, b.bytes[:0], b.ends[:0]
	switch t {
	case Boolean, Integer:
		b.v.Ints = make([]int64, rows)
	case Double:
		b.v.Floats = make([]float64, rows)
	}
}

// set adds the text of the next row, which is of the type that is built; an empty one is NULL.
func (b *builder) set(row int, s string) {
	if s == "" {
		if b.v.Null == nil {
			b.v.Null = make([]bool, b.rows)
		}
		b.v.Null[row] = true
	}
	switch b.kind {
	case Boolean:
		if s != "" && s[0]|32 == 't' {
			b.v.Ints[row] = 1
		}
	case Integer:
		b.v.Ints[row] = integer(s)
	case Double:
		if s != "" {
			b.v.Floats[row] = double(s)
		}
	case Date, Timestamp, TimestampZone:
		if s != "" {
			s = inForm(s, b.kind)
		}
		fallthrough
	default:
		b.bytes = append(b.bytes, s...)
		b.ends = append(b.ends, len(b.bytes))
	}
}

// vector is what was built.
func (b *builder) vector() *Vector {
	if b.v.Ints == nil && b.v.Floats == nil {
		b.v.Texts = make([]string, b.rows)
		all, begin := string(b.bytes), 0
		for i, end := range b.ends {
			b.v.Texts[i], begin = all[begin:end], end
		}
	}
	return b.v
}

// as is the vector as a wider type, in the way of join.
func (v *Vector) as(from, to Type) *Vector {
	if from == to {
		return v
	}
	out := &Vector{Null: v.Null}
	if to == Double {
		out.Floats = make([]float64, len(v.Ints))
		for i, n := range v.Ints {
			out.Floats[i] = float64(n)
		}
		return out
	}
	out.Texts = make([]string, max(len(v.Ints), len(v.Floats), len(v.Texts)))
	for i := range out.Texts {
		if v.Null == nil || !v.Null[i] {
			out.Texts[i] = v.text(i, from, to)
		}
	}
	return out
}

func (v *Vector) text(i int, from, to Type) string {
	switch {
	case from == Boolean:
		return strconv.FormatBool(v.Ints[i] != 0)
	case from == Integer:
		return strconv.FormatInt(v.Ints[i], 10)
	case from == Double:
		return strconv.FormatFloat(v.Floats[i], 'f', -1, 64)
	case to == Text:
		return v.Texts[i]
	}
	return inForm(v.Texts[i], to)
}

// nulls is a vector of NULLs.
func nulls(rows int, t Type) *Vector {
	v := &Vector{Null: make([]bool, rows)}
	for i := range v.Null {
		v.Null[i] = true
	}
	switch t {
	case Integer, Boolean:
		v.Ints = make([]int64, rows)
	case Double:
		v.Floats = make([]float64, rows)
	default:
		v.Texts = make([]string, rows)
	}
	return v
}
