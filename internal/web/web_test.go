package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/table/sqlite"
	"github.com/sodalite-dq/sodalite/internal/web"
)

// doorman lets those in who have a cookie.
type doorman struct{}

func (doorman) Session(r *http.Request) (string, bool) {
	_, err := r.Cookie("session")
	return "ada", err == nil
}

func (doorman) SignIn(_ context.Context, w http.ResponseWriter, name, password, _ string) error {
	if name != "ada" || password != "right" {
		return auth.ErrUnauthorized
	}
	http.SetCookie(w, &http.Cookie{Name: "session", Value: "x"})
	return nil
}

func (doorman) SignInLink(_ context.Context, w http.ResponseWriter, token string) error {
	if token != "good" {
		return auth.ErrUnauthorized
	}
	http.SetCookie(w, &http.Cookie{Name: "session", Value: "x"})
	return nil
}

func (doorman) SignOut(w http.ResponseWriter, _ *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: "session", MaxAge: -1})
}

type site struct {
	t    *testing.T
	hub  *hub.Hub
	runs *runs.Store
	page http.Handler
	now  time.Time
}

func mustStart(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return s.now }
	store, err := sqlite.Open(filepath.Join(t.TempDir(), "test.db"), clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s.hub = hub.New(store, clock, hub.Retention{})
	s.runs = &runs.Store{Table: store, Now: clock, Keep: time.Hour}
	s.page = web.New(web.Config{
		Hub: s.hub, Runs: s.runs, Auth: doorman{}, PublicURL: "https://dq.example.com", Version: "test", Now: clock, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Deliveries: func(_ context.Context, scanID string) ([]notify.Delivery, error) {
			if scanID != "second" {
				return nil, nil
			}
			return []notify.Delivery{{ScanID: scanID, Destination: "slack", Kind: "slack", State: notify.Sent, Attempts: 1, Checks: 1, Updated: s.now}}, nil
		},
	})
	return s
}

const evil = `<script>alert("x")</script>`

func result(table, name string, o dq.Outcome, value string) dq.Result {
	return dq.Result{
		Check: dq.Check{Identity: "id of " + name, Name: name, Dataset: dq.DatasetRef{DataSource: "shop", Name: table}, Column: "amount", Kind: "missing",
			Source: "checks for " + table + ":\n  - missing_count(amount) = 0", Attributes: []dq.Attribute{{Name: "owner", Value: []byte(`"Ada Park"`)}, {Name: "team", Value: []byte(`"crm"`)}}},
		Outcome: o, Value: json.Number(value), Fail: &dq.Threshold{GreaterThan: "0.0"},
	}
}

func (s *site) push(id, definition string, minutes int, edit func(*dq.Scan), results ...dq.Result) {
	s.t.Helper()
	s.now = s.now.Add(time.Second)
	at := time.Date(2026, 11, 24, 0, minutes, 0, 0, time.UTC)
	scan := &dq.Scan{ID: id, Definition: definition, DataTime: at, Started: at, Ended: at.Add(5 * time.Second), Results: results,
		Logs: []dq.LogLine{{Index: 1, Level: dq.LevelInfo, Message: "Soda Core 3.5.6", Time: at}, {Index: 2, Level: dq.LevelDebug, Message: "SELECT 1", Time: at}}}
	if edit != nil {
		edit(scan)
	}
	scan.State = scan.Conclude(true)
	if _, err := s.hub.Accept(s.t.Context(), scan); err != nil {
		s.t.Fatal(err)
	}
	if err := s.hub.Digest(s.t.Context(), id); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) fill() {
	s.push("first", "nightly", 1, nil, result("orders", "every amount", dq.Pass, "0"), result("customers", "every name", dq.Warn, "3"))
	s.push("second", "nightly", 2, func(scan *dq.Scan) {
		scan.Queries = []dq.Query{{Name: "q1", SQL: "SELECT count(*) FROM orders", Duration: 1500 * time.Millisecond}}
		scan.Reports = []dq.DatasetReport{{Dataset: dq.DatasetRef{DataSource: "shop", Name: "orders"}, Schema: []dq.Column{{Name: "id", Type: "bigint"}}}}
	}, result("orders", "every amount", dq.Fail, "9007199254740993"), result("customers", "every name", dq.Pass, "0"), result(evil, evil, dq.NotEvaluated, "1e999"))
	s.push("third", "nightly", 3, func(scan *dq.Scan) {
		scan.Errored = true
		scan.Logs = append(scan.Logs, dq.LogLine{Index: 3, Level: dq.LevelError, Message: "Could not connect " + evil})
	})
}

