package wiring

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/sodalite-dq/sodalite/internal/api"
	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/sodacloud"
	"github.com/sodalite-dq/sodalite/internal/table"
	"github.com/sodalite-dq/sodalite/internal/web"
)

// System is the pieces that every handler stands on.
type System struct {
	Config  *config.Config
	Table   table.Table
	Hub     *hub.Hub
	Auth    *auth.Auth
	Log     *slog.Logger
	Version string
}

// NewSystem puts a system together on a table. signingSecret may be empty: then one is kept in the table.
func NewSystem(c *config.Config, t table.Table, signingSecret config.Secret, log *slog.Logger, version string) *System {
	return &System{
		Config: c, Table: t, Log: log, Version: version,
		Hub:  hub.New(t, time.Now, hub.Retention{Results: c.Retention, Samples: c.SampleRetention}),
		Auth: auth.New(auth.Config{Table: t, SigningSecret: signingSecret.Reveal(), Secure: c.Secure(), Log: log}),
	}
}

// MountScanners serves the scanners' protocol.
func (s *System) MountScanners(mux *http.ServeMux, maxBody int64) {
	sodacloud.Mount(mux, sodacloud.Config{
		Hub: s.Hub, Auth: s.Auth, Log: s.Log, MaxBody: maxBody, Samples: s.Config.Samples,
		OnlyKnownAttributes: s.Config.OnlyKnownAttributes, PublicURL: s.Config.PublicURL,
	})
}

// MountPages serves the public API and the pages.
func (s *System) MountPages(mux *http.ServeMux) {
	api.Mount(mux, api.Config{Hub: s.Hub, Auth: s.Auth, PublicURL: s.Config.PublicURL, Organisation: s.Config.Organisation, Log: s.Log})
	mux.Handle("/", web.New(web.Config{
		Hub: s.Hub, Auth: s.Auth, PublicURL: s.Config.PublicURL, Version: s.Version, Log: s.Log,
		Deliveries: func(ctx context.Context, scanID string) ([]notify.Delivery, error) {
			return notify.Deliveries(ctx, s.Table, scanID)
		},
	}))
	mux.HandleFunc("GET /healthz", s.health)
}

// health says whether the table answers.
func (s *System) health(w http.ResponseWriter, r *http.Request) {
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
