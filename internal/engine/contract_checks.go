package engine

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/contract"
	"github.com/sodalite-dq/sodalite/internal/dq"
)

// planRows counts the rows whose value is missing, or is invalid.
func (p *contractPlan) planRows(c *contractCheck) error {
	missing := c.needs(p.missing(c))
	bad := missing
	if c.Type == contract.Invalid {
		invalid, err := p.invalid(c)
		if err != nil {
			return err
		}
		bad = c.needs(invalid)
	}
	c.needs(c.rows)
	p.share(c, func() (int64, int64, bool) {
		n, ok1 := bad.value.(int64)
		of, ok2 := c.rows.value.(int64)
		return n, of, ok1 && ok2
	}, func(told map[string]any) {
		if c.Type == contract.Invalid {
			put(told, "missingCount", missing)
		}
	})
	return nil
}

// share judges a number of rows, or their share of others in percent; 0 of no rows.
func (p *contractPlan) share(c *contractCheck, rows func() (n, of int64, ok bool), more func(map[string]any)) {
	percent := func(n, of int64) float64 {
		if of == 0 {
			return 0
		}
		return float64(n*100) / float64(of)
	}
	c.compare(func() (any, error) {
		n, of, ok := rows()
		switch {
		case !ok:
			return nil, errNoCount
		case c.Percent:
			return percent(n, of), nil
		}
		return n, nil
	}, func(told map[string]any) {
		if n, of, ok := rows(); ok {
			told["failedRowsCount"], told["failedRowsPercent"] = n, percent(n, of)
		}
		if more != nil {
			more(told)
		}
	})
}

// missing counts the rows whose value is missing.
func (p *contractPlan) missing(c *contractCheck) *measure {
	condition := p.source.Dialect.isMissing(p.value(c), c.Values)
	return p.item(c, "missing_count", count("COUNT(CASE WHEN "+both(c.Filter, condition)+" THEN 1 END)"))
}

// invalid counts the rows whose value is there and breaks a rule.
func (p *contractPlan) invalid(c *contractCheck) (*measure, error) {
	d := p.source.Dialect
	if c.Values.Reference == nil {
		x := p.value(c)
		condition := both(c.Filter, "NOT ("+d.isMissing(x, c.Values)+") AND ("+d.isInvalid(x, c.Values)+")")
		return p.item(c, "invalid_count", count("COUNT(CASE WHEN "+condition+" THEN 1 END)")), nil
	}
	ref := c.Values.Reference
	if ref.Dataset.DataSource != p.source.Name {
		return nil, fmt.Errorf("the valid values are in data source %q; they must be in the contract's own, %q", ref.Dataset.DataSource, p.source.Name)
	}
	sql := "SELECT COUNT(*)\nFROM (SELECT " + p.value(c) + " AS soda_value FROM " + p.where(c) + ") AS soda_values\nWHERE NOT (" +
		d.isMissing("soda_value", c.Values) + ") AND (NOT EXISTS (SELECT 1 FROM " + d.path(ref.Dataset) + " AS soda_reference WHERE soda_reference." +
		d.name(ref.Column) + " = soda_value)"
	if invalid := d.isInvalid("soda_value", c.Values); invalid != "" {
		sql += " OR " + invalid
	}
	return p.own(c, "invalid_count", sql+")", 1, first), nil
}

// where is the rows that the check looks at, for a statement of its own.
func (p *contractPlan) where(c *contractCheck) string {
	from := p.source.Dialect.path(p.contract.Dataset)
	switch {
	case p.contract.Filter != "" && c.Filter != "":
		return from + " WHERE (" + p.contract.Filter + ") AND (" + c.Filter + ")"
	case p.contract.Filter+c.Filter != "":
		return from + " WHERE " + p.contract.Filter + c.Filter
	}
	return from
}

// value is the SQL of the value that the check is about.
func (p *contractPlan) value(c *contractCheck) string {
	switch {
	case c.Expression != "":
		return c.Expression
	case c.Type == contract.Freshness:
		return p.source.Dialect.name(c.Timestamp)
	case c.Column.Expression != "":
		return c.Column.Expression
	}
	return p.source.Dialect.name(c.Column.Name)
}

