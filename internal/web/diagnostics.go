package web

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// Bounds of a table within diagnostics.
const (
	maxTableRows = 300
	maxCell      = 500
)

// diagnosticsView is what a scanner said of a result beyond its outcome and value, in the forms that people can read.
type diagnosticsView struct {
	Facts  []fact
	Tables []tableView
	Files  []fileView
	// Rest is what has no form of its own, as JSON.
	Rest string
}

// Empty tells whether there is nothing to show.
func (d diagnosticsView) Empty() bool {
	return len(d.Facts) == 0 && len(d.Tables) == 0 && len(d.Files) == 0 && d.Rest == ""
}

type fact struct{ Label, Value string }

type tableView struct {
	Title string
	Head  []string
	Rows  [][]cell
	Note  string
}

// cell is a text, perhaps with an outcome before it.
type cell struct {
	Badge template.HTML
	Text  string
}

// fileView is a sample of failed rows.
type fileView struct {
	Title   string
	Href    string // "" if the rows were not sent
	Text    string
	Columns []string
	Link    string // an address that the scanner's own sampler gave, shown as text
}

type members map[string]json.RawMessage

// take removes a member and reads it into v; false if it is missing, null, or of another type.
func (m members) take(name string, v any) bool {
	raw, ok := m[name]
	if !ok || string(raw) == "null" {
		delete(m, name)
		return false
	}
	if json.Unmarshal(raw, v) != nil {
		return false
	}
	delete(m, name)
	return true
}

// readDiagnostics gives each kind of diagnostics its form. What it does not know stays in Rest.
func readDiagnostics(raw json.RawMessage, checkID string) diagnosticsView {
	var v diagnosticsView
	var m members
	if len(raw) == 0 || string(raw) == "null" {
		return v
	}
	if json.Unmarshal(raw, &m) != nil {
		v.Rest = pretty(raw)
		return v
	}
	v.contract(m)
	v.change(m)
	v.facts(m)
	v.series(m)
	v.blocks(m, checkID)
	v.schema(m)
	delete(m, "preferredChart")
	maps.DeleteFunc(m, func(_ string, raw json.RawMessage) bool { return isBlank(raw) })
	if len(m) > 0 {
		rest, err := json.Marshal(m)
		if err == nil {
			v.Rest = pretty(rest)
		}
	}
	return v
}

func isBlank(raw json.RawMessage) bool {
	return slices.Contains([]string{"null", "[]", "{}", `""`}, string(raw))
}

var factLabels = []struct{ member, label string }{
	{"freshness", "Age of the newest row"},
	{"maxColumnTimestampUtc", "Newest time in the column (UTC)"},
	{"maxColumnTimestamp", "Newest time in the column"},
	{"nowTimestampUtc", "Compared with (UTC)"},
	{"nowTimestamp", "Compared with"},
	{"nowVariableName", "Variable for now"},
	{"rowCount", "Rows in this dataset"},
	{"otherRowCount", "Rows in the other dataset"},
	{"anomalyPredictedValue", "Expected value"},
	{"anomalyProbability", "Probability of an anomaly"},
	{"anomalyErrorSeverity", "Severity"},
	{"anomalyErrorCode", "Code"},
	{"anomalyErrorMessage", "Message"},
}

// contractFacts are what checks of contracts count.
var contractFacts = []struct{ member, label, unit string }{
	{"failedRowsCount", "Failed rows", ""},
	{"failedRowsPercent", "Share of failed rows", "%"},
	{"missingCount", "Missing values", ""},
	{"checkRowsTested", "Rows that the check tested", ""},
	{"datasetRowsTested", "Rows of the dataset tested", ""},
	{"actualTimestampUtc", "Newest time in the column (UTC)", ""},
	{"expectedTimestampUtc", "Compared with (UTC)", ""},
}

