package engine

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// zone is a range of bad values. An outer zone has two sides, any of which is bad; in any other zone all bounds must hold. The
// zero zone holds nothing. No comparison holds for NaN.
type zone struct {
	over, overOr, under, underOr *float64
	outer                        bool
}

// holds tells whether v is in the zone.
func (z zone) holds(v any) bool {
	checks := []struct {
		limit *float64
		test  func(int) bool
	}{
		{z.over, func(c int) bool { return c > 0 }}, {z.overOr, func(c int) bool { return c >= 0 }},
		{z.under, func(c int) bool { return c < 0 }}, {z.underOr, func(c int) bool { return c <= 0 }},
	}
	some, all := false, true
	count := 0
	for _, c := range checks {
		if c.limit == nil {
			continue
		}
		count++
		order, comparable := compareNumbers(v, *c.limit)
		in := comparable && c.test(order)
		some, all = some || in, all && in
	}
	if z.outer {
		return some
	}
	return count > 0 && all
}

// compareNumbers compares exactly, whole numbers beyond 2^53 too.
func compareNumbers(v any, limit float64) (order int, ok bool) {
	if math.IsNaN(limit) {
		return 0, false
	}
	if n, isInt := v.(int64); isInt && !math.IsInf(limit, 0) {
		return new(big.Float).SetInt64(n).Cmp(big.NewFloat(limit)), true
	}
	f := toFloat(v)
	switch {
	case math.IsNaN(f):
		return 0, false
	case f < limit:
		return -1, true
	case f > limit:
		return 1, true
	}
	return 0, true
}

func (z zone) threshold() *dq.Threshold {
	t := dq.Threshold{GreaterThan: bound(z.over), GreaterThanOrEqual: bound(z.overOr), LessThan: bound(z.under), LessThanOrEqual: bound(z.underOr)}
	if t == (dq.Threshold{}) {
		return nil
	}
	return &t
}

func bound(f *float64) json.Number {
	if f == nil || math.IsNaN(*f) || math.IsInf(*f, 0) {
		return ""
	}
	return json.Number(pythonFloat(*f))
}

// zones are the bad ranges of a check.
type zones struct{ warn, fail zone }

func (z zones) outcome(v any) dq.Outcome {
	switch {
	case z.fail.holds(v):
		return dq.Fail
	case z.warn.holds(v):
		return dq.Warn
	}
	return dq.Pass
}

// zonesOf reads a check's thresholds. A threshold on the line says what passes and hides warn and fail below.
func zonesOf(c *sodacl.Check, vars sodacl.Variables) (zones, error) {
	var z zones
	var err error
	if c.Pass != nil {
		z.fail, err = bad(*c.Pass, vars, true)
		return z, err
	}
	if c.Fail != nil {
		if z.fail, err = bad(*c.Fail, vars, false); err != nil {
			return z, err
		}
	}
	if c.Warn != nil {
		z.warn, err = bad(*c.Warn, vars, false)
	}
	return z, err
}

// opposite of each comparison.
var opposite = map[string]string{"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!=", "!=": "=", "between": "not between", "not between": "between"}

// bad makes the zone of a condition, or of its opposite where the condition says what passes.
func bad(c sodacl.Condition, vars sodacl.Variables, passes bool) (zone, error) {
	low, err := limit(c.Low, vars)
	if err != nil {
		return zone{}, err
	}
	op := c.Op
	if passes {
		op = opposite[op]
	}
	switch op {
	case "<":
		return zone{under: low}, nil
	case "<=":
		return zone{underOr: low}, nil
	case ">":
		return zone{over: low}, nil
	case ">=":
		return zone{overOr: low}, nil
	case "=":
		return zone{overOr: low, underOr: low}, nil
	case "!=":
		return zone{over: low, under: low, outer: true}, nil
	}
	high, err := limit(c.High, vars)
	if err != nil {
		return zone{}, err
	}
	z := zone{overOr: low, underOr: high}
	if c.LowOpen {
		z.over, z.overOr = low, nil
	}
	if c.HighOpen {
		z.under, z.underOr = high, nil
	}
	if op == "between" {
		return z, nil
	}
	// Outside is below the low end, or at it if that is not part of the range.
	out := zone{under: low, over: high, outer: true}
	if c.LowOpen {
		out.under, out.underOr = nil, low
	}
	if c.HighOpen {
		out.over, out.overOr = nil, high
	}
	return out, nil
}

func limit(v sodacl.Value, vars sodacl.Variables) (*float64, error) {
	v, err := v.Resolve(vars)
	if err != nil {
		return nil, err
	}
	if v.IsDuration {
		return nil, fmt.Errorf("the threshold is a duration, but the metric is a number")
	}
	return &v.Number, nil
}

func toFloat(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	case bool:
		if v {
			return 1
		}
	}
	return 0
}

// number is a measured number in JSON; NaN and infinities have no form there and are none.
func number(v any) json.Number {
	switch v := v.(type) {
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return ""
		}
		return json.Number(pythonFloat(v))
	case bool:
		return json.Number(strconv.Itoa(int(toFloat(v))))
	}
	return ""
}

// pythonFloat writes a float so that it is seen to be one: 3.0.
func pythonFloat(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(f, 'g', -1, 64), "+"))
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if math.Abs(f) < 1e16 && math.Abs(f) >= 1e-4 || f == 0 {
		s = strconv.FormatFloat(f, 'f', -1, 64)
	}
	if !strings.ContainsAny(s, ".eE") {
		s += ".0"
	}
	return s
}

// text shows a value in a message.
func text(v any) string {
	switch v := v.(type) {
	case time.Time:
		return v.Format(time.DateTime)
	case Date:
		return v.Format(time.DateOnly)
	case string:
		return strconv.Quote(dq.Truncate(v, 100))
	}
	return fmt.Sprint(v)
}

// pythonText shows a value as the reference client does in the name of a group.
func pythonText(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64:
		return pythonFloat(v)
	case time.Time:
		return pythonTime(v)
	}
	return text(v)
}

// jsonValue is a measured value as it goes into JSON.
func jsonValue(v any) any {
	switch v := v.(type) {
	case int64, float64, bool:
		if n := number(v); n != "" {
			return n
		}
		return nil
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05-07:00")
	case Date:
		return v.Format(time.DateOnly)
	case []dq.Column:
		list := make([]map[string]string, len(v))
		for i, c := range v {
			list[i] = map[string]string{"columnName": c.Name, "sourceDataType": c.Type}
		}
		return list
	}
	return v
}

// jsonText is a measured value as JSON text.
func jsonText(v any) string {
	body, err := json.Marshal(jsonValue(v))
	if err != nil {
		return "null"
	}
	return string(body)
}
