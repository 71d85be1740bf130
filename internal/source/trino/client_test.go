package trino_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/source/sourcetest"
	"github.com/sodalite-dq/sodalite/internal/source/trino"
)

// open connects to a stand-in over TLS, with a password.
func open(tb testing.TB, s *httptest.Server, password string) (engine.Connection, error) {
	tb.Helper()
	host, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "https://"), ":")
	src, err := trino.New(source.NewSettings("src", "trino", map[string]string{"host": host, "port": port, "username": "ann", "password": password}))
	if err != nil {
		tb.Fatal(err)
	}
	return src.Open(tb.Context())
}

// answers is a server that needs a password, and a connection to it. What comes after the first statement is in its hands.
func answers(t *testing.T, h func(w http.ResponseWriter, r *http.Request, statement string)) (*httptest.Server, engine.Connection) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ann" || password != sourcetest.Secret {
			http.Error(w, "Access Denied: Invalid credentials", http.StatusUnauthorized)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if statement := string(body); statement == "SELECT 1" {
			fmt.Fprint(w, `{"columns": [{"name": "_col0", "type": "integer"}], "data": [[1]]}`)
		} else {
			h(w, r, statement)
		}
	}))
	t.Cleanup(s.Close)
	c, err := open(t, s, sourcetest.Secret)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return s, c
}

func TestAWrongPasswordIsSaid(t *testing.T) {
	s, _ := answers(t, nil)
	_, err := open(t, s, "wrong-"+sourcetest.Secret)
	if err == nil || !strings.Contains(err.Error(), "401 Unauthorized: Access Denied: Invalid credentials (see username and password, or token)") || strings.Contains(err.Error(), sourcetest.Secret) {
		t.Errorf("error %v", err)
	}
}

// TestABusyServerIsAskedAgain lets every request fail once, in each of the ways that the protocol has, and lets the answer
// come on three pages.
func TestABusyServerIsAskedAgain(t *testing.T) {
	var calls, statements atomic.Int32
	var s *httptest.Server
	s, c := answers(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		n := calls.Add(1)
		switch {
		case n%2 == 1 && n == 5:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		case n%2 == 1 && n == 7:
			panic(http.ErrAbortHandler) // the connection breaks
		case n%2 == 1:
			w.WriteHeader([]int{http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout}[n/2%3])
		case r.Method == http.MethodPost:
			statements.Add(1)
			fmt.Fprintf(w, `{"nextUri": "%s/queued"}`, s.URL)
		case r.URL.Path == "/queued":
			fmt.Fprintf(w, `{"nextUri": "%s/page/1", "columns": [{"name": "n", "type": "bigint"}]}`, s.URL)
		case r.URL.Path == "/page/1":
			fmt.Fprintf(w, `{"nextUri": "%s/page/2", "columns": [{"name": "n", "type": "bigint"}], "data": [[9007199254740993], [2]]}`, s.URL)
		default:
			fmt.Fprint(w, `{"columns": [{"name": "n", "type": "bigint"}], "data": [[3], [4]]}`)
		}
	})
	rows, err := c.Query(t.Context(), "SELECT n", 3)
	if err != nil || rows.Count != 4 || len(rows.Rows) != 3 || rows.Rows[0][0] != int64(9007199254740993) || rows.Rows[2][0] != int64(3) {
		t.Errorf("%+v, %v", rows, err)
	}
	if n := statements.Load(); n != 1 || calls.Load() != 8 {
		t.Errorf("%d statements in %d calls, want 1 in 8", n, calls.Load())
	}
}

func TestAStatementIsNotSentAgainWhenItsAnswerIsLost(t *testing.T) {
	var calls atomic.Int32
	_, c := answers(t, func(http.ResponseWriter, *http.Request, string) {
		calls.Add(1)
		panic(http.ErrAbortHandler)
	})
	if _, err := c.Query(t.Context(), "INSERT", 1); err == nil || calls.Load() != 1 {
		t.Errorf("error %v after %d calls", err, calls.Load())
	}
}

