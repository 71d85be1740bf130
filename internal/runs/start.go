package runs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// Request is the wish for a run of a definition.
type Request struct {
	Definition  string
	Trigger, By string
	// DataTime is the logical time of the data, zero for that of the start.
	DataTime time.Time
	// Key makes wishes one: a second one for the same definition with the same key is the same run. Empty for a run of its own.
	Key string
	// Verification is of a contract, see [Store.Verify].
	Verification *Verification
}

// id is the run's, which becomes its scan's.
func (r *Request) id() string {
	if r.Key == "" {
		return dq.OpaqueID(26, "run", rand.Text())
	}
	return dq.OpaqueID(26, "run", r.Definition, r.Key)
}

// maxWaiting is how many runs of one definition may wait.
const maxWaiting = 10

// Start asks for a run and gives it back queued, or as it is if the same was asked for before. ErrNotFound if there is no
// such definition: those that exist only because a remote scanner pushed results cannot be started. ErrTooMany if enough
// runs of it wait. If there is a run and an error, the run is queued, but nobody is told to execute it before the next tick.
func (s *Store) Start(ctx context.Context, r Request) (Run, error) {
	if _, err := s.Definition(ctx, r.Definition); err != nil {
		return Run{}, err
	}
	if err := s.room(ctx, r.Definition); err != nil {
		return Run{}, err
	}
	return s.enqueue(ctx, r)
}

// room refuses a run of a definition that has enough waiting.
func (s *Store) room(ctx context.Context, definition string) error {
	open, err := s.OpenRuns(ctx)
	if err != nil {
		return err
	}
	waiting := 0
	for _, o := range open {
		if o.Definition == definition && o.State == dq.Queuing {
			waiting++
		}
	}
	if waiting >= maxWaiting {
		return fmt.Errorf("%w: %d of scan definition %q; cancel some, or wait until they have run", ErrTooMany, waiting, definition)
	}
	return nil
}

// enqueue writes a new run and dispatches it. A run that is there already is left alone.
func (s *Store) enqueue(ctx context.Context, r Request) (Run, error) {
	run := Run{
		ID: r.id(), Definition: r.Definition, Verification: r.Verification, State: dq.Queuing, Trigger: r.Trigger, By: r.By, DataTime: r.DataTime, Requested: s.Now().UTC(),
	}
	op, err := s.put(run, 0)
	if err != nil {
		return Run{}, err
	}
	err = s.Table.Write(ctx, op)
	if errors.Is(err, table.ErrCondition) {
		return s.Run(ctx, run.ID)
	}
	if err != nil {
		return Run{}, fmt.Errorf("queue run of %q: %w", run.Definition, err)
	}
	return run, s.dispatch(ctx, run.ID)
}

func (s *Store) dispatch(ctx context.Context, id string) error {
	if s.Dispatch == nil {
		return nil
	}
	if err := s.Dispatch(ctx, id); err != nil {
		return fmt.Errorf("start run %s (it stays queued and is tried again): %w", id, err)
	}
	return nil
}

// Cancel ends a queued run at once, and asks an executing one to end. ErrFinished if it has ended, ErrRemote if
// it goes on elsewhere.
func (s *Store) Cancel(ctx context.Context, id, by string) (Run, error) {
	for {
		run, err := s.Run(ctx, id)
		switch {
		case err != nil:
			return run, err
		case run.State.Finished():
			return run, ErrFinished
		case run.Trigger == ByScanner:
			return run, ErrRemote
		case run.State != dq.Queuing:
			return s.update(ctx, id, func(r *Run) { r.Cancel = true })
		}
		ended, err := s.endIf(ctx, id, dq.Queuing, dq.Canceled, strings.TrimSpace("Canceled before it began. "+by))
		if err != nil {
			return run, err
		}
		if ended {
			return s.Run(ctx, id)
		}
	}
}
