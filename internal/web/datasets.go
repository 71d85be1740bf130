package web

import (
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
)

var datasetOrders = []order{
	{"health", false}, {"name", false}, {"checks", true}, {"failing", true}, {"scanned", true},
}

type datasetsView struct {
	Tabs      []tab
	Search    string
	Menus     []menu
	Fields    []field
	Chips     []chip
	Clear     string
	Heads     datasetHeads
	Rows      []datasetRow
	Uncovered []warningView
	Pager     pager
	Sizes     []tab
	Virgin    bool
}

type datasetHeads struct{ Name, Health, Checks, Scanned header }

type datasetRow struct {
	ID, Name, Source, SourceType string
	Health                       healthView
	Counts                       []countView
	Total                        int
	LastScan                     string
	LastState                    template.HTML // only of a scan that was not clean: verdicts have a column of their own
	LastData                     template.HTML
	Warnings                     []warningView
	Same                         *datasetLink // its other name
}

// healthView is the share of passing checks, as a bar, a number and a word.
type healthView struct {
	Class, Icon, Word string
	Percent           string // "" if no check was evaluated
	Bar               template.HTML
}

type countView struct {
	Class, Icon, Word string
	N                 string
}

// warningView tells of a scan that did not run cleanly.
type warningView struct {
	ScanID     string
	Definition string
	Sentence   string
	Since      template.HTML
	Why        string
	Log        string // the address of the scan's log
}

func (s *site) datasets(w http.ResponseWriter, r *http.Request) error {
	a := newAddress("/datasets", r.URL.Query(), "q", "source", "health", "sort", "dir", "page", "size")
	sorts := newSorting(a, datasetOrders...)
	filter := hub.DatasetFilter{
		Text: a.get("q"), DataSource: a.get("source"), Health: a.get("health"), Sort: sorts.sort, Desc: sorts.flipped(),
		Page: a.number("page", maxPages) - 1, Size: a.size(),
	}
	page, err := s.Hub.Datasets(r.Context(), filter)
	if err != nil {
		return err
	}
	now := clock{s.Now()}
	v := datasetsView{
		Tabs: healthTabs(a, page), Search: filter.Text, Fields: a.fields("q", "source", "page"),
		Menus: []menu{newMenu(a, "source", "Data source", "All data sources", page.DataSources)},
		Heads: datasetHeads{
			sorts.header("name", "Dataset"), sorts.header("health", "Health"), sorts.header("checks", "Checks"), sorts.header("scanned", "Last scan"),
		},
		Uncovered: now.warnings(page.Uncovered),
		Pager:     newPager(a, "page", "dataset", filter.Page+1, filter.Size, page.Total), Sizes: sizeTabs(a, filter.Size),
		Virgin: page.Total == 0 && len(page.DataSources) == 0,
	}
	for _, f := range []struct{ name, label string }{{"q", "text"}, {"source", "data source"}} {
		if value := a.get(f.name); value != "" {
			v.Chips = append(v.Chips, chip{f.label, value, a.with(f.name, "", "page", "").String()})
		}
	}
	if len(v.Chips) > 0 || filter.Health != "" {
		v.Clear = newAddress("/datasets", a.values, "sort", "dir", "size").String()
	}
	for i := range page.Rows {
		v.Rows = append(v.Rows, now.datasetRow(&page.Rows[i]))
	}
	return s.render(w, r, http.StatusOK, "datasets", view{Title: "Datasets", Section: "datasets", Body: v})
}

func healthTabs(a address, p hub.DatasetPage) []tab {
	tabs := []tab{
		{Text: "All", Count: digits(p.ByHealth.All)},
		{Text: "Scan warning", Icon: "trouble", Class: "trouble", Href: "warning", Count: digits(p.ByHealth.ScanWarning)},
		{Text: "Failing", Icon: "fail", Class: "fail", Href: "fail", Count: digits(p.ByHealth.Fail)},
		{Text: "Warning", Icon: "warn", Class: "warn", Href: "warn", Count: digits(p.ByHealth.Warn)},
		{Text: "Passing", Icon: "pass", Class: "pass", Href: "pass", Count: digits(p.ByHealth.Pass)},
	}
	for i := range tabs {
		health := tabs[i].Href
		tabs[i].Current = health == a.get("health")
		tabs[i].Href = a.with("health", health, "page", "").String()
	}
	return tabs
}

func (c clock) datasetRow(d *hub.Dataset) datasetRow {
	row := datasetRow{
		ID: d.ID, Name: datasetName(d.DatasetRef), Source: sourceName(d.DatasetRef), SourceType: d.SourceType,
		Health: health(d.Counts), Counts: countViews(d.Counts), Total: d.Counts.Total(), LastScan: d.LastScan,
		LastData: c.ago(d.LastData), Warnings: c.warnings(d.Warnings),
	}
	if d.Same != nil {
		row.Same = &datasetLink{d.Same.ID(), d.Same.QualifiedName()}
	}
	if !d.LastScanState.Clean() {
		row.LastState = stateBadge(d.LastScanState)
	}
	return row
}

func (c clock) warnings(list []hub.ScanWarning) []warningView {
	var views []warningView
	for _, w := range list {
		views = append(views, warningView{
			ScanID: w.ScanID, Definition: w.Definition, Sentence: stateSentence(w.State), Since: c.since(w.Since),
			Why: clip(w.Why, 400), Log: "/scans/" + w.ScanID + "#log",
		})
	}
	return views
}

func health(c dq.Counts) healthView {
	v := healthView{Bar: countsBar(c)}
	if h := c.Health(); h >= 0 {
		v.Percent = strconv.Itoa(h) + "%"
	}
	switch {
	case c.Fail > 0:
		v.Class, v.Icon, v.Word = "fail", "fail", "Failing"
	case c.Warn > 0:
		v.Class, v.Icon, v.Word = "warn", "warn", "Warning"
	case c.Pass > 0:
		v.Class, v.Icon, v.Word = "pass", "pass", "Passing"
	default:
		v.Class, v.Icon, v.Word = "none", "none", "No results"
	}
	return v
}

// countsBar is a bar parted by outcome. Each part is at least visible.
func countsBar(c dq.Counts) template.HTML {
	const width = 120.0
	var b strings.Builder
	b.WriteString(`<svg class="bar" viewBox="0 0 120 8" preserveAspectRatio="none" width="120" height="8" role="img" aria-label="` + escape(countsText(c)) + `">`)
	b.WriteString(`<rect class="track" width="120" height="8"/>`)
	parts, total := []dq.Outcome{dq.Pass, dq.Warn, dq.Fail, dq.NotEvaluated}, 0.0
	for _, o := range parts {
		if n := countOf(c, o); n > 0 {
			total += barShare(n, c.Total())
		}
	}
	x := 0.0
	for _, o := range parts {
		if n := countOf(c, o); n > 0 {
			w := barShare(n, c.Total()) / total * width
			b.WriteString(`<rect class="` + outcomeClass(o) + `" x="` + strconv.FormatFloat(x, 'f', 1, 64) + `" width="` + strconv.FormatFloat(max(w-1, 1), 'f', 1, 64) + `" height="8"/>`)
			x += w
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

func barShare(n, total int) float64 { return max(float64(n)/float64(total), 0.04) }

func countViews(c dq.Counts) []countView {
	var views []countView
	for _, o := range dq.Outcomes {
		if n := countOf(c, o); n > 0 {
			l := outcomeLook(o)
			views = append(views, countView{l.class, l.icon, strings.ToLower(l.word), digits(n)})
		}
	}
	return views
}
