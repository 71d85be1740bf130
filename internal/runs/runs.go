// Package runs is the scanner that lives in the system: scan definitions that it can execute, their schedules, and runs,
// from the wish to the accepted result.
//
// It owns what a definition and a run are, when a run is due, that one run of a definition goes on at a time, and that no run
// is lost: a run is an item of the table from the moment it is asked for, whoever starts it claims it first, and one that
// nobody ends is ended as failed when its time is over ([Store.Tick]). Checks are run by package engine, what they found is
// accepted by package hub like any scanner's.
package runs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// Errors that callers tell apart.
var (
	// ErrNotFound is a definition, data source or run that is not there.
	ErrNotFound = table.ErrNotFound
	// ErrInvalid is a definition or data source that cannot be kept; its text says what is wrong and where.
	ErrInvalid = errors.New("not acceptable")
	// ErrFinished is a run that cannot be canceled any more.
	ErrFinished = errors.New("the run has ended")
)

// Keys: SETUP#<definition>/DOC is a definition, SETUP#<definition>/RUNNING the claim of its run, SOURCE#<name>/DOC a data
// source, RUN#<id>/DOC a run. Definitions and sources are listed by an index partition each, runs that have not ended by
// another.
const (
	entityDefinition = "scan-setup"
	entityClaim      = "scan-claim"
	entitySource     = "data-source"
	entityRun        = "run"

	indexDefinitions = "SETUPS"
	indexSources     = "SOURCES"
	indexOpen        = "RUNS"
)

// A run is not beside its scan, so that who may ask for runs needs no right to write scans.

func definitionKey(name string) table.Key {
	return table.Key{PK: "SETUP#" + dq.DefinitionID(name), SK: "DOC"}
}
func claimKey(name string) table.Key {
	return table.Key{PK: "SETUP#" + dq.DefinitionID(name), SK: "RUNNING"}
}
func sourceKey(name string) table.Key { return table.Key{PK: "SOURCE#" + name, SK: "DOC"} }
func runKey(id string) table.Key      { return table.Key{PK: "RUN#" + id, SK: "DOC"} }

// Store keeps definitions, data sources and runs.
type Store struct {
	Table table.Table
	Now   func() time.Time
	// Keep is how long runs are remembered after they ended.
	Keep time.Duration
	// Dispatch starts the execution of a queued run somewhere, soon, and does not wait for its end. A run that is dispatched
	// twice is executed once. Nil where nothing can execute runs: they then wait for the next tick.
	Dispatch func(ctx context.Context, runID string) error
}

// Run is one execution of a definition.
type Run struct {
	ID         string       `json:"id"`
	Definition string       `json:"definition"`
	State      dq.ScanState `json:"state"`
	// Trigger is schedule, api or page; By the API key or person.
	Trigger string `json:"trigger"`
	By      string `json:"by,omitempty"`
	// DataTime is the logical time of the data, zero for that of the start.
	DataTime  time.Time `json:"dataTime,omitzero"`
	Requested time.Time `json:"requested"`
	Started   time.Time `json:"started,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`
	// Deadline is when an executing run counts as lost.
	Deadline time.Time `json:"deadline,omitzero"`
	// Cancel says that somebody wants it to end.
	Cancel bool `json:"cancel,omitempty"`
	// Done of Total statements have run.
	Done  int    `json:"done,omitempty"`
	Total int    `json:"total,omitempty"`
	Why   string `json:"why,omitempty"`
}

// Shown is the state as people and API clients are told it.
func (r *Run) Shown() dq.ScanState {
	if r.State == dq.Executing && r.Cancel {
		return dq.CancelationRequested
	}
	return r.State
}

// Triggers of runs.
const (
	BySchedule = "schedule"
	ByAPI      = "api"
	ByPage     = "page"
)

// Run reads a run. ErrNotFound if there is none: the scan may be a remote scanner's.
func (s *Store) Run(ctx context.Context, id string) (Run, error) {
	run, _, err := s.read(ctx, id)
	return run, err
}

func (s *Store) read(ctx context.Context, id string) (Run, table.Item, error) {
	var run Run
	item, err := s.Table.Get(ctx, runKey(id))
	if errors.Is(err, table.ErrInvalid) || errors.Is(err, table.ErrTooLarge) {
		err = ErrNotFound
	}
	if err != nil {
		return run, item, fmt.Errorf("run %q: %w", id, err)
	}
	if err := json.Unmarshal(item.Head, &run); err != nil {
		return run, item, fmt.Errorf("run %q: %w", id, err)
	}
	return run, item, nil
}

// put is the write of a run over the version that was read (0 for a new one). A run that has not ended is in the index.
func (s *Store) put(run Run, version int64) (table.Op, error) {
	head, err := json.Marshal(run)
	if err != nil {
		return table.Op{}, err
	}
	item := table.Item{Key: runKey(run.ID), Entity: entityRun, Version: version + 1, Head: head}
	if run.State.Finished() {
		item.Expires = run.Ended.Add(s.Keep)
	} else {
		item.IndexPK, item.IndexSK = indexOpen, run.Requested.UTC().Format("2006-01-02T15:04:05.000Z")+"#"+run.ID
	}
	return table.Put(item, table.IfVersion(version)), nil
}