// contract takes the diagnostics of a contract's check. What is of an unknown kind stays.
func (v *diagnosticsView) contract(m members) {
	var inner members
	if json.Unmarshal(m["v4"], &inner) != nil {
		return
	}
	v.contractSchema(m, inner)
	for _, known := range contractFacts {
		if text, ok := scalar(inner[known.member]); ok && text != "" {
			v.Facts = append(v.Facts, fact{known.label, text + known.unit})
			delete(inner, known.member)
		}
	}
	for _, twin := range []string{"actualTimestamp", "expectedTimestamp", "type"} { // the first two say what the others in UTC do
		delete(inner, twin)
	}
	delete(m, "v4")
	if rest, err := json.Marshal(inner); err == nil && len(inner) > 0 {
		m["v4"] = rest
	}
}

// contractSchema puts the columns that a contract expects beside those that are there.
func (v *diagnosticsView) contractSchema(m, inner members) {
	var expected, actual []dq.Column
	if !inner.take("expected", &expected) || !inner.take("actual", &actual) {
		return
	}
	differs := map[string]string{}
	for member, text := range map[string]string{"column_type_mismatches": "type differs", "column_index_mismatches": "another place"} {
		var columns map[string]json.RawMessage
		if m.take(member, &columns) {
			for name := range columns {
				differs[name] = strings.TrimPrefix(differs[name]+", "+text, ", ")
			}
		}
	}
	delete(m, "missing_column_names") // which the table tells too
	var unexpected []string
	m.take("unexpected_column_names", &unexpected)
	t := tableView{Title: "Columns", Head: []string{"Column", "In the contract", "In the dataset", ""}}
	types := map[string]string{}
	for _, c := range actual {
		types[c.Name] = c.Type
	}
	add := func(name, want, have, problem string) {
		row := []cell{{Text: clip(name, maxCell)}, {Text: clip(want, maxCell)}, {Text: clip(have, maxCell)}, {}}
		if problem != "" {
			row[3] = cell{Badge: badge("fail", "fail", problem)}
		}
		t.Rows = append(t.Rows, row)
	}
	wanted := map[string]bool{}
	for _, e := range expected {
		wanted[e.Name] = true
		have, there := types[e.Name]
		switch {
		case !there:
			add(e.Name, cmp.Or(e.Type, "any type"), "", "missing")
		default:
			add(e.Name, cmp.Or(e.Type, "any type"), have, differs[e.Name])
		}
	}
	for _, a := range actual {
		switch {
		case slices.Contains(unexpected, a.Name):
			add(a.Name, "", a.Type, "not in the contract")
		case !wanted[a.Name]:
			add(a.Name, "", a.Type, "") // columns beyond the contract are allowed
		}
	}
	if len(t.Rows) > maxTableRows {
		t.Rows, t.Note = t.Rows[:maxTableRows], "Only the first "+digits(maxTableRows)+" columns are shown."
	}
	v.Tables = append(v.Tables, t)
}

// facts takes the members that are one word or number each.
func (v *diagnosticsView) facts(m members) {
	for _, known := range factLabels {
		raw := m[known.member]
		if text, ok := scalar(raw); ok {
			delete(m, known.member)
			if text != "" {
				v.Facts = append(v.Facts, fact{known.label, text})
			}
		}
	}
}

// scalar is a JSON string or number in words; false for anything else.
func scalar(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		return clip(s, maxCell), true
	}
	var n json.Number
	if len(raw) > 0 && raw[0] != 'n' && json.Unmarshal(raw, &n) == nil {
		return wording.FormatNumber(n), true
	}
	return "", false
}

// change takes the values that a change over time was made from.
func (v *diagnosticsView) change(m members) {
	raw, ok := m["diagnostics"]
	var inner members
	if !ok || json.Unmarshal(raw, &inner) != nil {
		return
	}
	for _, known := range []struct{ member, label string }{{"historic_value", "Value then"}, {"metric_value", "Value now"}} {
		if text, ok := scalar(inner[known.member]); ok {
			v.Facts = append(v.Facts, fact{known.label, text})
			delete(inner, known.member)
		}
	}
	delete(m, "diagnostics")
	if rest, err := json.Marshal(inner); err == nil && len(inner) > 0 {
		m["diagnostics"] = rest
	}
}

