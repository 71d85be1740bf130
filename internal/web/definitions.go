package web

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// Runs keeps the scan definitions that the system can execute, and their runs.
type Runs interface {
	Definitions(ctx context.Context) ([]runs.Definition, error)
	DefinitionByID(ctx context.Context, id string) (runs.Definition, error)
	SaveDefinition(ctx context.Context, d runs.Definition, by string) error
	Start(ctx context.Context, r runs.Request) (runs.Run, error)
	Run(ctx context.Context, id string) (runs.Run, error)
	Cancel(ctx context.Context, id, by string) (runs.Run, error)
	// Log is what a remote scanner streamed of its log so far.
	Log(ctx context.Context, id string) ([]dq.LogLine, error)
}

type definitionsView struct {
	Rows []definitionRow
}

type definitionRow struct {
	ID, Name, Source, Schedule, TimeZone string
	Next                                 template.HTML
}

func (c clock) definitionRow(d *runs.Definition) definitionRow {
	row := definitionRow{ID: dq.DefinitionID(d.Name), Name: d.Name, Source: d.Source, Schedule: d.Schedule, TimeZone: d.TimeZone}
	if row.TimeZone == "" && d.Schedule != "" {
		row.TimeZone = "UTC"
	}
	if next := d.Next(c.now); !next.IsZero() {
		row.Next = c.when(next)
	}
	return row
}

func (s *site) definitions(w http.ResponseWriter, r *http.Request) error {
	list, err := s.Runs.Definitions(r.Context())
	if err != nil {
		return err
	}
	var v definitionsView
	for i := range list {
		v.Rows = append(v.Rows, clock{s.Now()}.definitionRow(&list[i]))
	}
	return s.render(w, r, http.StatusOK, "definitions", view{Title: "Scan definitions", Section: "scans", Body: v})
}

type definitionView struct {
	definitionRow
	Files     []runs.File
	Variables []variable
	Updated   template.HTML
	UpdatedBy string
	Scans     []scanRow
	Results   string // where its scans are listed
	// Problems are mistakes of what somebody tried to save.
	Problems []string
	Editing  bool
}

type variable struct{ Name, Value string }

func (s *site) definition(w http.ResponseWriter, r *http.Request) error {
	d, err := s.readDefinition(r)
	if err != nil {
		return err
	}
	v := s.definitionView(&d)
	page, err := s.Hub.Scans(r.Context(), hub.ScanFilter{Definition: d.Name, Size: 10})
	if err != nil {
		return err
	}
	v.Scans = clock{s.Now()}.scanRows(page.Rows)
	v.Editing = r.URL.Query().Has("edit")
	return s.render(w, r, http.StatusOK, "definition", view{Title: clip(d.Name, 80), Section: "scans", Body: v})
}

func (s *site) readDefinition(r *http.Request) (runs.Definition, error) {
	id, err := pathID(r)
	if err != nil {
		return runs.Definition{}, err
	}
	return s.Runs.DefinitionByID(r.Context(), id)
}

func (s *site) definitionView(d *runs.Definition) definitionView {
	c := clock{s.Now()}
	v := definitionView{
		definitionRow: c.definitionRow(d), Files: d.Files, UpdatedBy: d.UpdatedBy, Updated: c.ago(d.Updated),
		Results: "/scans?" + url.Values{"definition": {d.Name}}.Encode(),
	}
	for name, value := range d.Variables {
		v.Variables = append(v.Variables, variable{name, value})
	}
	return v
}

// maxDefinitionForm is how many bytes of an edited definition are read.
const maxDefinitionForm = 2 << 20

// saveDefinition takes an edited definition. Mistakes are shown with file, line and column, above what was typed.
func (s *site) saveDefinition(w http.ResponseWriter, r *http.Request) error {
	d, err := s.readDefinition(r)
	if err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxDefinitionForm)
	if err := r.ParseForm(); err != nil {
		s.problem(w, r, problem{Status: http.StatusRequestEntityTooLarge, Title: "Not saved", Text: "The form could not be read; it may be too large. Nothing was changed."})
		return nil
	}
	d.Schedule, d.TimeZone = strings.TrimSpace(r.PostForm.Get("schedule")), strings.TrimSpace(r.PostForm.Get("zone"))
	for i := range d.Files {
		d.Files[i].Text = strings.ReplaceAll(r.PostForm.Get("file"+strconv.Itoa(i)), "\r\n", "\n")
	}
	err = s.Runs.SaveDefinition(r.Context(), d, s.user(r))
	if errors.Is(err, runs.ErrInvalid) {
		v := s.definitionView(&d)
		v.Editing, v.Problems = true, strings.Split(strings.TrimPrefix(err.Error(), runs.ErrInvalid.Error()+": "), "\n")
		return s.render(w, r, http.StatusUnprocessableEntity, "definition", view{Title: clip(d.Name, 80), Section: "scans", Body: v})
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/definitions/"+r.PathValue("id"), http.StatusSeeOther)
	return nil
}

// runDefinition starts a scan and goes to its page.
func (s *site) runDefinition(w http.ResponseWriter, r *http.Request) error {
	d, err := s.readDefinition(r)
	if err != nil {
		return err
	}
	run, err := s.Runs.Start(r.Context(), runs.Request{Definition: d.Name, Trigger: runs.ByPage, By: s.user(r)})
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
	Open, CanCancel                bool
	Requested, Started, Ended      template.HTML
	By, Why                        string
	Done, Total                    int
	Percent                        string
	Progress                       string
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
		Open: !state.Finished(), CanCancel: run.Trigger != runs.ByScanner && (state == dq.Queuing || state == dq.Executing), Requested: c.ago(run.Requested), Started: c.ago(run.Started), Ended: c.ago(run.Ended),
		By: run.By, Why: run.Why, Done: run.Done, Total: run.Total, Streamed: run.Trigger == runs.ByScanner,
		Log: newLogView(newAddress("/scans/"+id, r.URL.Query(), "level", "q", "log"), lines),
	}
	if run.Total > 0 {
		v.Progress = strconv.Itoa(run.Done) + " of " + wording.Count(run.Total, "statement")
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
