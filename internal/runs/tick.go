package runs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

const (
	// patience is how long a waiting run waits for who was asked to execute it, before a tick asks again.
	patience = 20 * time.Second
	// maxWait is how long a run waits at most.
	maxWait = 24 * time.Hour
)

// Why runs failed that nobody ended.
const (
	lost     = "The run was lost: whoever executed it fell silent, and did not say how it ended."
	unwanted = "Nobody executed the run for a day."
)

// Ticked tells what a tick did.
type Ticked struct {
	Scheduled  int `json:"scheduled"`
	Dispatched int `json:"dispatched"`
	Lost       int `json:"lost"`
}

// Tick does what time asks for: it queues the runs that are due by their schedules, has waiting runs executed that nobody
// took, and ends those that were lost. It is to be called every minute, by any number of processes.
func (e *Executor) Tick(ctx context.Context) (Ticked, error) {
	var done Ticked
	open, err := e.OpenRuns(ctx)
	if err != nil {
		return done, err
	}
	return done, errors.Join(e.tend(ctx, open, &done), e.schedule(ctx, open, &done))
}

// Tend is Tick without the schedules.
func (e *Executor) Tend(ctx context.Context) (Ticked, error) {
	var done Ticked
	open, err := e.OpenRuns(ctx)
	if err != nil {
		return done, err
	}
	return done, e.tend(ctx, open, &done)
}

// tend has waiting runs executed and buries lost ones. Of one definition only the oldest is tried: the others would find it
// busy.
func (e *Executor) tend(ctx context.Context, open []Run, done *Ticked) error {
	now := e.Now()
	var errs []error
	tried := map[string]bool{}
	for _, listed := range open {
		run, err := e.Run(ctx, listed.ID) // the index may lag
		if err != nil {
			errs = append(errs, err)
			continue
		}
		since, why := run.waiting(), ""
		switch {
		case run.State.Finished():
			continue
		case !since.IsZero() && now.Sub(since) > maxWait:
			why = unwanted
		case since.IsZero() && now.After(run.Deadline):
			why = lost
		case since.IsZero():
			tried[run.Definition] = tried[run.Definition] || run.Trigger != ByScanner
		case now.Sub(since) > patience && !tried[run.Definition]:
			tried[run.Definition] = true
			done.Dispatched++
			errs = append(errs, e.dispatch(ctx, run.ID))
		}
		if why != "" {
			done.Lost++
			errs = append(errs, e.bury(ctx, run, why))
		}
	}
	return errors.Join(errs...)
}

// schedule queues what is due. While the scheduled run before still waits or goes on, none is added: runs do not pile up.
func (s *Store) schedule(ctx context.Context, open []Run, done *Ticked) error {
	definitions, err := s.Definitions(ctx)
	if err != nil {
		return err
	}
	now := s.Now()
	var errs []error
	for _, d := range definitions {
		at := d.due(now)
		if at.IsZero() || slices.ContainsFunc(open, func(r Run) bool { return r.Definition == d.Name && r.Trigger == BySchedule }) {
			continue
		}
		request := Request{Definition: d.Name, Trigger: BySchedule, Key: at.UTC().Format(time.RFC3339)} // ticks that overlap ask for the same run
		if _, err := s.Run(ctx, request.id()); err == nil {
			continue
		}
		done.Scheduled++
		if _, err := s.enqueue(ctx, request); err != nil {
			errs = append(errs, fmt.Errorf("schedule of %q: %w", d.Name, err))
		}
	}
	return errors.Join(errs...)
}

// next has the oldest waiting run of a definition executed, now that another has ended.
func (s *Store) next(ctx context.Context, definition string) error {
	open, err := s.OpenRuns(ctx)
	if err != nil {
		return err
	}
	for _, r := range open {
		if r.Definition == definition && r.State == dq.Queuing {
			return s.dispatch(ctx, r.ID)
		}
	}
	return nil
}
