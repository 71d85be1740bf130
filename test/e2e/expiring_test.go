package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// expiring stands before a server and makes the first token expire when results are inserted with it: the server sees
// another token, which it does not know.
type expiring struct {
	*httptest.Server
	mu     sync.Mutex
	busy   bool // instead asks the client, once, to send its results later
	counts map[string]int
}

func startExpiring(t *testing.T, target string) *expiring {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	e := &expiring{counts: map[string]int{}}
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(p *httputil.ProxyRequest) { p.SetURL(to) },
		ModifyResponse: func(r *http.Response) error { e.count(r.StatusCode == http.StatusUnauthorized, "refused"); return nil },
	}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if e.busy && e.number("deferred") == 0 && bytes.Contains(body, []byte(`"sodaCoreInsertScanResults"`)) {
			e.count(true, "deferred")
			w.Header().Set("Retry-After", "1")
			http.Error(w, `{"code":"unavailable","message":"busy"}`, http.StatusTooManyRequests)
			return
		}
		if !e.busy {
			body = e.spoil(body)
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(e.Close)
	return e
}

// spoil replaces the token of the first insert.
func (e *expiring) spoil(body []byte) []byte {
	var in map[string]json.RawMessage
	if json.Unmarshal(body, &in) != nil {
		return body
	}
	switch kind := string(in["type"]); kind {
	case `"login"`:
		e.count(true, "logins")
	case `"sodaCoreInsertScanResults"`:
		if e.number("logins") == 1 {
			return bytes.Replace(body, in["token"], []byte(`"s1.expired"`), 1)
		}
	}
	return body
}

func (e *expiring) count(really bool, what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if really {
		e.counts[what]++
	}
}

func (e *expiring) number(what string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts[what]
}

func (e *expiring) logins() int  { return e.number("logins") }
func (e *expiring) refused() int { return e.number("refused") }
