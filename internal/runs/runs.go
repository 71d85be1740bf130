// Package runs is the scanner that lives in the system: scan definitions that it can execute, their schedules, and runs,
// from the wish to the accepted result.
//
// It owns what a definition and a run are, when a run is due, that one run of a definition goes on at a time, and that no run
// is lost: a run is an item of the table from the moment it is asked for, whoever starts it claims it first and keeps saying
// that it is alive, and one that falls silent is ended as failed ([Store.Tick]). A run that does not fit into the time of one
// execution is handed over to a further one. Checks are run by package engine, what they found is accepted by package hub
// like any scanner's.
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
	// ErrChanged is a definition or data source that somebody else has changed since it was read.
	ErrChanged = errors.New("somebody else has changed it in the meantime")
	// ErrFinished is a run that cannot be canceled any more.
	ErrFinished = errors.New("the run has ended")
	// ErrRemote is a run that cannot be canceled because a remote scanner executes it.
	ErrRemote = errors.New("a scanner elsewhere runs the scan; stop it there")
	// ErrTooMany is a wish for a run of a definition that has enough of them waiting.
	ErrTooMany = errors.New("too many runs wait")
)

// Keys: SETUP#<definition>/DOC is a definition, SETUP#<definition>/RUNNING the claim of its run, SOURCE#<name>/DOC a data
// source, RUN#<id>/DOC a run, RUN#<id>/FOUND#… what the parts of a long run have found, RUN#<id>/LOG#<thread>#<index> lines of the
// log that a remote scanner streamed. Definitions and sources are listed by
// an index partition each, runs that have not ended by another.
const (
	entityDefinition = "scan-setup"
	entityClaim      = "scan-claim"
	entitySource     = "data-source"
	entityRun        = "run"
	entityLines      = "log"
	entityFound      = "run-found"

	indexDefinitions = "SETUPS"
	indexSources     = "SOURCES"
	indexOpen        = "RUNS"

	linesPrefix = "LOG#"
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
	// Dispatch starts the execution of a waiting run somewhere, soon, and does not wait for its end. A run that is dispatched
	// twice is executed once. Nil where nothing can execute runs: they then wait for the next tick.
	Dispatch func(ctx context.Context, runID string) error
}

// Run is one execution of a definition, or of a contract: then Definition is the dataset's, named as the dataset.
type Run struct {
	ID         string       `json:"id"`
	Definition string       `json:"definition"`
	State      dq.ScanState `json:"state"`
	// Verification is what a run of a contract does; nil for one of a definition.
	Verification *Verification `json:"verification,omitempty"`
	// Trigger is one of [BySchedule] and its like; By the API key or person.
	Trigger string `json:"trigger"`
	By      string `json:"by,omitempty"`
	// DataTime is the logical time of the data, zero for that of the start.
	DataTime  time.Time `json:"dataTime,omitzero"`
	Requested time.Time `json:"requested"`
	Started   time.Time `json:"started,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`
	// Deadline is when an executing run counts as lost. It is put off while the run goes on.
	Deadline time.Time `json:"deadline,omitzero"`
	// HandedOver is since when an executing run waits for its next part, zero while a part goes on. Parts have ended.
	HandedOver time.Time `json:"handedOver,omitzero"`
	Parts      int       `json:"parts,omitempty"`
	// Cancel says that somebody wants it to end.
	Cancel bool `json:"cancel,omitempty"`
	// Done of Total statements have run.
	Done  int    `json:"done,omitempty"`
	Total int    `json:"total,omitempty"`
	Why   string `json:"why,omitempty"`
	// Covers are datasets that a remote scanner's run is about, as far as its log told.
	Covers []dq.DatasetRef `json:"covers,omitempty"`
	// Batched says that a remote scanner's results come in several messages, until it ends the scan.
	Batched bool `json:"batched,omitempty"`
	// Lines and LogBytes are the size of the log that a remote scanner streamed.
	Lines    int `json:"lines,omitempty"`
	LogBytes int `json:"logBytes,omitempty"`
}

// Shown is the state as people and API clients are told it.
func (r *Run) Shown() dq.ScanState {
	if r.State == dq.Executing && r.Cancel {
		return dq.CancelationRequested
	}
	return r.State
}

// Told is the run's life in lines of a log, for as long as there is no result with a log of its own.
func (r *Run) Told() []dq.LogLine {
	var lines []dq.LogLine
	tell := func(at time.Time, level, format string, args ...any) {
		if !at.IsZero() {
			lines = append(lines, dq.LogLine{Index: len(lines), Level: level, Message: fmt.Sprintf(format, args...), Time: at})
		}
	}
	tell(r.Requested, dq.LevelInfo, "Run of scan definition %q asked for by %s", r.Definition, strings.TrimSpace(r.Trigger+" "+r.By))
	tell(r.Started, dq.LevelInfo, "Started")
	if r.Total > 0 {
		tell(r.Started, dq.LevelInfo, "%d of %d statements have run", r.Done, r.Total)
	}
	tell(r.HandedOver, dq.LevelInfo, "Handed over after part %d", r.Parts)
	tell(r.Ended, dq.LevelInfo, "Ended as %s. %s", r.State, r.Why)
	return lines
}

// waiting is since when the run waits for somebody to execute it, zero if it does not.
func (r *Run) waiting() time.Time {
	if r.State == dq.Queuing {
		return r.Requested
	}
	return r.HandedOver
}

// Triggers of runs.
const (
	BySchedule = "schedule" // the definition's own
	ByEvent    = "event"    // an invocation of function scan, such as by a rule of EventBridge
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
	item, err := s.get(ctx, runKey(id))
	if err != nil {
		return run, item, fmt.Errorf("run %q: %w", id, err)
	}
	if err := json.Unmarshal(item.Head, &run); err != nil {
		return run, item, fmt.Errorf("run %q: %w", id, err)
	}
	return run, item, nil
}

// get reads one item; an unusable key is one that nothing is stored under.
func (s *Store) get(ctx context.Context, k table.Key) (table.Item, error) {
	item, err := s.Table.Get(ctx, k)
	if errors.Is(err, table.ErrInvalid) || errors.Is(err, table.ErrTooLarge) {
		err = ErrNotFound
	}
	return item, err
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

// update changes a run that has not ended, and gives it as it is then. change may run several times.
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
		if err := s.Table.Write(ctx, op); !lostRace(err) {
			return run, err
		}
		if err := ctx.Err(); err != nil {
			return run, err
		}
	}
}

// lostRace tells whether a write failed because somebody else wrote first.
func lostRace(err error) bool {
	return errors.Is(err, table.ErrCondition) || errors.Is(err, table.ErrConflict)
}

// OpenRuns lists the runs that have not ended, oldest first. The list may lag a little.
func (s *Store) OpenRuns(ctx context.Context) ([]Run, error) {
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
