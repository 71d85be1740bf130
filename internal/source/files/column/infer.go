package column

import (
	"strconv"
	"strings"
	"time"
)

// typeOf is the narrowest type of a text, as DuckDB reads CSV: true, false, integers, numbers, ISO 8601 dates and timestamps.
func typeOf(s string) Type {
	switch c := s[0]; {
	case c >= '0' && c <= '9' || c == '-' || c == '.':
		if c != '.' && isInteger(s) {
			return Integer
		}
		if kind := timeType(s); kind != Unknown {
			return kind
		}
		if isNumber(s) {
			return Double
		}
	case strings.EqualFold(s, "true"), strings.EqualFold(s, "false"):
		return Boolean
	}
	return Text
}

// fits tells whether a text that is not empty is a value of the type. It is typeOf for the usual case, that all values of a
// column are alike.
func fits(s string, t Type) bool {
	switch t {
	case Text:
		return true
	case Integer:
		return isInteger(s)
	case Double:
		return isNumber(s)
	}
	return typeOf(s) == t
}

// join is the narrowest type that holds values of both.
func join(a, b Type) Type {
	if a > b {
		a, b = b, a
	}
	switch {
	case a == b || a == Unknown:
		return b
	case a == Integer && b == Double:
		return Double
	case a == Date && b == Timestamp:
		return Timestamp
	case (a == Date || a == Timestamp) && b == TimestampZone:
		return TimestampZone
	}
	return Text
}

func isInteger(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if len(digits) == 0 {
		return false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	if len(digits) < 19 {
		return true
	}
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}

// isNumber leaves out what Go alone takes for numbers: hexadecimal, underscores, inf and nan.
func isNumber(s string) bool {
	digit, dots, exponent := false, 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digit = true
		case c == '.':
			dots++
		case c == '-' && (i == 0 || s[i-1]|32 == 'e'), c == '+' && s[max(i-1, 0)]|32 == 'e':
		case c|32 == 'e' && digit:
			exponent = true
		default:
			return false
		}
	}
	if !digit || dots > 1 {
		return false
	}
	if !exponent && len(s) < 300 { // too short to be out of range
		return true
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// timeType tells dates and timestamps.
func timeType(s string) Type {
	if len(s) < len(time.DateOnly) || s[4] != '-' || s[7] != '-' || !isDay(s[:10]) {
		return Unknown
	}
	if len(s) == len(time.DateOnly) {
		return Date
	}
	if len(s) == len(time.DateTime) && (s[10] == ' ' || s[10] == 'T') && isClock(s[11:]) { // what most are, without time.Parse
		return Timestamp
	}
	if _, zoned, ok := isoTime(s); ok {
		if zoned {
			return TimestampZone
		}
		return Timestamp
	}
	return Unknown
}

// isDay tells whether YYYY-MM-DD is a day of the calendar.
func isDay(s string) bool {
	month, ok1 := two(s[5:])
	day, ok2 := two(s[8:])
	_, ok3 := two(s)
	_, ok4 := two(s[2:])
	if !ok1 || !ok2 || !ok3 || !ok4 || month < 1 || month > 12 || day < 1 || day > 31 {
		return false
	}
	if day <= 28 {
		return true
	}
	_, err := time.Parse(time.DateOnly, s[:10])
	return err == nil
}

// isClock tells whether HH:MM:SS is a time of day.
func isClock(s string) bool {
	hour, ok1 := two(s)
	minute, ok2 := two(s[3:])
	second, ok3 := two(s[6:])
	return ok1 && ok2 && ok3 && s[2] == ':' && s[5] == ':' && hour < 24 && minute < 60 && second < 60
}

func two(s string) (int, bool) {
	if s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9' {
		return 0, false
	}
	return int(s[0]-'0')*10 + int(s[1]-'0'), true
}

