package engine

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// aggregate is what a measure asks of a database: its SQL, and other ways to come by the value.
type aggregate struct {
	sql         string
	derivations []derivation
	// state is nil for what can be measured of all rows at once only, such as percentiles.
	state *state
}

// resolve fills variables into the SQL.
func (a *aggregate) resolve(vars sodacl.Variables) (err error) {
	if a.sql, err = vars.Resolve(a.sql); err != nil {
		return err
	}
	for i := range a.derivations {
		if err := a.derivations[i].resolve(vars); err != nil {
			return err
		}
	}
	if a.state != nil {
		for i := range a.state.sql {
			if a.state.sql[i], err = vars.Resolve(a.state.sql[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// state makes an aggregate of rows that are read in slices: what is measured of each slice, how that of two slices without a
// common row merges, and the value of the whole. (Mergeable states as in Deequ: Schelter et al., "Automating large-scale data
// quality verification", VLDB 2018, section 4.2.)
type state struct {
	sql   []string
	merge func(a, b []any) ([]any, error)
	value func(merged []any) (any, error)
}

// count is an aggregate that counts: counts of slices add up.
func count(sql string) aggregate { return aggregate{sql: sql, state: single(sql, add)} }

// newest is the greatest value.
func newest(x string) aggregate {
	sql := "MAX(" + x + ")"
	return aggregate{sql: sql, state: single(sql, greater)}
}

// mergeable gives the state of an aggregate function of x; nil if there is none.
func (d *Dialect) mergeable(function, x string) *state {
	of := func(function string) string { return function + "(" + x + ")" }
	switch name := strings.ToLower(function); {
	case name == "sum":
		return single(of("SUM"), add)
	case name == "min":
		return single(of("MIN"), less)
	case name == "max":
		return single(of("MAX"), greater)
	case name == "avg" && d.RoundsAverage:
		return &state{sql: []string{of("SUM"), of("COUNT")}, merge: each(add, add), value: func(s []any) (any, error) { return mean(s[0], s[1:]) }}
	case name == "avg":
		return &state{sql: []string{of("AVG"), of("COUNT")}, merge: mergeMeans, value: firstOf}
	case strings.HasPrefix(name, "var") || strings.HasPrefix(name, "stddev"):
		return &state{
			sql: []string{of("VAR_POP"), of("AVG"), of("COUNT")}, merge: mergeVariances,
			value: func(s []any) (any, error) { return deviation(name, "var_pop", s[0], s[2]) },
		}
	}
	return nil
}

// single is the state of an aggregate that is its own.
func single(sql string, merge func(a, b any) (any, error)) *state {
	return &state{sql: []string{sql}, merge: each(merge), value: firstOf}
}

func firstOf(merged []any) (any, error) { return merged[0], nil }

// each merges the members of states one by one.
func each(merges ...func(a, b any) (any, error)) func(a, b []any) ([]any, error) {
	return func(a, b []any) ([]any, error) {
		out := make([]any, len(merges))
		for i, merge := range merges {
			var err error
			if out[i], err = merge(a[i], b[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
}

// whole merges the states of all slices, and gives the value.
func (s *state) whole(slices [][]any) (any, error) {
	merged := slices[0]
	for _, next := range slices[1:] {
		var err error
		if merged, err = s.merge(merged, next); err != nil {
			return nil, err
		}
	}
	return s.value(merged)
}

// add adds two numbers; nil is the sum of no values.
func add(a, b any) (any, error) {
	if a == nil || b == nil {
		return cmp.Or(a, b), nil
	}
	x, ok1 := a.(int64)
	y, ok2 := b.(int64)
	if sum := x + y; ok1 && ok2 && (sum > x) == (y > 0) {
		return sum, nil
	}
	if !isNumber(a) || !isNumber(b) {
		return nil, fmt.Errorf("%T and %T cannot be added", a, b)
	}
	return toFloat(a) + toFloat(b), nil
}

func less(a, b any) (any, error)    { return chosen(a, b, -1) }
func greater(a, b any) (any, error) { return chosen(a, b, 1) }

// chosen is the value that compares as wanted; nil is none. Texts are not compared: a database has an order of its own for them.
func chosen(a, b any, wanted int) (any, error) {
	if a == nil || b == nil {
		return cmp.Or(a, b), nil
	}
	order, err := compareValues(a, b)
	if err != nil || order == wanted {
		return a, err
	}
	return b, nil
}

func compareValues(a, b any) (int, error) {
	switch x := a.(type) {
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y), nil
		}
	case time.Time:
		if y, ok := b.(time.Time); ok {
			return x.Compare(y), nil
		}
	case Date:
		if y, ok := b.(Date); ok {
			return x.Compare(y.Time), nil
		}
	}
	if !isNumber(a) || !isNumber(b) {
		return 0, errors.New("values of this type are not compared outside of the database")
	}
	x, y := toFloat(a), toFloat(b)
	if math.IsNaN(x) || math.IsNaN(y) { // the greatest, as in PostgreSQL
		return -cmp.Compare(x, y), nil
	}
	return cmp.Compare(x, y), nil
}

// mergeMeans merges (mean, n) of two slices, mergeVariances (variance of the population, mean, n): Chan, Golub, LeVeque, "Updating
// formulae and a pairwise algorithm for computing sample variances", 1979.
var (
	mergeMeans = moments(func(a, b []float64, n, m float64) []any {
		return []any{a[0] + (b[0]-a[0])*m/(n+m)}
	})
	mergeVariances = moments(func(a, b []float64, n, m float64) []any {
		apart := b[1] - a[1]
		return []any{(a[0]*n + b[0]*m + apart*apart*n*m/(n+m)) / (n + m), a[1] + apart*m/(n+m)}
	})
)

// moments merges states whose last member counts their values. That of no values adds nothing.
func moments(merge func(a, b []float64, n, m float64) []any) func(a, b []any) ([]any, error) {
	return func(a, b []any) ([]any, error) {
		last := len(a) - 1
		n, ok1 := a[last].(int64)
		m, ok2 := b[last].(int64)
		switch {
		case !ok1 || !ok2:
			return nil, errors.New("the database gave no count")
		case n == 0:
			return b, nil
		case m == 0:
			return a, nil
		}
		var values [2][]float64
		for i, state := range [][]any{a, b} {
			for _, v := range state[:last] {
				if !isNumber(v) {
					return nil, fmt.Errorf("the database gave %T where a number is needed", v)
				}
				values[i] = append(values[i], toFloat(v))
			}
		}
		return append(merge(values[0], values[1], float64(n), float64(m)), n+m), nil
	}
}
