package runs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/hub"
)

// Hub is where results go and histories come from.
type Hub interface {
	Accept(ctx context.Context, s *dq.Scan) (hub.Accepted, error)
	ScanHead(ctx context.Context, id string) (hub.ScanHead, error)
	Measurements(ctx context.Context, q hub.MeasurementQuery) ([]hub.Measured, error)
}

// Executor runs what the store has queued.
type Executor struct {
	*Store
	Hub Hub
	Log *slog.Logger
	// Open makes a data source of its resolved settings. Env and Secret give what settings refer to.
	Open   func(name, kind string, settings map[string]string) (*engine.Source, error)
	Env    func(string) (string, bool)
	Secret func(ctx context.Context, arn string) (string, error)
	// Limit is how long a run may take where the context has no deadline.
	Limit   time.Duration
	Version string
}

// reserve is kept back from the context's deadline for storing the result.
const reserve = 30 * time.Second

// watch is how often an executing run tells its progress and looks whether it is to end.
const watch = 2 * time.Second

// errCanceled and errTimeout end a run's statements.
var (
	errCanceled = errors.New("canceled by request")
	errTimeout  = errors.New("the run took longer than it may")
)

// Execute claims a queued run and runs it to its end. A run that is not queued, or whose definition is busy, is left alone.
func (e *Executor) Execute(ctx context.Context, id string) error {
	limit := cmp.Or(e.Limit, 15*time.Minute)
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)-reserve)
	}
	if limit <= 0 {
		return fmt.Errorf("run %s: no time is left to execute it", id)
	}
	run, claimed, err := e.claim(ctx, id, limit+reserve)
	if errors.Is(err, errBusy) {
		e.Log.InfoContext(ctx, "run waits for another of its definition", "run", id, "definition", run.Definition)
		return nil
	}
	if err != nil || !claimed {
		return err
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	inner, stop := context.WithTimeoutCause(inner, limit, errTimeout)
	defer stop()
	progress := &progress{}
	var watching sync.WaitGroup
	watching.Go(func() { e.watch(inner, id, progress, cancel) })
	scan := e.scan(inner, run, progress.set)
	cause := context.Cause(inner)
	cancel(nil)
	watching.Wait()
	if errors.Is(cause, errCanceled) {
		return e.end(ctx, id, dq.Canceled, "Canceled by request while it ran.")
	}
	if err := e.accept(context.WithoutCancel(ctx), run, scan); err != nil {
		return err // the run stays executing until its deadline, and is then ended as failed
	}
	return nil
}

// accept stores the result under the run's id and ends the run.
func (e *Executor) accept(ctx context.Context, run Run, scan *dq.Scan) error {
	ctx, cancel := context.WithTimeout(ctx, reserve)
	defer cancel()
	scan.ID = run.ID
	if _, err := e.Hub.Accept(ctx, scan); err != nil {
		return fmt.Errorf("run %s: its result could not be stored: %w", run.ID, err)
	}
	e.Log.InfoContext(ctx, "run ended", "run", run.ID, "definition", run.Definition, "state", scan.State, "checks", len(scan.Results))
	return e.end(ctx, run.ID, scan.State, scan.Why())
}

// Bury stores the failed scan of a run that was lost. If its result had been stored, that stays, and its state is given.
func (e *Executor) Bury(ctx context.Context, run Run) (dq.ScanState, error) {
	scan := e.failed(run, lost)
	scan.ID = run.ID
	accepted, err := e.Hub.Accept(ctx, scan)
	if err != nil || !accepted.Duplicate {
		return dq.Failed, err
	}
	head, err := e.Hub.ScanHead(ctx, run.ID)
	return head.State, err
}

// failed is the scan of a run that could not begin.
func (e *Executor) failed(run Run, why string) *dq.Scan {
	return &dq.Scan{
		Definition: run.Definition, Scanner: dq.Scanner{Name: engine.Scanner, Version: e.Version}, DataTime: run.DataTime, Started: run.Started, Ended: e.Now().UTC(),
		State: dq.Failed, Errored: true, Logs: []dq.LogLine{{Level: dq.LevelError, Message: why, Time: e.Now().UTC()}},
	}
}

// scan runs the definition's checks. It always gives a scan; what stood in the way is in its log.
func (e *Executor) scan(ctx context.Context, run Run, tell func(done, total int)) *dq.Scan {
	d, err := e.Definition(ctx, run.Definition)
	if err != nil {
		return e.failed(run, err.Error())
	}
	return engine.Run(ctx, d.Program(), engine.Options{
		Definition: d.Name, Source: d.Source, Now: e.Now(), DataTime: run.DataTime, Parallel: 4, Version: e.Version, Progress: tell,
		History: history{e.Hub},
		Sources: func(name string) (*engine.Source, error) { return e.source(ctx, name) },
	})
}

func (e *Executor) source(ctx context.Context, name string) (*engine.Source, error) {
	s, err := e.Source(ctx, name)
	if err != nil {
		return nil, err
	}
	settings, err := s.Resolved(ctx, e.Env, e.Secret)
	if err != nil {
		return nil, err
	}
	return e.Open(s.Name, s.Type, settings)
}

// history gives the engine what the hub remembers.
type history struct{ hub Hub }

func (h history) Measurements(ctx context.Context, identity string, from, to time.Time, limit int) ([]engine.Measured, error) {
	list, err := h.hub.Measurements(ctx, hub.MeasurementQuery{Identity: identity, From: from, To: to, Limit: limit})
	if err != nil {
		return nil, err
	}
	out := make([]engine.Measured, len(list))
	for i, m := range list {
		out[i] = engine.Measured{Time: m.DataTime, Value: m.Value}
	}
	return out, nil
}

// progress is how far a run is.
type progress struct {
	mu          sync.Mutex
	done, total int
}

func (p *progress) set(done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total = done, total
}

func (p *progress) get() (done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done, p.total
}

// watch writes the run's progress now and then, and cancels it when somebody asked for that.
func (e *Executor) watch(ctx context.Context, id string, p *progress, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(watch)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		run, err := e.update(ctx, id, func(r *Run) { r.Done, r.Total = p.get() })
		if err != nil && ctx.Err() == nil {
			e.Log.WarnContext(ctx, "progress of a run cannot be told", "run", id, "error", err)
		}
		if err == nil && run.Cancel {
			cancel(errCanceled)
			return
		}
	}
}
