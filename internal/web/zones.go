package web

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// interval is a range of values; its ends may be infinite.
type interval struct{ lo, hi float64 }

// badRanges are the ranges of a threshold. As package wording reads it: a lower bound above the upper one, or equal and
// both strict, means outside; anything else means between.
func badRanges(t *dq.Threshold) []interval {
	if t == nil {
		return nil
	}
	lower, hasLower := bound(t.GreaterThan, t.GreaterThanOrEqual)
	upper, hasUpper := bound(t.LessThan, t.LessThanOrEqual)
	switch {
	case hasLower && hasUpper:
		strict := t.GreaterThan != "" && t.LessThan != ""
		if lower > upper || lower == upper && strict {
			return []interval{{math.Inf(-1), upper}, {lower, math.Inf(1)}}
		}
		return []interval{{lower, upper}}
	case hasLower:
		return []interval{{lower, math.Inf(1)}}
	case hasUpper:
		return []interval{{math.Inf(-1), upper}}
	}
	return nil
}

func bound(a, b json.Number) (float64, bool) {
	if a == "" {
		a = b
	}
	return finite(a)
}

// finite is a number that can be drawn.
func finite(n json.Number) (float64, bool) {
	f, err := strconv.ParseFloat(string(n), 64)
	return f, err == nil && math.Abs(f) < 1e300
}

// minus is what is left of ranges outside of cuts.
func minus(ranges, cuts []interval) []interval {
	for _, cut := range cuts {
		var left []interval
		for _, r := range ranges {
			if cut.lo >= r.hi || cut.hi <= r.lo {
				left = append(left, r)
				continue
			}
			if r.lo < cut.lo {
				left = append(left, interval{r.lo, cut.lo})
			}
			if cut.hi < r.hi {
				left = append(left, interval{cut.hi, r.hi})
			}
		}
		ranges = left
	}
	return ranges
}

// ends are the finite ends of ranges.
func ends(ranges []interval) []float64 {
	var list []float64
	for _, r := range ranges {
		for _, v := range []float64{r.lo, r.hi} {
			if !math.IsInf(v, 0) {
				list = append(list, v)
			}
		}
	}
	return list
}
