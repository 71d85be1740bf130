package sodacloud

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
	v4 "github.com/sodalite-dq/sodalite/internal/sodacloud/v4"
)

// Managed scans of Soda Core 4: those that a scanner or its launcher tells of before their results are there, by an id of
// their own.

// Runs keeps the scans of scanners that tell of them before their results are there.
type Runs interface {
	Run(ctx context.Context, id string) (runs.Run, error)
	Begin(ctx context.Context, r runs.Remote) error
	Stream(ctx context.Context, r runs.Remote, lines []runs.Line) error
	End(ctx context.Context, id string, state dq.ScanState, why string) error
	Verify(ctx context.Context, v runs.Verification, text, by string) (runs.Run, error)
	Source(ctx context.Context, name string) (runs.Source, error)
}

// received ends the run of a scan whose results are here; one that sends them in batches says itself when it ends.
func (s *server) received(c call, in v4.Inserted) error {
	if in.Batch {
		return ignoreFinished(s.Runs.Begin(c.Context(), runs.Remote{ID: in.Given, Definition: in.Definition, By: c.who.Name, Batched: true}))
	}
	return s.Runs.End(c.Context(), in.Given, in.State, in.Why())
}

func ignoreFinished(err error) error {
	if errors.Is(err, runs.ErrFinished) {
		return nil
	}
	return err
}

// tell logs what could not be noted beside what is stored: the answer is not made to fail by it.
func (s *server) tell(c call, what string, err error) {
	if err != nil {
		s.Log.ErrorContext(c.Context(), what+" could not be noted", "error", err, "trace", *c.traceID)
	}
}

// markFailed ends a managed run that came to nothing. Which definition it was of is known if it was started before, or if its
// log tells the dataset; otherwise its run is all there is to see.
func (s *server) markFailed(c call) (any, error) {
	f, err := v4.ReadFailed(c.members)
	if err != nil {
		return nil, err
	}
	scan := &dq.Scan{ID: f.ScanID, State: dq.Failed, Errored: true, Scanner: v4.Scanner(c.UserAgent()), Logs: f.Logs}
	run, err := s.Runs.Run(c.Context(), f.ScanID)
	if err != nil && !errors.Is(err, runs.ErrNotFound) {
		return nil, err
	}
	scan.Definition, scan.Started, scan.Covers = run.Definition, run.Started, run.Covers
	if f.Known {
		scan.DataSource, scan.Covers = f.Dataset.DataSource, []dq.DatasetRef{f.Dataset}
		if scan.Definition == "" {
			scan.Definition = f.Dataset.QualifiedName()
		}
	}
	if scan.Definition == "" {
		remote := runs.Remote{ID: f.ScanID, By: c.who.Name}
		if err := errors.Join(ignoreFinished(s.Runs.Begin(c.Context(), remote)), s.Runs.Stream(c.Context(), remote, numbered(f.Logs))); err != nil {
			return nil, err
		}
	} else if _, err := s.accept(c, scan); err != nil {
		return nil, err
	}
	return map[string]string{"scanId": f.ScanID}, s.Runs.End(c.Context(), f.ScanID, dq.Failed, scan.Why())
}

// failureThread names the log that comes with the word that a scan failed.
const failureThread = "failure"

func numbered(logs []dq.LogLine) []runs.Line {
	lines := make([]runs.Line, len(logs))
	for i, l := range logs {
		lines[i] = runs.Line{LogLine: l, Thread: failureThread}
	}
	return lines
}

// scanStart begins a managed scan that sends its results in batches. The reference that it is answered is the scan's id.
func (s *server) scanStart(c call) (any, error) {
	start, err := v4.ReadStart(c.members)
	if err != nil {
		return nil, err
	}
	_, err = s.Hub.ScanHead(c.Context(), start.ScanID)
	if err == nil {
		return nil, finished(start.ScanID)
	}
	if !errors.Is(err, hub.ErrNotFound) {
		return nil, err
	}
	err = s.Runs.Begin(c.Context(), runs.Remote{ID: start.ScanID, Definition: start.Definition, Covers: start.Covers, By: c.who.Name, DataTime: start.DataTime, Batched: true})
	if errors.Is(err, runs.ErrFinished) {
		return nil, finished(start.ScanID)
	}
	return map[string]string{"scanReference": start.ScanID}, err
}

func finished(id string) error {
	return &Failure{Status: http.StatusBadRequest, Code: "invalid_scan_state", Message: fmt.Sprintf("scanId: the scan %q has ended; use a new id for each run", id)}
}

// scanEnd ends a scan that was begun by scanStart.
func (s *server) scanEnd(c call) (any, error) {
	var id string
	if err := member(c.members, "scanReference", &id); err != nil {
		return nil, err
	}
	state, why := dq.Completed, ""
	head, err := s.Hub.ScanHead(c.Context(), id)
	if err != nil && !errors.Is(err, hub.ErrNotFound) {
		return nil, err
	}
	if err == nil {
		state, why = head.State, head.Why
	}
	return map[string]string{"scanReference": id}, s.Runs.End(c.Context(), id, state, why)
}

// stageUpdate notes what became of a stage that an extension runs after a scan, in the scan's log.
func (s *server) stageUpdate(c call) (any, error) {
	id, line, err := v4.ReadStageUpdate(c.members, time.Now().UTC())
	if err != nil {
		return nil, err
	}
	if _, err := s.Hub.ScanHead(c.Context(), id); errors.Is(err, hub.ErrNotFound) {
		return nil, &Failure{Status: http.StatusBadRequest, Code: "scan_not_found", Message: fmt.Sprintf("scanId: there is no scan %q", dq.Truncate(id, 80))}
	} else if err != nil {
		return nil, err
	}
	return struct{}{}, s.Runs.Stream(c.Context(), runs.Remote{ID: id, By: c.who.Name, Ended: true}, []runs.Line{{LogLine: line, Thread: "stage " + line.Message}})
}

// stream keeps lines of a log that a scanner sends while its scan runs, whether the scan is known, unknown or has ended. The
// client does not look at the answer.
func (s *server) stream(r *http.Request, _ *string) (any, error) {
	who, err := s.Auth.Authorize(r.Context(), r.Header.Get("Authorization"))
	if err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	if err := v4.CheckID("scan id", id); err != nil {
		return nil, err
	}
	data, err := s.read(r)
	if err != nil {
		return nil, err
	}
	batch := v4.ReadLogBatch(data)
	lines := make([]runs.Line, len(batch))
	for i, l := range batch {
		lines[i] = runs.Line{LogLine: l.LogLine, Thread: l.Thread}
	}
	remote := runs.Remote{ID: id, By: who.Name}
	if d, ok := v4.DatasetOfBatch(batch); ok {
		remote.Definition, remote.Covers = d.QualifiedName(), []dq.DatasetRef{d}
	}
	if _, err := s.Hub.ScanHead(r.Context(), id); err == nil {
		remote.Ended = true
	} else if !errors.Is(err, hub.ErrNotFound) {
		return nil, err
	}
	return struct{}{}, s.Runs.Stream(r.Context(), remote, lines)
}
