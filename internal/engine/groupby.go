package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// planGroupBy runs a query whose rows are groups, each judged by the nested checks.
func (r *run) planGroupBy(c *planned) error {
	m := &measure{table: c.table, partition: c.partition.Name, name: "group by", identity: r.identity(c, "", "group by", c.Query), hidden: true}
	m, err := r.statement(c, m, "group_by["+c.Line+"]", c.Query, maxRows, func(rows *Rows) (any, error) { return rows, nil })
	if err != nil {
		return err
	}
	c.judge = func(_ context.Context, result *dq.Result) error {
		rows, ok := m.value.(*Rows)
		if !ok {
			return errors.New("the query gave nothing")
		}
		return r.judgeGroups(c, rows, result)
	}
	return nil
}

func (r *run) judgeGroups(c *planned, rows *Rows, result *dq.Result) error {
	if rows.Count > int64(c.Groups.Limit) {
		return fmt.Errorf("there are %d groups, more than the group_limit of %d", rows.Count, c.Groups.Limit)
	}
	keys, err := places(rows, c.Groups.Fields)
	if err != nil {
		return err
	}
	result.Outcome = dq.Pass
	seen := map[string]bool{}
	var wrong error // with one nested check hurts none of the others
	for _, row := range rows.Rows {
		label := groupLabel(row, keys)
		if seen[label] {
			continue
		}
		seen[label] = true
		for _, nested := range c.Groups.Checks {
			one, err := r.judgeGroup(c, nested, rows, row, label)
			if err != nil {
				wrong = cmp.Or(wrong, err)
				continue
			}
			if one.Outcome == dq.Fail {
				result.Outcome = dq.Fail
			}
			c.more = append(c.more, one)
		}
	}
	c.hidden = len(c.more) > 0 && wrong == nil
	return wrong
}

// places finds columns of an answer by name.
func places(rows *Rows, names []string) ([]int, error) {
	var out []int
	for _, name := range names {
		i := slices.IndexFunc(rows.Columns, func(c dq.Column) bool { return c.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("the query gives no column %q", name)
		}
		out = append(out, i)
	}
	return out, nil
}

func groupLabel(row []any, keys []int) string {
	words := make([]string, len(keys))
	for i, k := range keys {
		words[i] = pythonText(row[k])
	}
	return strings.Join(words, ",")
}

// judgeGroup judges one nested check for one group. It is a check of its own, with a history of its own.
func (r *run) judgeGroup(c *planned, nested *sodacl.Check, rows *Rows, row []any, label string) (dq.Result, error) {
	at, err := places(rows, []string{nested.Metric})
	if err != nil {
		return dq.Result{}, err
	}
	if nested.Name == "" {
		return dq.Result{}, fmt.Errorf("the nested check %q needs a name", nested.Line)
	}
	n := &planned{Check: nested.InGroup(label), source: c.source, table: c.table, partition: c.partition, vars: c.vars}
	one := dq.Result{Check: r.describe(n), Outcome: dq.NotEvaluated}
	one.Group = &dq.Group{Identity: c.result.Identity, Name: one.Name, Label: label}
	one.Name += " [" + label + "]"
	one.Kind = "group"
	value := row[at[0]]
	z, err := zonesOf(nested, c.vars)
	switch {
	case value == nil:
		one.Reasons = []dq.Reason{{Code: "notEvaluated", Message: "the value is NULL", Severity: "info"}}
	case err != nil || !isNumber(value):
		why := fmt.Sprintf("the value %s is not a number", text(value))
		if err != nil {
			why = err.Error()
		}
		r.log(dq.LevelError, &nested.At, "Check %q is not evaluated: %s", one.Name, why)
		one.Reasons = []dq.Reason{{Code: "notEvaluated", Message: why, Severity: "error"}}
	default:
		identity := r.identity(c, "", one.Name)
		one.Metrics = []string{identity}
		r.scan.Measurements = append(r.scan.Measurements, dq.Measurement{Dataset: one.Dataset, Identity: identity, Name: one.Name, Value: []byte(jsonText(value))})
		one.Value, one.Warn, one.Fail = number(value), z.warn.threshold(), z.fail.threshold()
		one.Outcome = z.outcome(value)
	}
	return one, nil
}
