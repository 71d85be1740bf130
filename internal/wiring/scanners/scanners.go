// Package scanners wires what scanners need of the system: the door for remote ones, and the store of what the system scans
// itself. It is apart from package wiring because it links the check language, which digest and notify have no use for.
package scanners

import (
	"context"
	"net/http"
	"time"

	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/sodacloud"
	"github.com/sodalite-dq/sodalite/internal/wiring"
)

// Runs is the store of scan definitions and runs. dispatch starts runs; nil leaves them to the next tick.
func Runs(s *wiring.System, dispatch func(context.Context, string) error) *runs.Store {
	return &runs.Store{Table: s.Table, Now: time.Now, Keep: s.Config.Retention, Dispatch: dispatch}
}

// Mount serves the scanners' protocol. store is where runs of contracts are asked for.
func Mount(mux *http.ServeMux, s *wiring.System, maxBody int64, store *runs.Store) {
	sodacloud.Mount(mux, sodacloud.Config{
		Hub: s.Hub, Runs: store, Auth: s.Auth, Log: s.Log, MaxBody: maxBody, Samples: s.Config.Samples,
		OnlyKnownAttributes: s.Config.OnlyKnownAttributes, PublicURL: s.Config.PublicURL, Metrics: s.Metrics,
	})
}