// series takes counts by outcome.
func (v *diagnosticsView) series(m members) {
	var series struct {
		Values []struct {
			Label   string      `json:"label"`
			Value   json.Number `json:"value"`
			Outcome dq.Outcome  `json:"outcome"`
		} `json:"values"`
	}
	if !m.take("valueSeries", &series) {
		return
	}
	t := tableView{Title: "Events", Head: []string{"Kind", "Number"}}
	for _, row := range series.Values[:min(len(series.Values), maxTableRows)] {
		kind := cell{Text: clip(row.Label, maxCell)}
		if row.Outcome.Evaluated() && string(row.Outcome) == row.Label {
			kind = cell{Badge: outcomeBadge(row.Outcome)}
		}
		t.Rows = append(t.Rows, []cell{kind, {Text: wording.FormatNumber(row.Value)}})
	}
	if len(t.Rows) > 0 {
		v.Tables = append(v.Tables, t)
	}
}

// block is one of the pieces that scanners lay out for people.
type block struct {
	Type  string          `json:"type"`
	Title string          `json:"title"`
	Text  string          `json:"text"`
	File  json.RawMessage `json:"file"`
	// of failedRowsAnalysis
	Failing *json.Number `json:"totalFailingRows"`
}

func (v *diagnosticsView) blocks(m members, checkID string) {
	var blocks []json.RawMessage
	if !m.take("blocks", &blocks) {
		return
	}
	var unknown []json.RawMessage
	for _, raw := range blocks {
		if !v.block(raw, checkID) {
			unknown = append(unknown, raw)
		}
	}
	if rest, err := json.Marshal(unknown); err == nil && len(unknown) > 0 {
		m["blocks"] = rest
	}
}

func (v *diagnosticsView) block(raw json.RawMessage, checkID string) bool {
	var b block
	if json.Unmarshal(raw, &b) != nil {
		return false
	}
	switch {
	case b.Type == "csv":
		t, ok := csvTable(b.Title, b.Text)
		v.Tables = append(v.Tables, t)
		return ok
	case len(b.File) > 0:
		f, ok := readFile(b, checkID)
		if ok {
			v.Files = append(v.Files, f)
		}
		return ok
	}
	return false
}

// csvTable reads a table that a scanner wrote for display. Its cells may begin with an icon by name.
func csvTable(title, text string) (tableView, bool) {
	t := tableView{Title: clip(title, maxName)}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t, true
		}
		if err != nil {
			t.Note = "The rest could not be read."
			return t, true
		}
		if t.Head == nil {
			t.Head = clipAll(record)
			continue
		}
		if len(t.Rows) == maxTableRows {
			t.Note = "Only the first " + digits(maxTableRows) + " rows are shown."
			return t, true
		}
		row := make([]cell, max(len(record), len(t.Head)))
		for i, text := range record {
			row[i] = iconCell(text)
		}
		t.Rows = append(t.Rows, row)
	}
}

func clipAll(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = clip(t, maxCell)
	}
	return out
}

// iconCell turns ":icon-fail: text" into an outcome and the text.
func iconCell(text string) cell {
	text = strings.TrimSpace(text)
	for _, o := range dq.Outcomes {
		if rest, ok := strings.CutPrefix(text, ":icon-"+string(o)+":"); ok {
			return cell{Badge: outcomeBadge(o), Text: clip(strings.TrimSpace(rest), maxCell)}
		}
	}
	return cell{Text: clip(text, maxCell)}
}

