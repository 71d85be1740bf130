package engine

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// schemaViolations are what the rules of one side found.
type schemaViolations struct {
	Missing, Forbidden []string
	Types, TypeChanges []typeMismatch
	Indexes, Moved     []indexMismatch
	Added, Deleted     []string
}

type typeMismatch struct{ Column, Expected, Actual string }

// indexMismatch is a column that is not at its place, and the column that is there.
type indexMismatch struct {
	Column           string
	Expected, Actual int
	There            *string
}

// schemaEvent is one violation, in a line for people and in the reference client's words.
type schemaEvent struct{ message, column, event, details string }

// events tells the violations in the reference client's order.
func (v *schemaViolations) events() []schemaEvent {
	var out []schemaEvent
	for _, n := range v.Deleted {
		out = append(out, schemaEvent{"column " + n + " was deleted", n, "Column Deleted", ""})
	}
	for _, n := range v.Added {
		out = append(out, schemaEvent{"column " + n + " was added", n, "Column Added", ""})
	}
	for _, i := range v.Moved {
		out = append(out, schemaEvent{
			fmt.Sprintf("column %s moved from place %d to %d", i.Column, i.Expected, i.Actual),
			i.Column, "Index Changed", fmt.Sprintf("Previous Index: %d; New Index: %d", i.Expected, i.Actual),
		})
	}
	for _, t := range v.TypeChanges {
		out = append(out, schemaEvent{
			fmt.Sprintf("column %s changed its type from %s to %s", t.Column, t.Expected, t.Actual),
			t.Column, "Type Changed", fmt.Sprintf("Previous Type: %s; New Type: %s", t.Expected, t.Actual),
		})
	}
	for _, i := range v.Indexes {
		out = append(out, schemaEvent{
			fmt.Sprintf("column %s is at place %d, expected %d", i.Column, i.Actual, i.Expected),
			i.Column, "Index Mismatch", fmt.Sprintf("Expected Index: %d; Actual Index: %d", i.Expected, i.Actual),
		})
	}
	for _, t := range v.Types {
		out = append(out, schemaEvent{
			fmt.Sprintf("column %s has type %s, expected %s", t.Column, t.Actual, t.Expected),
			t.Column, "Type Mismatch", fmt.Sprintf("Expected Type: %s; Actual Type: %s", t.Expected, t.Actual),
		})
	}
	for _, n := range v.Forbidden {
		out = append(out, schemaEvent{"column " + n + " must not be there", n, "Forbidden Column Present", ""})
	}
	for _, n := range v.Missing {
		out = append(out, schemaEvent{"column " + n + " is missing", n, "Required Column Missing", ""})
	}
	return out
}

// schemaDetails are the reference client's diagnostics of a schema check.
func schemaDetails(columns []dq.Column, fail, warn *schemaViolations) json.RawMessage {
	types := func(list []typeMismatch, expected, actual string) map[string]any {
		out := map[string]any{}
		for _, t := range list {
			out[t.Column] = map[string]any{expected: t.Expected, actual: t.Actual}
		}
		return out
	}
	mismatches, moved := map[string]any{}, map[string]any{}
	for _, i := range append(warn.Indexes, fail.Indexes...) {
		mismatches[i.Column] = map[string]any{"expected_index": i.Expected, "actual_index": i.Actual, "column_on_expected_index": i.There}
	}
	for _, i := range append(warn.Moved, fail.Moved...) {
		moved[i.Column] = map[string]any{"previous_index": i.Expected, "new_index": i.Actual}
	}
	schema := []string{"Column,Type"}
	for _, c := range columns {
		schema = append(schema, c.Name+","+c.Type)
	}
	blocks := []block{{"Schema", strings.Join(schema, "\n")}}
	bad, doubtful := fail.events(), warn.events()
	if len(bad)+len(doubtful) > 0 {
		text := "Column,Event,Details\n" + eventLines(bad, "fail") + "\n" + eventLines(doubtful, "warn")
		blocks = append(blocks, block{"Diagnostics", text})
	}
	return barsOf([]bar{{"fail", len(bad)}, {"warn", len(doubtful)}, {"pass", len(columns) - len(bad) - len(doubtful)}}, map[string]any{
		"column_additions": names(warn.Added, fail.Added), "column_deletions": names(warn.Deleted, fail.Deleted),
		"column_index_changes": moved, "column_index_mismatches": mismatches,
		"column_type_changes":    types(append(warn.TypeChanges, fail.TypeChanges...), "previous_type", "new_type"),
		"column_type_mismatches": types(append(warn.Types, fail.Types...), "expected_type", "actual_type"),
		"missing_column_names":   names(warn.Missing, fail.Missing), "present_column_names": names(warn.Forbidden, fail.Forbidden),
	}, blocks...)
}

func eventLines(events []schemaEvent, side string) string {
	lines := make([]string, len(events))
	for i, e := range events {
		lines[i] = fmt.Sprintf("%s,:icon-%s: %s, %s", e.column, side, e.event, e.details)
	}
	return strings.Join(lines, "\n")
}

// names joins lists into one that is never nil.
func names(a, b []string) []string { return append(append([]string{}, a...), b...) }

// bar is one of a check's counts, shown as bars; block is a table, as CSV.
type (
	bar struct {
		outcome string
		count   int
	}
	block struct{ title, text string }
)

// barsOf completes diagnostics with counts and tables, in the reference client's form.
func barsOf(bars []bar, details map[string]any, blocks ...block) json.RawMessage {
	series, tables := []any{}, []any{}
	for _, b := range bars {
		series = append(series, map[string]any{"label": b.outcome, "outcome": b.outcome, "value": b.count})
	}
	for _, b := range blocks {
		tables = append(tables, map[string]any{"type": "csv", "title": b.title, "text": b.text})
	}
	details["blocks"], details["preferredChart"], details["valueSeries"] = tables, "bars", map[string]any{"values": series}
	body, err := json.Marshal(details)
	if err != nil {
		return nil // texts and numbers always marshal
	}
	return body
}
