package sqlite

import (
	"cmp"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"sync"

	sqlite3 "modernc.org/sqlite"
)

// Register adds [Functions] to every connection that is opened from then on by the driver named sqlite.
var Register = sync.OnceValue(func() error {
	var errs []error
	for name, f := range Functions() {
		errs = append(errs, sqlite3.RegisterFunction(name, f))
	}
	return errors.Join(errs...)
})

// Functions are what other databases have and SQLite lacks: REGEXP, REGEXP_REPLACE (of all matches), the family of STDDEV and
// VARIANCE, and PERCENTILE_DISC(x, fraction).
func Functions() map[string]*sqlite3.FunctionImpl {
	all := map[string]*sqlite3.FunctionImpl{
		"regexp":          {NArgs: 2, Deterministic: true, Scalar: matches},
		"regexp_replace":  {NArgs: 3, Deterministic: true, Scalar: replaces},
		"percentile_disc": aggregate(2, func() sqlite3.AggregateFunction { return &percentile{} }),
	}
	for name, sample := range map[string]bool{"stddev": true, "stddev_samp": true, "variance": true, "var_samp": true, "stddev_pop": false, "var_pop": false} {
		root := name[0] == 's'
		all[name] = aggregate(1, func() sqlite3.AggregateFunction { return &deviation{sample: sample, root: root} })
	}
	return all
}

func aggregate(arguments int32, make func() sqlite3.AggregateFunction) *sqlite3.FunctionImpl {
	return &sqlite3.FunctionImpl{NArgs: arguments, Deterministic: true, MakeAggregate: func(sqlite3.FunctionContext) (sqlite3.AggregateFunction, error) {
		return make(), nil
	}}
}

var compiled sync.Map // of patterns, which are Go's (RE2), to expressions

func expression(pattern string) (*regexp.Regexp, error) {
	if re, ok := compiled.Load(pattern); ok {
		return re.(*regexp.Regexp), nil
	}
	re, err := regexp.Compile(pattern)
	if err == nil {
		compiled.Store(pattern, re)
	}
	return re, err
}

func text(v driver.Value) string {
	if s, ok := v.(string); ok {
		return s
	}
	return fmt.Sprint(v)
}

// matches is the operator REGEXP, whose pattern is the first argument.
func matches(_ *sqlite3.FunctionContext, args []driver.Value) (driver.Value, error) {
	if args[0] == nil || args[1] == nil {
		return nil, nil
	}
	re, err := expression(text(args[0]))
	if err != nil {
		return nil, err
	}
	return re.MatchString(text(args[1])), nil
}

func replaces(_ *sqlite3.FunctionContext, args []driver.Value) (driver.Value, error) {
	if args[0] == nil || args[1] == nil || args[2] == nil {
		return nil, nil
	}
	re, err := expression(text(args[1]))
	if err != nil {
		return nil, err
	}
	return re.ReplaceAllString(text(args[0]), text(args[2])), nil
}

func number(v driver.Value) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// noWindow says that a function is no window function.
type noWindow struct{}

func (noWindow) WindowInverse(*sqlite3.FunctionContext, []driver.Value) error {
	return errors.New("the function cannot be used with OVER and a moving frame")
}

func (noWindow) Final(*sqlite3.FunctionContext) {}

// deviation is the spread of numbers, by Welford's method (Technometrics 4, 1962), which stays exact far from zero.
type deviation struct {
	noWindow
	sample, root bool
	n, mean, sum float64
}

func (d *deviation) Step(_ *sqlite3.FunctionContext, args []driver.Value) error {
	if x, ok := number(args[0]); ok {
		d.n++
		delta := x - d.mean
		d.mean += delta / d.n
		d.sum += delta * (x - d.mean)
	}
	return nil
}

func (d *deviation) WindowValue(*sqlite3.FunctionContext) (driver.Value, error) {
	of := d.n
	if d.sample {
		of--
	}
	if of <= 0 {
		return nil, nil
	}
	v := d.sum / of
	if d.root {
		v = math.Sqrt(v)
	}
	return v, nil
}

// percentile is the first value that at least a fraction of all does not exceed.
type percentile struct {
	noWindow
	fraction float64
	values   []driver.Value
}

func (p *percentile) Step(_ *sqlite3.FunctionContext, args []driver.Value) error {
	fraction, ok := number(args[1])
	if !ok || fraction < 0 || fraction > 1 {
		return fmt.Errorf("the fraction of PERCENTILE_DISC must be from 0 to 1, not %v", args[1])
	}
	p.fraction = fraction
	if args[0] != nil {
		p.values = append(p.values, args[0])
	}
	return nil
}

func (p *percentile) WindowValue(*sqlite3.FunctionContext) (driver.Value, error) {
	if len(p.values) == 0 {
		return nil, nil
	}
	slices.SortFunc(p.values, compare)
	at := int(math.Ceil(p.fraction*float64(len(p.values)))) - 1
	return p.values[max(at, 0)], nil
}

// compare orders numbers before texts.
func compare(a, b driver.Value) int {
	x, isNumber1 := number(a)
	y, isNumber2 := number(b)
	switch {
	case isNumber1 && isNumber2:
		return cmp.Compare(x, y)
	case isNumber1:
		return -1
	case isNumber2:
		return 1
	}
	return cmp.Compare(text(a), text(b))
}
