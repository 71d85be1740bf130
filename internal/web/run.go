package web

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// runRow is a run that has not ended, in a list.
type runRow struct {
	ID, Definition, By, Progress string
	State                        template.HTML
	Requested                    template.HTML
}

// openRuns lists the runs that have not ended, of one definition or, if it is "", of all.
func (s *site) openRuns(ctx context.Context, definition string) ([]runRow, error) {
	open, err := s.Runs.OpenRuns(ctx)
	if err != nil {
		return nil, err
	}
	c := clock{s.Now()}
	var rows []runRow
	for _, r := range open {
		if definition == "" || r.Definition == definition {
			rows = append(rows, runRow{ID: r.ID, Definition: r.Definition, By: askedBy(&r), Progress: progressText(&r), State: stateBadge(r.Shown()), Requested: c.ago(r.Requested)})
		}
	}
	return rows, nil
}

// askedBy is who wanted a run.
func askedBy(r *runs.Run) string {
	switch r.Trigger {
	case runs.BySchedule:
		return "its schedule"
	case runs.ByEvent:
		return "an event"
	case runs.ByAPI, runs.ByScanner:
		return "API key " + r.By
	}
	return r.By
}

func progressText(r *runs.Run) string {
	if r.Total == 0 {
		return ""
	}
	return strconv.Itoa(r.Done) + " of " + wording.Count(r.Total, "statement")
}

// runDefinition starts a scan and goes to its page.
func (s *site) runDefinition(w http.ResponseWriter, r *http.Request) error {
	d, err := s.readDefinition(r)
	if err != nil {
		return err
	}
	run, err := s.Runs.Start(r.Context(), runs.Request{Definition: d.Name, Trigger: runs.ByPage, By: s.user(r)})
	if errors.Is(err, runs.ErrTooMany) {
		s.problem(w, r, problem{Status: http.StatusTooManyRequests, Title: "Not started", Text: "Enough runs of this scan definition wait already. Cancel some, or wait until they have run."})
		return nil
	}
	if run.ID == "" {
		return err
	}
	if err != nil { // queued, and tried again by the next tick
		s.Log.WarnContext(r.Context(), "run is queued but was not started", "run", run.ID, "error", err)
	}
	http.Redirect(w, r, "/scans/"+run.ID, http.StatusSeeOther)
	return nil
}

func (s *site) cancelRun(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if _, err := s.Runs.Cancel(r.Context(), id, "By "+s.user(r)+"."); err != nil && !errors.Is(err, runs.ErrFinished) && !errors.Is(err, runs.ErrRemote) {
		return err
	}
	http.Redirect(w, r, "/scans/"+id, http.StatusSeeOther)
	return nil
}

type runView struct {
	ID, Definition, DefinitionHref string
	State                          template.HTML
	Open, Queued, CanCancel        bool
	Requested, Started, Ended      template.HTML
	By, Why                        string
	Done, Total                    int
	Progress                       string
	Part                           string // of a run that takes several
	Log                            logView
	Streamed                       bool // whether a scanner elsewhere runs it
}

// run is the page of a scan whose result is not there yet, or never will be. It shows itself again until it is.
func (s *site) run(w http.ResponseWriter, r *http.Request, id string) error {
	run, err := s.Runs.Run(r.Context(), id)
	if err != nil {
		return err
	}
	c := clock{s.Now()}
	state := run.Shown()
	lines, err := s.Runs.Log(r.Context(), id)
	if err != nil {
		return err
	}
	v := runView{
		ID: id, Definition: run.Definition, DefinitionHref: "/definitions/" + dq.DefinitionID(run.Definition), State: stateBadge(state),
		Open: !state.Finished(), Queued: state == dq.Queuing, CanCancel: run.Trigger != runs.ByScanner && (state == dq.Queuing || state == dq.Executing),
		Requested: c.ago(run.Requested), Started: c.ago(run.Started), Ended: c.ago(run.Ended),
		By: askedBy(&run), Why: run.Why, Done: run.Done, Total: run.Total, Progress: progressText(&run), Streamed: run.Trigger == runs.ByScanner,
		Log: newLogView(newAddress("/scans/"+id, r.URL.Query(), "level", "q", "log"), lines),
	}
	if run.Parts > 0 {
		v.Part = strconv.Itoa(run.Parts + 1)
	}
	page := view{Title: strings.TrimSpace(clip(run.Definition, 80) + " scan"), Section: "scans", Body: v}
	if v.Open {
		page.Refresh = 2
	}
	if v.Open && v.Streamed {
		page.Refresh = 5 // as often as scanners send lines
	}
	return s.render(w, r, http.StatusOK, "run", page)
}
