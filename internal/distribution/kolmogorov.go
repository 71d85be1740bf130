package distribution

import "math"

// kolmogorovSmirnov is the exact p-value of the two-sided test that two sorted lists are of one distribution: the share of
// the ways to mix lists of their lengths in which they are at least as far apart as these are. A mix is a path of steps over a
// grid, one axis for each list, and its distance that of the path from the diagonal (Hodges 1958).
func kolmogorovSmirnov(a, b []float64) float64 {
	n, m := len(a), len(b)
	unit := n / gcd(n, m) * m // distances are multiples of 1/unit
	h := int(math.Round(distance(a, b) * float64(unit)))
	switch {
	case h == 0:
		return 1
	case n == m:
		return pathsOutside(n, h) // unit is n
	}
	return pathsThatLeave(max(n, m), min(n, m), unit, h)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// distance is the greatest between the shares of two sorted lists that are up to a value.
func distance(a, b []float64) float64 {
	most, i, j := 0.0, 0, 0
	for i < len(a) && j < len(b) {
		x := min(a[i], b[j])
		for i < len(a) && a[i] <= x {
			i++
		}
		for j < len(b) && b[j] <= x {
			j++
		}
		most = max(most, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	return most
}

// pathsOutside is the share of paths over a square of n that come h or more steps away from the diagonal: by the principle of
// reflection 2(p₁-p₂+p₃-…), where p is C(2n, n+kh)/C(2n, n), as a nested product.
func pathsOutside(n, h int) float64 {
	sum := 0.0
	for k := n / h; k >= 1; k-- {
		ratio := 1.0 // of that for k to that for k-1
		for j := 1; j <= h; j++ {
			ratio *= float64(n-k*h+j) / float64(n+(k-1)*h+j)
		}
		sum = ratio * (1 - sum)
	}
	return min(2*sum, 1)
}

// pathsThatLeave is the same over an oblong of m by n, where h counts in parts of unit. It follows, column by column, the
// share of paths to each point that have left the band around the diagonal.
func pathsThatLeave(m, n, unit, h int) float64 {
	stepM, stepN := unit/m, unit/n
	left := make([]float64, n+1) // by row, of the column so far
	outside := func(i, j int) bool {
		d := i*stepM - j*stepN
		return d >= h || d <= -h
	}
	for j := 1; j <= n; j++ {
		if left[j] = left[j-1]; outside(0, j) {
			left[j] = 1
		}
	}
	for i := 1; i <= m; i++ {
		// Rows below and above the band have left it: only those within, and the first beyond, are looked at.
		low, high := (i*stepM-h)/stepN, min((i*stepM+h)/stepN+1, n)
		for j := max(low, 0); j <= high; j++ {
			switch {
			case outside(i, j):
				left[j] = 1
			case j > 0:
				left[j] = (left[j]*float64(i) + left[j-1]*float64(j)) / float64(i+j)
			}
		}
	}
	return left[n]
}
