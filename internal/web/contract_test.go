package web_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
)

var ordersOfContract = dq.DatasetRef{DataSource: "shop", Prefix: []string{"postgres", "public"}, Name: "orders"}

// publish makes a text the newest version of the contract of orders.
func (s *site) publish(text string) (file string) {
	s.t.Helper()
	s.now = s.now.Add(time.Minute)
	file, err := s.hub.SaveContract(s.t.Context(), text)
	if err == nil {
		_, err = s.hub.PublishContract(s.t.Context(), ordersOfContract, hub.ContractVersion{File: file, By: "nightly key", Path: "contracts/orders.yml"})
	}
	if err == nil {
		err = s.hub.DigestContract(s.t.Context(), ordersOfContract.ID())
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return file
}

// contractResult is a result of a contract's check on orders.
func contractResult(path string, o dq.Outcome, diagnostics string) dq.Result {
	return dq.Result{Check: dq.Check{Identity: path, Name: path, Dataset: ordersOfContract, Kind: "missing", Origin: dq.OriginContract}, Outcome: o, Value: "20",
		Measure: "percent", Diagnostics: []byte(diagnostics)}
}

func TestDatasetShowsItsContractWithADiffToEachVersion(t *testing.T) {
	s := mustStart(t)
	s.publish("dataset: shop/postgres/public/orders\nnote: x\ncolumns:\n- name: id\n")
	s.publish("dataset: shop/postgres/public/orders\nnote: x\ncolumns:\n- name: id\n- name: " + evil + "\n")
	newest := s.publish("dataset: shop/postgres/public/orders\nnote: x\ncolumns:\n- name: amount\n- name: " + evil + "\n")
	page := s.open("/datasets/" + ordersOfContract.ID())
	contract := page.Find("section.contract")
	if text := contract.Text(); !strings.Contains(text, "version 3") || !strings.Contains(text, "nightly key") || !strings.Contains(contract.Find("pre").Text(), "- name: amount") {
		t.Errorf("contract section: %s", text)
	}
	changes := func(d string) string {
		var lines []string
		s.open(d).Find(".diff .added, .diff .removed").Each(func(_ int, l *goquery.Selection) { lines = append(lines, l.Text()) })
		return strings.Join(lines, "|")
	}
	if got := changes("/datasets/" + ordersOfContract.ID()); got != "−- name: id|+- name: amount" {
		t.Errorf("changes since the version before: %q", got)
	}
	if got := changes("/datasets/" + ordersOfContract.ID() + "?since=1"); got != "−- name: id|+- name: amount|+- name: "+evil {
		t.Errorf("changes since version 1: %q", got)
	}
	if n := contract.Find("tbody tr").Length(); n != 2 {
		t.Errorf("%d earlier versions, want 2", n)
	}
	if got := contract.Find("details p").Text(); !strings.Contains(got, "(1 hint)") {
		t.Errorf("what is to be said of the text: %q", got)
	}
	if got := s.open("/contracts/" + newest).Find(".code li").Length(); got != 5 {
		t.Errorf("%d lines of the text alone", got)
	}
	if w := s.do(http.MethodGet, "/contracts/nosuchfile", nil, nil); w.Code != http.StatusNotFound {
		t.Errorf("an unknown text: %d", w.Code)
	}
}

func TestABrokenContractIsShownWithItsError(t *testing.T) {
	s := mustStart(t)
	file, err := s.hub.SaveContract(t.Context(), "columns: ["+evil)
	if err != nil {
		t.Fatal(err)
	}
	page := s.open("/contracts/" + file)
	if text := page.Find("main").Text(); !strings.Contains(text, "cannot be run") || !strings.Contains(text, "not valid YAML") || !strings.Contains(text, "columns: [") {
		t.Errorf("page: %s", text)
	}
}

func TestMistakesOfAContractAreShownWhereTheyAre(t *testing.T) {
	s := mustStart(t)
	file, err := s.hub.SaveContract(t.Context(), "dataset: shop/postgres/public/orders\ncolumns: []\nchecks:\n  - row_count:\n      threshold: {must_be: many}\n  - llm_check:\n")
	if err != nil {
		t.Fatal(err)
	}
	page := s.open("/contracts/" + file)
	if text := page.Find(".warning").Text(); !strings.Contains(text, "cannot be run") || !strings.Contains(text, "Line 5, column 28: ") || strings.Contains(text, "llm_check") {
		t.Errorf("mistakes: %s", text)
	}
	if text := page.Find(".notice").Text(); !strings.Contains(text, "Line 6, column 5: ") || !strings.Contains(text, "llm_check") {
		t.Errorf("hints: %s", text)
	}
	if marked := page.Find(".code li.wrong"); marked.Length() != 1 || marked.AttrOr("id", "") != "line5" || page.Find(`a[href="#line5"]`).Length() != 1 {
		t.Errorf("marked lines: %s", marked.Text())
	}
}

func TestOneDatasetOfTwoGenerations(t *testing.T) {
	s := mustStart(t)
	s.push("old", "nightly", 1, nil, result("orders", "every amount", dq.Fail, "3"))
	s.push("new", ordersOfContract.QualifiedName(), 2, func(scan *dq.Scan) { scan.Contract = &dq.ContractRef{File: "file2", Path: "orders.yml"} },
		contractResult("checks.missing", dq.Pass, `{"v4":{"type":"missing","failedRowsCount":1,"failedRowsPercent":20,"novel":[1]}}`))
	short := dq.DatasetRef{DataSource: "shop", Name: "orders"}
	for _, d := range []dq.DatasetRef{short, ordersOfContract} {
		page := s.open("/datasets/" + d.ID())
		rows := page.Find("table.checks tbody tr")
		if text := rows.Text(); rows.Length() != 2 || !strings.Contains(text, "SodaCL") || !strings.Contains(text, "contract") {
			t.Errorf("%s: %d checks: %s", d.QualifiedName(), rows.Length(), text)
		}
		if text := page.Find(".state").Text(); !strings.Contains(text, "50%") || !strings.Contains(text, "Scanned as well as") {
			t.Errorf("%s: state %s", d.QualifiedName(), text)
		}
		if n := page.Find("table.scans tbody tr").Length(); n != 2 {
			t.Errorf("%s: %d scans", d.QualifiedName(), n)
		}
	}
	if text := s.open("/datasets").Find("table.datasets").Text(); !strings.Contains(text, "also shop/postgres/public/orders") || !strings.Contains(text, "also shop/orders") {
		t.Errorf("list: %s", text)
	}
	check := s.open("/checks/" + dq.CheckID(ordersOfContract.ID(), ordersOfContract.QualifiedName(), "checks.missing"))
	for _, want := range []string{"Failed rows", "20%", "Check language", "novel"} {
		if !strings.Contains(check.Find("main").Text(), want) {
			t.Errorf("the check's page lacks %q", want)
		}
	}
	s.push("other", "x", 3, nil, dq.Result{Check: dq.Check{Identity: "a", Name: "a", Dataset: dq.DatasetRef{DataSource: "shop", Prefix: []string{"archive"}, Name: "orders"}}, Outcome: dq.Pass})
	page := s.open("/datasets/" + short.ID())
	if text := page.Find(".state").Text(); page.Find("table.checks tbody tr").Length() != 1 || !strings.Contains(text, "Of the same name") {
		t.Errorf("with two of the name they are not one: %s", text)
	}
}

func TestTheLinkOfAScanThatIsNotDigested(t *testing.T) {
	s := mustStart(t)
	s.push("new", "d", 1, nil)
	w := s.do(http.MethodGet, "/datasets/"+ordersOfContract.ID()+"?scan=new", nil, nil)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/scans/new" {
		t.Errorf("%d to %q", w.Code, w.Header().Get("Location"))
	}
	if w := s.do(http.MethodGet, "/datasets/"+ordersOfContract.ID()+"?scan=//evil.example", nil, nil); w.Code != http.StatusNotFound {
		t.Errorf("a strange scan id: %d to %q", w.Code, w.Header().Get("Location"))
	}
}

