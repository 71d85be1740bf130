package api_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/runs"
)

// define makes a definition that the system can run.
func (s *system) define(name string) {
	s.t.Helper()
	if _, err := s.runs.Source(s.t.Context(), "shop"); err != nil {
		if err := s.runs.SaveSource(s.t.Context(), runs.Source{Name: "shop", Type: "postgres"}); err != nil {
			s.t.Fatal(err)
		}
	}
	d := runs.Definition{Name: name, Source: "shop", Files: []runs.File{{Name: "checks.yml", Text: "checks for orders:\n  - row_count > 0\n"}}}
	if err := s.runs.SaveDefinition(s.t.Context(), d, "test"); err != nil {
		s.t.Fatal(err)
	}
}

func form(body string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Body = io.NopCloser(strings.NewReader(body))
	}
}

func TestScanIsStartedWatchedAndCanceled(t *testing.T) {
	s := mustStart(t)
	s.define("nightly orders")
	for name, body := range map[string]string{
		"by name": url.Values{"scanDefinition": {"nightly orders"}}.Encode(),
		"by id":   url.Values{"scanDefinition": {dq.DefinitionID("nightly orders")}, "dataTimestamp": {"2026-11-20T06:00:00+01:00"}}.Encode(),
	} {
		t.Run(name, func(t *testing.T) {
			status, header, _, text := s.do("POST", "/api/v1/scans", form(body))
			id := header.Get("X-Soda-Scan-Id")
			if status != http.StatusCreated || text != "" || id == "" || header.Get("Location") != "https://dq.example.com/api/v1/scans/"+id {
				t.Fatalf("%d %v %q", status, header, text)
			}
			_, _, scan, _ := s.do("GET", "/api/v1/scans/"+id, nil)
			if scan["state"] != "queuing" || scan["id"] != id || scan["cloudUrl"] != "https://dq.example.com/scans/"+id || scan["created"] == "" {
				t.Errorf("scan %v", scan)
			}
			if definition := scan["scanDefinition"].(map[string]any); definition["name"] != "nightly orders" {
				t.Errorf("definition %v", definition)
			}
			if at, given := scan["scanTime"]; given != (name == "by id") || given && at != "2026-11-20T05:00:00Z" {
				t.Errorf("scan time %v", at)
			}
			_, _, log, _ := s.do("GET", "/api/v1/scans/"+id+"/logs", nil)
			if lines := log["content"].([]any); len(lines) != 1 || !strings.Contains(lines[0].(map[string]any)["message"].(string), "asked for by api") {
				t.Errorf("log %v", log)
			}
			status, header, _, text = s.do("DELETE", "/api/v1/scans/"+id, nil)
			if status != http.StatusOK || text != "" || !strings.HasSuffix(header.Get("Location"), id) {
				t.Errorf("cancel: %d %v %q", status, header, text)
			}
			if _, _, scan, _ = s.do("GET", "/api/v1/scans/"+id, nil); scan["state"] != "canceled" || scan["ended"] == nil {
				t.Errorf("scan %v", scan)
			}
			if status, _, answer, _ := s.do("DELETE", "/api/v1/scans/"+id, nil); status != http.StatusBadRequest || answer["code"] != "invalid_state" {
				t.Errorf("cancel twice: %d %v", status, answer)
			}
		})
	}
}

func TestScansThatCannotBeStartedOrCanceled(t *testing.T) {
	s := mustStart(t)
	s.fill()
	s.define("busy")
	for range 10 {
		if _, err := s.runs.Start(t.Context(), runs.Request{Definition: "busy", Trigger: runs.ByAPI}); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		method, path, body string
		edit               func(*http.Request)
		status             int
		want               string
	}{
		"no definition":      {"POST", "scans", "x=y", nil, 400, "scanDefinition is missing"},
		"unknown definition": {"POST", "scans", "scanDefinition=nobody", nil, 400, "no definition that can be started"},
		"a remote scanner's": {"POST", "scans", "scanDefinition=nightly", nil, 400, "because a scanner pushed results"},
		"bad time":           {"POST", "scans", "scanDefinition=busy&dataTimestamp=today", nil, 400, "dataTimestamp"},
		"too large":          {"POST", "scans", "scanDefinition=" + strings.Repeat("x", 20_000), nil, 400, "must be a form"},
		"too many wait":      {"POST", "scans", "scanDefinition=busy", nil, 429, "too many runs wait"},
		"no key":             {"POST", "scans", "scanDefinition=busy", func(r *http.Request) { r.Header.Del("Authorization") }, 401, "API key"},
		"a browser's session": {"POST", "scans", "scanDefinition=busy", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.AddCookie(&http.Cookie{Name: "session", Value: "x"})
		}, 401, "API key"},
		"cancel an ended scan": {"DELETE", "scans/first", "", nil, 400, "elsewhere"},
		"cancel nothing":       {"DELETE", "scans/nothing", "", nil, 404, "nothing with this id"},
		"a log of nothing":     {"GET", "scans/nothing/logs", "", nil, 404, "nothing with this id"},
	} {
		t.Run(name, func(t *testing.T) {
			status, _, answer, text := s.do(c.method, "/api/v1/"+c.path, func(r *http.Request) {
				form(c.body)(r)
				if c.edit != nil {
					c.edit(r)
				}
			})
			message, _ := answer["message"].(string)
			if status != c.status || !strings.Contains(message, c.want) || answer["code"] == "" {
				t.Errorf("%d %s, want %d with %q", status, text, c.status, c.want)
			}
		})
	}
	if open, err := s.runs.OpenRuns(t.Context()); err != nil || len(open) != 10 {
		t.Errorf("%d runs are open, %v", len(open), err)
	}
}

func TestErrorsAreHeldBackFromClientsThatAskAtOnce(t *testing.T) {
	for agent, want := range map[string]time.Duration{"python-requests/2.32.3": 2 * time.Second, "soda-core/4.28.0": 0, "curl/8.5": 0} {
		synctest.Test(t, func(t *testing.T) {
			s := mustStart(t)
			start := time.Now()
			status, _, _, _ := s.do("GET", "/api/v1/scans/nosuchscan", func(r *http.Request) { r.Header.Set("User-Agent", agent) })
			if took := time.Since(start); status != http.StatusNotFound || took != want {
				t.Errorf("%s: %d after %s, want 404 after %s", agent, status, took, want)
			}
		})
	}
}
