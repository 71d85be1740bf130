// Package api is the public API v1, compatible with Soda Cloud's: what scripts and other tools read.
//
// It owns paths, paging, errors and how the system's views are worded as Soda words them, with a few members and paths of our
// own (docs/api.md says which). Views come from package hub, runs from package runs, who may read from package auth.
package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
)

// Hub is what the API needs of the system.
type Hub interface {
	Checks(ctx context.Context, f hub.CheckFilter) (hub.CheckPage, error)
	Check(ctx context.Context, id string) (hub.Check, error)
	History(ctx context.Context, checkID string, from, to time.Time, limit int) ([]hub.Point, bool, error)
	Datasets(ctx context.Context, f hub.DatasetFilter) (hub.DatasetPage, error)
	Dataset(ctx context.Context, id string) (hub.DatasetDetail, error)
	Scans(ctx context.Context, f hub.ScanFilter) (hub.ScanPage, error)
	Scan(ctx context.Context, id string) (dq.Scan, error)
}

// Runs starts and ends runs of scan definitions.
type Runs interface {
	Start(ctx context.Context, r runs.Request) (runs.Run, error)
	Run(ctx context.Context, id string) (runs.Run, error)
	Cancel(ctx context.Context, id, by string) (runs.Run, error)
	// Log is what a remote scanner streamed of its log.
	Log(ctx context.Context, id string) ([]dq.LogLine, error)
	DefinitionByID(ctx context.Context, id string) (runs.Definition, error)
}

// Auth knows API keys, and the sessions of browsers.
type Auth interface {
	Basic(ctx context.Context, keyID, secret, remote string) (auth.Principal, error)
	Session(r *http.Request) (user string, ok bool)
}

// Config is what the API needs. PublicURL may be empty: links then have the address that the request came to.
type Config struct {
	Hub          Hub
	Runs         Runs
	Auth         Auth
	PublicURL    string
	Organisation string
	Log          *slog.Logger
}

type server struct{ Config }

// Mount serves everything under /api/v1/ on mux.
func Mount(mux *http.ServeMux, c Config) {
	s := &server{c}
	for path, handle := range map[string]handler{
		"test-login":          s.testLogin,
		"checks":              s.checks,
		"checks/{id}":         s.check,
		"checks/{id}/results": s.results,
		"datasets":            s.datasets,
		"datasets/{id}":       s.dataset,
		"scans":               s.scans,
		"scans/{id}":          s.scan,
		"scans/{id}/logs":     s.logs,
	} {
		mux.Handle("/api/v1/"+path, s.get(handle))
	}
	mux.Handle("POST /api/v1/scans", s.change(s.startScan))
	mux.Handle("DELETE /api/v1/scans/{id}", s.change(s.cancelScan))
	mux.Handle("/api/v1/", s.get(func(*http.Request) (any, error) {
		return nil, failure(http.StatusNotFound, "not_found", "There is no such operation. See docs/api.md.")
	}))
}

// handler answers one authorized GET with a value for JSON.
type handler func(r *http.Request) (any, error)

// apiError is an answer that is not 2xx, as Soda words errors.
type apiError struct {
	status  int
	after   time.Duration
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

func failure(status int, code, format string, args ...any) error {
	return &apiError{status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// get authorizes the request and answers it as JSON.
func (s *server) get(handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		trace := strings.ToLower(rand.Text())
		body, err := s.answer(r, handle)
		if err != nil {
			hold(r)
		}
		s.write(w, r, trace, body, err)
	})
}

// held is how long an error is held back from a client that would ask again at once.
const held = 2 * time.Second

// hold slows down clients of Soda Core 4 before 4.28 that wait for the end of a scan: any error makes them ask again without a
// pause, hundreds of times a second (Soda Core 4 protocol, remote verification). They are told by their User-Agent.
func hold(r *http.Request) {
	if r.PathValue("id") == "" || !strings.HasPrefix(r.UserAgent(), "python-requests/") {
		return
	}
	select {
	case <-time.After(held):
	case <-r.Context().Done():
	}
}

// change is a request that changes something. It needs an API key: a session is a browser's, which other sites can send from.
// handle writes status and headers; there is no body.
func (s *server) change(handle func(w http.ResponseWriter, r *http.Request, by string) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		trace := strings.ToLower(rand.Text())
		id, secret, _ := r.BasicAuth()
		key, err := s.Auth.Basic(r.Context(), id, secret, remote(r))
		if err == nil {
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("X-Soda-Trace-Id", trace)
			err = handle(w, r, key.Name)
		}
		if err != nil {
			s.write(w, r, trace, nil, err)
		}
	})
}

