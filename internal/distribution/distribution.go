// Package distribution compares values of a column with a reference distribution, to the numbers that Soda Core 3's checks of
// distribution give. It owns the statistics and the making of reference data, and knows neither checks nor data sources.
package distribution

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"gonum.org/v1/gonum/mathext"
)

// Reference is a distribution to compare with (Soda calls it a distribution reference object, DRO).
type Reference struct {
	// Continuous values have the edges of Bins; others have Labels, as text.
	Continuous bool
	Bins       []float64
	Labels     []string
	// Weights are shares: of labels, or of the space below each edge. They are as many, and their sum is 1.
	Weights []float64
}

// Methods are those that the reference can be compared by, the usual one first.
func (r *Reference) Methods() []string {
	if r.Continuous {
		return []string{"ks", "psi", "swd", "semd"}
	}
	return []string{"chi_square", "psi", "swd", "semd"}
}

// Check says what is wrong with a reference.
func (r *Reference) Check() error {
	size := len(r.Bins)
	if !r.Continuous {
		size = len(r.Labels)
	}
	sum := 0.0
	for _, w := range r.Weights {
		sum += w
	}
	switch {
	case size == 0 || len(r.Weights) == 0:
		return errors.New("the reference has no bins and weights")
	case size != len(r.Weights):
		return fmt.Errorf("the reference has %d bins and %d weights, it must have as many of both", size, len(r.Weights))
	case !(math.Abs(sum-1) < 1.5e-3):
		return fmt.Errorf("the weights of the reference must sum up to 1, they make %g", sum)
	case slices.ContainsFunc(slices.Concat(r.Bins, r.Weights), func(f float64) bool { return math.IsNaN(f) || math.IsInf(f, 0) }):
		return errors.New("bins and weights must be finite numbers")
	case slices.ContainsFunc(r.Weights, func(w float64) bool { return w < 0 }):
		return errors.New("weights must not be below 0")
	case r.Continuous && !slices.IsSorted(r.Bins):
		return errors.New("the bins of the reference must be in order")
	}
	return nil
}

// repetitions is how often reference data are drawn; the median counts.
const repetitions = 10

// Values compares the numbers of a column, of which there are rows in all; NULL is left out by the caller, NaN here. The result is
// a p-value for ks, a distance for the others.
func (r *Reference) Values(method string, values []float64, rows int) (float64, error) {
	values = slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	if len(values) == 0 {
		return 0, errors.New("there are no values to compare")
	}
	slices.Sort(values)
	if math.IsInf(values[0], 0) || math.IsInf(values[len(values)-1], 0) {
		return 0, errors.New("there are infinite values, which have no distance")
	}
	var results []float64
	for seed := range uint32(repetitions) {
		results = append(results, compare(method, r.draw(rows, seed), values))
	}
	slices.Sort(results)
	return (results[repetitions/2-1] + results[repetitions/2]) / 2, nil
}

// draw makes sorted reference data: numbers between 0 and 1, and for each the edge that so large a share of the weights is below.
func (r *Reference) draw(n int, seed uint32) []float64 {
	below, sum := make([]float64, len(r.Weights)), 0.0
	for i, w := range r.Weights {
		sum += w
		below[i] = sum
	}
	random := newGenerator(seed)
	out := make([]float64, n)
	for i := range out {
		out[i] = interpolate(random.float(), below, r.Bins)
	}
	slices.Sort(out)
	return out
}

// interpolate gives y at x on the line through points, which are in order of xs. It is level beyond the ends.
func interpolate(x float64, xs, ys []float64) float64 {
	next := sort.Search(len(xs), func(i int) bool { return xs[i] > x })
	switch next {
	case len(xs):
		return ys[next-1]
	case 0:
		return ys[0]
	}
	slope := (ys[next] - ys[next-1]) / (xs[next] - xs[next-1])
	return slope*(x-xs[next-1]) + ys[next-1]
}

// Counts compares how often each label occurs. The result is a p-value for chi_square, a distance for the others, which compare
// how counts are spread and not what they are of.
func (r *Reference) Counts(method string, counts map[string]int64) (float64, error) {
	total := int64(0)
	var found []float64
	for _, n := range counts {
		total += n
		found = append(found, float64(n))
	}
	if total == 0 {
		return 0, errors.New("there are no values to compare")
	}
	expected := make([]float64, len(r.Weights))
	for i, w := range r.Weights {
		expected[i] = math.RoundToEven(w * float64(total))
	}
	if method != "chi_square" {
		slices.Sort(expected)
		slices.Sort(found)
		return compare(method, expected, found), nil
	}
	return r.chiSquare(expected, counts)
}

// fewest is how many of each label the chi-square test needs.
const fewest = 5

// chiSquare is the p-value of Pearson's test, where one is added to each count.
func (r *Reference) chiSquare(expected []float64, counts map[string]int64) (float64, error) {
	var problems []string
	observed := make([]float64, len(expected))
	for i, label := range r.Labels {
		n, ok := counts[label]
		switch {
		case !ok:
			problems = append(problems, fmt.Sprintf("%q does not occur", label))
		case n < fewest || expected[i] < fewest:
			problems = append(problems, fmt.Sprintf("%q occurs %d times where %g are expected, the test needs %d of both", label, n, expected[i], fewest))
		}
		observed[i] = float64(n) + 1
		expected[i]++
	}
	for label := range counts {
		if !slices.Contains(r.Labels, label) {
			problems = append(problems, fmt.Sprintf("%q is not in the reference", label))
		}
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		more := ""
		if len(problems) > 5 {
			problems, more = problems[:5], fmt.Sprintf(" and %d more", len(problems)-5)
		}
		return 0, errors.New("the values are not those of the reference: " + strings.Join(problems, "; ") + more)
	}
	scale, statistic := mean(observed)/mean(expected), 0.0
	for i, o := range observed {
		e := expected[i] * scale
		statistic += (o - e) * (o - e) / e
	}
	if len(observed) == 1 {
		return 1, nil // there is nothing that could differ
	}
	return mathext.GammaIncRegComp(float64(len(observed)-1)/2, statistic/2), nil
}

func mean(list []float64) float64 {
	sum := 0.0
	for _, v := range list {
		sum += v
	}
	return sum / float64(len(list))
}

// compare compares two sorted lists.
func compare(method string, reference, values []float64) float64 {
	switch method {
	case "ks":
		return kolmogorovSmirnov(reference, values)
	case "psi":
		return stability(values, reference)
	}
	return earthMovers(reference, values)
}
