package web

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/hub"
)

// problem is a page that tells why there is no other page.
type problem struct {
	Status int
	Title  string
	Text   string
	Trace  string // by which the operator finds the log line
}

func (s *site) problem(w http.ResponseWriter, r *http.Request, p problem) {
	if err := s.render(w, r, p.Status, "problem", view{Title: p.Title, Body: p}); err != nil {
		s.Log.ErrorContext(r.Context(), "problem page failed", "cause", err)
		http.Error(w, p.Title, p.Status)
	}
}

func (s *site) notFound(w http.ResponseWriter, r *http.Request) {
	s.problem(w, r, problem{
		Status: http.StatusNotFound, Title: "Page not found",
		Text: "There is nothing at this address. It may have expired, or the address is incomplete.",
	})
}

// fail answers for a page that could not be made. The cause goes to the log, the reader gets an id to ask the operator with.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, hub.ErrNotFound) {
		s.notFound(w, r)
		return
	}
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody is waiting for an answer
	}
	trace := strings.ToLower(rand.Text()[:12])
	s.Log.ErrorContext(r.Context(), "page failed", "path", r.URL.Path, "trace", trace, "cause", err)
	s.problem(w, r, problem{
		Status: http.StatusInternalServerError, Title: "Something went wrong",
		Text:  "The page could not be made. Try again; if it stays like this, give the operator this id:",
		Trace: trace,
	})
}

// validID tells whether s can be an id: of ours, or of a scan as its scanner gave it (letters, digits, _ and -).
func validID(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// pathID reads the id in a page's path; hub.ErrNotFound if it can be none.
func pathID(r *http.Request) (string, error) {
	id := r.PathValue("id")
	if !validID(id) {
		return "", hub.ErrNotFound
	}
	return id, nil
}