// do makes a request, signed in unless edit says otherwise.
func (s *site) do(method, target string, form url.Values, edit func(*http.Request)) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, target, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.AddCookie(&http.Cookie{Name: "session", Value: "x"})
	if edit != nil {
		edit(r)
	}
	w := httptest.NewRecorder()
	s.page.ServeHTTP(w, r)
	return w
}

func visitor(r *http.Request) { r.Header.Del("Cookie") }

// open gets a page, which must be whole and safe.
func (s *site) open(target string) *goquery.Document {
	s.t.Helper()
	w := s.do(http.MethodGet, target, nil, nil)
	if w.Code != http.StatusOK {
		s.t.Fatalf("%s: status %d", target, w.Code)
	}
	return s.read(target, w)
}

func (s *site) read(target string, w *httptest.ResponseRecorder) *goquery.Document {
	s.t.Helper()
	if strings.Contains(w.Body.String(), evil) {
		s.t.Errorf("%s: markup from a name is not escaped", target)
	}
	if strings.Contains(w.Body.String(), "ZgotmplZ") {
		s.t.Errorf("%s: a value was refused by the template", target)
	}
	d, err := goquery.NewDocumentFromReader(w.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if n := d.Find("main h1").Length(); n != 1 {
		s.t.Errorf("%s: %d first headings", target, n)
	}
	if d.Find("html[lang]").Length() != 1 || d.Find("title").Text() == "" || d.Find("a[href='#main'], a.skip").Length() == 0 {
		s.t.Errorf("%s: lacks language, title or skip link", target)
	}
	d.Find("img:not([alt]), script:not([src]), style, [style], [onclick]").Each(func(_ int, e *goquery.Selection) {
		html, _ := goquery.OuterHtml(e)
		s.t.Errorf("%s: not allowed: %.100s", target, html)
	})
	return d
}

func (s *site) link(target, selector string) string {
	s.t.Helper()
	href, ok := s.open(target).Find(selector).First().Attr("href")
	if !ok {
		s.t.Fatalf("%s: no %s", target, selector)
	}
	return href
}

func TestChecksDashboard(t *testing.T) {
	s := mustStart(t)
	s.fill()
	for name, c := range map[string]struct {
		query     string
		rows      int
		want, not string
	}{
		"all":                  {"", 3, "9,007,199,254,740,993", ""},
		"failing":              {"?outcome=fail", 1, "every amount", "every name"},
		"not evaluated":        {"?outcome=notEvaluated", 1, "Not evaluated", "every name"},
		"by dataset":           {"?dataset=customers", 1, "every name", "every amount"},
		"by source":            {"?source=elsewhere", 0, "", "every name"},
		"by owner":             {"?owner=Ada+Park", 3, "", ""},
		"by text":              {"?q=EVERY+NAME", 1, "every name", "every amount"},
		"by attribute":         {"?attr=team:crm", 3, "", ""},
		"by another attribute": {"?attr=team:sales", 0, "", ""},
		"by two":               {"?outcome=fail&dataset=customers", 0, "", ""},
		"sorted":               {"?sort=name&dir=desc", 3, "", ""},
		"nonsense":             {"?outcome=maybe&sort=color&page=-3&size=abc&attr=x", -1, "", ""},
		"markup":               {"?q=" + url.QueryEscape(evil), 1, "", ""},
		"archived":             {"?archived=1", 0, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			d := s.open("/checks" + c.query)
			table := d.Find("table.checks tbody tr")
			if c.rows >= 0 && table.Length() != c.rows {
				t.Errorf("%d rows, want %d", table.Length(), c.rows)
			}
			if c.want != "" && !strings.Contains(table.Text(), c.want) {
				t.Errorf("no %q in %q", c.want, table.Text())
			}
			if c.not != "" && strings.Contains(table.Text(), c.not) {
				t.Errorf("%q should not be listed", c.not)
			}
			if c.rows == 0 && d.Find("main a[href^='/checks']").Length() == 0 {
				t.Error("nothing matches, and there is no way back")
			}
		})
	}
	s.t = t
	d := s.open("/checks?sort=name")
	row := d.Find("table.checks tbody tr").FilterFunction(func(_ int, r *goquery.Selection) bool { return strings.Contains(r.Text(), "every amount") })
	for _, want := range []string{"Fail", "orders", "shop", "Ada Park", "nightly", "ago"} {
		if !strings.Contains(row.Text(), want) {
			t.Errorf("the row lacks %q: %q", want, row.Text())
		}
	}
	if row.Find("time[datetime][title]").Length() == 0 || d.Find("th[aria-sort]").Length() != 1 {
		t.Error("exact times or the sorted column are not told")
	}
}

