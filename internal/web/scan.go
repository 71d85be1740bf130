package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// A scan's page shows its parts in pages of these sizes.
const (
	scanChecks  = 100
	scanLog     = 500
	scanQueries = 50
)

type scanView struct {
	ID, Definition  string
	DefinitionHref  string
	State           template.HTML
	Trouble         bool
	Sentence, Why   string
	Scanner         string
	Contract        *attributeLink
	Source          string
	DataTime        template.HTML
	Started, Ended  template.HTML
	Received        template.HTML
	Duration        string
	Counts          []countView
	Datasets        []datasetLink
	MoreDatasets    string
	Notes           []string
	Errors          []logRow
	MoreErrors      string
	Checks          []resultRow
	ChecksPager     pager
	Log             logView
	Queries         []queryRow
	QueriesPager    pager
	Failed          bool // whether a check did
	HasDeliveries   bool
	Deliveries      []deliveryRow
	DeliveryProblem string
	Extra           string
	API             string
}

type datasetLink struct{ ID, Name string }

type resultRow struct {
	CheckID, DatasetID, Class string
	Outcome                   template.HTML
	Name, Details             string
	Value                     string
	NoValue                   bool
	Thresholds                []string
	Dataset                   string
	Reasons                   []dq.Reason
}

type logView struct {
	Rows   []logRow
	Pager  pager
	Levels []option
	Search string
	Fields []field
	Total  int
}

type logRow struct {
	Index    string
	Level    template.HTML
	Class    string
	Time     template.HTML
	Message  string
	Location string
}

type queryRow struct {
	Name, Source, Table, Column string
	SQL, Error                  string
	Duration                    string
}

type deliveryRow struct {
	Destination, Kind string
	State             template.HTML
	Attempts          int
	Checks            int
	Updated           template.HTML
	Next              template.HTML
	Problem           string
}

func (s *site) scan(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	scan, err := s.Hub.Scan(r.Context(), id)
	if errors.Is(err, hub.ErrNotFound) {
		return s.run(w, r, id)
	}
	if err != nil {
		return err
	}
	streamed, err := s.Runs.Log(r.Context(), id)
	if err != nil {
		return err
	}
	scan.Logs = runs.JoinLogs(streamed, scan.Logs)
	a := newAddress("/scans/"+id, r.URL.Query(), "level", "q", "log", "checks", "queries")
	now := clock{s.Now()}
	v := now.scanView(&scan, a)
	v.ID, v.API = id, "/api/v1/scans/"+id
	if s.Deliveries != nil {
		s.addDeliveries(r.Context(), now, id, &v)
	}
	return s.render(w, r, http.StatusOK, "scan", view{Title: clip(scan.Definition, 80) + " scan", Section: "scans", Body: v})
}

// addDeliveries lists the messages of the scan. They are a side matter: the page stands without them.
func (s *site) addDeliveries(ctx context.Context, now clock, id string, v *scanView) {
	list, err := s.Deliveries(ctx, id)
	if err != nil {
		s.Log.ErrorContext(ctx, "deliveries of a scan can't be listed", "scan", id, "cause", err)
		v.DeliveryProblem = "The messages of this scan can't be listed right now."
	}
	v.HasDeliveries = true
	for _, d := range list {
		v.Deliveries = append(v.Deliveries, now.deliveryRow(d))
	}
}

func (c clock) deliveryRow(d notify.Delivery) deliveryRow {
	row := deliveryRow{
		Destination: d.Destination, Kind: d.Kind, State: deliveryBadge(d.State), Attempts: d.Attempts, Checks: d.Checks,
		Updated: c.ago(d.Updated), Problem: clip(d.Error, maxCell),
	}
	if d.State == notify.Retry && !d.NotBefore.IsZero() {
		row.Next = c.ago(d.NotBefore)
	}
	if row.Problem == "" {
		row.Problem = string(d.Reason)
	}
	return row
}

func (c clock) scanView(s *dq.Scan, a address) scanView {
	v := scanView{
		Definition: s.Definition, DefinitionHref: address{path: "/scans"}.with("definition", s.Definition).String(),
		State: stateBadge(s.State), Trouble: s.State.Finished() && !s.State.Clean(), Sentence: stateSentence(s.State), Why: s.Why(),
		Scanner: strings.TrimSpace(s.Scanner.Name + " " + s.Scanner.Version), Source: s.DataSource,
		DataTime: c.when(s.DataTime), Started: c.when(s.Started), Ended: c.when(s.Ended), Received: c.when(s.Received),
		Duration: durationText(s.Started, s.Ended), Counts: countViews(s.Counts()), Failed: s.Counts().Fail > 0, Notes: s.Notes,
	}
	if s.DataSourceType != "" {
		v.Source = strings.TrimSpace(v.Source + " (" + s.DataSourceType + ")")
	}
	if s.Contract != nil && validID(s.Contract.File) {
		v.Contract = &attributeLink{Value: fileName(s.Contract.Path), Href: "/contracts/" + s.Contract.File}
	}
	v.addDatasets(datasetsOf(s))
	results, pager := slicePage(a, "checks", "check", scanChecks, resultsByOutcome(s))
	v.ChecksPager = pager
	for _, r := range results {
		v.Checks = append(v.Checks, newResultRow(s, r))
	}
	v.addErrors(s.Logs)
	v.Log = newLogView(a, s.Logs)
	queries, pager := slicePage(a, "queries", "query", scanQueries, queriesByError(s.Queries))
	v.QueriesPager = pager
	for _, q := range queries {
		v.Queries = append(v.Queries, newQueryRow(q))
	}
	v.Extra = extraText(s.Extra)
	return v
}

