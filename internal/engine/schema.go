package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// columnsOf asks for the columns of the check's table, as a list of [dq.Column].
func (r *run) columnsOf(c *planned) (*measure, error) {
	m := &measure{table: c.table, partition: c.partition.Name, name: "schema", identity: r.identity(c, "", "schema")}
	return r.statement(c, m, "schema["+unquoted(c.table)+"]", c.source.Dialect.Columns(c.source, c.table), maxRows, func(rows *Rows) (any, error) {
		columns := readColumns(rows)
		if len(columns) == 0 {
			return nil, fmt.Errorf("the table %s has no columns, or does not exist", unquoted(c.table))
		}
		return columns, nil
	})
}

func readColumns(rows *Rows) []dq.Column {
	var columns []dq.Column
	for _, row := range rows.Rows {
		name, _ := row[0].(string)
		kind, _ := row[1].(string)
		columns = append(columns, dq.Column{Name: name, Type: kind})
	}
	return columns
}

func (r *run) planSchema(c *planned) error {
	m, err := r.columnsOf(c)
	if err != nil {
		return err
	}
	c.judge = func(ctx context.Context, result *dq.Result) error {
		columns, ok := m.value.([]dq.Column)
		if !ok {
			return errors.New("the columns could not be read")
		}
		var previous []dq.Column
		if wantsChanges(c.SchemaWarn) || wantsChanges(c.SchemaFail) {
			if previous, err = r.previousSchema(ctx, m.identity); err != nil {
				return err
			}
		}
		warn, err1 := violations(c.SchemaWarn, columns, previous, c.source.Dialect)
		fail, err2 := violations(c.SchemaFail, columns, previous, c.source.Dialect)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		events := append(slices.Clone(fail.events()), warn.events()...)
		result.ValueLabel = fmt.Sprintf("%d schema event(s)", len(events))
		result.Diagnostics = schemaDetails(columns, fail, warn)
		for _, e := range events {
			result.Reasons = append(result.Reasons, dq.Reason{Code: "schema", Message: e.message})
		}
		result.Outcome = worse(len(fail.events()), len(warn.events()))
		return nil
	}
	return nil
}

func wantsChanges(rules *sodacl.SchemaRules) bool { return rules != nil && len(rules.Changes) > 0 }

// former is what was measured before under the identity. what names who asks.
func (r *run) former(ctx context.Context, identity, what string) (json.RawMessage, error) {
	if r.History == nil {
		return nil, fmt.Errorf("%s needs the history of former scans, and there is none here; push results to a server (soda_cloud: in the configuration)", what)
	}
	list, err := r.History.Measurements(ctx, identity, time.Time{}, r.DataTime, 1)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	if len(list) == 0 {
		return nil, quietly{"there is no former measurement to compare with yet"}
	}
	return list[0].Value, nil
}

// previousSchema is the newest schema that was measured before.
func (r *run) previousSchema(ctx context.Context, identity string) ([]dq.Column, error) {
	raw, err := r.former(ctx, identity, "\"when schema changes\"")
	if err != nil {
		return nil, err
	}
	var wire []struct {
		ColumnName     string `json:"columnName"`
		SourceDataType string `json:"sourceDataType"`
	}
	if err := json.Unmarshal(raw, &wire); err != nil {
		return nil, quietly{"the former schema cannot be read"}
	}
	columns := make([]dq.Column, len(wire))
	for i, w := range wire {
		columns[i] = dq.Column{Name: w.ColumnName, Type: w.SourceDataType}
	}
	return columns, nil
}

func violations(rules *sodacl.SchemaRules, columns, previous []dq.Column, d *Dialect) (*schemaViolations, error) {
	v := &schemaViolations{}
	if rules == nil {
		return v, nil
	}
	place := map[string]int{}
	for i, c := range columns {
		place[c.Name] = i
	}
	for _, name := range rules.Required {
		if _, ok := place[name]; !ok {
			v.Missing = append(v.Missing, name)
		}
	}
	if err := v.forbidden(rules.Forbidden, columns); err != nil {
		return nil, err
	}
	listed := map[string]bool{}
	for _, t := range rules.Types {
		listed[t.Name] = true
		i, ok := place[t.Name]
		switch {
		case !ok && !slices.Contains(rules.Optional, t.Name):
			v.Missing = append(v.Missing, t.Name)
		case ok && t.Type != "" && !d.sameType(t.Type, columns[i].Type):
			v.Types = append(v.Types, typeMismatch{t.Name, t.Type, columns[i].Type})
		}
	}
	for _, c := range columns {
		if rules.Exact && !listed[c.Name] {
			v.Forbidden = append(v.Forbidden, c.Name)
		}
	}
	for _, x := range rules.Indexes {
		switch i, ok := place[x.Name]; {
		case !ok:
			v.Missing = append(v.Missing, x.Name)
		case i != x.Index:
			there := (*string)(nil)
			if x.Index >= 0 && x.Index < len(columns) {
				there = &columns[x.Index].Name
			}
			v.Indexes = append(v.Indexes, indexMismatch{x.Name, x.Index, i, there})
		}
	}
	if len(rules.Changes) > 0 {
		v.changes(rules.Changes, columns, previous)
	}
	return v, nil
}

// forbiddenPattern reads a pattern as the reference client does: * is any text, % is any text but none, the rest is a regular
// expression that must match at the beginning.
func forbiddenPattern(pattern string) (*regexp.Regexp, error) {
	return regexp.Compile("^(?:" + strings.NewReplacer("%", "..*", "*", ".*").Replace(pattern) + ")")
}

// forbidden finds columns that match a pattern.
func (v *schemaViolations) forbidden(patterns []string, columns []dq.Column) error {
	for _, pattern := range patterns {
		re, err := forbiddenPattern(pattern)
		if err != nil {
			return fmt.Errorf("forbidden column %q: %w", pattern, err)
		}
		for _, c := range columns {
			if re.MatchString(c.Name) && !slices.Contains(v.Forbidden, c.Name) {
				v.Forbidden = append(v.Forbidden, c.Name)
			}
		}
	}
	return nil
}

func (v *schemaViolations) changes(which map[string]bool, columns, previous []dq.Column) {
	before := map[string]int{}
	for i, c := range previous {
		before[c.Name] = i
	}
	now := map[string]bool{}
	for i, c := range columns {
		now[c.Name] = true
		old, ok := before[c.Name]
		switch {
		case !ok && which["add"]:
			v.Added = append(v.Added, c.Name)
		case ok && which["type"] && previous[old].Type != c.Type:
			v.TypeChanges = append(v.TypeChanges, typeMismatch{c.Name, previous[old].Type, c.Type})
		}
		if ok && which["index"] && old != i {
			v.Moved = append(v.Moved, indexMismatch{Column: c.Name, Expected: old, Actual: i})
		}
	}
	for _, c := range previous {
		if which["delete"] && !now[c.Name] {
			v.Deleted = append(v.Deleted, c.Name)
		}
	}
}

// sameType compares types as written and as the catalogue has them.
func (d *Dialect) sameType(expected, actual string) bool {
	expected = strings.ToLower(expected)
	return strings.EqualFold(expected, actual) || slices.Contains(d.Synonyms[actual], expected) || slices.Contains(d.Synonyms[expected], actual)
}