func TestCheckPage(t *testing.T) {
	s := mustStart(t)
	s.fill()
	d := s.open(s.link("/checks?q=every+amount", "table.checks a[href^='/checks/']"))
	for selector, want := range map[string]string{"h1": "every amount", "pre": "missing_count(amount) = 0", "figure svg title": "", "figure svg .fail": "", ".results tbody tr": "Fail"} {
		if e := d.Find(selector); e.Length() == 0 || !strings.Contains(e.Text(), want) {
			t.Errorf("%s: %d found, want %q in %q", selector, e.Length(), want, e.Text())
		}
	}
	if n := d.Find(".results tbody tr").Length(); n != 2 {
		t.Errorf("%d results, want 2", n)
	}
	if d.Find(".results a[href='/scans/second']").Length() != 1 {
		t.Error("no link to the scan")
	}
	s.open(s.link("/checks?q=script", "table.checks a[href^='/checks/']")) // 1e999 must not break the chart
}

// TestRangesThatMove looks at the chart of an anomaly check, whose ranges differ from scan to scan, and of a check whose
// values have labels.
func TestRangesThatMove(t *testing.T) {
	s := mustStart(t)
	for i, level := range []int{100, 120, 90} {
		r := result("orders", "as usual", dq.Pass, fmt.Sprint(level))
		r.Kind = hub.KindAnomaly
		r.Warn = &dq.Threshold{LessThan: json.Number(fmt.Sprint(level - 10)), GreaterThan: json.Number(fmt.Sprint(level + 10))}
		r.Fail = &dq.Threshold{LessThan: json.Number(fmt.Sprint(level - 20)), GreaterThan: json.Number(fmt.Sprint(level + 20))}
		labelled := result("orders", "schema", dq.Fail, "")
		labelled.ValueLabel = fmt.Sprintf("%d schema event(s)", i+1)
		s.push(fmt.Sprint("scan", i), "nightly", i, nil, r, labelled)
	}
	d := s.open(s.link("/checks?q=as+usual", "table.checks a[href^='/checks/']"))
	areas := d.Find(".chart.wide .zone .area:not(.texture)")
	if areas.Length() != 4 { // above and below, to warn and to fail
		t.Fatalf("%d zones, want 4", areas.Length())
	}
	areas.Each(func(i int, area *goquery.Selection) {
		if bends := strings.Count(area.AttrOr("d", ""), "L"); bends != 9 { // five corners along, five back
			t.Errorf("zone %d has %d bends: %s", i, bends, area.AttrOr("d", ""))
		}
	})
	d = s.open(s.link("/checks?q=schema", "table.checks a[href^='/checks/']"))
	if text := d.Find(".results tbody").Text(); !strings.Contains(text, "3 schema events") || !strings.Contains(text, "1 schema event") {
		t.Errorf("labels of past results: %q", text)
	}
}

// TestPagesCanBeHeard looks for what screen readers trip over: landmarks that sound alike, controls inside of images, tables
// and images without a name.
func TestPagesCanBeHeard(t *testing.T) {
	s := mustStart(t)
	s.fill()
	for _, path := range []string{
		"/checks", s.link("/checks?q=every+amount", "table.checks a[href^='/checks/']"), "/datasets", s.link("/datasets?q=orders", "table a[href^='/datasets/']"),
		"/scans", "/scans/second", "/scans/third", "/connect", "/organization/attributes", "/definitions",
	} {
		d := s.open(path)
		heard := map[string]bool{}
		d.Find("section[aria-labelledby], section[aria-label], nav, [role=region], form[role=search]").Each(func(_ int, e *goquery.Selection) {
			name := e.AttrOr("aria-label", d.Find("#"+e.AttrOr("aria-labelledby", "none")).First().Text())
			if key := goquery.NodeName(e) + " " + name; name == "" || heard[key] {
				t.Errorf("%s: the landmark %q has no name of its own", path, key)
			} else {
				heard[key] = true
			}
		})
		if n := d.Find("[role=img] a, [role=img] button, a a, button a").Length(); n != 0 {
			t.Errorf("%s: %d controls inside of something that is one thing", path, n)
		}
		if n := d.Find("table.list").Length() - d.Find("table.list > caption").Length(); n != 0 {
			t.Errorf("%s: %d lists without a caption", path, n)
		}
		d.Find("[role=img]").Each(func(_ int, e *goquery.Selection) {
			if e.AttrOr("aria-label", "") == "" {
				t.Errorf("%s: an image without a name: %s", path, e.AttrOr("class", ""))
			}
		})
	}
}