// Start asks for a run of a definition and gives it back queued. ErrNotFound if there is no such definition; definitions that
// exist only because a remote scanner pushed results cannot be started.
func (s *Store) Start(ctx context.Context, definition, trigger, by string, dataTime time.Time) (Run, error) {
	if _, err := s.Definition(ctx, definition); err != nil {
		return Run{}, err
	}
	run := Run{
		ID: newID(), Definition: definition, State: dq.Queuing, Trigger: trigger, By: by, DataTime: dataTime, Requested: s.Now().UTC(),
	}
	return run, s.enqueue(ctx, run)
}

// enqueue writes a new run and dispatches it. A run that is there already is left alone.
func (s *Store) enqueue(ctx context.Context, run Run) error {
	op, err := s.put(run, 0)
	if err != nil {
		return err
	}
	err = s.Table.Write(ctx, op)
	if errors.Is(err, table.ErrCondition) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("queue run of %q: %w", run.Definition, err)
	}
	return s.dispatch(ctx, run.ID)
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

// errBusy says that another run of the definition goes on.
var errBusy = errors.New("another run of the definition goes on")

// claim makes a queued run executing, for so long. It gives false if the run is not queued (any more), and errBusy if
// another run of the definition goes on.
func (s *Store) claim(ctx context.Context, id string, forSo time.Duration) (Run, bool, error) {
	run, item, err := s.read(ctx, id)
	if err != nil || run.State != dq.Queuing {
		return run, false, err
	}
	now := s.Now().UTC()
	run.State, run.Started, run.Deadline = dq.Executing, now, now.Add(forSo)
	put, err := s.put(run, item.Version)
	if err != nil {
		return run, false, err
	}
	// The claim expires on its own, so that a run that dies does not hold up the next for ever.
	lock := table.Put(table.Item{Key: claimKey(run.Definition), Entity: entityClaim, Version: 1, Expires: run.Deadline.Add(time.Minute), Head: quoted(id)}, table.IfAbsent())
	err = s.Table.Write(ctx, put, lock)
	if errors.Is(err, table.ErrCondition) || errors.Is(err, table.ErrConflict) {
		if now, _, err := s.read(ctx, id); err != nil || now.State != dq.Queuing {
			return now, false, err // somebody else claimed it
		}
		return run, false, errBusy
	}
	return run, err == nil, err
}

func quoted(s string) []byte { return []byte(`"` + s + `"`) } // ids need no escaping

// end writes the run's end, and lets the next run of the definition begin.
func (s *Store) end(ctx context.Context, id string, state dq.ScanState, why string) error {
	for {
		run, item, err := s.read(ctx, id)
		if err != nil || run.State.Finished() {
			return err
		}
		executed := run.State == dq.Executing
		run.State, run.Why, run.Ended = state, dq.Truncate(why, 300), s.Now().UTC()
		put, err := s.put(run, item.Version)
		if err != nil {
			return err
		}
		ops := []table.Op{put}
		if lock, err := s.Table.Get(ctx, claimKey(run.Definition)); executed && err == nil && string(lock.Head) == string(quoted(id)) {
			// Gone by expiry, which is as good as deleted and needs no right to delete.
			lock.Expires = s.Now().Add(-time.Second)
			version := lock.Version
			lock.Version++
			ops = append(ops, table.Put(lock, table.IfVersion(version)))
		}
		err = s.Table.Write(ctx, ops...)
		if !errors.Is(err, table.ErrCondition) && !errors.Is(err, table.ErrConflict) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// update changes an executing run, such as its progress, and gives it as it is then.
func (s *Store) update(ctx context.Context, id string, change func(*Run)) (Run, error) {
	for {
		run, item, err := s.read(ctx, id)
		if err != nil || run.State.Finished() {
			return run, err
		}
		before := string(item.Head)
		change(&run)
		op, err := s.put(run, item.Version)
		if err != nil || string(op.Item.Head) == before {
			return run, err
		}
		err = s.Table.Write(ctx, op)
		if !errors.Is(err, table.ErrCondition) && !errors.Is(err, table.ErrConflict) {
			return run, err
		}
		if err := ctx.Err(); err != nil {
			return run, err
		}
	}
}

// Cancel ends a queued run at once, and asks an executing one to end. ErrFinished if it has ended.
func (s *Store) Cancel(ctx context.Context, id, by string) (Run, error) {
	run, err := s.Run(ctx, id)
	switch {
	case err != nil:
		return run, err
	case run.State.Finished():
		return run, ErrFinished
	case run.State == dq.Queuing:
		if err := s.end(ctx, id, dq.Canceled, strings.TrimSpace("Canceled before it began. "+by)); err != nil {
			return run, err
		}
		return s.Run(ctx, id)
	}
	return s.update(ctx, id, func(r *Run) { r.Cancel = true })
}

// Open lists the runs that have not ended, oldest first. The list may lag a little.
func (s *Store) Open(ctx context.Context) ([]Run, error) {
	items, err := table.All(ctx, s.Table.QueryIndex, table.Range{PK: indexOpen})
	if err != nil {
		return nil, fmt.Errorf("list open runs: %w", err)
	}
	list := make([]Run, len(items))
	for i, it := range items {
		if err := json.Unmarshal(it.Head, &list[i]); err != nil {
			return nil, fmt.Errorf("head of %v: %w", it.Key, err)
		}
	}
	return list, nil
}
