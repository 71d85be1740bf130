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
