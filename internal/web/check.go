package web

import (
	"cmp"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// historyLimit is how many results one page of history shows.
const historyLimit = 300

type checkView struct {
	ID, DatasetID       string
	Name                string
	Outcome             template.HTML
	Class               string
	Archived            bool
	Value               string
	NoValue             bool
	Thresholds          []string
	DatasetName, Source string
	Column, Kind        string
	Origin              string
	Owner               string
	Definition          string
	DefinitionHref      string
	Since               template.HTML // how long the outcome is as it is
	SinceWords          string
	Evaluated           template.HTML
	Created             template.HTML
	ScanID              string
	Reasons             []dq.Reason
	Attributes          []attributeLink
	Text                string // what the check is written as
	Location            string
	Group               string
	Diagnostics         diagnosticsView
	History             historyView
}

type attributeLink struct{ Name, Value, Href string }

type historyView struct {
	Ranges       []tab
	Charts       []template.HTML
	Legend       []legendEntry
	Rows         []historyRow
	Caption      string
	Note         string
	Older, Newer string
	// All is the address of the whole history, for when the range is empty.
	All string
}

type legendEntry struct {
	Class, Text string
	Marker      template.HTML
}

type historyRow struct {
	At      template.HTML
	Outcome template.HTML
	Value   string
	ScanID  string
}

func (s *site) check(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	c, err := s.Hub.Check(r.Context(), id)
	if err != nil {
		return err
	}
	now := clock{s.Now()}
	v := now.checkView(&c)
	span := newSpan(newAddress("/checks/"+id, r.URL.Query(), "range", "to"), &c, now.now)
	points, more, err := s.Hub.History(r.Context(), id, span.from, span.to, historyLimit)
	if err != nil {
		return err
	}
	v.History = historyOf(&c, span, points, more)
	return s.render(w, r, http.StatusOK, "check", view{Title: clip(c.Name, 80), Section: "checks", Body: v})
}

func (c clock) checkView(k *hub.Check) checkView {
	v := checkView{
		ID: k.ID, DatasetID: k.DatasetID, Name: k.Name, Outcome: outcomeBadge(k.Outcome), Class: outcomeClass(k.Outcome),
		Archived: k.Archived, Value: valueText(k), NoValue: k.Value == "" && k.ValueLabel == "",
		Thresholds: thresholdTexts(k.Warn, k.Fail, wording.MeasureOf(k.Measure, k.Source)), DatasetName: datasetName(k.Dataset), Source: sourceName(k.Dataset),
		Column: k.Column, Kind: kindText(k.Kind), Origin: originText(k.Origin), Owner: k.Owner(), Definition: k.Definition,
		DefinitionHref: address{path: "/checks"}.with("definition", k.Definition).String(),
		Evaluated:      c.when(k.At), Created: at(k.Created), ScanID: k.ScanID, Reasons: k.Reasons, Text: clip(k.Source, 20_000),
		Location: locationText(k.Location), Diagnostics: readDiagnostics(k.Diagnostics, k.ID),
	}
	if !k.Since.IsZero() && k.Outcome.Evaluated() {
		v.Since = c.since(k.Since)
		v.SinceWords = map[dq.Outcome]string{dq.Pass: "passing", dq.Warn: "warning", dq.Fail: "failing"}[k.Outcome]
	}
	for _, a := range k.Attributes {
		value := a.Text()
		v.Attributes = append(v.Attributes, attributeLink{a.Name, value, address{path: "/checks"}.with("attr", clip(a.Name+":"+value, maxText)).String()})
	}
	if k.Group != nil {
		v.Group = strings.TrimSpace(k.Group.Name + " " + k.Group.Label)
	}
	return v
}

func locationText(l *dq.Location) string {
	if l == nil || l.File == "" {
		return ""
	}
	text := l.File
	if l.Line > 0 {
		text += ", line " + digits(l.Line)
	}
	if l.Line > 0 && l.Col > 0 {
		text += ", column " + digits(l.Col)
	}
	return text
}

// span is the part of a check's history that a page shows.
type span struct {
	address  address
	name     string // 7d, 30d, 90d or all
	length   time.Duration
	from, to time.Time // zero ends are open
	end      time.Time // where the chart ends
	now      time.Time
}

var spans = []struct {
	name, text string
	length     time.Duration
}{
	{"7d", "7 days", 7 * 24 * time.Hour}, {"30d", "30 days", 30 * 24 * time.Hour}, {"90d", "90 days", 90 * 24 * time.Hour}, {"all", "All", 0},
}

const addressTime = "2006-01-02T15:04:05.000Z"

// newSpan reads range and to. Without a range it is 30 days, or all if the check had no result within them.
func newSpan(a address, c *hub.Check, now time.Time) span {
	s := span{address: a, name: "30d", length: 30 * 24 * time.Hour, end: now, now: now}
	if c.At.Before(now.Add(-s.length)) {
		s.name, s.length = "all", 0
	}
	for _, known := range spans {
		if a.get("range") == known.name {
			s.name, s.length = known.name, known.length
		}
	}
	if to, err := time.Parse(time.RFC3339Nano, a.get("to")); err == nil && to.Year() > 1900 && to.Before(now) {
		s.to, s.end = to.UTC(), to.UTC()
	}
	if s.length > 0 {
		s.from = s.end.Add(-s.length)
	}
	return s
}

func (s span) tabs() []tab {
	var tabs []tab
	for _, known := range spans {
		tabs = append(tabs, tab{Text: known.text, Href: s.address.with("range", known.name, "to", "").String(), Current: known.name == s.name})
	}
	return tabs
}

// older is the address of what comes before: the range before, or what was left out of this one.
func (s span) older(points []hub.Point, more bool, c *hub.Check) string {
	var to time.Time
	switch {
	case more && len(points) > 0:
		to = points[len(points)-1].At
	case s.length > 0 && c.Created.Before(s.from):
		to = s.from
	default:
		return ""
	}
	return s.address.with("range", s.name, "to", to.Add(-time.Millisecond).UTC().Format(addressTime)).String()
}

// newer is the address of what comes after; the newest results have no end.
func (s span) newer() string {
	if s.to.IsZero() {
		return ""
	}
	next := s.to.Add(s.length)
	if s.length == 0 || !next.Before(s.now) {
		return s.address.with("range", s.name, "to", "").String()
	}
	return s.address.with("range", s.name, "to", next.UTC().Format(addressTime)).String()
}

func historyOf(c *hub.Check, s span, points []hub.Point, more bool) historyView {
	h := historyView{
		Ranges: s.tabs(), Older: s.older(points, more, c), Newer: s.newer(),
		All: s.address.with("range", "all", "to", "").String(), Caption: "Results, newest first",
	}
	if len(points) == 0 {
		return h
	}
	if more {
		h.Note = "Showing the newest " + digits(len(points)) + " results of this range."
	}
	drawn := chart{Title: "History of " + clip(c.Name, 100), Measure: wording.MeasureOf(c.Measure, c.Source), To: s.end}
	for _, p := range slices.Backward(points) {
		value, has := finite(p.Value)
		drawn.Points = append(drawn.Points, chartPoint{
			At: p.At, Value: value, Has: has, Outcome: p.Outcome, Text: pointText(c, p), ScanID: p.ScanID,
			Warn: badRanges(cmp.Or(p.Warn, c.Warn)), Fail: badRanges(cmp.Or(p.Fail, c.Fail)),
		})
	}
	drawn.From = drawn.Points[0].At
	if newest := points[0].At; newest.After(drawn.To) || s.name == "all" {
		drawn.To = newest
	}
	for _, p := range points {
		h.Rows = append(h.Rows, historyRow{at(p.At), outcomeBadge(p.Outcome), pointText(c, p), p.ScanID})
	}
	h.Charts = []template.HTML{drawn.svg(wideChart), drawn.svg(narrowChart)}
	h.Legend = legend(drawn)
	return h
}

// pointText is a past value in words.
func pointText(c *hub.Check, p hub.Point) string {
	return wording.FormatValue(p.Value, p.ValueLabel, wording.MeasureOf(c.Measure, c.Source))
}

func legend(c chart) []legendEntry {
	var counts dq.Counts
	for _, p := range c.Points {
		counts.Add(p.Outcome)
	}
	var list []legendEntry
	for _, o := range []dq.Outcome{dq.Pass, dq.Warn, dq.Fail, dq.NotEvaluated} {
		if n := countOf(counts, o); n > 0 {
			l := outcomeLook(o)
			list = append(list, legendEntry{l.class, l.word + " " + digits(n), template.HTML(`<path d="` + marker(o, 7, 7, false) + `"/>`)})
		}
	}
	if _, _, values := c.domain(); !values {
		return list
	}
	newest := c.Points[len(c.Points)-1]
	for _, z := range []struct {
		class, text string
		ranges      []interval
	}{{"zone warn", "warn zone", newest.Warn}, {"zone fail", "fail zone", newest.Fail}} {
		if len(z.ranges) > 0 {
			list = append(list, legendEntry{z.class, z.text, `<rect width="14" height="14" rx="2"/>`})
		}
	}
	return list
}

// pretty is JSON with line breaks, cut at a length that a page can bear.
func pretty(raw json.RawMessage) string {
	var v any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return clip(string(raw), 20_000)
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return clip(string(raw), 20_000)
	}
	return clip(strings.TrimSpace(b.String()), 20_000)
}
