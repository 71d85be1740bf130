package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/runs"
)

func (s *site) source(name string) {
	s.t.Helper()
	if err := s.runs.SaveSource(s.t.Context(), runs.Source{Name: name, Type: "postgres", Settings: map[string]string{"type": "postgres"}}); err != nil {
		s.t.Fatal(err)
	}
}

// form is what the editor sends.
func form(edit ...string) url.Values {
	f := url.Values{"definition": {"nightly orders"}, "version": {"0"}, "source": {"shop"}, "schedule": {"30 2 * * *"}, "zone": {"Europe/Amsterdam"},
		"variables": {"n=3\r\nempty="}, "name0": {"checks.yml"}, "file0": {"checks for orders:\r\n  - row_count > 0\r\n"}, "name1": {""}, "file1": {""}}
	for i := 0; i < len(edit); i += 2 {
		f.Set(edit[i], edit[i+1])
	}
	return f
}

func document(t *testing.T, w *httptest.ResponseRecorder) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func (s *site) create() (path string) {
	s.t.Helper()
	w := s.do("POST", "/definitions", form(), nil)
	if w.Code != http.StatusSeeOther {
		s.t.Fatalf("create: %d %s", w.Code, w.Body)
	}
	return w.Header().Get("Location")
}

func TestDefinitionIsCreatedShownAndDeleted(t *testing.T) {
	s := mustStart(t)
	if doc := document(t, s.do("GET", "/definitions/new", nil, nil)); !strings.Contains(doc.Find("main").Text(), "sodalite sources apply") {
		t.Errorf("without a data source: %s", doc.Find("main").Text())
	}
	s.source("shop")
	if doc := document(t, s.do("GET", "/definitions/new", nil, nil)); doc.Find("option[value=shop]").Length() != 1 || doc.Find("textarea[name=file0]").Length() != 1 {
		t.Error("the form has no data source or no file")
	}
	path := s.create()
	doc := document(t, s.do("GET", path, nil, nil))
	if got := doc.Find(".following li").First().Text(); got != "Wed 25 Nov 2026 02:30 CET" {
		t.Errorf("next run %q", got)
	}
	if doc.Find(".following li").Length() != 5 || !strings.Contains(doc.Find("main").Text(), "by ada") || !strings.Contains(doc.Find("pre").Text(), "row_count > 0\n") {
		t.Errorf("page %s", doc.Find("main").Text())
	}
	list := document(t, s.do("GET", "/definitions", nil, nil))
	if href, _ := list.Find("th.c-name a").Attr("href"); href != path {
		t.Errorf("the list leads to %q, want %q", href, path)
	}
	if w := s.do("POST", path+"/delete", url.Values{"version": {"7"}}, nil); w.Code != http.StatusConflict {
		t.Errorf("delete of another version: %d", w.Code)
	}
	if w := s.do("POST", path+"/delete", url.Values{"version": {"1"}}, nil); w.Code != http.StatusSeeOther {
		t.Errorf("delete: %d %s", w.Code, w.Body)
	}
	if w := s.do("GET", path, nil, nil); w.Code != http.StatusNotFound {
		t.Errorf("after the delete: %d", w.Code)
	}
}