// datasetsOf are the datasets that a scan says something about, or was about if it failed.
func datasetsOf(s *dq.Scan) []dq.DatasetRef {
	if s.State == dq.Failed {
		return s.Covers
	}
	return s.Datasets()
}

func (v *scanView) addDatasets(refs []dq.DatasetRef) {
	const most = 20
	for _, d := range refs[:min(len(refs), most)] {
		v.Datasets = append(v.Datasets, datasetLink{d.ID(), datasetName(d)})
	}
	if more := len(refs) - most; more > 0 {
		v.MoreDatasets = digits(more)
	}
}

// resultsByOutcome is the scan's results, worst first, else in the order sent.
func resultsByOutcome(s *dq.Scan) []*dq.Result {
	list := make([]*dq.Result, len(s.Results))
	for i := range s.Results {
		list[i] = &s.Results[i]
	}
	slices.SortStableFunc(list, func(x, y *dq.Result) int { return cmp.Compare(rank(y), rank(x)) })
	return list
}

func rank(r *dq.Result) int {
	if r.Excluded {
		return -1
	}
	return r.Outcome.Rank()
}

func newResultRow(s *dq.Scan, r *dq.Result) resultRow {
	dataset := r.Dataset.ID()
	asCheck := hub.Check{Check: r.Check, Value: r.Value, ValueLabel: r.ValueLabel, Measure: r.Measure}
	row := resultRow{
		CheckID: dq.CheckID(dataset, s.Definition, r.Identity), DatasetID: dataset, Class: outcomeClass(r.Outcome), Outcome: outcomeBadge(r.Outcome),
		Name: r.Name, Details: checkDetails(r.Column, r.Kind, r.Origin, false), Value: valueText(&asCheck), NoValue: r.Value == "" && r.ValueLabel == "",
		Thresholds: thresholdTexts(r.Warn, r.Fail, wording.MeasureOf(r.Measure, r.Source)), Dataset: datasetName(r.Dataset), Reasons: r.Reasons,
	}
	if r.Excluded {
		row.Class, row.Outcome = "none", badge("none", "none", "Left out")
	}
	return row
}

// levelRanks order the levels of log lines; unknown ones count as info.
var levelRanks = map[string]int{dq.LevelDebug: -1, dq.LevelInfo: 0, dq.LevelWarning: 1, dq.LevelError: 2}

// newLogView picks the lines at or above the level asked for that contain the text asked for.
func newLogView(a address, lines []dq.LogLine) logView {
	v := logView{Search: a.get("q"), Fields: a.fields("level", "q", "log"), Total: len(lines)}
	level := a.get("level")
	for _, o := range []option{
		{"", "All levels", false}, {dq.LevelInfo, "Info and above", false}, {dq.LevelWarning, "Warnings and errors", false}, {dq.LevelError, "Errors", false},
	} {
		o.Selected = o.Value == level
		v.Levels = append(v.Levels, o)
	}
	least, filtered := levelRanks[level]
	text := strings.ToLower(v.Search)
	var chosen []*dq.LogLine
	for i := range lines {
		l := &lines[i]
		if (!filtered || levelRanks[l.Level] >= least) && (text == "" || strings.Contains(strings.ToLower(l.Message), text)) {
			chosen = append(chosen, l)
		}
	}
	slices.SortStableFunc(chosen, func(x, y *dq.LogLine) int { return cmp.Compare(x.Index, y.Index) })
	shown, pager := slicePage(a, "log", "line", scanLog, chosen)
	v.Pager = pager
	for _, l := range shown {
		v.Rows = append(v.Rows, newLogRow(l))
	}
	return v
}

func newLogRow(l *dq.LogLine) logRow {
	row := logRow{
		Index: digits(l.Index), Level: levelBadge(l.Level), Message: clip(strings.TrimRight(l.Message, "\n"), 10_000), Location: locationText(l.Location),
	}
	if l.Level == dq.LevelError || l.Level == dq.LevelWarning {
		row.Class = l.Level
	}
	if !l.Time.IsZero() {
		row.Time = timeTag(l.Time, l.Time.UTC().Format("15:04:05"))
	}
	return row
}

// addErrors repeats the first errors of the log at the top of the page.
func (v *scanView) addErrors(lines []dq.LogLine) {
	const most = 10
	n := 0
	for i := range lines {
		if lines[i].Level == dq.LevelError {
			if n++; n <= most {
				v.Errors = append(v.Errors, newLogRow(&lines[i]))
			}
		}
	}
	if n > most {
		v.MoreErrors = digits(n - most)
	}
}

// queriesByError is the queries with those first that went wrong.
func queriesByError(list []dq.Query) []dq.Query {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(x, y dq.Query) int { return cmp.Compare(min(1, len(y.Error)), min(1, len(x.Error))) })
	return list
}

func newQueryRow(q dq.Query) queryRow {
	row := queryRow{
		Name: q.Name, Source: q.DataSource, Table: q.Table, Column: q.Column, SQL: clip(q.SQL, 10_000), Error: clip(q.Error, 5_000),
	}
	if q.Duration > 0 {
		row.Duration = wording.FormatDuration(q.Duration)
	}
	return row
}

// extraText is what the scanner sent that has no meaning here yet.
func extraText(extra map[string]json.RawMessage) string {
	if len(extra) == 0 {
		return ""
	}
	kept := map[string]json.RawMessage{}
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if !isBlank(extra[name]) {
			kept[name] = extra[name]
		}
	}
	raw, err := json.Marshal(kept)
	if err != nil || len(kept) == 0 {
		return ""
	}
	return pretty(raw)
}