func readFile(b block, checkID string) (fileView, bool) {
	var file struct {
		Columns []struct {
			Name string `json:"name"`
		} `json:"columns"`
		Total     *int `json:"totalRowCount"`
		Stored    *int `json:"storedRowCount"`
		Reference struct {
			Type    string `json:"type"`
			FileID  string `json:"fileId"`
			Message string `json:"message"`
			Link    struct {
				Href string `json:"href"`
			} `json:"link"`
		} `json:"reference"`
	}
	if json.Unmarshal(b.File, &file) != nil {
		return fileView{}, false
	}
	f := fileView{Title: clip(b.Title, maxName), Text: file.Reference.Message, Link: clip(file.Reference.Link.Href, maxCell)}
	for _, c := range file.Columns[:min(len(file.Columns), 100)] {
		f.Columns = append(f.Columns, clip(c.Name, maxShort))
	}
	if id := file.Reference.FileID; file.Reference.Type == "sodaCloudStorage" && validID(id) {
		f.Href = address{path: "/samples/" + id}.with("check", checkID).String()
		f.Text = storedText(file.Stored, file.Total)
	}
	if f.Text == "" {
		f.Text = "The rows were not sent."
	}
	if b.Failing != nil {
		rows := " failing rows. "
		if *b.Failing == "1" {
			rows = " failing row. "
		}
		f.Text = wording.FormatNumber(*b.Failing) + rows + f.Text
	}
	return f, true
}

func storedText(stored, total *int) string {
	switch {
	case stored != nil && total != nil && *stored < *total:
		return "A sample of " + digits(*stored) + " of " + digits(*total) + " rows was kept."
	case stored != nil:
		return wording.Count(*stored, "row") + " kept."
	}
	return "A sample of rows was kept."
}

// schema takes what a schema check found, where no block told it already.
func (v *diagnosticsView) schema(m members) {
	t := tableView{Title: "Schema differences", Head: []string{"Column", "Difference", "Before or expected", "Now"}}
	v.columnLists(m, &t)
	v.columnPairs(m, &t)
	told := slices.ContainsFunc(v.Tables, func(known tableView) bool { return known.Title == "Diagnostics" })
	if len(t.Rows) > 0 && !told {
		t.Rows = t.Rows[:min(len(t.Rows), maxTableRows)]
		v.Tables = append(v.Tables, t)
	}
}

func (v *diagnosticsView) columnLists(m members, t *tableView) {
	for _, list := range []struct{ member, text string }{
		{"missing_column_names", "Required column missing"}, {"present_column_names", "Forbidden column present"},
		{"column_additions", "Column added"}, {"column_deletions", "Column removed"},
	} {
		var names []string
		if m.take(list.member, &names) {
			for _, name := range names {
				t.Rows = append(t.Rows, []cell{{Text: clip(name, maxCell)}, {Text: list.text}, {}, {}})
			}
		}
	}
}

func (v *diagnosticsView) columnPairs(m members, t *tableView) {
	for _, pair := range []struct{ member, text, before, now string }{
		{"column_type_mismatches", "Type differs", "expected_type", "actual_type"},
		{"column_type_changes", "Type changed", "previous_type", "new_type"},
		{"column_index_mismatches", "Place differs", "expected_index", "actual_index"},
		{"column_index_changes", "Place changed", "previous_index", "new_index"},
	} {
		var columns map[string]members
		if !m.take(pair.member, &columns) {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(columns)) {
			before, _ := scalar(columns[name][pair.before])
			now, _ := scalar(columns[name][pair.now])
			t.Rows = append(t.Rows, []cell{{Text: clip(name, maxCell)}, {Text: pair.text}, {Text: before}, {Text: now}})
		}
	}
}

// sampleColumns finds the column names of a sample in the diagnostics that refer to it.
func sampleColumns(raw json.RawMessage, sampleID string) []string {
	for _, f := range readDiagnostics(raw, "").Files {
		if f.Href == (address{path: "/samples/" + sampleID}).String() {
			return f.Columns
		}
	}
	return nil
}
