// Package wiring puts together what the Lambda functions and the command line put together alike: the store, the hub,
// authentication, the scanners' door. It decides nothing; each piece's package does. Pages and messages are wired in
// packages below this one, so that a function links what it uses.
package wiring

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/sodacloud"
	"github.com/sodalite-dq/sodalite/internal/table"
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