func TestDefinitionWithMistakesIsNotSaved(t *testing.T) {
	s := mustStart(t)
	s.source("shop")
	path := s.create()
	for name, c := range map[string]struct {
		form url.Values
		want string
	}{
		"name is taken":  {form(), "a scan definition of this name"},
		"no name":        {form("definition", " "), "needs a name"},
		"unknown source": {form("definition", "other", "source", "nowhere"), "nowhere"},
		"schedule":       {form("definition", "other", "schedule", "hourly"), "five fields"},
		"zone":           {form("definition", "other", "zone", evil), "time zone"},
		"no checks":      {form("definition", "other", "file0", " "), "0 files"},
		"a path outside": {form("definition", "other", "name0", "../x.yml"), "below the definition"},
	} {
		t.Run(name, func(t *testing.T) {
			w := s.do("POST", "/definitions", c.form, nil)
			doc := document(t, w)
			if w.Code != http.StatusUnprocessableEntity || !strings.Contains(doc.Find("[role=alert]").Text(), c.want) {
				t.Errorf("%d %q, want %q", w.Code, doc.Find("[role=alert]").Text(), c.want)
			}
			if zone, _ := doc.Find("input[name=zone]").Attr("value"); zone != c.form.Get("zone") {
				t.Errorf("what was typed is gone: %q", zone)
			}
		})
	}

	w := s.do("POST", path, form("version", "1", "file0", "checks for orders:\n  - row_count >0\n", "name1", "more.yml", "file1", "checks for x:\n  - nonsense\n"), nil)
	doc := document(t, w)
	if w.Code != http.StatusUnprocessableEntity {
		t.Fatalf("%d", w.Code)
	}
	first := doc.Find("#mistakes0 li")
	if link := first.Find("a"); link.Text() != "Line 2, column 15" || link.AttrOr("href", "") != "#file0" || link.AttrOr("data-line", "") != "2" {
		t.Errorf("mistake %q", first.Text())
	}
	if got := first.Find("pre").Text(); got != "  - row_count >0" {
		t.Errorf("the line is shown as %q", got)
	}
	if area := doc.Find("#file0"); area.AttrOr("aria-describedby", "") != "mistakes0" || area.Text() != "checks for orders:\n  - row_count >0\n" {
		t.Errorf("the text area: %s", area.Text())
	}
	if doc.Find("#mistakes1 li").Length() != 1 {
		t.Error("the mistake of the second file is not beside it")
	}
	if d, err := s.runs.Definition(t.Context(), "nightly orders"); err != nil || d.Version != 1 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestDefinitionThatSomebodyElseChanged(t *testing.T) {
	s := mustStart(t)
	s.source("shop")
	path := s.create()
	mine := form("version", "1", "file0", "checks for orders:\n  - row_count > 1\n")
	theirs := form("version", "1", "file0", "checks for orders:\n  - row_count > 2\n")
	if w := s.do("POST", path, theirs, nil); w.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	w := s.do("POST", path, mine, nil)
	doc := document(t, w)
	if w.Code != http.StatusConflict || !strings.Contains(doc.Find("[role=alert]").Text(), "ada changed this definition") {
		t.Errorf("%d %s", w.Code, doc.Find("[role=alert]").Text())
	}
	if removed, added := doc.Find(".diff .removed").Text(), doc.Find(".diff .added").Text(); !strings.Contains(removed, "row_count > 2") || !strings.Contains(added, "row_count > 1") {
		t.Errorf("diff %q to %q", removed, added)
	}
	version := doc.Find("input[name=version]").AttrOr("value", "")
	mine.Set("version", version)
	if w := s.do("POST", path, mine, nil); version != "2" || w.Code != http.StatusSeeOther {
		t.Errorf("saving over version %s: %d", version, w.Code)
	}
}

func TestRunPages(t *testing.T) {
	s := mustStart(t)
	s.source("shop")
	path := s.create()
	w := s.do("POST", path+"/run", nil, nil)
	run := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther || !strings.HasPrefix(run, "/scans/") {
		t.Fatalf("%d to %q", w.Code, run)
	}
	doc := document(t, s.do("GET", run, nil, nil))
	if doc.Find("section[data-open][aria-live]").Length() != 1 || doc.Find("noscript").Length() != 1 || !strings.Contains(doc.Find(".state").Text(), "by ada") {
		t.Errorf("page of a queued run: %s", doc.Find("main").Text())
	}
	for _, page := range []string{"/scans", "/definitions", path} {
		if doc := document(t, s.do("GET", page, nil, nil)); doc.Find("table.runs a[href='"+run+"']").Length() != 1 {
			t.Errorf("%s does not show the open run", page)
		}
	}
	if w := s.do("POST", run+"/cancel", nil, nil); w.Code != http.StatusSeeOther {
		t.Errorf("cancel: %d", w.Code)
	}
	doc = document(t, s.do("GET", run, nil, nil))
	if doc.Find("[data-open]").Length() != 0 || doc.Find("noscript").Length() != 0 || !strings.Contains(doc.Find(".state").Text(), "Canceled before it began. By ada.") {
		t.Errorf("page of a canceled run: %s", doc.Find("main").Text())
	}
	for range 10 {
		s.do("POST", path+"/run", nil, nil)
	}
	if w := s.do("POST", path+"/run", nil, nil); w.Code != http.StatusTooManyRequests {
		t.Errorf("one run too many: %d", w.Code)
	}
}

// TestOtherSitesChangeNothing sends each form from another site, and from nobody.
func TestOtherSitesChangeNothing(t *testing.T) {
	s := mustStart(t)
	s.source("shop")
	path := s.create()
	run, err := s.runs.Start(t.Context(), runs.Request{Definition: "nightly orders", Trigger: runs.ByPage})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/definitions", path, path + "/run", path + "/delete", "/scans/" + run.ID + "/cancel"} {
		for name, edit := range map[string]func(*http.Request){
			"another site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"old browser":  func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
			"no session":   func(r *http.Request) { r.Header.Del("Cookie") },
		} {
			w := s.do("POST", target, form("version", "1", "definition", "stolen", "schedule", ""), edit)
			refused := w.Code == http.StatusForbidden || name == "no session" && strings.HasPrefix(w.Header().Get("Location"), "/sign-in")
			if !refused {
				t.Errorf("%s from %s: %d to %q", target, name, w.Code, w.Header().Get("Location"))
			}
		}
	}
	d, err := s.runs.Definition(t.Context(), "nightly orders")
	if err != nil || d.Version != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if now, err := s.runs.Run(t.Context(), run.ID); err != nil || now.State != dq.Queuing {
		t.Errorf("%+v, %v", now, err)
	}
	if open, err := s.runs.OpenRuns(t.Context()); err != nil || len(open) != 1 {
		t.Errorf("%+v, %v", open, err)
	}
}
