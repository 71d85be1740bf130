package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/api"
	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/table/sqlite"
)

// doorman is an Auth that knows one key.
type doorman struct{}

func (doorman) Basic(_ context.Context, id, secret, _ string) (auth.Principal, error) {
	switch {
	case id == "hasty":
		return auth.Principal{}, auth.TooManyAttempts{After: 5 * time.Second}
	case id == "key" && secret == "s3cret":
		return auth.Principal{KeyID: id}, nil
	}
	return auth.Principal{}, auth.ErrUnauthorized
}

func (doorman) Session(r *http.Request) (string, bool) {
	_, err := r.Cookie("session")
	return "ada", err == nil
}

// system is the API over a hub with a few scans.
type system struct {
	t    *testing.T
	mux  *http.ServeMux
	hub  *hub.Hub
	runs *runs.Store
	now  time.Time
}

func mustStart(t *testing.T) *system {
	t.Helper()
	s := &system{t: t, mux: http.NewServeMux(), now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return s.now }
	store, err := sqlite.Open(filepath.Join(t.TempDir(), "test.db"), clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s.hub = hub.New(store, clock, hub.Retention{})
	s.runs = &runs.Store{Table: store, Now: clock, Keep: time.Hour}
	api.Mount(s.mux, api.Config{Hub: s.hub, Runs: s.runs, Auth: doorman{}, PublicURL: "https://dq.example.com", Organisation: "Kite", Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	return s
}

func check(table, name string, o dq.Outcome, value string) dq.Result {
	return dq.Result{
		Check: dq.Check{Identity: "id of " + name, Name: name, Dataset: dq.DatasetRef{DataSource: "shop", Name: table}, Column: "amount", Kind: "aggregate",
			Source: "checks for " + table, Attributes: []dq.Attribute{{Name: "owner", Value: []byte(`"Ada Park"`)}, {Name: "priority", Value: []byte("3")}}},
		Outcome: o, Value: json.Number(value), Fail: &dq.Threshold{LessThan: "0.0"},
	}
}

// push stores and digests a scan with data time minutes after midnight.
func (s *system) push(id, definition string, minutes int, errored bool, results ...dq.Result) {
	s.t.Helper()
	s.now = s.now.Add(time.Second)
	at := time.Date(2026, 11, 24, 0, minutes, 0, 0, time.UTC)
	scan := &dq.Scan{ID: id, Definition: definition, DataTime: at, Started: at, Ended: at, Results: results, Errored: errored}
	for i := range 3 {
		scan.Logs = append(scan.Logs, dq.LogLine{Index: i, Level: dq.LevelInfo, Message: fmt.Sprintf("line %d", i), Time: at})
	}
	if errored {
		scan.Logs = append(scan.Logs, dq.LogLine{Index: 9, Level: dq.LevelError, Message: "no route to host", Time: at})
	}
	scan.State = scan.Conclude(true)
	if _, err := s.hub.Accept(s.t.Context(), scan); err != nil {
		s.t.Fatal(err)
	}
	if err := s.hub.Digest(s.t.Context(), id); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) fill() {
	s.push("first", "nightly", 1, false, check("orders", "no negatives", dq.Pass, "9007199254740993"), check("customers", "all there", dq.Warn, "2.50"))
	s.push("second", "nightly", 2, false, check("orders", "no negatives", dq.Fail, "-4"), check("customers", "all there", dq.Pass, "1"))
	s.push("third", "nightly", 3, true)
}

// do makes a request and decodes the answer.
func (s *system) do(method, path string, edit func(*http.Request)) (int, http.Header, map[string]any, string) {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, nil)
	r.SetBasicAuth("key", "s3cret")
	if edit != nil {
		edit(r)
	}
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil && w.Body.Len() > 0 {
		s.t.Fatalf("%s %s answered no JSON object: %s", method, path, w.Body)
	}
	return w.Code, w.Header(), body, w.Body.String()
}

func (s *system) get(path string) (int, map[string]any, string) {
	s.t.Helper()
	status, _, body, text := s.do(http.MethodGet, path, nil)
	return status, body, text
}

func (s *system) idOf(path, name string) string {
	s.t.Helper()
	_, body, text := s.get(path)
	for _, row := range body["content"].([]any) {
		if row := row.(map[string]any); row["name"] == name {
			return row["id"].(string)
		}
	}
	s.t.Fatalf("no %q in %s", name, text)
	return ""
}

func TestAnswers(t *testing.T) {
	s := mustStart(t)
	s.fill()
	orders, negatives := s.idOf("/api/v1/datasets", "orders"), s.idOf("/api/v1/checks", "no negatives")
	for name, c := range map[string]struct {
		path      string
		status    int
		want, not []string
	}{
		"test login": {"/api/v1/test-login", 200, []string{`{"organisationName":"Kite"}`}, nil},
		"checks": {"/api/v1/checks", 200, []string{`"first":true,"last":true,"number":0,"size":10,"totalElements":2,"totalPages":1`, `"evaluationStatus":"fail"`, `"value":-4`,
			`"cloudUrl":"https://dq.example.com/checks/` + negatives, `"qualifiedName":"shop/orders"`, `"incidents":[]`, `"agreements":[]`, `"firstName":"Ada","lastName":"Park"`, `"priority":"3"`,
			`"fail":{"lessThan":0.0}`, `"lastCheckRunTime":"2026-11-24T00:02:00Z"`}, []string{"s3cret", "null"}},
		"checks of a dataset":            {"/api/v1/checks?datasetId=" + orders, 200, []string{`"totalElements":1`, "no negatives"}, []string{"all there"}},
		"checks as a guide spells it":    {"/api/v1/checks?datasetID=" + orders, 200, []string{`"totalElements":1`}, nil},
		"checks by id":                   {"/api/v1/checks?checkIds=" + negatives + ",unknown", 200, []string{`"totalElements":1`}, nil},
		"checks by id and page":          {"/api/v1/checks?page=0&checkIds=" + negatives, 400, []string{"checkIds"}, nil},
		"a page past the end":            {"/api/v1/checks?page=7", 200, []string{`"content":[]`, `"number":7`, `"last":true`}, nil},
		"size too small":                 {"/api/v1/checks?size=9", 400, []string{"10 to 1000"}, nil},
		"size too large":                 {"/api/v1/datasets?size=1001", 400, []string{"10 to 1000"}, nil},
		"size no number":                 {"/api/v1/datasets?size=all", 400, []string{`\"all\"`}, nil},
		"negative page":                  {"/api/v1/checks?page=-1", 400, []string{"page"}, nil},
		"one check":                      {"/api/v1/checks/" + negatives, 200, []string{`"scanDefinition":"nightly"`, `"since":"2026-11-24T00:02:00Z"`}, []string{"content"}},
		"unknown check":                  {"/api/v1/checks/nobody", 404, []string{`"code":"not_found"`}, nil},
		"history":                        {"/api/v1/checks/" + negatives + "/results", 200, []string{`"value":9007199254740993`, `"evaluationStatus":"fail"`, `"last":true`}, nil},
		"history from":                   {"/api/v1/checks/" + negatives + "/results?from=2026-11-24T00:02:00Z", 200, []string{`"value":-4`}, []string{"9007199254740993"}},
		"history to":                     {"/api/v1/checks/" + negatives + "/results?to=2026-11-24T00:01:30Z", 200, []string{"9007199254740993"}, []string{`-4`}},
		"history in pages":               {"/api/v1/checks/" + negatives + "/results?limit=1", 200, []string{`"last":false`, `"next":"2026-11-24T00:01:59.999Z"`}, nil},
		"history with an odd time":       {"/api/v1/checks/" + negatives + "/results?from=soon", 400, []string{"from", "soon"}, nil},
		"datasets":                       {"/api/v1/datasets", 200, []string{`"scanWarning":{"scanId":"third","scanDefinition":"nightly","state":"failed","since":"2026-11-24T00:03:00Z"`, `"healthStatus":0`, `"dataQualityStatus":"fail"`, `"datasource":{"name":"shop"`}, []string{"null"}},
		"datasets by name":               {"/api/v1/datasets?search=CUST", 200, []string{`"totalElements":1`, `"healthStatus":100`}, []string{`"orders"`}},
		"datasets of a source":           {"/api/v1/datasets?datasourceName=other", 200, []string{`"content":[]`, `"totalPages":0`}, nil},
		"datasets updated since":         {"/api/v1/datasets?from=2027-01-01T00:00:00Z", 200, []string{`"totalElements":0`}, nil},
		"one dataset":                    {"/api/v1/datasets/" + orders, 200, []string{`"name":"orders"`, `"scanWarning"`}, nil},
		"unknown dataset":                {"/api/v1/datasets/aaaaaaaaaaaaaaaa", 404, []string{"not_found"}, nil},
		"scans, newest first":            {"/api/v1/scans", 200, []string{`"content":[{"id":"third"`, `"totalElements":3`}, nil},
		"scans in pages":                 {"/api/v1/scans?size=2", 200, []string{`"totalPages":2`, `"next":"`}, []string{`"first","cloudUrl"`}},
		"failed scans":                   {"/api/v1/scans?state=failed", 200, []string{`"totalElements":1`, "no route to host"}, nil},
		"one scan":                       {"/api/v1/scans/second", 200, []string{`"state":"completedWithFailures"`, `"failures":1`, `"warnings":0`, `"errors":0`, `"name":"nightly"`, negatives}, nil},
		"a failed scan":                  {"/api/v1/scans/third", 200, []string{`"state":"failed"`, `"errors":1`, `"checks":[]`}, nil},
		"unknown scan":                   {"/api/v1/scans/none", 404, []string{"not_found"}, nil},
		"logs":                           {"/api/v1/scans/third/logs", 200, []string{`"level":"error"`, `"totalElements":4`, `"size":1000`}, nil},
		"logs with a small size":         {"/api/v1/scans/third/logs?size=10", 400, []string{"100 to 1000"}, nil},
		"no such operation":              {"/api/v1/incidents", 404, []string{`"code":"not_found"`}, nil},
		"the root":                       {"/api/v1/", 404, []string{"docs/api.md"}, nil},
		"an id with odd characters":      {"/api/v1/checks/" + url.PathEscape(`<script>"'%00`), 404, []string{"not_found"}, []string{"<script>"}},
		"an id longer than any key":      {"/api/v1/scans/" + strings.Repeat("x", 3000), 404, []string{"not_found"}, nil},
		"a filter with odd characters":   {"/api/v1/datasets?search=" + url.QueryEscape(`<script>'"`), 200, []string{`"content":[]`}, nil},
		"a page number beyond all sense": {"/api/v1/checks?page=99999999999999999999", 400, []string{"page"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			status, _, text := s.get(c.path)
			if status != c.status {
				t.Errorf("%s: %d, want %d: %s", c.path, status, c.status, text)
			}
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%s lacks %s: %s", c.path, want, text)
				}
			}
			for _, not := range c.not {
				if strings.Contains(text, not) {
					t.Errorf("%s must not have %s: %s", c.path, not, text)
				}
			}
		})
	}
}

