package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// planReference counts rows whose values have no (or, with not, have a) match in another table.
func (r *run) planReference(c *planned) error {
	ref := c.Reference
	var join, where []string
	for i, column := range ref.Columns {
		join = append(join, "SOURCE."+column+" = TARGET."+ref.TableColumns[i])
		if ref.Not {
			where = append(where, "TARGET."+ref.TableColumns[i]+" IS NOT NULL")
		} else {
			where = append(where, "(SOURCE."+column+" IS NOT NULL AND TARGET."+ref.TableColumns[i]+" IS NULL)")
		}
	}
	or := " OR "
	if ref.Not {
		or = " AND "
	}
	condition := strings.Join(where, or)
	if c.partition.Filter != "" {
		condition = "(" + c.partition.Filter + ") AND (" + condition + ")"
	}
	sql := "SELECT COUNT(*)\nFROM " + c.source.Qualified(c.table) + " SOURCE\nLEFT JOIN " + c.source.Qualified(ref.Table) + " TARGET ON " +
		strings.Join(join, " AND ") + "\nWHERE " + condition
	parts := append(slices.Clone(ref.Columns), append([]string{ref.Table}, ref.TableColumns...)...)
	m := &measure{table: c.table, partition: c.partition.Name, column: c.Column(), name: "reference", identity: r.identity(c, c.Column(), "reference", parts...)}
	m, err := r.statement(c, m, "reference["+strings.Join(ref.Columns, ",")+"]", sql, 1, first)
	if err != nil {
		return err
	}
	c.judge = func(_ context.Context, result *dq.Result) error { return anyRowFails(m.value, result) }
	return nil
}

// anyRowFails fails the check if a count is not 0.
func anyRowFails(count any, result *dq.Result) error {
	n, ok := count.(int64)
	if !ok {
		return errors.New("the database gave no count")
	}
	result.Value = number(n)
	zero := 0.0
	result.Fail = zone{over: &zero}.threshold()
	result.Outcome = dq.Pass
	if n != 0 {
		result.Outcome = dq.Fail
	}
	return nil
}

// planSameRowCount compares the number of rows with that of another table, perhaps of another data source.
func (r *run) planSameRowCount(c *planned) error {
	own, err := r.rowCount(c, "")
	if err != nil {
		return err
	}
	other := c.source
	if c.SameAs.Source != "" {
		if other, err = r.source(c.SameAs.Source); err != nil {
			return fmt.Errorf("the other data source %q: %w", c.SameAs.Source, err)
		}
	}
	filter, err := c.vars.Resolve(c.SameAs.Filter)
	if err != nil {
		return err
	}
	table, err := c.vars.Resolve(c.SameAs.Table)
	if err != nil {
		return err
	}
	there := &planned{Check: c.Check, source: other, table: table, partition: &sodacl.Partition{Name: c.SameAs.Partition}, vars: c.vars}
	theirs := r.aggregateFrom(c, other, extent{other.Qualified(table), filter}, &measure{table: table, partition: c.SameAs.Partition, name: "row_count", sql: "COUNT(*)", identity: r.identity(there, "", "row_count")})
	c.judge = func(_ context.Context, result *dq.Result) error {
		a, ok1 := own.value.(int64)
		b, ok2 := theirs.value.(int64)
		if !ok1 || !ok2 {
			return errors.New("the rows could not be counted")
		}
		result.Value = number(a - b)
		result.Diagnostics, _ = json.Marshal(map[string]int64{"rowCount": a, "otherRowCount": b}) // numbers always marshal
		result.Outcome = dq.Pass
		if a != b {
			result.Outcome = dq.Fail
		}
		return nil
	}
	return nil
}

// planFailedRows counts rows that a condition or a query finds.
func (r *run) planFailedRows(c *planned) error {
	var m *measure
	var err error
	if c.Condition != "" {
		m, err = r.aggregate(c, "row_count", "", "COUNT(CASE WHEN "+c.Condition+" THEN 1 END)", r.identity(c, "", "row_count", c.Condition))
	} else {
		var query string
		if query, err = c.vars.Resolve(c.Query); err != nil {
			return err
		}
		m = r.ask(c, &measure{table: c.table, partition: c.partition.Name, name: "failed rows", identity: r.identity(c, "", "failed rows", query)}, "user_defined_failed_rows_query["+c.Line+"]", query, 0, func(rows *Rows) (any, error) { return rows.Count, nil })
	}
	if err != nil {
		return err
	}
	z, zoneErr := zonesOf(c.Check, sodacl.Variables{})
	c.judge = func(_ context.Context, result *dq.Result) error {
		if c.Warn == nil && c.Fail == nil {
			return anyRowFails(m.value, result)
		}
		result.Value, result.Warn, result.Fail = number(m.value), z.warn.threshold(), z.fail.threshold()
		if zoneErr != nil {
			return zoneErr
		}
		result.Outcome = z.outcome(m.value)
		return nil
	}
	return nil
}

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
	for _, row := range rows.Rows {
		label := groupLabel(row, keys)
		if seen[label] {
			continue
		}
		seen[label] = true
		for _, nested := range c.Groups.Checks {
			one, err := r.judgeGroup(c, nested, rows, row, label)
			if err != nil {
				return err
			}
			if one.Outcome == dq.Fail {
				result.Outcome = dq.Fail
			}
			c.more = append(c.more, one)
		}
	}
	c.hidden = len(c.more) > 0
	return nil
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