// isoTime reads a timestamp whose first ten bytes are a day: the time of day after a blank or T, with minutes, perhaps seconds
// and a fraction, perhaps a zone.
func isoTime(s string) (_ time.Time, zoned, ok bool) {
	if len(s) < len("2006-01-02 15:04") || s[10] != ' ' && s[10] != 'T' {
		return time.Time{}, false, false
	}
	clock, zone := s[11:], ""
	if i := strings.IndexAny(clock, "Z+-"); i >= 0 {
		clock, zone = clock[:i], clock[i:]
	}
	clock = strings.TrimRight(clock, " ")
	layout := "2006-01-02 15:04:05"
	if len(clock) == len("15:04") {
		layout = "2006-01-02 15:04"
	}
	t, err := time.Parse(layout, s[:10]+" "+clock)
	if err != nil {
		return time.Time{}, false, false
	}
	if zone == "" {
		return t, false, true
	}
	for _, layout := range []string{"Z07:00", "Z07", "Z0700"} {
		if z, err := time.Parse(layout, zone); err == nil {
			_, offset := z.Zone()
			return t.Add(-time.Duration(offset) * time.Second), true, true
		}
	}
	return time.Time{}, false, false
}

// layouts of what is kept, see [Type].
const (
	plainTime = "2006-01-02 15:04:05.999999"
	zonedTime = "2006-01-02 15:04:05.999999+00:00"
)

// inForm writes a time in the form in which it is kept.
func inForm(s string, t Type) string {
	switch {
	case t == Date:
		return s
	case len(s) == len(time.DateOnly):
		s += " 00:00:00"
	case t == Timestamp && len(s) == len(time.DateTime):
		if s[10] == ' ' {
			return s
		}
		return s[:10] + " " + s[11:]
	}
	at, _, _ := isoTime(s) // the type says that it is one
	if t == TimestampZone {
		return at.Format(zonedTime)
	}
	return at.Format(plainTime)
}

// vector reads texts of a type; empty ones are NULL.
func vector(texts []string, t Type) *Vector {
	v := &Vector{}
	for i, s := range texts {
		if s == "" {
			if v.Null == nil {
				v.Null = make([]bool, len(texts))
			}
			v.Null[i] = true
		}
	}
	switch t {
	case Boolean:
		v.Ints = make([]int64, len(texts))
		for i, s := range texts {
			if s != "" && s[0]|32 == 't' {
				v.Ints[i] = 1
			}
		}
	case Integer:
		v.Ints = make([]int64, len(texts))
		for i, s := range texts {
			v.Ints[i] = integer(s)
		}
	case Double:
		v.Floats = make([]float64, len(texts))
		for i, s := range texts {
			if s != "" {
				v.Floats[i], _ = strconv.ParseFloat(s, 64) // the type says that it is one
			}
		}
	case Date, Timestamp, TimestampZone:
		v.Texts = make([]string, len(texts))
		for i, s := range texts {
			if s != "" {
				v.Texts[i] = inForm(s, t)
			}
		}
	default:
		v.Texts = append([]string(nil), texts...)
	}
	return v
}

// integer reads an integer that fits, 0 for an empty text.
func integer(s string) int64 {
	if len(s) > 18 {
		n, _ := strconv.ParseInt(s, 10, 64) // the type says that it is one
		return n
	}
	digits := strings.TrimPrefix(s, "-")
	n := int64(0)
	for i := range len(digits) {
		n = n*10 + int64(digits[i]-'0')
	}
	if len(digits) < len(s) {
		return -n
	}
	return n
}

// as is the vector as a wider type, in the way of join.
func (v *Vector) as(from, to Type) *Vector {
	if from == to {
		return v
	}
	out := &Vector{Null: v.Null}
	switch {
	case from == Unknown:
		return nulls(len(v.Null), to)
	case to == Double:
		out.Floats = make([]float64, len(v.Ints))
		for i, n := range v.Ints {
			out.Floats[i] = float64(n)
		}
	default:
		n := max(len(v.Ints), len(v.Floats), len(v.Texts))
		out.Texts = make([]string, n)
		for i := range n {
			if v.Null == nil || !v.Null[i] {
				out.Texts[i] = v.text(i, from, to)
			}
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
