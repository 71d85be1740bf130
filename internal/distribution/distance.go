package distribution

import (
	"math"
	"slices"
)

// earthMovers is the distance of Wasserstein between two sorted lists, in standard deviations of both together.
func earthMovers(a, b []float64) float64 {
	all := slices.Sorted(slices.Values(slices.Concat(a, b)))
	distance, i, j := 0.0, 0, 0
	for n, x := range all[:len(all)-1] {
		for i < len(a) && a[i] <= x {
			i++
		}
		for j < len(b) && b[j] <= x {
			j++
		}
		distance += math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))) * (all[n+1] - x)
	}
	if distance == 0 {
		return 0
	}
	center, spread := mean(all), 0.0
	for _, x := range all {
		spread += (x - center) * (x - center)
	}
	return distance / math.Sqrt(spread/float64(len(all)))
}

const (
	stabilityBins = 10
	almostNone    = 1e-5 // stands for an empty bin
)

// stability is the population stability index of two sorted lists, over equal bins from the least to the greatest value.
func stability(a, b []float64) float64 {
	low, high := min(a[0], b[0]), max(a[len(a)-1], b[len(b)-1])
	edges := make([]float64, stabilityBins+1)
	for i := range edges {
		edges[i] = low + (high-low)/stabilityBins*float64(i)
	}
	edges[stabilityBins] = high
	sum := 0.0
	inA, inB := shares(a, edges), shares(b, edges)
	for i := range stabilityBins {
		sum += (inA[i] - inB[i]) * math.Log(inA[i]/inB[i])
	}
	return sum
}

// shares tells how much of a sorted list is in each bin; the last one has its upper edge.
func shares(list, edges []float64) []float64 {
	out, from := make([]float64, len(edges)-1), 0
	for i := range out {
		to := len(list)
		if i < len(out)-1 {
			to, _ = slices.BinarySearch(list, edges[i+1])
		}
		to = max(to, from)
		if out[i] = float64(to-from) / float64(len(list)); to == from {
			out[i] = almostNone
		}
		from = to
	}
	return out
}
