package wording

import (
	"cmp"
	"encoding/json"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// FormatThreshold is a bad range in words, to follow "fails when" or "warns when": "<= 0", "> 10", "not 0",
// "between 1 and 3", "< 0 or > 1". It is "" if no bound is known. measure is that of the value.
//
// Scanners do not say how two bounds combine. As Soda Core builds them, a lower bound above the upper one, or equal bounds
// that are both strict, mean outside ("or"); anything else means inside ("and").
func FormatThreshold(t *dq.Threshold, measure string) string {
	if t == nil {
		return ""
	}
	lower, upper := lowerBound(*t), upperBound(*t)
	switch {
	case lower.n == "" && upper.n == "":
		return ""
	case upper.n == "":
		return lower.words(measure)
	case lower.n == "":
		return upper.words(measure)
	}
	return combine(lower, upper, measure)
}

func combine(lower, upper bound, measure string) string {
	order := compare(lower.n, upper.n)
	number := formatMeasured(lower.n, measure)
	switch {
	case order == 0 && lower.strict && upper.strict:
		return "not " + number
	case order == 0 && !lower.strict && !upper.strict:
		return "= " + number
	case order > 0:
		return upper.words(measure) + " or " + lower.words(measure)
	case !lower.strict && !upper.strict:
		return "between " + number + " and " + formatMeasured(upper.n, measure)
	}
	return lower.words(measure) + " and " + upper.words(measure)
}

// bound is one end of a range: an operator and a number.
type bound struct {
	op     string
	n      json.Number
	strict bool
}

func (b bound) words(measure string) string { return b.op + " " + formatMeasured(b.n, measure) }

func lowerBound(t dq.Threshold) bound {
	if t.GreaterThan != "" {
		return bound{">", t.GreaterThan, true}
	}
	return bound{">=", t.GreaterThanOrEqual, false}
}

func upperBound(t dq.Threshold) bound {
	if t.LessThan != "" {
		return bound{"<", t.LessThan, true}
	}
	return bound{"<=", t.LessThanOrEqual, false}
}

// compare orders two numbers exactly; what is no number (an unresolved variable) is ordered as text, so that equal texts
// are equal.
func compare(a, b json.Number) int {
	x, okX := rational(string(a))
	y, okY := rational(string(b))
	if okX && okY {
		return x.Cmp(y)
	}
	return cmp.Compare(a, b)
}