// planDuplicates counts rows beyond the first of each value of a column (missing ones apart), or of each combination of
// columns, in which NULL equals NULL.
func (p *contractPlan) planDuplicates(c *contractCheck) {
	c.needs(c.rows)
	if c.Column == nil {
		names := make([]string, len(c.Columns))
		for i, name := range c.Columns {
			names[i] = p.source.Dialect.name(name)
		}
		distinct := c.needs(p.own(c, "distinct_count", "SELECT COUNT(*)\nFROM (SELECT DISTINCT "+strings.Join(names, ", ")+" FROM "+p.where(c)+") AS soda_distinct", 1, first))
		p.share(c, func() (int64, int64, bool) {
			n, ok1 := distinct.value.(int64)
			of, ok2 := c.rows.value.(int64)
			return of - n, of, ok1 && ok2
		}, nil)
		return
	}
	missing := c.needs(p.missing(c))
	x := p.value(c)
	condition := both(c.Filter, "NOT ("+p.source.Dialect.isMissing(x, c.Values)+")")
	distinct := c.needs(p.item(c, "distinct_count", aggregate{sql: "COUNT(DISTINCT CASE WHEN " + condition + " THEN " + x + " END)"}))
	p.share(c, func() (int64, int64, bool) {
		n, ok1 := distinct.value.(int64)
		none, ok2 := missing.value.(int64)
		all, ok3 := c.rows.value.(int64)
		return all - none - n, all - none, ok1 && ok2 && ok3
	}, func(told map[string]any) { put(told, "missingCount", missing) })
}

// planFunction measures an aggregate of a column. Of values that are configured, those are left out that are missing and, where
// something says which are valid, invalid as well: so it is in the reference client.
func (p *contractPlan) planFunction(c *contractCheck) {
	d, x := p.source.Dialect, p.value(c)
	out := d.isMissing(x, c.Values)
	if invalid := d.isInvalid(x, c.Values); invalid != "" {
		out = "(" + out + ") AND (" + invalid + ")"
	}
	x = "CASE WHEN " + both(c.Filter, "NOT ("+out+")") + " THEN " + x + " END"
	function, isLength := strings.CutSuffix(c.Function, "_length")
	if isLength {
		x = "LENGTH(" + x + ")"
	}
	a := aggregate{sql: strings.ToUpper(function) + "(" + x + ")", state: d.mergeable(function, x)}
	if function == "avg" && !isLength && d.Average != nil {
		a = aggregate{sql: d.Average(x)}
	}
	m := c.needs(p.item(c, c.Function, a))
	c.compare(func() (any, error) { return asNumber(m.value, true) }, nil)
}

// asNumber reads a measured value as a number: texts too, which casts give. A whole number stays one unless real asks for a
// float. nil stays nil.
func asNumber(v any, real bool) (any, error) {
	switch n := v.(type) {
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("the value is %s where a number is needed", text(v))
		}
		return f, nil
	case int64:
		if real {
			return float64(n), nil
		}
	case nil, float64, bool:
	default:
		return nil, fmt.Errorf("the value is %s where a number is needed", text(v))
	}
	return v, nil
}

// planOwn measures what the user wrote: an aggregate expression, or a statement whose first value counts.
func (p *contractPlan) planOwn(c *contractCheck) {
	if c.SQL != "" {
		m := c.needs(p.item(c, "metric", aggregate{sql: c.SQL}))
		c.compare(func() (any, error) { return asNumber(m.value, true) }, nil)
		return
	}
	m := c.needs(p.own(c, "metric", c.Query, 1, func(rows *Rows) (any, error) {
		if len(rows.Rows) == 0 || len(rows.Rows[0]) == 0 {
			return nil, nil
		}
		return rows.Rows[0][0], nil
	}))
	c.compare(func() (any, error) { return asNumber(m.value, false) }, nil)
}

// planFailures counts the rows that an expression or a statement finds.
func (p *contractPlan) planFailures(c *contractCheck) {
	if c.SQL != "" {
		failed := c.needs(p.item(c, "failed_rows", count("COUNT(CASE WHEN "+both(c.Filter, c.SQL)+" THEN 1 END)")))
		c.needs(c.rows)
		p.share(c, func() (int64, int64, bool) {
			n, ok1 := failed.value.(int64)
			of, ok2 := c.rows.value.(int64)
			return n, of, ok1 && ok2
		}, nil)
		return
	}
	failed := c.needs(p.found(c))
	c.rows = nil // a statement looks at rows of its own
	if c.RowsTested == "" {
		c.compare(func() (any, error) { return failed.value, nil }, func(told map[string]any) { put(told, "failedRowsCount", failed) })
		return
	}
	tested := p.own(c, "rows_tested", c.RowsTested, 1, func(rows *Rows) (any, error) {
		if len(rows.Rows) == 0 || len(rows.Rows[0]) == 0 || rows.Rows[0][0] == nil {
			return nil, nil
		}
		n, err := asNumber(rows.Rows[0][0], true)
		if err != nil || !isNumber(n) {
			return nil, fmt.Errorf("the statement of the rows tested gave %s where a count is needed", text(rows.Rows[0][0]))
		}
		return int64(toFloat(n)), nil
	})
	if c.rows = tested; c.Percent {
		c.needs(tested)
	}
	p.shareOfTested(c, failed, tested)
}