// TestDatasetTabsCountWhatTheyShow counts the rows behind each tab, with and without another filter.
func TestDatasetTabsCountWhatTheyShow(t *testing.T) {
	s := mustStart(t)
	s.fill()
	s.push("other", "elsewhere", 5, nil, result("refunds", "fine", dq.Pass, "0"))
	for _, query := range []string{"", "q=orders&"} {
		s.open("/datasets?" + query).Find(".tabs a").Each(func(_ int, tab *goquery.Selection) {
			rows := s.open(tab.AttrOr("href", "")).Find("table.datasets tbody tr").Length()
			if count := tab.Find(".count").Text(); count != fmt.Sprint(rows) {
				t.Errorf("%q: tab %q shows %d rows", query, tab.Text(), rows)
			}
		})
	}
}

func TestDatasets(t *testing.T) {
	s := mustStart(t)
	s.fill()
	d := s.open("/datasets")
	if n := d.Find(".warning").Length(); n != 3 {
		t.Errorf("%d warnings, want one on each of 3 datasets", n)
	}
	if d.Find(".warning a[href^='/scans/third']").Length() == 0 || !strings.Contains(d.Find(".warning").First().Text(), "Could not connect") {
		t.Errorf("warning %q", d.Find(".warning").First().Text())
	}
	d = s.open(s.link("/datasets?q=orders", "table a[href^='/datasets/']"))
	for _, want := range []string{"bigint", "every amount", "nightly", "Could not connect"} {
		if !strings.Contains(d.Find("main").Text(), want) {
			t.Errorf("the dataset's page lacks %q", want)
		}
	}
	s.push("fourth", "nightly", 4, nil, result("orders", "every amount", dq.Pass, "0"))
	if n := s.open("/datasets").Find(".warning").Length(); n != 0 {
		t.Errorf("%d warnings after a clean scan", n)
	}
}

func TestScanPage(t *testing.T) {
	s := mustStart(t)
	s.fill()
	d := s.open("/scans/second")
	for _, want := range []string{"every amount", "SELECT count(*) FROM orders", "Soda Core 3.5.6", "slack"} {
		if !strings.Contains(d.Find("main").Text(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if d = s.open("/scans/second?level=info"); strings.Contains(d.Find(".log").Text(), "SELECT 1") {
		t.Error("debug lines are shown though filtered out")
	}
	if d = s.open("/scans/third"); !strings.Contains(d.Find(".warning").Text(), "Could not connect") {
		t.Error("why the scan failed is not told")
	}
	if n := s.open("/scans?state=failed").Find("table.scans tbody tr").Length(); n != 1 {
		t.Errorf("%d failed scans", n)
	}
}

func TestOtherPages(t *testing.T) {
	s := mustStart(t)
	if text := s.open("/checks").Find("main").Text(); !strings.Contains(text, "keys create") || !strings.Contains(text, "configuration") {
		t.Errorf("an empty system should say what to do next: %q", text)
	}
	s.open("/datasets")
	s.open("/scans")
	if text := s.open("/connect").Find("main").Text(); !strings.Contains(text, "soda_cloud:") || !strings.Contains(text, "dq.example.com") {
		t.Errorf("/connect should show what to paste: %q", text)
	}
	if err := s.hub.ApplyAttributes(t.Context(), []hub.AttributeSchema{{Name: evil, Type: "singleSelect", AllowedValues: []any{"a", evil}}}); err != nil {
		t.Fatal(err)
	}
	s.open("/organization/attributes")
	id, err := s.hub.SaveSample(t.Context(), evil, []byte(`[1,"`+`<script>alert(\"x\")</script>`+`",NaN,null]`+"\nnot json\n"))
	if err != nil {
		t.Fatal(err)
	}
	if text := s.open("/samples/" + id).Find("table").Text(); !strings.Contains(text, "NaN") {
		t.Errorf("sample %q", text)
	}
	for _, path := range []string{"/nothing", "/checks/unknown", "/checks/" + strings.Repeat("a", 28), "/datasets/x", "/scans/x", "/samples/x", "/scans/" + strings.Repeat("y", 3000), "/assets/none.css"} {
		if w := s.do(http.MethodGet, path, nil, nil); w.Code != http.StatusNotFound {
			t.Errorf("%.40s: status %d, want 404", path, w.Code)
		}
	}
}

func TestHeaders(t *testing.T) {
	s := mustStart(t)
	for _, path := range []string{"/checks", "/sign-in", "/nothing"} {
		h := s.do(http.MethodGet, path, nil, nil).Header()
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" {
			t.Errorf("%s: %v", path, h)
		}
		if h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be cached: %q", path, h.Get("Cache-Control"))
		}
	}
	css, ok := s.open("/checks").Find("link[rel=stylesheet]").Attr("href")
	if w := s.do(http.MethodGet, css, nil, visitor); !ok || w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%s: %d %v", css, w.Code, w.Header())
	}
}

