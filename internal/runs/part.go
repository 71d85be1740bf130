package runs

import (
	"context"
	"fmt"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/hub"
)

// done is what one execution of a run has done, and what executions before it had found.
type done struct {
	version int64        // of the definition
	part    *engine.Part // nil if nothing could be run
	failed  *dq.Scan     // then
	before  *dq.Scan     // nil in the first part
}

// goesOn tells whether a further execution can do what is left: this one finished something, and knows the rest.
func (d *done) goesOn() bool { return d.part != nil && d.part.Progress() && len(d.part.Left()) > 0 }

// found is the scan as if nothing were left, whole as the last word. One of them is to be called, once.
func (d *done) found() *dq.Scan {
	if d.part == nil {
		return d.merged(d.failed)
	}
	return d.merged(d.part.Found())
}

func (d *done) whole() *dq.Scan {
	if d.part == nil {
		return d.merged(d.failed)
	}
	return d.merged(d.part.Whole())
}

func (d *done) merged(scan *dq.Scan) *dq.Scan {
	if d.before == nil {
		return scan
	}
	state := scan.State
	scan = engine.Merge(d.before, scan)
	if d.part == nil {
		scan.State = state
	}
	return scan
}

// changed is why the rest of a run is not done.
const changed = "The scan definition was changed while a run of it went on, so the rest of the run was not done."

// do runs the definition's checks, or those that the part before left, until the watcher ends them.
func (e *Executor) do(ctx context.Context, w *watcher, run Run) *done {
	if run.Verification != nil {
		return e.verify(ctx, w, run)
	}
	d, err := e.Definition(ctx, run.Definition)
	if err != nil {
		return &done{failed: e.failed(run, err.Error())}
	}
	out := &done{version: d.Version}
	var only []string
	var tables []engine.SlicedTable
	if run.Parts > 0 {
		before, err := e.found(ctx, run.ID)
		if err != nil {
			return &done{failed: e.failed(run, err.Error())}
		}
		out.before, only, tables = before.Scan, before.Left, before.Tables
		if before.Version != d.Version {
			out.failed = e.failed(run, changed)
			return out
		}
	}
	o := engine.Options{
		Definition: d.Name, Source: d.Source, Now: run.Started, DataTime: run.DataTime, Parallel: 4, Version: e.Version, Progress: w.progress.set, Log: w.lines.add,
		Only: only, Tables: tables, History: history{e.Hub},
		Sources: func(name string) (*engine.Source, error) { return e.source(ctx, name) },
	}
	if e.Samples {
		o.Samples = samples{e.Hub}
	}
	out.part = engine.RunPart(w.ctx, d.Program(), o)
	return out
}

// Test connects to a data source and lists its first datasets.
func (e *Executor) Test(ctx context.Context, source string) (engine.Reached, error) {
	s, err := e.source(ctx, source)
	if err != nil {
		return engine.Reached{}, err
	}
	found, err := engine.Test(ctx, s)
	if err != nil {
		return found, fmt.Errorf("data source %q: %w", source, err)
	}
	return found, nil
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

// samples keeps rows in the hub, as those that scanners upload.
type samples struct{ Hub }

func (samples) Wanted(context.Context) (bool, error) { return true, nil }

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
