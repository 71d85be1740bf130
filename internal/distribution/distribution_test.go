package distribution

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
)

// TestResultsAreTheReferences compares with what Soda Core 3.5.6 (soda-core-scientific, SciPy 1.17) gave for the same data.
func TestResultsAreTheReferences(t *testing.T) {
	f, err := os.Open("testdata/reference.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := map[string]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var c struct {
			Method        string
			Bins, Weights []float64
			Labels        []string
			Values        []*float64
			Counts        map[string]int64
			Want          float64
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		r := Reference{Continuous: c.Labels == nil, Bins: c.Bins, Labels: c.Labels, Weights: c.Weights}
		if err := r.Check(); err != nil {
			t.Errorf("%s: %v", lines.Text(), err)
		}
		var got float64
		if r.Continuous {
			var values []float64
			for _, v := range c.Values {
				if v != nil {
					values = append(values, *v)
				}
			}
			got, err = r.Values(c.Method, values, len(c.Values))
		} else {
			got, err = r.Counts(c.Method, c.Counts)
		}
		if err != nil || math.Abs(got-c.Want) > 1e-9*max(1, math.Abs(c.Want)) {
			t.Errorf("%v, %v, want %v: %s", got, err, c.Want, lines.Text())
		}
		seen[c.Method]++
	}
	for _, method := range []string{"ks", "psi", "swd", "chi_square"} {
		if seen[method] < 15 {
			t.Errorf("%d cases of %s", seen[method], method)
		}
	}
}

// TestManyValues: the exact test of thousands of values, of lists as long and not as long as each other.
func TestManyValues(t *testing.T) {
	r := Reference{Continuous: true, Bins: []float64{0, 20, 50, 99.9}, Weights: []float64{0, .21, .3, .49}}
	for _, c := range []struct {
		values, rows int
		want         float64
	}{{4000, 4000, 0.4164935007963673}, {3999, 4000, 0.4033871993877698}, {9998, 10000, 0.24486067656370533}} {
		values := make([]float64, c.values)
		for i := range values {
			values[i] = float64(i*7919%1000) / 10
		}
		if got, err := r.Values("ks", values, c.rows); err != nil || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%d of %d values: %v, %v, want %v", c.values, c.rows, got, err, c.want)
		}
	}
}

func TestWhatCannotBeCompared(t *testing.T) {
	for name, c := range map[string]struct {
		r    Reference
		says string
	}{
		"no bins":            {Reference{Continuous: true}, "no bins and weights"},
		"too few weights":    {Reference{Continuous: true, Bins: []float64{1, 2}, Weights: []float64{1}}, "2 bins and 1 weights"},
		"weights too light":  {Reference{Labels: []string{"a", "b"}, Weights: []float64{.5, .4}}, "sum up to 1"},
		"weights not finite": {Reference{Labels: []string{"a"}, Weights: []float64{math.NaN()}}, "sum up to 1"},
		"bins not finite":    {Reference{Continuous: true, Bins: []float64{1, math.NaN()}, Weights: []float64{0, 1}}, "finite"},
		"weights below 0":    {Reference{Labels: []string{"a", "b"}, Weights: []float64{1.5, -.5}}, "below 0"},
		"bins out of order":  {Reference{Continuous: true, Bins: []float64{2, 1}, Weights: []float64{0, 1}}, "in order"},
	} {
		if err := c.r.Check(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := Reference{Labels: []string{"a", "b"}, Weights: []float64{.5, .5}}
	for says, counts := range map[string]map[string]int64{
		"there are no values": {}, `"b" does not occur`: {"a": 50}, `"c" is not in the reference`: {"a": 50, "b": 50, "c": 9}, `"b" occurs 2 times`: {"a": 50, "b": 2},
	} {
		if _, err := r.Counts("chi_square", counts); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %q", counts, err, says)
		}
	}
	point := &Reference{Continuous: true, Bins: []float64{1}, Weights: []float64{1}}
	for _, values := range [][]float64{nil, {math.NaN()}, {1, math.Inf(1)}} {
		if _, err := point.Values("ks", values, 3); err == nil {
			t.Errorf("%v can be compared", values)
		}
	}
	if p, err := point.Values("ks", []float64{math.NaN(), 1, math.NaN()}, 3); p != 1 || err != nil {
		t.Errorf("NaN counts: %v, %v", p, err)
	}
}

// TestAlike: what cannot differ does not.
func TestAlike(t *testing.T) {
	r := Reference{Labels: []string{"a", "b"}, Weights: []float64{.5, .5}}
	if d, err := r.Counts("swd", map[string]int64{"a": 7, "b": 7}); d != 0 || err != nil {
		t.Errorf("distance %v, %v", d, err)
	}
	one := Reference{Labels: []string{"a"}, Weights: []float64{1}}
	if p, err := one.Counts("chi_square", map[string]int64{"a": 7}); p != 1 || err != nil {
		t.Errorf("p-value %v, %v", p, err)
	}
}

func FuzzValues(f *testing.F) {
	f.Add(uint8(3), 1.0, 2.0, 0.5, 1.5)
	f.Fuzz(func(t *testing.T, extra uint8, a, b, x, y float64) {
		for _, v := range []float64{a, b, x, y} {
			if math.IsNaN(v) || math.Abs(v) > 1e100 {
				t.Skip()
			}
		}
		r := Reference{Continuous: true, Bins: []float64{min(a, b), max(a, b)}, Weights: []float64{.5, .5}}
		p, err := r.Values("ks", []float64{x, y}, 2+int(extra))
		if err != nil || !(p >= 0 && p <= 1) {
			t.Errorf("p-value %v, %v", p, err)
		}
		for _, method := range []string{"swd", "psi"} {
			if d, err := r.Values(method, []float64{x, y}, 2+int(extra)); err != nil || !(d >= 0) {
				t.Errorf("%s: %v, %v", method, d, err)
			}
		}
	})
}
