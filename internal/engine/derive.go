package engine

import (
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// derivation computes an aggregate from others in place of the database. It is used if somebody asks for base anyway.
type derivation struct {
	base string
	// with are more aggregates that are needed, none of them dear.
	with []string
	of   func(base any, with []any) (any, error)
}

// resolve fills variables into the SQL.
func (d *derivation) resolve(vars sodacl.Variables) (err error) {
	if d.base, err = vars.Resolve(d.base); err != nil {
		return err
	}
	for i := range d.with {
		if d.with[i], err = vars.Resolve(d.with[i]); err != nil {
			return err
		}
	}
	return nil
}

// without is the count of all less that of a part.
func without(part any, all []any) (any, error) {
	n, ok1 := part.(int64)
	of, ok2 := all[0].(int64)
	if !ok1 || !ok2 {
		return nil, errors.New("the database gave no count")
	}
	return of - n, nil
}

// derivations of an average and of deviations, on databases that do not share the work among their functions.
func (d *Dialect) derivations(metric, x string) []derivation {
	count := []string{"COUNT(" + x + ")"}
	switch at := slices.Index(deviations, metric); {
	case !d.Derive:
		return nil
	case metric == "avg":
		return []derivation{{"SUM(" + x + ")", count, mean}}
	case at > 0:
		var list []derivation
		for _, base := range deviations[:at] {
			list = append(list, derivation{strings.ToUpper(base) + "(" + x + ")", count, func(value any, n []any) (any, error) { return deviation(metric, base, value, n[0]) }})
		}
		return list
	}
	return nil
}

func mean(sum any, count []any) (any, error) {
	if sum == nil {
		return nil, nil
	}
	n, ok := count[0].(int64)
	if !ok || !isNumber(sum) {
		return nil, errors.New("the database gave no sum")
	}
	return toFloat(sum) / float64(n), nil
}

// deviation makes one of the deviations from another one of the same n values; nil is NULL.
func deviation(metric, base string, value, count any) (any, error) {
	n, ok := count.(int64)
	if !ok || value != nil && !isNumber(value) {
		return nil, errors.New("the database gave no deviation")
	}
	population := strings.HasSuffix(metric, "_pop")
	switch {
	case n == 0 || n == 1 && !population:
		return nil, nil
	case n == 1:
		return 0.0, nil
	}
	variance := toFloat(value)
	if strings.HasPrefix(base, "std") {
		variance *= variance
	}
	if fromPopulation := strings.HasSuffix(base, "_pop"); fromPopulation && !population {
		variance *= float64(n) / float64(n-1)
	} else if !fromPopulation && population {
		variance *= float64(n-1) / float64(n)
	}
	if strings.HasPrefix(metric, "std") {
		return math.Sqrt(variance), nil
	}
	return variance, nil
}
