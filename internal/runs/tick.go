package runs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// patience is how long a queued run waits for who dispatched it, before a tick dispatches it again.
const patience = 20 * time.Second

// lost is why a run failed that nobody ended.
const lost = "The run was lost: whoever executed it did not say how it ended."

// Ticked tells what a tick did.
type Ticked struct {
	Scheduled  int `json:"scheduled"`
	Dispatched int `json:"dispatched"`
	Lost       int `json:"lost"`
}

// Tick does what time asks for: it queues the runs that are due by their schedules, dispatches queued runs that nobody took,
// and ends those that were lost. It is to be called every minute, by any number of processes. bury stores the failed scan
// of a lost run, unless its result was stored before whoever executed it died, and gives the state of what is stored.
func (s *Store) Tick(ctx context.Context, bury func(context.Context, Run) (dq.ScanState, error)) (Ticked, error) {
	var done Ticked
	open, err := s.Open(ctx)
	if err != nil {
		return done, err
	}
	now := s.Now()
	var errs []error
	for _, listed := range open {
		run, err := s.Run(ctx, listed.ID) // the index may lag
		switch {
		case err != nil:
			errs = append(errs, err)
		case run.State == dq.Queuing && now.Sub(run.Requested) > patience:
			done.Dispatched++
			errs = append(errs, s.dispatch(ctx, run.ID))
		case run.State == dq.Executing && now.After(run.Deadline):
			done.Lost++
			state, err := bury(ctx, run)
			if err == nil {
				err = s.end(ctx, run.ID, state, lost)
			}
			errs = append(errs, err)
		}
	}
	definitions, err := s.Definitions(ctx)
	if err != nil {
		return done, errors.Join(append(errs, err)...)
	}
	for _, d := range definitions {
		at := d.due(now)
		if at.IsZero() || slices.ContainsFunc(open, func(r Run) bool { return r.Definition == d.Name && r.Trigger == BySchedule }) {
			continue // not due, or the one before still goes on: runs do not pile up
		}
		run := Run{ID: scheduledID(d.Name, at), Definition: d.Name, State: dq.Queuing, Trigger: BySchedule, Requested: now.UTC()}
		if _, err := s.Run(ctx, run.ID); err == nil {
			continue
		}
		done.Scheduled++
		if err := s.enqueue(ctx, run); err != nil {
			errs = append(errs, fmt.Errorf("schedule of %q: %w", d.Name, err))
		}
	}
	return done, errors.Join(errs...)
}