// write answers with a body, or an error, as JSON.
func (s *server) write(w http.ResponseWriter, r *http.Request, trace string, body any, err error) {
	status := http.StatusOK
	if err != nil {
		e := s.word(r, err, trace)
		status, body = e.status, e
		writeErrorHeaders(w.Header(), e)
	}
	data, err := json.Marshal(body)
	if err != nil {
		s.Log.ErrorContext(r.Context(), "answer cannot be written as JSON", "error", err, "trace", trace, "path", r.URL.Path)
		status, data = http.StatusInternalServerError, []byte(`{"code":"internal_error","message":"Internal error."}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("X-Soda-Trace-Id", trace)
	if more, ok := body.(interface{ setHeaders(http.Header) }); ok {
		more.setHeaders(w.Header())
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // the client is gone if this fails
}

func writeErrorHeaders(h http.Header, e *apiError) {
	switch e.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Basic realm="Sodalite", charset="UTF-8"`)
	case http.StatusMethodNotAllowed:
		h.Set("Allow", "GET, HEAD")
	case http.StatusTooManyRequests:
		h.Set("Retry-After", strconv.Itoa(int(e.after/time.Second)+1))
	}
}

func (s *server) answer(r *http.Request, handle handler) (any, error) {
	if err := s.authorize(r); err != nil {
		return nil, err
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, failure(http.StatusMethodNotAllowed, "method_not_allowed", "Use GET here; scans are started with POST /api/v1/scans and canceled with DELETE.")
	}
	return handle(r)
}

// authorize takes an API key by Basic authentication, or the session of a browser.
func (s *server) authorize(r *http.Request) error {
	if id, secret, ok := r.BasicAuth(); ok {
		_, err := s.Auth.Basic(r.Context(), id, secret, remote(r))
		return err
	}
	if _, ok := s.Auth.Session(r); ok {
		return nil
	}
	return auth.ErrUnauthorized
}

func remote(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// word turns an error into an answer, and logs what is the operator's.
func (s *server) word(r *http.Request, err error, trace string) *apiError {
	var e *apiError
	var wait auth.TooManyAttempts
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, auth.ErrUnauthorized):
		return &apiError{status: http.StatusUnauthorized, Code: "unauthorized", Message: "Give an API key's id and secret by HTTP Basic authentication."}
	case errors.As(err, &wait):
		return &apiError{status: http.StatusTooManyRequests, after: wait.After, Code: "too_many_requests", Message: wait.Error()}
	case errors.Is(err, hub.ErrNotFound):
		return &apiError{status: http.StatusNotFound, Code: "not_found", Message: "There is nothing with this id (any more)."}
	}
	s.Log.ErrorContext(r.Context(), "request failed", "error", err, "path", r.URL.Path, "trace", trace)
	return &apiError{status: http.StatusInternalServerError, Code: "internal_error", Message: "Internal error. Trace id " + trace + "."}
}

// link is the address of a page.
func (s *server) link(r *http.Request, path string) string {
	if s.PublicURL != "" {
		return s.PublicURL + path
	}
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host + path
}

func (s *server) testLogin(*http.Request) (any, error) {
	return map[string]string{"organisationName": s.Organisation}, nil
}

// page is Soda's envelope of lists. All seven members are always there.
type page struct {
	Content       any  `json:"content"`
	First         bool `json:"first"`
	Last          bool `json:"last"`
	Number        int  `json:"number"`
	Size          int  `json:"size"`
	TotalElements int  `json:"totalElements"`
	TotalPages    int  `json:"totalPages"`
}

func pageOf(content any, number, size, total int) page {
	pages := (total + size - 1) / size
	return page{Content: content, First: number == 0, Last: number >= pages-1, Number: number, Size: size, TotalElements: total, TotalPages: pages}
}

// paging reads the parameters page and size.
func paging(r *http.Request, least, most, byDefault int) (number, size int, err error) {
	if number, err = intParameter(r, "page", 0, 0, 1_000_000); err != nil {
		return 0, 0, err
	}
	size, err = intParameter(r, "size", byDefault, least, most)
	return number, size, err
}

func intParameter(r *http.Request, name string, byDefault, least, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return byDefault, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, failure(http.StatusBadRequest, "invalid_parameter", "%s: %q is not a number from %d to %d.", name, dq.Truncate(text, 40), least, most)
	}
	return n, nil
}

func timeParameter(r *http.Request, name string) (time.Time, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	return readTime(name, text)
}

func readTime(name, text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, failure(http.StatusBadRequest, "invalid_parameter", "%s: %q is not an ISO 8601 time, such as 2026-01-31T08:00:00Z.", name, dq.Truncate(text, 60))
}

func isoTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
