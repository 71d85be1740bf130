package engine

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// measured computes the aggregates of a state from values, nil for NULL, as a database would.
func measured(t *testing.T, s *state, values []any) []any {
	t.Helper()
	var present []float64
	for _, v := range values {
		if v != nil {
			present = append(present, toFloat(v))
		}
	}
	sum, squares := 0.0, 0.0
	for _, x := range present {
		sum += x
	}
	n := float64(len(present))
	for _, x := range present {
		squares += (x - sum/n) * (x - sum/n)
	}
	var out []any
	for _, sql := range s.sql {
		function, _, _ := strings.Cut(sql, "(")
		switch {
		case function == "COUNT":
			out = append(out, int64(n))
		case n == 0:
			out = append(out, nil)
		case function == "SUM":
			out = append(out, sum)
		case function == "MIN":
			out = append(out, slices.Min(present))
		case function == "MAX":
			out = append(out, slices.Max(present))
		case function == "AVG":
			out = append(out, sum/n)
		case function == "VAR_POP":
			out = append(out, squares/n)
		default:
			t.Fatalf("the state has %s", sql)
		}
	}
	return out
}

// TestStatesOfSlicesMergeIntoThatOfTheWhole cuts values anywhere, into slices that may be empty or hold NULLs only.
func TestStatesOfSlicesMergeIntoThatOfTheWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11))
	states := map[string]*state{"count": count("COUNT(x)").state, "newest": newest("x").state}
	for _, function := range append([]string{"sum", "min", "max", "avg"}, deviations...) {
		states[function] = (&Dialect{}).mergeable(function, "x")
	}
	states["rounded avg"] = (&Dialect{RoundsAverage: true}).mergeable("avg", "x")
	for name, s := range states {
		if s == nil {
			t.Fatalf("%s has no state", name)
		}
		for round := range 500 {
			values := make([]any, random.IntN(40))
			offset := math.Pow(10, float64(random.IntN(8))) // far from zero, where sums of squares lose all digits
			for i := range values {
				if random.IntN(5) > 0 {
					values[i] = offset + random.NormFloat64()
				}
			}
			var cut [][]any
			for rest := values; ; {
				n := random.IntN(len(rest) + 1)
				cut = append(cut, measured(t, s, rest[:n]))
				if rest = rest[n:]; len(rest) == 0 {
					break
				}
			}
			whole, err := s.value(measured(t, s, values))
			if err != nil {
				t.Fatal(err)
			}
			merged, err := s.whole(cut)
			if err != nil {
				t.Fatal(err)
			}
			if (merged == nil) != (whole == nil) || math.Abs(toFloat(merged)-toFloat(whole)) > 1e-8*math.Max(1, math.Abs(toFloat(whole))) {
				t.Fatalf("%s, round %d: %v of %d slices, %v of the whole", name, round, merged, len(cut), whole)
			}
		}
	}
}

func TestOddValuesMerge(t *testing.T) {
	early, late := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		merge      func(a, b any) (any, error)
		a, b, want any
	}{
		{add, int64(math.MaxInt64), int64(1), float64(math.MaxInt64)},
		{add, int64(math.MinInt64), int64(-1), float64(math.MinInt64)},
		{add, int64(math.MinInt64), int64(1), int64(math.MinInt64 + 1)},
		{add, int64(2), 0.5, 2.5},
		{greater, early, late, late},
		{less, Date{late}, Date{early}, Date{early}},
		{less, nil, early, early},
		{greater, int64(math.MaxInt64), int64(math.MaxInt64 - 1), int64(math.MaxInt64)}, // which no float can tell
		{less, math.NaN(), 1.0, 1.0},
		{less, int64(3), 2.5, 2.5},
	} {
		for _, pair := range [][2]any{{c.a, c.b}, {c.b, c.a}} {
			if got, err := c.merge(pair[0], pair[1]); err != nil || got != c.want {
				t.Errorf("%v and %v: %v (%v), want %v", pair[0], pair[1], got, err, c.want)
			}
		}
	}
	if got, err := greater(1.0, math.NaN()); err != nil || !math.IsNaN(toFloat(got)) {
		t.Errorf("NaN is not the greatest: %v, %v", got, err)
	}
	for _, merge := range []func(a, b any) (any, error){add, less, greater} {
		if got, err := merge("a", "b"); err == nil {
			t.Errorf("texts merge into %v", got)
		}
	}
}

func TestRangesCoverEachValueOnce(t *testing.T) {
	for _, c := range []struct {
		least, greatest int64
		n               int
	}{{0, 100, 3}, {-5, 5, 4}, {1, 1, 2}, {math.MinInt64, math.MaxInt64, 8}} {
		got := Ranges("x", c.least, c.greatest, c.n, "%d")
		if len(got) != c.n || strings.Contains(got[0], ">=") || strings.Contains(got[c.n-1], "<") {
			t.Errorf("%v: %q", c, got)
		}
		for i := range c.n - 1 {
			_, upper, _ := strings.Cut(got[i], "< ")
			if !strings.HasPrefix(got[i+1], "x >= "+upper) {
				t.Errorf("%v: %q does not end where %q begins", c, got[i], got[i+1])
			}
		}
	}
}