func TestAScanElsewhereShowsItsLogWhileItRuns(t *testing.T) {
	s := mustStart(t)
	remote := runs.Remote{ID: "Live-1_x", Definition: "nightly " + evil, By: "airflow"}
	line := func(n int, text string) runs.Line {
		return runs.Line{LogLine: dq.LogLine{Index: n, Level: dq.LevelInfo, Message: text, Time: s.now}, Thread: "t"}
	}
	if err := errors.Join(s.runs.Begin(t.Context(), remote), s.runs.Stream(t.Context(), remote, []runs.Line{line(0, "connected"), line(1, evil)})); err != nil {
		t.Fatal(err)
	}
	page := s.open("/scans/Live-1_x")
	if text := page.Find("main").Text(); !strings.Contains(text, "Running") || !strings.Contains(text, "connected") || !strings.Contains(text, "2 lines so far") {
		t.Errorf("page: %s", text)
	}
	if !strings.Contains(page.Find("noscript").Text(), `http-equiv="refresh"`) || page.Find("[data-open]").Length() != 1 || page.Find("form[action$='/cancel']").Length() != 0 {
		t.Error("the page does not show itself again, or offers to cancel what runs elsewhere")
	}
	s.push("Live-1_x", "nightly", 1, nil, result("orders", "every amount", dq.Pass, "0"))
	if text := s.open("/scans/Live-1_x").Find("#log").Parent().Parent().Text(); !strings.Contains(text, "connected") || !strings.Contains(text, "Soda Core 3.5.6") {
		t.Errorf("log of the finished scan: %s", text)
	}
}