func TestWhoMayRead(t *testing.T) {
	s := mustStart(t)
	s.fill()
	for name, c := range map[string]struct {
		method string
		edit   func(*http.Request)
		status int
		header string
		value  string
	}{
		"key":          {"GET", nil, 200, "Cache-Control", "no-store"},
		"HEAD":         {"HEAD", nil, 200, "Content-Type", "application/json"},
		"wrong secret": {"GET", func(r *http.Request) { r.SetBasicAuth("key", "wrong") }, 401, "WWW-Authenticate", `Basic realm="Sodalite", charset="UTF-8"`},
		"nobody":       {"GET", func(r *http.Request) { r.Header.Del("Authorization") }, 401, "WWW-Authenticate", `Basic realm="Sodalite", charset="UTF-8"`},
		"browser": {"GET", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.AddCookie(&http.Cookie{Name: "session", Value: "x"})
		}, 200, "", ""},
		"too many tries": {"GET", func(r *http.Request) { r.SetBasicAuth("hasty", "x") }, 429, "Retry-After", "6"},
		"POST":           {"POST", nil, 405, "Allow", "GET, HEAD"},
		"DELETE nobody":  {"DELETE", func(r *http.Request) { r.Header.Del("Authorization") }, 401, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, header, _, text := s.do(c.method, "/api/v1/checks", c.edit)
			if status != c.status || c.header != "" && header.Get(c.header) != c.value {
				t.Errorf("got %d, %s %q; want %d, %q: %s", status, c.header, header.Get(c.header), c.status, c.value, text)
			}
			if status >= 400 && (strings.Contains(text, "orders") || !strings.Contains(text, `"code"`)) {
				t.Errorf("answer %s", text)
			}
		})
	}
}

