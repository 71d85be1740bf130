package wiring

import (
	"context"
	"time"

	"github.com/sodalite-dq/sodalite/internal/runs"
)

// Runs is the store of scan definitions and runs. dispatch starts runs; nil leaves them to the next tick.
func (s *System) Runs(dispatch func(context.Context, string) error) *runs.Store {
	return &runs.Store{Table: s.Table, Now: time.Now, Keep: s.Config.Retention, Dispatch: dispatch}
}
