package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// planFreshness plans the age of the newest value of a column.
func (r *run) planFreshness(c *planned) error {
	if len(c.Args) == 0 {
		return errors.New("freshness needs a column: freshness(COLUMN) < 1d")
	}
	x := c.Args[0]
	if c.Filter != "" {
		x = "CASE WHEN " + c.Filter + " THEN " + x + " END"
	}
	var parts []string
	if c.Filter != "" {
		parts = []string{c.Filter}
	}
	m, err := r.aggregate(c, "max", c.Args[0], newest(x), r.identity(c, c.Args[0], "max", parts...))
	if err != nil {
		return err
	}
	warn, fail := freshnessLimits(c)
	variable := "NOW"
	if len(c.Args) > 1 {
		variable = c.Args[1]
	}
	c.judge = func(_ context.Context, result *dq.Result) error {
		result.Measure = "time"
		now, defined, err := c.now(variable)
		if err != nil {
			return err
		}
		if !defined {
			result.Outcome = dq.Fail
			r.log(dq.LevelError, &c.At, "the variable %s, which stands for now, is not set; give it with -v %s=…", variable, variable)
			return nil
		}
		newest, err := newestTime(m.value)
		if err != nil {
			return err
		}
		result.Diagnostics = c.freshnessDetails(newest, variable, now)
		if newest == nil {
			result.Outcome = dq.Fail // no rows: nothing is fresh
			return nil
		}
		age := now.Sub(*newest)
		result.Value = number(age.Milliseconds())
		switch {
		case fail != nil && age > *fail:
			result.Outcome = dq.Fail
		case warn != nil && age > *warn:
			result.Outcome = dq.Warn
		default:
			result.Outcome = dq.Pass
		}
		return nil
	}
	return nil
}

// freshnessLimits are the ages above which the check warns and fails, whatever the comparison says: the lower edge of the
// bad range, if it is a duration.
func freshnessLimits(c *planned) (warn, fail *time.Duration) {
	if c.Pass != nil {
		switch c.Pass.Op {
		case "<", "<=", "=", "!=", "not between":
			return nil, c.duration(c.Pass.Low)
		case "between":
			return nil, c.duration(c.Pass.High)
		}
		return nil, nil
	}
	side := func(condition *sodacl.Condition) *time.Duration {
		if condition == nil {
			return nil
		}
		switch condition.Op {
		case ">", ">=", "=", "!=", "between":
			return c.duration(condition.Low)
		case "not between":
			return c.duration(condition.High)
		}
		return nil
	}
	return side(c.Warn), side(c.Fail)
}

func (c *planned) duration(v sodacl.Value) *time.Duration {
	v, err := v.Resolve(c.vars)
	if err != nil || !v.IsDuration {
		return nil
	}
	return &v.Duration
}

// now is the time that a variable holds.
func (c *planned) now(variable string) (_ time.Time, defined bool, err error) {
	value, ok := c.vars.Lookup(variable)
	if !ok {
		return time.Time{}, false, nil
	}
	if t, ok := isoTime(value); ok {
		return t, true, nil
	}
	return time.Time{}, true, fmt.Errorf("the variable %s is %q, which is no ISO 8601 time", variable, dq.Truncate(value, 60))
}

// isoTime reads a time as people write it in variables. Without a zone it is UTC.
func isoTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// newestTime reads the newest value, nil if there are no rows. A day counts until its end.
func newestTime(v any) (*time.Time, error) {
	var t time.Time
	switch v := v.(type) {
	case nil:
		return nil, nil
	case time.Time:
		t = v.UTC()
	case Date:
		t = time.Date(v.Year(), v.Month(), v.Day(), 23, 59, 59, 999_999_000, time.UTC)
	default:
		return nil, fmt.Errorf("the newest value is %s, which is no date or timestamp; cast the column, for instance freshness(created::timestamp) on PostgreSQL", text(v))
	}
	return &t, nil
}

// freshnessDetails shows times as the reference client does, as Python writes them.
func (c *planned) freshnessDetails(newest *time.Time, variable string, now time.Time) json.RawMessage {
	text, _ := c.vars.Lookup(variable)
	details := map[string]any{
		"maxColumnTimestamp": nil, "maxColumnTimestampUtc": nil, "nowVariableName": variable,
		"nowTimestamp": text, "nowTimestampUtc": pythonTime(now) + "+00:00", "freshness": nil,
	}
	if newest != nil {
		details["maxColumnTimestamp"], details["maxColumnTimestampUtc"] = pythonTime(*newest), pythonTime(*newest)+"+00:00"
		details["freshness"] = pythonDuration(now.Sub(*newest))
	}
	body, err := json.Marshal(details)
	if err != nil {
		return nil
	}
	return body
}

func pythonTime(t time.Time) string {
	if t.Nanosecond()/1000 == 0 {
		return t.Format(time.DateTime)
	}
	return t.Format("2006-01-02 15:04:05.000000")
}

// pythonDuration writes a duration as the reference client does: "1 day, 2:03:04".
func pythonDuration(d time.Duration) string {
	days := d / (24 * time.Hour)
	if d < 0 && d%(24*time.Hour) != 0 {
		days--
	}
	d -= days * 24 * time.Hour
	s := fmt.Sprintf("%d:%02d:%02d", d/time.Hour, d/time.Minute%60, d/time.Second%60)
	if micro := d / time.Microsecond % 1_000_000; micro != 0 {
		s += fmt.Sprintf(".%06d", micro)
	}
	switch days {
	case 0:
		return s
	case 1, -1:
		return fmt.Sprintf("%d day, %s", days, s)
	}
	return fmt.Sprintf("%d days, %s", days, s)
}
