// Package wiring puts together what the Lambda functions and the command line put together alike: the store, the hub,
// authentication. It decides nothing; each piece's package does. Scanners, pages and messages are wired in
// packages below this one, so that a function links what it uses.
package wiring

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/metrics"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// System is the pieces that every handler stands on.
type System struct {
	Config  *config.Config
	Cloud   Cloud
	Table   table.Table
	Hub     *hub.Hub
	Auth    *auth.Auth
	Log     *slog.Logger
	Metrics *metrics.Recorder
	Version string
}

// NewSystem puts a system together on a table. It makes no call; the cloud is asked when a secret is first needed.
func NewSystem(c *config.Config, t table.Table, cloud Cloud, log *slog.Logger, version string) *System {
	guard := auth.Config{Table: t, Secure: c.Secure(), Log: log}
	if c.SigningSecret.IsSet() {
		guard.SigningSecret = func(ctx context.Context) (string, error) {
			secret, err := c.SigningSecret.Resolve(ctx, SecretFetcher(cloud))
			return secret.Reveal(), err
		}
	}
	s := &System{
		Config: c, Cloud: cloud, Table: t, Log: log, Version: version,
		Metrics: metrics.New(os.Stdout, c.MetricsNamespace, time.Now),
		Hub:     hub.New(t, time.Now, hub.Retention{Results: c.Retention, Samples: c.SampleRetention}),
		Auth:    auth.New(guard),
	}
	s.Hub.OnDigest = s.recordDigest
	return s
}

func (s *System) recordDigest(ctx context.Context, scan *dq.Scan) {
	n := scan.Counts()
	s.Metrics.Record(ctx, "metrics of digest", metrics.Count(metrics.ChecksPassed, n.Pass), metrics.Count(metrics.ChecksWarned, n.Warn),
		metrics.Count(metrics.ChecksFailed, n.Fail), metrics.Count(metrics.ChecksNotEvaluated, n.NotEvaluated),
		metrics.Milliseconds(metrics.DigestLag, time.Since(scan.Received)))
}
