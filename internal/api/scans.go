package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
)

// scanRow is a scan (public API section 1.10).
type scanRow struct {
	ID             string         `json:"id"`
	CloudURL       string         `json:"cloudUrl"`
	State          dq.ScanState   `json:"state"`
	Created        string         `json:"created"`
	ScanDefinition scanDefinition `json:"scanDefinition"`
	Submitted      string         `json:"submitted,omitempty"`
	Started        string         `json:"started,omitempty"`
	Ended          string         `json:"ended,omitempty"`
	ScanTime       string         `json:"scanTime,omitempty"`
	Errors         int            `json:"errors"`
	Failures       int            `json:"failures"`
	Warnings       int            `json:"warnings"`
	Checks         []scanCheck    `json:"checks,omitzero"` // of one scan, not in lists
	// Ours: the first datasets, and why the scan did not run cleanly.
	Datasets []string `json:"datasets,omitempty"`
	Why      string   `json:"why,omitempty"`
	// ContractDatasetCloudURL is the page of the dataset whose contract was verified.
	ContractDatasetCloudURL string `json:"contractDatasetCloudUrl,omitempty"`
}

// pollAfter is when a client that waits for a scan should ask again.
const pollAfter = 3 * time.Second

// setHeaders says when to ask again for a scan that goes on (Soda Core 4 protocol, scan status). The time has whole seconds and
// must lie in the future.
func (row scanRow) setHeaders(h http.Header) {
	if !row.State.Finished() {
		h.Set("X-Soda-Next-Poll-Time", time.Now().Add(pollAfter).UTC().Format(time.RFC3339))
	}
}

type scanDefinition struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type scanCheck struct {
	ID               string     `json:"id"`
	EvaluationStatus dq.Outcome `json:"evaluationStatus"`
}

func (s *server) headRow(r *http.Request, h *hub.ScanHead) scanRow {
	return scanRow{
		ID: h.ID, CloudURL: s.link(r, "/scans/"+h.ID), State: h.State, Created: isoTime(h.Received), Submitted: isoTime(h.Started),
		ScanDefinition: scanDefinition{ID: dq.DefinitionID(h.Definition), Name: h.Definition}, Started: isoTime(h.Started), Ended: isoTime(h.Ended),
		ScanTime: isoTime(h.DataTime), Errors: h.Errors, Failures: h.Counts.Fail, Warnings: h.Counts.Warn, Datasets: h.Datasets, Why: h.Why,
	}
}

func (s *server) scan(r *http.Request) (any, error) {
	scan, err := s.Hub.Scan(r.Context(), r.PathValue("id"))
	if errors.Is(err, hub.ErrNotFound) {
		return s.runRow(r)
	}
	if err != nil {
		return nil, err
	}
	counts := scan.Counts()
	row := scanRow{
		ID: scan.ID, CloudURL: s.link(r, "/scans/"+scan.ID), State: scan.State, Created: isoTime(scan.Received), Submitted: isoTime(scan.Started),
		ScanDefinition: scanDefinition{ID: dq.DefinitionID(scan.Definition), Name: scan.Definition}, Started: isoTime(scan.Started), Ended: isoTime(scan.Ended),
		ScanTime: isoTime(scan.Order().Data), Errors: scan.Errors(), Failures: counts.Fail, Warnings: counts.Warn, Checks: []scanCheck{}, Why: scan.Why(),
	}
	for _, res := range scan.Results {
		if !res.Excluded {
			row.Checks = append(row.Checks, scanCheck{ID: dq.CheckID(res.Dataset.ID(), scan.Definition, res.Identity), EvaluationStatus: res.Outcome})
		}
	}
	if scan.Contract != nil && len(scan.Covers) == 1 {
		row.ContractDatasetCloudURL = s.link(r, "/datasets/"+scan.Covers[0].ID())
	}
	for _, d := range scan.Datasets() {
		row.Datasets = append(row.Datasets, d.QualifiedName())
	}
	return row, nil
}

// runRow is a scan that this system executes, before its result is there.
func (s *server) runRow(r *http.Request) (any, error) {
	run, err := s.Runs.Run(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return scanRow{
		ID: run.ID, CloudURL: s.link(r, "/scans/"+run.ID), State: run.Shown(), Created: isoTime(run.Requested), Submitted: isoTime(run.Requested),
		ScanDefinition: scanDefinition{ID: dq.DefinitionID(run.Definition), Name: run.Definition}, Started: isoTime(run.Started), Ended: isoTime(run.Ended),
		ScanTime: isoTime(run.DataTime), Checks: []scanCheck{}, Why: run.Why,
	}, nil
}

// maxForm is how many bytes of a form are read.
const maxForm = 16 << 10

// startScan starts a scan definition (public API section 1.10). It is named by its name, or by its id.
func (s *server) startScan(w http.ResponseWriter, r *http.Request, by string) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return failure(http.StatusBadRequest, "invalid_body", "The body must be a form (application/x-www-form-urlencoded): scanDefinition=NAME.")
	}
	name := r.PostForm.Get("scanDefinition")
	if name == "" {
		return failure(http.StatusBadRequest, "invalid_parameter", "scanDefinition is missing: send the name of a scan definition as a form.")
	}
	var dataTime time.Time
	if text := r.PostForm.Get("dataTimestamp"); text != "" {
		var err error
		if dataTime, err = readTime("dataTimestamp", text); err != nil {
			return err
		}
	}
	if d, err := s.Runs.DefinitionByID(r.Context(), name); err == nil {
		name = d.Name
	}
	run, err := s.Runs.Start(r.Context(), runs.Request{Definition: name, Trigger: runs.ByAPI, By: by, DataTime: dataTime})
	if errors.Is(err, runs.ErrNotFound) {
		return failure(http.StatusBadRequest, "invalid_parameter", "scanDefinition: %q is no definition that can be started here. Those that exist only because a scanner pushed results cannot; see sodalite definitions apply.", dq.Truncate(name, 100))
	}
	if errors.Is(err, runs.ErrTooMany) {
		return failure(http.StatusTooManyRequests, "too_many_requests", "%s.", err)
	}
	if err != nil && run.ID == "" {
		return err
	}
	if err != nil { // queued, and tried again by the next tick
		s.Log.WarnContext(r.Context(), "run is queued but was not started", "run", run.ID, "error", err)
	}
	w.Header().Set("Location", s.link(r, "/api/v1/scans/"+run.ID))
	w.Header().Set("X-Soda-Scan-Id", run.ID)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// cancelScan ends a scan that this system executes: at once while it is queued, else as soon as it can be.
