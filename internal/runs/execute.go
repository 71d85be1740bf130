package runs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/hub"
)

// Hub is where results go and histories come from.
type Hub interface {
	Accept(ctx context.Context, s *dq.Scan) (hub.Accepted, error)
	SaveSample(ctx context.Context, path string, rows []byte) (id string, err error)
	ScanHead(ctx context.Context, id string) (hub.ScanHead, error)
	ContractText(ctx context.Context, file string) (string, error)
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
	// Samples keeps rows that failed.
	Samples bool
	// Limit is how long one execution may take where the context has no deadline.
	Limit time.Duration
	// Pace is how often an executing run tells its progress and looks whether it is to end, and how long it waits before it
	// tries again to store its result; zero for two seconds.
	Pace    time.Duration
	Version string
}

func (e *Executor) pace() time.Duration { return cmp.Or(e.Pace, 2*time.Second) }

const (
	// reserve is kept back from the context's deadline for storing the result.
	reserve = 30 * time.Second
	// maxParts bounds how often a run is handed over.
	maxParts = 20
)

// What ends a run's statements.
var (
	errCanceled = errors.New("canceled by request")
	errTimeout  = errors.New("the run took longer than it may")
	errLost     = errors.New("the run has been ended as lost")
)

// Execute claims a waiting run and runs it to its end, or as far as time allows: then the rest is handed over to a further
// execution. A run that does not wait, or whose definition is busy, is left alone.
func (e *Executor) Execute(ctx context.Context, id string) error {
	limit := cmp.Or(e.Limit, 15*time.Minute)
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)-reserve)
	}
	if limit <= 0 {
		return fmt.Errorf("run %s: no time is left to execute it", id)
	}
	run, claimed, err := e.claim(ctx, id)
	if errors.Is(err, errBusy) {
		e.Log.InfoContext(ctx, "run waits for another of its definition", "run", id, "definition", run.Definition)
		return nil
	}
	if err != nil || !claimed {
		return err
	}
	ended, err := e.execute(ctx, run, limit)
	if err != nil || !ended {
		return err
	}
	if err := e.next(context.WithoutCancel(ctx), run.Definition); err != nil { // the next tick asks again
		e.Log.WarnContext(ctx, "next run of the definition is not started yet", "definition", run.Definition, "error", err)
	}
	return nil
}

// execute runs a claimed run. It gives false if the run goes on elsewhere.
func (e *Executor) execute(ctx context.Context, run Run, limit time.Duration) (ended bool, err error) {
	w := e.watch(ctx, run, limit)
	done := e.do(context.WithoutCancel(ctx), w, run)
	cause := w.stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reserve)
	defer cancel()
	switch {
	case errors.Is(cause, errLost):
		return true, fmt.Errorf("run %s: %w, its result is dropped", run.ID, cause)
	case errors.Is(cause, errCanceled):
		return true, e.accept(ctx, run, concluded(done.found(), dq.Canceled, dq.LevelInfo, "Canceled by request while it ran."))
	case cause == nil, errors.Is(cause, errTimeout) && !(done.goesOn() && run.Parts < maxParts):
		return true, e.accept(ctx, run, done.whole())
	case done.part == nil || len(done.part.Left()) == 0: // the program is stopped before it knew what there is to do
		_, err := e.update(ctx, run.ID, func(r *Run) { r.HandedOver = e.Now().UTC() })
		return false, err
	}
	e.keepLines(ctx, w, run.ID) // the log goes on in the next part
	scan := done.found()
	handed, err := e.handOver(ctx, run.ID, found{Version: done.version, Scan: scan, Left: done.part.Left(), Tables: done.part.Tables()})
	if handed {
		e.Log.InfoContext(ctx, "run is handed over", "run", run.ID, "definition", run.Definition, "why", cause, "error", err)
		return false, nil // a tick asks again if nobody could be asked
	}
	if err != nil {
		return false, err
	}
	return true, e.accept(ctx, run, concluded(scan, dq.TimedOut, dq.LevelError, "The run took longer than it may, and has found too much to be handed over; what was left was not done."))
}

