package client_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/client"
)

// exchange is a server without a network: it answers from a list, and notes what came.
type exchange struct {
	t       *testing.T
	answers []answer
	got     []map[string]any
}

type answer struct {
	status int
	body   string
	after  string
	err    error
}

func (e *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		e.t.Error(err)
	}
	e.got = append(e.got, body)
	if len(e.answers) == 0 {
		e.t.Fatalf("one call too many: %v", body)
	}
	a := e.answers[0]
	if len(e.answers) > 1 {
		e.answers = e.answers[1:]
	}
	if a.err != nil {
		return nil, a.err
	}
	w := httptest.NewRecorder()
	w.Header().Set("Retry-After", a.after)
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body) // a recorder does not fail
	return w.Result(), nil
}

func (e *exchange) kinds() string {
	var all []string
	for _, b := range e.got {
		all = append(all, b["type"].(string))
	}
	return strings.Join(all, " ")
}

var (
	token    = answer{status: 200, body: `{"token": "t"}`}
	accepted = answer{status: 200, body: `{"scanId": "s1", "cloudUrl": "https://dq.example.com/scans/s1"}`}
)

func scan() *dq.Scan {
	return &dq.Scan{Definition: "nightly", DataSource: "shop", State: dq.Completed}
}

func TestPush(t *testing.T) {
	const insert = "sodaCoreInsertScanResults"
	for name, c := range map[string]struct {
		answers []answer
		kinds   string
		err     string
		least   time.Duration
		most    time.Duration
	}{
		"at once":               {[]answer{token, accepted}, "login " + insert, "", 0, 0},
		"token refused":         {[]answer{token, {status: 401, body: `{"message": "expired"}`}, token, accepted}, "login " + insert + " login " + insert, "", 0, 0},
		"busy":                  {[]answer{token, {status: 503, body: "busy"}, accepted}, "login " + insert + " " + insert, "", 1, 2 * time.Second},
		"asks to wait":          {[]answer{token, {status: 429, after: "7"}, accepted}, "login " + insert + " " + insert, "", 7 * time.Second, 7 * time.Second},
		"no network for once":   {[]answer{{err: io.ErrUnexpectedEOF}, token, accepted}, "login login " + insert, "", 1, 2 * time.Second},
		"wrong key":             {[]answer{{status: 401, body: `{"message": "wrong key"}`}, {status: 401, body: `{"message": "wrong key"}`}}, "login", "sign in: the server answered 401: wrong key", 0, 0},
		"not acceptable":        {[]answer{token, {status: 400, body: `{"message": "no checks"}`}}, "login " + insert, "400: no checks", 0, 0},
		"no network":            {[]answer{{err: io.ErrUnexpectedEOF}}, "", "unexpected EOF", 30 * time.Second, time.Minute},
		"answer is no JSON":     {[]answer{token, {status: 200, body: "<html>"}}, "", "not JSON", 30 * time.Second, time.Minute},
		"asks to wait too long": {[]answer{token, {status: 429, after: "100000", body: `{"message": "later"}`}}, "", "429: later", 30 * time.Second, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &exchange{t: t, answers: c.answers}
				server := &client.Client{URL: "https://dq.example.com", KeyID: "id", KeySecret: "secret", HTTP: &http.Client{Transport: e}, Patience: time.Minute}
				began := time.Now()
				id, page, err := server.Push(t.Context(), scan())
				if took := time.Since(began); took < c.least || took > c.most {
					t.Errorf("took %s, want %s to %s", took, c.least, c.most)
				}
				if c.kinds != "" && e.kinds() != c.kinds {
					t.Errorf("sent %s, want %s", e.kinds(), c.kinds)
				}
				if c.err != "" {
					if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "secret") {
						t.Errorf("error %v, want %q", err, c.err)
					}
					return
				}
				if err != nil || id != "s1" || page != "https://dq.example.com/scans/s1" {
					t.Errorf("%q, %q, %v", id, page, err)
				}
			})
		})
	}
}

// TestHistoryWaitsOnce: a scan of many checks of change must not wait for a server that is gone at each of them.
func TestHistoryWaitsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &exchange{t: t, answers: []answer{{err: io.ErrUnexpectedEOF}}}
		server := &client.Client{URL: "https://dq.example.com", KeyID: "id", KeySecret: "secret", HTTP: &http.Client{Transport: e}, Patience: time.Minute}
		began := time.Now()
		for range 50 {
			if _, err := server.Measurements(t.Context(), "metric", time.Time{}, time.Time{}, 1); err == nil {
				t.Fatal("no error")
			}
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("50 questions took %s", took)
		}
	})
}

