package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// front stands before a server, notes what passes, and may meddle with it.
type front struct {
	*httptest.Server
	mu    sync.Mutex
	kinds []string // of the messages, their paths if they have none
	bad   int      // answers with 401
}

// meddler sees a message of a kind, which has come n times before, and gives the body to hand on, or nil if it has answered
// itself.
type meddler func(w http.ResponseWriter, kind string, n int, body []byte) []byte

func startFront(t *testing.T, target string, meddle meddler) *front {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) },
		ModifyResponse: func(r *http.Response) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if r.StatusCode == http.StatusUnauthorized {
				f.bad++
			}
			return nil
		},
	}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		kind, n := f.note(r.URL.Path, body)
		if meddle != nil {
			body = meddle(w, kind, n, body)
		}
		if body != nil {
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

// note keeps the kind of a message, and tells how often it came before.
func (f *front) note(path string, body []byte) (kind string, before int) {
	var in struct{ Type string }
	if kind = path; json.Unmarshal(body, &in) == nil && in.Type != "" {
		kind = in.Type
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.kinds {
		if k == kind {
			before++
		}
	}
	f.kinds = append(f.kinds, kind)
	return kind, before
}

// passed are the kinds of messages that came.
func (f *front) passed() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.kinds)
}

func (f *front) count(kind string) int {
	n := 0
	for _, k := range f.passed() {
		if k == kind {
			n++
		}
	}
	return n
}

// refused counts the answers that the token is not good.
func (f *front) refused() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bad
}

const inserting = "sodaCoreInsertScanResults"

// expire makes the first token expire when results are inserted with it: the server sees another, which it does not know.
func expire(_ http.ResponseWriter, kind string, n int, body []byte) []byte {
	var in map[string]json.RawMessage
	if kind != inserting || n > 0 || json.Unmarshal(body, &in) != nil {
		return body
	}
	return bytes.Replace(body, in["token"], []byte(`"s1.expired"`), 1)
}

// later asks the client, once, to send its results later.
func later(w http.ResponseWriter, kind string, n int, body []byte) []byte {
	if kind != inserting || n > 0 {
		return body
	}
	w.Header().Set("Retry-After", "1")
	http.Error(w, `{"code":"unavailable","message":"busy"}`, http.StatusTooManyRequests)
	return nil
}

// refuse answers inserts with a status and a text.
func refuse(status int, text string) meddler {
	return func(w http.ResponseWriter, kind string, _ int, body []byte) []byte {
		if kind != inserting {
			return body
		}
		http.Error(w, text, status)
		return nil
	}
}

// hangUp ends the connection without an answer when results are inserted.
func hangUp(w http.ResponseWriter, kind string, _ int, body []byte) []byte {
	if kind != inserting {
		return body
	}
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
	}
	return nil
}