func TestWhatIsNotTrino(t *testing.T) {
	var canceled atomic.Int32
	var s *httptest.Server
	s, c := answers(t, func(w http.ResponseWriter, r *http.Request, statement string) {
		if r.Method == http.MethodDelete {
			canceled.Add(1)
			return
		}
		switch statement {
		case "elsewhere":
			fmt.Fprint(w, `{"nextUri": "https://evil.example.com/page"}`)
		case "in clear":
			fmt.Fprintf(w, `{"nextUri": "%s/page"}`, strings.Replace(s.URL, "https", "http", 1))
		case "redirect":
			http.Redirect(w, r, "https://evil.example.com/", http.StatusTemporaryRedirect)
		case "loop":
			http.Redirect(w, r, s.URL+"/loop", http.StatusTemporaryRedirect)
		case "a page":
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "<p>Not here</p>")
		case "text":
			fmt.Fprint(w, "<p>Welcome</p>")
		case "short row":
			fmt.Fprintf(w, `{"nextUri": "%s/page", "columns": [{"name": "n", "type": "bigint"}], "data": [[]]}`, s.URL)
		}
	})
	for statement, want := range map[string]string{
		"elsewhere": "refers to https://evil.example.com, which is not followed", "in clear": "refers to http://127.0.0.1", "redirect": "refers to https://evil.example.com",
		"loop": "redirects again and again", "a page": "answers 404 Not Found", "text": "does not speak Trino's protocol", "short row": "does not have the 1 values",
	} {
		_, err := c.Query(t.Context(), statement, 1)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "<p>") {
			t.Errorf("%s: error %v, want %q", statement, err, want)
		}
	}
	if n := canceled.Load(); n != 1 {
		t.Errorf("%d queries were canceled, want that with the short row", n)
	}
}

func TestValues(t *testing.T) {
	amsterdam, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text, kind string
		want       any
	}{
		{"-5", "tinyint", int64(-5)}, {"9223372036854775807", "bigint", int64(1<<63 - 1)}, {"1e300", "double", 1e300}, {"12345.67", "decimal(38,2)", 12345.67}, {"0.5", "real", 0.5},
		{"true", "boolean", true}, {"it's", "varchar(20)", "it's"}, {"10:30:00.500", "time(3)", "10:30:00.5"}, {"3 00:00:00.000", "interval day to second", "3 00:00:00.000"},
		{"2026-03-01 10:00:00.123456789012", "timestamp(12)", time.Date(2026, 3, 1, 10, 0, 0, 123456789, time.UTC)}, {"+12026-03-01", "date", "+12026-03-01"},
		{"2026-07-01 10:00:00.000 Europe/Amsterdam", "timestamp(3) with time zone", time.Date(2026, 7, 1, 10, 0, 0, 0, amsterdam)},
		{"2026-07-01 10:00:00 +02:00", "timestamp(0) with time zone", time.Date(2026, 7, 1, 10, 0, 0, 0, amsterdam)},
		{"2026-07-01 10:00:00 Nowhere/At_All", "timestamp(0) with time zone", "2026-07-01 10:00:00 Nowhere/At_All"}, {"aGk=", "varbinary", "hi"}, {`[1, 2]`, "array(integer)", `[1, 2]`},
	} {
		got := trino.Value(c.text, c.kind)
		if want, ok := c.want.(time.Time); ok {
			at, isTime := got.(time.Time)
			if !isTime || !at.Equal(want) {
				t.Errorf("%s %q is %v, want %v", c.kind, c.text, got, want)
			}
		} else if got != c.want {
			t.Errorf("%s %q is %#v, want %#v", c.kind, c.text, got, c.want)
		}
	}
}

// FuzzPage answers statements with what the fuzzer makes up: an error or rows, and no more of them than were asked for.
func FuzzPage(f *testing.F) {
	for _, seed := range []string{
		`{"columns": [{"name": "n", "type": "decimal(10,2)"}], "data": [["1.50"], [null], [1]]}`, `{"error": {"message": "no", "errorName": "SYNTAX_ERROR"}}`,
		`{"columns": [{"name": "t", "type": "timestamp(3) with time zone"}, {"name": "m", "type": "map(varchar, bigint)"}], "data": [["2026-03-01 10:00:00.000 UTC", {"a": 1}]]}`,
		`{"data": [[1]]}`, `{"columns": [{}], "data": [1, "x", {}]}`, `[]`, `null`, `{"nextUri": ":"}`,
	} {
		f.Add(seed)
	}
	answer := "{}"
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })) // the client tells
	f.Cleanup(s.Close)
	c, err := open(f, s, "any")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p struct {
			NextURI string `json:"nextUri"`
		}
		if json.Unmarshal([]byte(text), &p) == nil && strings.HasPrefix(p.NextURI, s.URL) {
			return // it would go on for ever
		}
		answer = text
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		rows, err := c.Query(ctx, "SELECT", 2)
		if err == nil && (len(rows.Rows) > 2 || rows.Count < int64(len(rows.Rows))) {
			t.Errorf("%d rows of %d", len(rows.Rows), rows.Count)
		}
	})
}
