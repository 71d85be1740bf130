package web

import (
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

var checkParams = []string{
	"outcome", "dataset", "source", "owner", "definition", "q", "attr", "archived", "sort", "dir", "page", "size",
}

// checkOrders lists the worst first unless asked otherwise.
var checkOrders = []order{
	{"outcome", true}, {"name", false}, {"value", false}, {"dataset", false}, {"owner", false}, {"evaluated", true},
	{"since", true},
}

type checksView struct {
	Tabs     []tab
	Search   string
	Menus    []menu
	Names    []string // of attributes
	Fields   []field  // of the form, hidden
	Chips    []chip
	Clear    string // the address without filters, "" if there are none
	Archived bool
	Toggle   string // the address of the archived checks, or back
	Table    checkTable
	Pager    pager
	Sizes    []tab
	// Virgin means that there is no check at all yet.
	Virgin bool
}

// tab is one of a row of links, of which one is current.
type tab struct {
	Text    string
	Icon    string
	Class   string
	Count   string
	Href    string
	Current bool
}

// menu is a choice of one value.
type menu struct {
	Name, Label, Any string
	Options          []option
}

type option struct {
	Value, Text string
	Selected    bool
}

// chip is a filter that stands, and the address without it.
type chip struct{ Label, Value, Href string }

func (s *site) checks(w http.ResponseWriter, r *http.Request) error {
	a := newAddress("/checks", r.URL.Query(), checkParams...)
	sorts := newSorting(a, checkOrders...)
	filter := checkFilter(a, sorts)
	page, err := s.Hub.Checks(r.Context(), filter)
	if err != nil {
		return err
	}
	v := checksView{
		Search: filter.Text, Names: page.Facets.Attributes, Archived: filter.Archived,
		Tabs: outcomeTabs(a, page.Counts), Menus: checkMenus(a, page.Facets), Chips: checkChips(a),
		Fields: a.fields("q", "dataset", "source", "owner", "definition", "page"),
		Pager:  newPager(a, "page", "check", filter.Page+1, filter.Size, page.Total),
		Sizes:  sizeTabs(a, filter.Size),
		Table:  clock{s.Now()}.checkTable("Checks", page.Rows, &sorts),
		Virgin: page.Total == 0 && len(page.Facets.Definitions) == 0,
	}
	v.Toggle = a.with("archived", "1", "page", "", "outcome", "").String()
	if filter.Archived {
		v.Toggle = a.with("archived", "", "page", "").String()
	}
	if len(v.Chips) > 0 || len(filter.Outcomes) > 0 {
		v.Clear = newAddress("/checks", a.values, "sort", "dir", "size", "archived").String()
	}
	return s.render(w, r, http.StatusOK, "checks", view{Title: "Checks", Section: "checks", Body: v})
}

func checkFilter(a address, sorts sorting) hub.CheckFilter {
	f := hub.CheckFilter{
		Dataset: a.get("dataset"), DataSource: a.get("source"), Owner: a.get("owner"), Definition: a.get("definition"),
		Text: a.get("q"), Archived: a.get("archived") != "", Sort: sorts.sort, Desc: sorts.flipped(),
		Page: a.number("page", maxPages) - 1, Size: a.size(),
	}
	for _, o := range a.values["outcome"] {
		if slices.Contains(dq.Outcomes, dq.Outcome(o)) {
			f.Outcomes = append(f.Outcomes, dq.Outcome(o))
		}
	}
	for _, term := range a.values["attr"] {
		f.Attributes = append(f.Attributes, attributeTerm(term))
	}
	return f
}

// attributeTerm reads "name:value"; people may also write "name=value", and a name alone asks for any value.
func attributeTerm(s string) hub.AttributeTerm {
	separator := ":"
	if !strings.Contains(s, separator) {
		separator = "="
	}
	name, value, _ := strings.Cut(s, separator)
	return hub.AttributeTerm{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)}
}

func outcomeTabs(a address, c dq.Counts) []tab {
	chosen := a.values["outcome"]
	tabs := []tab{{Text: "All", Count: digits(c.Total()), Href: a.with("outcome", "", "page", "").String(), Current: len(chosen) == 0}}
	for _, o := range dq.Outcomes {
		l := outcomeLook(o)
		tabs = append(tabs, tab{
			Text: l.word, Icon: l.icon, Class: l.class, Count: digits(countOf(c, o)),
			Href:    a.with("outcome", string(o), "page", "").String(),
			Current: slices.Contains(chosen, string(o)),
		})
	}
	return tabs
}

