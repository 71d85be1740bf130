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
	case Date, Timestamp, TimestampZone:
		return timeType(s) == t
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

// wider is a column's type after one more text, which is not empty.
func wider(t Type, s string) Type {
	if t != Unknown && fits(s, t) {
		return t
	}
	return join(t, typeOf(s))
}

// digits is how many digits a text has from a place on.
func digits(s string, from int) int {
	at := from
	for at < len(s) && s[at]-'0' <= 9 {
		at++
	}
	return at - from
}

func isInteger(s string) bool {
	sign := 0
	if s[0] == '-' {
		sign = 1
	}
	n := digits(s, sign)
	if n == 0 || sign+n < len(s) {
		return false
	}
	if n < 19 {
		return true
	}
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}

// isNumber leaves out what Go alone takes for numbers: hexadecimal, underscores, inf and nan.
func isNumber(s string) bool {
	at := 0
	if s[0] == '-' {
		at = 1
	}
	whole, fraction := digits(s, at), 0
	if at += whole; at < len(s) && s[at] == '.' {
		fraction = digits(s, at+1)
		at += 1 + fraction
	}
	switch {
	case whole+fraction == 0:
		return false
	case at == len(s):
		return len(s) < 300 || inRange(s) // too short to be out of range
	case s[at]|32 != 'e':
		return false
	}
	if at++; at < len(s) && (s[at] == '-' || s[at] == '+') {
		at++
	}
	return at < len(s) && at+digits(s, at) == len(s) && inRange(s)
}

func inRange(number string) bool {
	_, err := strconv.ParseFloat(number, 64)
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
	century, ok1 := two(s)
	year, ok2 := two(s[2:])
	month, ok3 := two(s[5:])
	day, ok4 := two(s[8:])
	if !ok1 || !ok2 || !ok3 || !ok4 || month < 1 || month > 12 || day < 1 {
		return false
	}
	last := int(daysOf[month])
	if month == 2 && year%4 == 0 && (year != 0 || century%4 == 0) {
		last = 29
	}
	return day <= last
}

var daysOf = [...]uint8{1: 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

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

// integer reads an integer that fits, 0 for an empty text.
func integer(s string) int64 {
	if len(s) > 18 {
		n, _ := strconv.ParseInt(s, 10, 64) // the type says that it is one
		return n
	}
	negative := s != "" && s[0] == '-'
	if negative {
		s = s[1:]
	}
	n := int64(0)
	for i := range len(s) {
		n = n*10 + int64(s[i]-'0')
	}
	if negative {
		return -n
	}
	return n
}

// double reads a number.
func double(s string) float64 {
	x, _ := strconv.ParseFloat(s, 64) // the type says that it is one
	return x
}