func TestMeasurements(t *testing.T) {
	e := &exchange{t: t, answers: []answer{token, {status: 200, body: `{"results": [{"value": 12345678901234567890, "dataTime": "2026-03-01T06:00:00Z"}, {"value": 2, "dataTime": "2026-02-28T06:00:00Z"}]}`}}}
	server := &client.Client{URL: "https://dq.example.com", KeyID: "id", KeySecret: "secret", HTTP: &http.Client{Transport: e}}
	got, err := server.Measurements(context.Background(), "metric", time.Unix(0, 0), time.Time{}, 1)
	if err != nil || len(got) != 1 || string(got[0].Value) != "12345678901234567890" || got[0].Time.Day() != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// uploads is a server that takes rows.
type uploads struct {
	answers []answer
	got     []*http.Request
	rows    string
}

func (u *uploads) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	u.got, u.rows = append(u.got, r), string(body)
	a := u.answers[0]
	u.answers = u.answers[1:]
	w := httptest.NewRecorder()
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body) // a recorder does not fail
	return w.Result(), nil
}

// TestSaveSample: rows go up as the protocol has it (section 6), with a new token if the first is refused.
func TestSaveSample(t *testing.T) {
	for name, c := range map[string]struct {
		answers []answer
		id, err string
	}{
		"kept":              {[]answer{token, {status: 200, body: `{"fileId": "f1"}`}}, "f1", ""},
		"token refused":     {[]answer{token, {status: 401, body: `{}`}, token, {status: 200, body: `{"fileId": "f1"}`}}, "f1", ""},
		"samples are off":   {[]answer{token, {status: 403, body: `{"message": "not here"}`}}, "", "403: not here"},
		"no id in answer":   {[]answer{token, {status: 200, body: `{}`}}, "", "no fileId"},
		"busy, tried once":  {[]answer{token, {status: 503, body: `busy`}}, "", "503: busy"},
		"answer is no JSON": {[]answer{token, {status: 200, body: `<html>`}}, "", "not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			u := &uploads{answers: c.answers}
			server := &client.Client{URL: "https://dq.example.com", KeyID: "id", KeySecret: "secret", HTTP: &http.Client{Transport: u}, Patience: time.Minute}
			id, err := server.SaveSample(t.Context(), "täglich_1/a\n数.jsonl", []byte("[1]\n"))
			if id != c.id || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q, %v; want %q, %q", id, err, c.id, c.err)
			}
			last := u.got[len(u.got)-1]
			h := last.Header
			if last.URL.Path != "/api/scan/upload" || h.Get("Authorization") != "t" || h.Get("Is-V3") != "true" || h.Get("Content-Type") != "application/octet-stream" ||
				h.Get("File-Path") != "t\xe4glich_1/a??.jsonl" || u.rows != "[1]\n" || len(u.answers) > 0 {
				t.Errorf("sent %s %v %q, %d answers left", last.URL, h, u.rows, len(u.answers))
			}
		})
	}
}

// TestWanted: a server takes rows only if it says so.
func TestWanted(t *testing.T) {
	for body, want := range map[string]bool{`{"disableCollectingWarehouseData": false}`: true, `{"disableCollectingWarehouseData": true}`: false, `{}`: false} {
		server := &client.Client{URL: "https://dq.example.com", KeyID: "id", KeySecret: "secret", HTTP: &http.Client{Transport: &exchange{t: t, answers: []answer{token, {status: 200, body: body}}}}}
		if got, err := server.Wanted(t.Context()); got != want || err != nil {
			t.Errorf("%s: %v, %v", body, got, err)
		}
	}
	server := &client.Client{URL: "https://dq.example.com", KeyID: "id", KeySecret: "secret", HTTP: &http.Client{Transport: &exchange{t: t, answers: []answer{token, {status: 500, body: "down"}}}}, Patience: time.Minute}
	if got, err := server.Wanted(t.Context()); got || err == nil {
		t.Errorf("of a server that fails: %v, %v", got, err)
	}
}
