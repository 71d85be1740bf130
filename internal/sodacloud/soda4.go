package sodacloud

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
	v4 "github.com/sodalite-dq/sodalite/internal/sodacloud/v4"
)

// Runs keeps the scans of scanners that tell of them before their results are there.
type Runs interface {
	Run(ctx context.Context, id string) (runs.Run, error)
	Begin(ctx context.Context, r runs.Remote) error
	Stream(ctx context.Context, r runs.Remote, lines []runs.Line) error
	End(ctx context.Context, id string, state dq.ScanState, why string) error
	Verify(ctx context.Context, v runs.Verification, text, by string) (runs.Run, error)
	Source(ctx context.Context, name string) (runs.Source, error)
}

// inserted4 is the answer to an insert of Soda Core 4. The client exits with 4 if it has no scan id.
type inserted4 struct {
	inserted
	Checks []insertedCheck `json:"checks,omitempty"` // never null
}

type insertedCheck struct {
	ID         string            `json:"id"`
	Identities []string          `json:"identities"`
	Datasets   []insertedDataset `json:"datasets"`
}

type insertedDataset struct {
	ID  string `json:"id"`
	DQN string `json:"dqn"`
}

// insert4 stores results of Soda Core 4. A managed run says its scan's id: what is sent under it first gets that id, the same
// again changes nothing, and anything else (further contracts of one run, results after the scan was given up) gets an id of
// its own, so that nothing is lost.
func (s *server) insert4(c call) (any, error) {
	in, err := v4.Scan(c.members, c.UserAgent())
	if err != nil {
		return nil, err
	}
	content := in.ID
	if in.Given != "" {
		in.ID, in.Content = in.Given, content
	}
	accepted, err := s.accept(c, in.Scan)
	if err != nil {
		return nil, err
	}
	if accepted.Duplicate && in.Given != "" {
		head, err := s.Hub.ScanHead(c.Context(), in.Given)
		if err != nil {
			return nil, err
		}
		if head.Content != content {
			in.ID, in.Content = dq.OpaqueID(26, "further results", in.Given, content), ""
			if accepted, err = s.accept(c, in.Scan); err != nil {
				return nil, err
			}
		}
	}
	if in.Given != "" {
		s.tell(c, "the end of a scan", s.received(c, in))
	}
	return s.answer4(in, accepted.ID), nil
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

func (s *server) answer4(in v4.Inserted, id string) inserted4 {
	out := inserted4{inserted: inserted{ScanID: id}}
	if in.Given != "" {
		out.ScanID = in.Given
	}
	datasets := in.Datasets()
	if s.PublicURL != "" {
		out.CloudURL = s.PublicURL + "/scans/" + id
		if len(datasets) == 1 { // its page gives way to the scan's until the scan is digested
			out.CloudURL = s.PublicURL + "/datasets/" + datasets[0].ID() + "?scan=" + id
		}
	}
	for i := range in.Results {
		r := &in.Results[i]
		dataset := r.Dataset.ID()
		out.Checks = append(out.Checks, insertedCheck{
			ID: dq.CheckID(dataset, in.Definition, r.Identity), Identities: append([]string{}, r.Aliases...),
			Datasets: []insertedDataset{{ID: dataset, DQN: r.Dataset.QualifiedName()}},
		})
	}
	return out
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
	err = s.Runs.Begin(c.Context(), runs.Remote{ID: start.ScanID, Definition: start.Definition, By: c.who.Name, DataTime: start.DataTime, Batched: true})
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

// whoAmI is how a client tests its key.
func (s *server) whoAmI(c call) (any, error) {
	return map[string]string{"keyId": c.who.KeyID, "name": c.who.Name}, nil
}

// datasetsConfiguration is asked before every verification, which an error would abort. There is nothing to configure.
func (s *server) datasetsConfiguration(call) (any, error) {
	return map[string]any{"results": []any{}}, nil
}

// datasourceConfiguration would give a data source's connection. Clients up to 4.1 abort on an error, and go on with nothing.
func (s *server) datasourceConfiguration(call) (any, error) { return struct{}{}, nil }

// contracts finds a dataset's contract by a filter on its qualified name.
func (s *server) contracts(c call) (any, error) {
	name, err := v4.ReadContractFilter(c.members)
	if err != nil {
		return nil, err
	}
	results := []map[string]string{}
	if d, ok := dq.ParseQualifiedName(name); ok {
		newest, err := s.Hub.ContractVersions(c.Context(), d.ID(), 1)
		if err != nil {
			return nil, err
		}
		for _, v := range newest {
			text, err := s.Hub.ContractText(c.Context(), v.File)
			if err != nil {
				return nil, err
			}
			results = append(results, map[string]string{"contents": text})
		}
	}
	return map[string]any{"results": results}, nil
}

// noRequests refuses contract requests, which are a conversation of people on Soda Cloud's pages.
func (s *server) noRequests(c call) (any, error) {
	return nil, &Failure{Status: http.StatusBadRequest, Code: "not_supported", Message: "Contract requests are not kept here. Publish the changed contract with soda contract publish; its versions are on the dataset's page."}
}

// historyAtOnce is how many histories are read side by side.
const historyAtOnce = 8

// historicMeasurements2 gives past measurements of several metrics.
func (s *server) historicMeasurements2(c call) (any, error) {
	q, err := v4.ReadHistoryQuery(c.members, "metricIdentities")
	if err != nil {
		return nil, err
	}
	lists, err := eachIdentity(c.Context(), q.Identities, func(ctx context.Context, identity string) ([]hub.Measured, error) {
		return s.Hub.Measurements(ctx, hub.MeasurementQuery{Identity: identity, From: q.From, To: q.To, Limit: q.Limit})
	})
	return s.found(c, v4.Measurements(lists), err)
}

// historicCheckResults2 gives past results of several checks.
func (s *server) historicCheckResults2(c call) (any, error) {
	q, err := v4.ReadHistoryQuery(c.members, "checkIdentities")
	if err != nil {
		return nil, err
	}
	lists, err := eachIdentity(c.Context(), q.Identities, func(ctx context.Context, identity string) ([]hub.CheckResult, error) {
		return s.Hub.CheckResults(ctx, hub.CheckResultQuery{Identity: identity, From: q.From, To: q.To, Limit: q.Limit})
	})
	return s.found(c, v4.CheckResults(q.Identities, lists), err)
}

// eachIdentity reads a list for each identity, in their order.
func eachIdentity[T any](ctx context.Context, identities []string, read func(context.Context, string) ([]T, error)) ([][]T, error) {
	lists := make([][]T, len(identities))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(historyAtOnce)
	for i, identity := range identities {
		g.Go(func() (err error) {
			lists[i], err = read(ctx, identity)
			return err
		})
	}
	return lists, g.Wait()
}