func (r *run) judgeGroup(c *planned, nested *sodacl.Check, rows *Rows, row []any, label string) (dq.Result, error) {
	at, err := places(rows, []string{nested.Metric})
	if err != nil {
		return dq.Result{}, err
	}
	if nested.Name == "" {
		return dq.Result{}, fmt.Errorf("the nested check %q needs a name", nested.Line)
	}
	n := &planned{Check: nested, source: c.source, table: c.table, partition: c.partition, vars: c.vars}
	one := dq.Result{Check: r.describe(n)}
	one.Name += " [" + label + "]"
	one.Group = &dq.Group{Identity: c.result.Identity, Name: c.result.Name, Label: label}
	one.Identity = dq.OpaqueID(8, one.Identity, label)
	one.Aliases, one.Kind = nil, "group"
	one.Outcome = dq.NotEvaluated
	value := row[at[0]]
	z, err := zonesOf(nested, c.vars)
	switch {
	case value == nil:
		one.Reasons = []dq.Reason{{Code: "notEvaluated", Message: "the value is NULL", Severity: "info"}}
	case err != nil || !isNumber(value):
		r.log(dq.LevelError, &nested.At, "Check %q is not evaluated: the value %s is not a number", one.Name, text(value))
	default:
		one.Value, one.Warn, one.Fail = number(value), z.warn.threshold(), z.fail.threshold()
		one.Outcome = z.outcome(value)
	}
	return one, nil
}

// planGroupEvolution compares the groups that a query gives with those that must, or must not, be there.
func (r *run) planGroupEvolution(c *planned) error {
	if c.Groups == nil {
		c.Groups = &sodacl.Groups{}
	}
	m := &measure{table: c.table, partition: c.partition.Name, name: "group evolution", identity: r.identity(c, "", "group evolution"), hidden: true}
	m, err := r.statement(c, m, "group_evolution["+c.Line+"]", c.Query, maxRows, func(rows *Rows) (any, error) { return rows, nil })
	if err != nil {
		return err
	}
	c.judge = func(_ context.Context, result *dq.Result) error {
		rows, ok := m.value.(*Rows)
		if !ok {
			return errors.New("the query gave nothing")
		}
		if c.Groups.Changes {
			return errors.New("\"when groups change\" is not supported; use \"when required group missing\"")
		}
		var groups []string
		for _, row := range rows.Rows {
			if row[0] != nil {
				groups = append(groups, groupLabel(row, []int{0}))
			}
		}
		fail, err1 := groupViolations(c.Groups.FailRequired, c.Groups.FailForbidden, groups)
		warn, err2 := groupViolations(c.Groups.WarnRequired, c.Groups.WarnForbidden, groups)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		result.ValueLabel = fmt.Sprintf("%d Failures, %d Warnings", len(fail), len(warn))
		for _, message := range append(fail, warn...) {
			result.Reasons = append(result.Reasons, dq.Reason{Code: "group", Message: message})
		}
		switch {
		case len(fail) > 0:
			result.Outcome = dq.Fail
		case len(warn) > 0:
			result.Outcome = dq.Warn
		default:
			result.Outcome = dq.Pass
		}
		return nil
	}
	return nil
}

func groupViolations(required, forbidden, groups []string) ([]string, error) {
	var out []string
	for _, name := range required {
		if !slices.Contains(groups, name) {
			out = append(out, "group "+name+" is missing")
		}
	}
	for _, pattern := range forbidden {
		re, err := forbiddenPattern(pattern)
		if err != nil {
			return nil, fmt.Errorf("forbidden group %q: %w", pattern, err)
		}
		for _, name := range groups {
			if re.MatchString(name) {
				out = append(out, "group "+name+" must not be there")
			}
		}
	}
	return out, nil
}
