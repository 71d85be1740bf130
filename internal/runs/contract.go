package runs

import (
	"context"
	"errors"
	"fmt"

	"github.com/sodalite-dq/sodalite/internal/contract"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// Verification is what a run of a contract does, which has no definition of its own.
type Verification struct {
	// File is the id of the contract's text, Path where its user has it.
	File string `json:"file"`
	Path string `json:"path,omitempty"`
	// Dataset is the one that the contract is about.
	Dataset   dq.DatasetRef       `json:"dataset"`
	Variables map[string]string   `json:"variables,omitempty"`
	Select    []contract.Selector `json:"select,omitempty"`
	// Publish keeps the result. Without it the run tells its state and its log, and no check changes.
	Publish bool `json:"publish,omitempty"`
	Verbose bool `json:"verbose,omitempty"`
}

// read reads the contract for a run. The environment is not seen by it: it is the system's own.
func (v *Verification) read(text string, run Run) *contract.Contract {
	in := contract.Inputs{Variables: map[string]any{}, Now: run.Started, DataTime: run.DataTime, Select: v.Select}
	for name, value := range v.Variables {
		in.Variables[name] = contract.Value(value)
	}
	return contract.Parse(sodacl.File{Name: v.Path, Text: []byte(text)}, in)
}

// Verify asks for a run of a contract and gives it back queued, see [Store.Start]. What cannot be run is told at once:
// [Mistakes] of the contract, ErrInvalid if the system does not know its data source.
func (s *Store) Verify(ctx context.Context, v Verification, text, by string) (Run, error) {
	c := v.read(text, Run{Started: s.Now()})
	if mistakes := onlyMistakes(c.Mistakes); mistakes != nil {
		return Run{}, mistakes
	}
	if _, err := s.Source(ctx, c.Dataset.DataSource); errors.Is(err, ErrNotFound) {
		return Run{}, fmt.Errorf("%w: the contract is for data source %q, which is not configured here; add it with sodalite sources apply, or verify without --use-runner", ErrInvalid, c.Dataset.DataSource)
	} else if err != nil {
		return Run{}, err
	}
	v.Dataset = c.Dataset
	r := Request{Definition: c.Dataset.QualifiedName(), Trigger: ByAPI, By: by, Verification: &v}
	if err := s.room(ctx, r.Definition); err != nil {
		return Run{}, err
	}
	return s.enqueue(ctx, r)
}

// verify runs a contract's checks, or those that the part before left.
func (e *Executor) verify(ctx context.Context, w *watcher, run Run) *done {
	text, err := e.Hub.ContractText(ctx, run.Verification.File)
	if err != nil {
		return &done{failed: e.failed(run, "The contract cannot be read: "+err.Error())}
	}
	out := &done{}
	o := engine.Options{
		Definition: run.Definition, Now: run.Started, DataTime: run.DataTime, Parallel: 4, Version: e.Version, Progress: w.progress.set, Log: w.lines.add,
		Verbose: run.Verification.Verbose, Sources: func(name string) (*engine.Source, error) { return e.source(ctx, name) },
	}
	if run.Parts > 0 {
		before, err := e.found(ctx, run.ID)
		if err != nil {
			return &done{failed: e.failed(run, err.Error())}
		}
		out.before, o.Only, o.Tables = before.Scan, before.Left, before.Tables
	}
	out.part = engine.VerifyPart(w.ctx, run.Verification.read(text, run), o)
	return out
}

// conclude ends a run of a contract whose result is not to be kept: its log stays with the run.
func (e *Executor) conclude(ctx context.Context, run Run, scan *dq.Scan) error {
	streamed, err := e.Store.Log(ctx, run.ID)
	if err != nil {
		return err
	}
	var lines []Line
	for _, l := range without(scan.Logs, streamed) {
		lines = append(lines, Line{l, "result"})
	}
	if err := e.Stream(ctx, Remote{ID: run.ID}, lines); err != nil {
		return fmt.Errorf("run %s: its log could not be stored: %w", run.ID, err)
	}
	e.Log.InfoContext(ctx, "run ended", "run", run.ID, "definition", run.Definition, "state", scan.State, "checks", len(scan.Results), "published", false)
	return e.end(ctx, run.ID, scan.State, scan.Why())
}