// concluded gives a scan another end, and a last line in its log that says why.
func concluded(scan *dq.Scan, state dq.ScanState, level, why string) *dq.Scan {
	scan.State, scan.Errored = state, scan.Errored || level == dq.LevelError
	scan.Logs = append(scan.Logs, dq.LogLine{Index: len(scan.Logs), Level: level, Message: why, Time: scan.Ended})
	return scan
}

// accept stores the result under the run's id and ends the run. A result that cannot be kept makes a failed scan that says so.
func (e *Executor) accept(ctx context.Context, run Run, scan *dq.Scan) error {
	scan.ID = run.ID
	if v := run.Verification; v != nil {
		if scan.Contract = (&dq.ContractRef{File: v.File, Path: v.Path}); !v.Publish {
			return e.conclude(ctx, run, scan)
		}
	}
	err := e.store(ctx, scan)
	if errors.Is(err, hub.ErrInvalid) || errors.Is(err, hub.ErrTooLarge) {
		scan = e.failed(run, "The result cannot be kept: "+err.Error())
		scan.ID = run.ID
		err = e.store(ctx, scan)
	}
	if err != nil {
		return fmt.Errorf("run %s: its result could not be stored: %w", run.ID, err) // silent from now on, it is ended as lost
	}
	e.Log.InfoContext(ctx, "run ended", "run", run.ID, "definition", run.Definition, "state", scan.State, "checks", len(scan.Results))
	return e.end(ctx, run.ID, scan.State, scan.Why())
}

// store tries for as long as ctx allows.
func (e *Executor) store(ctx context.Context, scan *dq.Scan) error {
	_, err := backoff.Retry(ctx, func() (hub.Accepted, error) {
		accepted, err := e.Hub.Accept(ctx, scan)
		if errors.Is(err, hub.ErrInvalid) || errors.Is(err, hub.ErrTooLarge) {
			err = backoff.Permanent(err)
		}
		return accepted, err
	}, backoff.WithBackOff(backoff.NewConstantBackOff(e.pace())), backoff.WithMaxTries(5))
	var permanent *backoff.PermanentError
	if errors.As(err, &permanent) {
		return permanent.Err
	}
	return err
}

// bury ends a run that will not end by itself: with a failed scan that has what its parts had found, unless a result was
// stored just before whoever executed it died.
func (e *Executor) bury(ctx context.Context, run Run, why string) error {
	if run.Trigger == ByScanner {
		return e.buryRemote(ctx, run)
	}
	scan := e.failed(run, why)
	if run.Verification != nil && !run.Verification.Publish {
		return e.conclude(ctx, run, scan)
	}
	if run.Parts > 0 {
		if before, err := e.found(ctx, run.ID); err == nil {
			scan = engine.Merge(before.Scan, scan)
			scan.State = dq.Failed
		}
	}
	scan.ID = run.ID
	accepted, err := e.Hub.Accept(ctx, scan)
	if err != nil {
		return fmt.Errorf("run %s: %w", run.ID, err)
	}
	if accepted.Duplicate {
		head, err := e.Hub.ScanHead(ctx, run.ID)
		if err != nil {
			return err
		}
		return e.end(ctx, run.ID, head.State, head.Why)
	}
	return e.end(ctx, run.ID, dq.Failed, why)
}

// failed is the scan of a run that could not begin, or not go on.
func (e *Executor) failed(run Run, why string) *dq.Scan {
	now := e.Now().UTC()
	var covers []dq.DatasetRef
	if run.Verification != nil {
		covers = []dq.DatasetRef{run.Verification.Dataset}
	}
	return &dq.Scan{
		Covers: covers, Definition: run.Definition, Scanner: dq.Scanner{Name: engine.Scanner, Version: e.Version}, DataTime: run.DataTime, Started: run.Started, Ended: now,
		State: dq.Failed, Errored: true, Logs: []dq.LogLine{{Level: dq.LevelError, Message: why, Time: now}},
	}
}