func checkMenus(a address, f hub.Facets) []menu {
	return []menu{
		newMenu(a, "dataset", "Dataset", "All datasets", f.Datasets),
		newMenu(a, "source", "Data source", "All data sources", f.DataSources),
		newMenu(a, "owner", "Owner", "All owners", f.Owners),
		newMenu(a, "definition", "Scan definition", "All definitions", f.Definitions),
	}
}

// newMenu offers values. The chosen one is always among them, so that the form keeps it.
func newMenu(a address, name, label, any string, values []string) menu {
	m := menu{Name: name, Label: label, Any: any}
	chosen := a.get(name)
	if chosen != "" && !slices.Contains(values, chosen) {
		values = append([]string{chosen}, values...)
	}
	for _, v := range values {
		m.Options = append(m.Options, option{Value: v, Text: clip(v, maxShort), Selected: v == chosen})
	}
	return m
}

func checkChips(a address) []chip {
	var chips []chip
	for _, f := range []struct{ name, label string }{
		{"q", "text"}, {"dataset", "dataset"}, {"source", "data source"}, {"owner", "owner"}, {"definition", "scan definition"},
	} {
		if v := a.get(f.name); v != "" {
			chips = append(chips, chip{f.label, v, a.with(f.name, "", "page", "").String()})
		}
	}
	for _, term := range a.values["attr"] {
		t := attributeTerm(term)
		value := t.Value
		if value == "" {
			value = "any"
		}
		chips = append(chips, chip{t.Name, value, a.with("page", "").without("attr", term).String()})
	}
	return chips
}

func sizeTabs(a address, size int) []tab {
	var tabs []tab
	for _, n := range []int{25, 50, 100, 200} {
		value := strconv.Itoa(n)
		if n == hub.DefaultPageSize {
			value = ""
		}
		tabs = append(tabs, tab{Text: strconv.Itoa(n), Href: a.with("size", value, "page", "").String(), Current: n == size})
	}
	return tabs
}

// checkTable is the table of checks, on the dashboard and on a dataset's page.
type checkTable struct {
	Caption string
	Heads   checkHeads
	Rows    []checkRow
	Dataset bool // whether to show which dataset a check is on
}

type checkHeads struct{ Outcome, Name, Value, Dataset, Owner, Evaluated header }

type checkRow struct {
	ID, DatasetID       string
	Class               string
	Outcome             template.HTML
	Name                string
	Details             string // column and kind
	Value               string
	NoValue             bool
	Thresholds          []string
	DatasetName, Source string
	Owner               string
	Evaluated           template.HTML
	Strip               template.HTML
	Definition          string
}

// checkTable makes the rows. Without sorts the columns are not links and the dataset is left out.
func (c clock) checkTable(caption string, checks []hub.Check, sorts *sorting) checkTable {
	t := checkTable{Caption: caption, Dataset: sorts != nil, Heads: checkHeads{
		header{Text: "Outcome"}, header{Text: "Check"}, header{Text: "Value"}, header{Text: "Dataset"}, header{Text: "Owner"},
		header{Text: "Evaluated"},
	}}
	if sorts != nil {
		t.Heads = checkHeads{
			sorts.header("outcome", "Outcome"), sorts.header("name", "Check"), sorts.header("value", "Value"),
			sorts.header("dataset", "Dataset"), sorts.header("owner", "Owner"), sorts.header("evaluated", "Evaluated"),
		}
	}
	t.Rows = make([]checkRow, len(checks))
	mixed := slices.ContainsFunc(checks, func(k hub.Check) bool { return k.Origin != checks[0].Origin })
	for i := range checks {
		t.Rows[i] = c.checkRow(&checks[i], mixed)
	}
	return t
}

// checkRow makes a row; mixed tells that the checks of the table are written in several languages.
func (c clock) checkRow(k *hub.Check, mixed bool) checkRow {
	return checkRow{
		ID: k.ID, DatasetID: k.DatasetID, Class: outcomeClass(k.Outcome), Outcome: outcomeBadge(k.Outcome),
		Name: k.Name, Details: checkDetails(k.Column, k.Kind, k.Origin, mixed), Value: valueText(k), NoValue: k.Value == "" && k.ValueLabel == "",
		Thresholds: thresholdTexts(k.Warn, k.Fail, wording.MeasureOf(k.Measure, k.Source)), DatasetName: datasetName(k.Dataset), Source: sourceName(k.Dataset),
		Owner: k.Owner(), Evaluated: c.ago(k.At), Strip: strip(k.Last), Definition: k.Definition,
	}
}

func checkDetails(column, kind, origin string, mixed bool) string {
	var parts []string
	if column != "" {
		parts = append(parts, column)
	}
	if kind != "" {
		parts = append(parts, kindText(kind))
	}
	if origin != "" || mixed {
		parts = append(parts, originText(origin))
	}
	return strings.Join(parts, " · ")
}