func (s *server) cancelScan(w http.ResponseWriter, r *http.Request, by string) error {
	run, err := s.Runs.Cancel(r.Context(), r.PathValue("id"), "By "+by+".")
	if errors.Is(err, runs.ErrFinished) {
		return failure(http.StatusBadRequest, "invalid_state", "The scan has ended (%s) and cannot be canceled.", run.State)
	}
	if errors.Is(err, runs.ErrRemote) {
		return failure(http.StatusBadRequest, "invalid_state", "A scanner elsewhere runs this scan; it can only be stopped there.")
	}
	if errors.Is(err, runs.ErrNotFound) {
		if _, scan := s.Hub.Scan(r.Context(), r.PathValue("id")); scan == nil {
			return failure(http.StatusBadRequest, "invalid_state", "A scanner elsewhere ran this scan; it has ended and cannot be canceled.")
		}
	}
	if err != nil {
		return err
	}
	w.Header().Set("Location", s.link(r, "/api/v1/scans/"+run.ID))
	w.WriteHeader(http.StatusOK)
	return nil
}

// logLine is a line of a scan's log, oldest first.
type logLine struct {
	Index     int    `json:"index"`
	Level     string `json:"level"`
	Message   string `json:"message"`
	Timestamp string `json:"timestamp"`
}

func (s *server) logs(r *http.Request) (any, error) {
	number, size, err := paging(r, 100, 1000, 1000)
	if err != nil {
		return nil, err
	}
	log, err := s.log(r)
	if err != nil {
		return nil, err
	}
	lines := []logLine{}
	for i := number * size; i < min(len(log), (number+1)*size); i++ {
		l := log[i]
		lines = append(lines, logLine{Index: l.Index, Level: l.Level, Message: l.Message, Timestamp: isoTime(l.Time)})
	}
	return pageOf(lines, number, size, len(log)), nil
}

// log is that of the scan and what was streamed of it. A run without a result has what was streamed of it, or else what is
// known of its life.
func (s *server) log(r *http.Request) ([]dq.LogLine, error) {
	id := r.PathValue("id")
	scan, err := s.Hub.Scan(r.Context(), id)
	var run runs.Run
	if errors.Is(err, hub.ErrNotFound) {
		run, err = s.Runs.Run(r.Context(), id)
	}
	if err != nil {
		return nil, err
	}
	streamed, err := s.Runs.Log(r.Context(), id)
	if err != nil {
		return nil, err
	}
	if run.ID != "" && run.Trigger != runs.ByScanner && len(streamed) == 0 {
		return run.Told(), nil
	}
	return runs.JoinLogs(streamed, scan.Logs), nil
}

// scansWindow is how many of the newest scans the list counts and pages through; Next leads beyond.
const scansWindow = 1000

// scanPage is the envelope of the scans list, which is ours, with a cursor to older scans.
type scanPage struct {
	page
	Next string `json:"next,omitempty"`
}

// scans lists scans, newest arrival first. Totals count the newest 1,000; older ones are reached by before=next.
func (s *server) scans(r *http.Request) (any, error) {
	q := r.URL.Query()
	number, size, err := paging(r, 1, scansWindow, 10)
	if err != nil {
		return nil, err
	}
	if (number+1)*size > scansWindow {
		return nil, failure(http.StatusBadRequest, "invalid_parameter", "page: the list ends after %d scans; go on with before= the member next of the last page.", scansWindow)
	}
	found, err := s.Hub.Scans(r.Context(), hub.ScanFilter{
		Definition: q.Get("scanDefinition"), State: dq.ScanState(q.Get("state")), Before: q.Get("before"), Size: scansWindow,
	})
	if err != nil {
		return nil, err
	}
	rows := []scanRow{}
	from := min(number*size, len(found.Rows))
	to := min(from+size, len(found.Rows))
	for i := from; i < to; i++ {
		rows = append(rows, s.headRow(r, &found.Rows[i]))
	}
	p := scanPage{page: pageOf(rows, number, size, len(found.Rows))}
	if to < len(found.Rows) {
		p.Next = found.Rows[to-1].Cursor()
	} else {
		p.Next = found.Next
	}
	return p, nil
}
