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
		all := append(slices.Clone(fail.events()), warn.events()...)
		result.ValueLabel = fmt.Sprintf("%d schema events", len(all))
		if len(all) == 1 {
			result.ValueLabel = "1 schema event"
		}
		result.Diagnostics = schemaDetails(fail, warn)
		for _, e := range all {
			result.Reasons = append(result.Reasons, dq.Reason{Code: "schema", Message: e})
		}
		switch {
		case len(fail.events()) > 0:
			result.Outcome = dq.Fail
		case len(warn.events()) > 0:
			result.Outcome = dq.Warn
		default:
			result.Outcome = dq.Pass
		}
		return nil
	}
	return nil
}

func wantsChanges(rules *sodacl.SchemaRules) bool { return rules != nil && len(rules.Changes) > 0 }

// previousSchema is the newest schema that was measured before.
func (r *run) previousSchema(ctx context.Context, identity string) ([]dq.Column, error) {
	if r.History == nil {
		return nil, errors.New("\"when schema changes\" needs the history of former scans, and there is none here; push results to a server (soda_cloud: in the configuration)")
	}
	list, err := r.History.Measurements(ctx, identity, time.Time{}, r.DataTime, 1)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	if len(list) == 0 {
		return nil, quietly{"there is no former schema to compare with yet"}
	}
	var wire []struct {
		ColumnName     string `json:"columnName"`
		SourceDataType string `json:"sourceDataType"`
	}
	if err := json.Unmarshal(list[0].Value, &wire); err != nil {
		return nil, quietly{"the former schema cannot be read"}
	}
	columns := make([]dq.Column, len(wire))
	for i, w := range wire {
		columns[i] = dq.Column{Name: w.ColumnName, Type: w.SourceDataType}
	}
	return columns, nil
}

// schemaViolations are what the rules of one side found.
type schemaViolations struct {
	Missing     []string        `json:"missing_column_names"`
	Forbidden   []string        `json:"present_column_names"`
	Types       []typeMismatch  `json:"column_type_mismatches"`
	Indexes     []indexMismatch `json:"column_index_mismatches"`
	Added       []string        `json:"column_additions"`
	Deleted     []string        `json:"column_deletions"`
	TypeChanges []typeMismatch  `json:"column_type_changes"`
	Moved       []indexMismatch `json:"column_index_changes"`
}

type typeMismatch struct{ Column, Expected, Actual string }

type indexMismatch struct {
	Column           string
	Expected, Actual int
}

// events tells each violation in one line.
func (v *schemaViolations) events() []string {
	var out []string
	for _, n := range v.Missing {
		out = append(out, "column "+n+" is missing")
	}
	for _, n := range v.Forbidden {
		out = append(out, "column "+n+" must not be there")
	}
	for _, t := range v.Types {
		out = append(out, fmt.Sprintf("column %s has type %s, expected %s", t.Column, t.Actual, t.Expected))
	}
	for _, i := range v.Indexes {
		out = append(out, fmt.Sprintf("column %s is at place %d, expected %d", i.Column, i.Actual, i.Expected))
	}
	for _, n := range v.Added {
		out = append(out, "column "+n+" was added")
	}
	for _, n := range v.Deleted {
		out = append(out, "column "+n+" was deleted")
	}
	for _, t := range v.TypeChanges {
		out = append(out, fmt.Sprintf("column %s changed its type from %s to %s", t.Column, t.Expected, t.Actual))
	}
	for _, i := range v.Moved {
		out = append(out, fmt.Sprintf("column %s moved from place %d to %d", i.Column, i.Expected, i.Actual))
	}
	return out
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
			v.Indexes = append(v.Indexes, indexMismatch{x.Name, x.Index, i})
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
			v.Moved = append(v.Moved, indexMismatch{c.Name, old, i})
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

func schemaDetails(fail, warn *schemaViolations) json.RawMessage {
	both := schemaViolations{
		append(fail.Missing, warn.Missing...), append(fail.Forbidden, warn.Forbidden...), append(fail.Types, warn.Types...), append(fail.Indexes, warn.Indexes...),
		append(fail.Added, warn.Added...), append(fail.Deleted, warn.Deleted...), append(fail.TypeChanges, warn.TypeChanges...), append(fail.Moved, warn.Moved...),
	}
	body, err := json.Marshal(both)
	if err != nil {
		return nil
	}
	return body
}