func TestSigningIn(t *testing.T) {
	s := mustStart(t)
	w := s.do(http.MethodGet, "/checks?q=a+b", nil, visitor)
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusSeeOther || to.Path != "/sign-in" || to.Query().Get("next") != "/checks?q=a+b" {
		t.Fatalf("%d %s", w.Code, w.Header().Get("Location"))
	}
	for name, c := range map[string]struct {
		password, next string
		status         int
		location       string
	}{
		"right":                    {"right", "/scans?state=failed", 303, "/scans?state=failed"},
		"wrong":                    {"wrong", "/scans", 401, ""},
		"no next":                  {"right", "", 303, "/checks"},
		"elsewhere":                {"right", "https://evil.example/", 303, "/checks"},
		"elsewhere without scheme": {"right", "//evil.example/", 303, "/checks"},
		"elsewhere by backslash":   {"right", `/\evil.example/`, 303, "/checks"},
		"a script":                 {"right", "javascript:alert(1)", 303, "/checks"},
		"a line end":               {"right", "/a\r\nSet-Cookie: x=y", 303, "/checks"},
	} {
		t.Run(name, func(t *testing.T) {
			w := s.do(http.MethodPost, "/sign-in", url.Values{"name": {"ada"}, "password": {c.password}, "next": {c.next}}, visitor)
			if w.Code != c.status || w.Header().Get("Location") != c.location {
				t.Errorf("%d %q, want %d %q", w.Code, w.Header().Get("Location"), c.status, c.location)
			}
			if strings.Contains(w.Body.String(), c.password+`"`) {
				t.Error("the page repeats the password")
			}
		})
	}
	if w := s.do(http.MethodGet, "/sign-in/link?token=good", nil, visitor); w.Code != 303 || len(w.Result().Cookies()) != 1 {
		t.Errorf("link: %d", w.Code)
	}
	if w := s.do(http.MethodGet, "/sign-in/link?token=used", nil, visitor); w.Code == 303 || len(w.Result().Cookies()) != 0 {
		t.Errorf("used link: %d", w.Code)
	}
	w = s.do(http.MethodPost, "/sign-out", url.Values{}, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
	if w.Code != http.StatusForbidden {
		t.Errorf("sign-out from another site: %d, want 403", w.Code)
	}
}

// down is a hub whose storage does not answer.
type down struct{ web.Hub }

func (down) Checks(context.Context, hub.CheckFilter) (hub.CheckPage, error) {
	return hub.CheckPage{}, errors.New("table sodalite: access denied")
}

func TestTroubleOfOursTellsNoDetail(t *testing.T) {
	page := web.New(web.Config{Hub: down{}, Auth: doorman{}, Log: slog.New(slog.DiscardHandler)})
	r := httptest.NewRequest(http.MethodGet, "/checks", nil)
	r.AddCookie(&http.Cookie{Name: "session", Value: "x"})
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "denied") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// BenchmarkChecksPage renders a page of 50 checks.
func BenchmarkChecksPage(b *testing.B) {
	store, err := sqlite.Open(filepath.Join(b.TempDir(), "test.db"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	h := hub.New(store, time.Now, hub.Retention{})
	scan := &dq.Scan{ID: "s", Definition: "d", DataTime: time.Now(), Ended: time.Now()}
	for i := range 60 {
		scan.Results = append(scan.Results, result("orders", fmt.Sprintf("check %d", i), dq.Pass, "1"))
	}
	scan.State = scan.Conclude(true)
	if _, err := h.Accept(b.Context(), scan); err != nil {
		b.Fatal(err)
	}
	if err := h.Digest(b.Context(), "s"); err != nil {
		b.Fatal(err)
	}
	page := web.New(web.Config{Hub: h, Auth: doorman{}, Log: slog.New(slog.DiscardHandler)})
	for b.Loop() {
		r := httptest.NewRequest(http.MethodGet, "/checks", nil)
		r.AddCookie(&http.Cookie{Name: "session", Value: "x"})
		w := httptest.NewRecorder()
		page.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}