// shareOfTested judges the rows that a statement found; only their share needs to know how many it looked at.
func (p *contractPlan) shareOfTested(c *contractCheck, failed, tested *measure) {
	percent := func() float64 {
		n, of := toFloat(failed.value), toFloat(tested.value)
		if of <= 0 {
			return 0
		}
		return n * 100 / of
	}
	c.compare(func() (any, error) {
		switch {
		case c.Percent && tested.value == nil:
			return nil, nil
		case c.Percent:
			return percent(), nil
		}
		return failed.value, nil
	}, func(told map[string]any) {
		put(told, "failedRowsCount", failed)
		told["failedRowsPercent"] = percent()
	})
}

// found counts the rows of the user's statement, in the database where that is possible.
func (p *contractPlan) found(c *contractCheck) *measure {
	before := len(p.jobs)
	m := p.own(c, "failed_rows", "SELECT COUNT(*)\nFROM (\n"+c.Query+"\n) AS soda_failed_rows", 1, func(rows *Rows) (any, error) {
		if len(rows.Rows) == 0 {
			return rows.Count, nil
		}
		return first(rows)
	})
	if len(p.jobs) > before {
		p.jobs[before].otherwise = c.Query
	}
	return m
}

// planTimeliness measures the age of the newest value of a column.
func (p *contractPlan) planTimeliness(c *contractCheck) {
	x := p.value(c)
	if c.Filter != "" {
		x = "CASE WHEN " + c.Filter + " THEN " + x + " END"
	}
	newest := c.needs(p.item(c, "freshness", newest(x)))
	z := c.zones()
	c.judge = func(_ context.Context, result *dq.Result) error {
		result.Measure = "time"
		now, err := p.now(c)
		if err != nil {
			return err
		}
		at, err := moment(newest.value)
		if err != nil {
			return err
		}
		c.tell(result, func(told map[string]any) { tellTimes(told, at, now) })
		if at == nil {
			result.Outcome, result.ValueLabel = dq.Fail, "no time in the column" // nothing is fresh
			return nil
		}
		if c.Check.Fail == nil && c.Check.Warn == nil {
			return quietly{"its threshold does not say what to compare with"}
		}
		seconds := math.Floor(now.Sub(*at).Seconds())
		result.Value, result.Outcome = shortNumber(seconds*1000), z.outcome(seconds/c.Unit.Seconds())
		return nil
	}
}

// now is the time that a freshness check compares with.
func (p *contractPlan) now(c *contractCheck) (time.Time, error) {
	if c.Now == "" {
		return p.DataTime.UTC(), nil
	}
	text := fmt.Sprint(p.contract.Variables[c.Now])
	t, ok := isoTime(text)
	if !ok {
		return t, fmt.Errorf("the variable %s is %q, which is no ISO 8601 time", c.Now, dq.Truncate(text, 60))
	}
	return t, nil
}

// moment is the newest value as a time, nil if there are no rows. A day begins at its midnight.
func moment(v any) (*time.Time, error) {
	var t time.Time
	switch v := v.(type) {
	case nil:
		return nil, nil
	case time.Time:
		t = v.UTC()
	case Date:
		t = time.Date(v.Year(), v.Month(), v.Day(), 0, 0, 0, 0, time.UTC)
	case string:
		var ok bool
		if t, ok = isoTime(v); !ok {
			return nil, fmt.Errorf("the newest value is %s, which is no ISO 8601 time", text(v))
		}
	default:
		return nil, fmt.Errorf("the newest value is %s, which is no date or timestamp", text(v))
	}
	return &t, nil
}

func tellTimes(told map[string]any, at *time.Time, now time.Time) {
	const seconds = "2006-01-02T15:04:05-07:00"
	if at != nil {
		told["actualTimestamp"], told["actualTimestampUtc"] = at.Format(seconds), at.Format(seconds)
	}
	told["expectedTimestamp"], told["expectedTimestampUtc"] = now.UTC().Format(seconds), now.UTC().Format(seconds)
}
