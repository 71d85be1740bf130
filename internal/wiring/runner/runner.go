// Package runner puts together what executes scans, for function scan and for serve. It is apart from package wiring because
// it links the drivers of data sources.
package runner

import (
	"time"

	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
)

// Executor executes the runs of a store. env gives the environment variables that data sources may refer to.
func Executor(s *wiring.System, store *runs.Store, cloud wiring.Cloud, env config.Lookup) *runs.Executor {
	return &runs.Executor{
		Store: store, Hub: s.Hub, Log: s.Log, Env: env, Secret: wiring.SecretFetcher(cloud), Limit: 15 * time.Minute, Version: s.Version,
		Samples: s.Config.Samples,
		Open: func(name, kind string, settings map[string]string) (*engine.Source, error) {
			return sources.Open(source.NewSettings(name, kind, settings))
		},
	}
}