// down is a hub whose storage does not answer.
type down struct{ api.Hub }

func (down) Datasets(context.Context, hub.DatasetFilter) (hub.DatasetPage, error) {
	return hub.DatasetPage{}, errors.New("table sodalite-Table-1ABC: access denied")
}

func TestTroubleOfOursTellsNoDetail(t *testing.T) {
	mux := http.NewServeMux()
	api.Mount(mux, api.Config{Hub: down{}, Auth: doorman{}, Log: slog.New(slog.DiscardHandler)})
	r := httptest.NewRequest(http.MethodGet, "/api/v1/datasets", nil)
	r.SetBasicAuth("key", "s3cret")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Body)
	if w.Code != 500 || strings.Contains(string(body), "table") || !strings.Contains(string(body), w.Header().Get("X-Soda-Trace-Id")) {
		t.Errorf("%d %s", w.Code, body)
	}
}

func TestDiagnosticsByKind(t *testing.T) {
	for name, c := range map[string]struct{ kind, source, value, diagnostics, want string }{
		"missing count":        {"missing", "missing_count(a) = 0", "3", "", `"diagnostics":{"missing":{"failedRowsCount":3}}`},
		"missing percent":      {"missing", "missing_percent(a) < 1", "2.5", `{"blocks":[{"type":"failedRowsAnalysis","totalFailingRows":121}]}`, `"diagnostics":{"missing":{"failedRowsCount":121,"failedRowsPercent":2.5}}`},
		"failed rows":          {"failed_rows", "failed rows", "33", "", `"diagnostics":{"failed_rows":{"failedRowsCount":33}}`},
		"row count comparison": {"row_count", "row_count same as b", "997", `{"rowCount":1000,"otherRowCount":3}`, `"diagnostics":{"row_count_diff":{"rowCountDiff":997,"sourceDatasetRowsTested":1000,"targetDatasetRowsTested":3}}`},
		"freshness":            {"freshness", "freshness(a) < 1d", "5", `{"maxColumnTimestamp":"2026-01-01 00:00:00"}`, `"diagnostics":{"freshness":{"actualTimestamp":"2026-01-01 00:00:00"}}`},
		"blocks of odd shape":  {"schema", "schema", "", `{"blocks":{"a":1},"valueSeries":{"values":[{"label":"fail","value":1,"outcome":"fail"}]}}`, `"valueSeries":{"values":[{"label":"fail","value":1,"level":"fail"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustStart(t)
			r := check("orders", "n", dq.Fail, c.value)
			r.Kind, r.Source, r.Diagnostics = c.kind, c.source, []byte(c.diagnostics)
			if c.diagnostics == "" {
				r.Diagnostics = nil
			}
			s.push("one", "nightly", 1, false, r)
			if _, _, text := s.get("/api/v1/checks"); !strings.Contains(text, c.want) {
				t.Errorf("want %s in %s", c.want, text)
			}
		})
	}
}
