// Package pages puts together what people and API clients see, for the dashboard function and for serve. It is apart from
// package wiring so that the other functions do not link templates.
package pages

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/klauspost/compress/gzhttp"

	"github.com/sodalite-dq/sodalite/internal/api"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/web"
	"github.com/sodalite-dq/sodalite/internal/wiring"
)

// Mount serves the public API, the pages, and /healthz. store is where runs are asked for.
func Mount(mux *http.ServeMux, s *wiring.System, store *runs.Store) {
	api.Mount(mux, api.Config{Hub: s.Hub, Runs: store, Auth: s.Auth, PublicURL: s.Config.PublicURL, Organisation: s.Config.Organisation, Log: s.Log})
	mux.Handle("/", web.New(web.Config{
		Hub: s.Hub, Runs: store, Auth: s.Auth, PublicURL: s.Config.PublicURL, Version: s.Version, Log: s.Log,
		Deliveries: func(ctx context.Context, scanID string) ([]notify.Delivery, error) {
			return notify.Deliveries(ctx, s.Table, scanID)
		},
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { health(w, r, s) })
}

// health says whether the table answers.
func health(w http.ResponseWriter, r *http.Request, s *wiring.System) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if _, err := s.Hub.Attributes(r.Context()); err != nil {
		s.Log.ErrorContext(r.Context(), "not healthy", "error", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, `{"status":"unavailable"}`)
		return
	}
	fmt.Fprintln(w, `{"status":"ok"}`)
}

// Compressed gzips the answers of h for clients that take it.
func Compressed(h http.Handler) http.Handler { return gzhttp.GzipHandler(h) }

// Recovered answers a panic of h with 500 and a trace id, and logs the rest.
func Recovered(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p)
			}
			trace := strings.ToLower(rand.Text())
			log.ErrorContext(r.Context(), "handler panicked", "panic", p, "path", r.URL.Path, "trace", trace, "stack", string(debug.Stack()))
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Soda-Trace-Id", trace)
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintf(w, `{"code":"internal_error","message":"Internal error. Trace id %s."}`+"\n", trace)
		}()
		h.ServeHTTP(w, r)
	})
}
