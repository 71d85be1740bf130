package web

import (
	"cmp"
	"context"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
)

// Runs keeps the data sources and scan definitions of scans that the system executes, and their runs.
type Runs interface {
	Sources(ctx context.Context) ([]runs.Source, error)
	Definitions(ctx context.Context) ([]runs.Definition, error)
	DefinitionByID(ctx context.Context, id string) (runs.Definition, error)
	SaveDefinition(ctx context.Context, d runs.Definition, by string) error
	DeleteDefinition(ctx context.Context, d runs.Definition) error
	Start(ctx context.Context, r runs.Request) (runs.Run, error)
	Run(ctx context.Context, id string) (runs.Run, error)
	OpenRuns(ctx context.Context) ([]runs.Run, error)
	Cancel(ctx context.Context, id, by string) (runs.Run, error)
	// Log is what a remote scanner streamed of its log so far.
	Log(ctx context.Context, id string) ([]dq.LogLine, error)
}

type definitionsView struct {
	Rows []definitionRow
	Open []runRow
}

type definitionRow struct {
	ID, Name, Source, Schedule, TimeZone string
	Next                                 template.HTML
}

func (c clock) definitionRow(d *runs.Definition) definitionRow {
	row := definitionRow{ID: dq.DefinitionID(d.Name), Name: d.Name, Source: d.Source, Schedule: d.Schedule}
	if d.Schedule != "" {
		row.TimeZone = cmp.Or(d.TimeZone, "UTC")
	}
	if next := d.Next(c.now); !next.IsZero() {
		row.Next = zonedTime(next)
	}
	return row
}

// zonedTime is a time as clocks in its zone show it.
func zonedTime(t time.Time) template.HTML { return timeTag(t, t.Format("Mon 2 Jan 2006 15:04 MST")) }

func (s *site) definitions(w http.ResponseWriter, r *http.Request) error {
	list, err := s.Runs.Definitions(r.Context())
	if err != nil {
		return err
	}
	v := definitionsView{}
	if v.Open, err = s.openRuns(r.Context(), ""); err != nil {
		return err
	}
	for i := range list {
		v.Rows = append(v.Rows, clock{s.Now()}.definitionRow(&list[i]))
	}
	return s.render(w, r, http.StatusOK, "definitions", view{Title: "Scan definitions", Section: "scans", Body: v})
}

type definitionView struct {
	definitionRow
	Files     []runs.File
	Variables []variable
	Following []template.HTML // the times of the next scheduled runs
	Updated   template.HTML
	UpdatedBy string
	Version   int64
	Open      []runRow
	Scans     []scanRow
	Results   string // where its scans are listed
}

type variable struct{ Name, Value string }

// following is how many of the next scheduled times are shown.
const following = 5

func (s *site) definition(w http.ResponseWriter, r *http.Request) error {
	d, err := s.readDefinition(r)
	if err != nil {
		return err
	}
	if r.URL.Query().Has("edit") {
		return s.editDefinition(w, r, &d)
	}
	c := clock{s.Now()}
	v := definitionView{
		definitionRow: c.definitionRow(&d), Files: d.Files, UpdatedBy: d.UpdatedBy, Updated: c.ago(d.Updated), Version: d.Version,
		Results: "/scans?" + url.Values{"definition": {d.Name}}.Encode(),
	}
	for name, value := range d.Variables {
		v.Variables = append(v.Variables, variable{name, value})
	}
	slices.SortFunc(v.Variables, func(a, b variable) int { return cmp.Compare(a.Name, b.Name) })
	for t := d.Next(c.now); !t.IsZero() && len(v.Following) < following; t = d.Next(t) {
		v.Following = append(v.Following, zonedTime(t))
	}
	if v.Open, err = s.openRuns(r.Context(), d.Name); err != nil {
		return err
	}
	page, err := s.Hub.Scans(r.Context(), hub.ScanFilter{Definition: d.Name, Size: 10})
	if err != nil {
		return err
	}
	v.Scans = c.scanRows(page.Rows)
	return s.render(w, r, http.StatusOK, "definition", view{Title: clip(d.Name, 80), Section: "scans", Body: v})
}

func (s *site) readDefinition(r *http.Request) (runs.Definition, error) {
	id, err := pathID(r)
	if err != nil {
		return runs.Definition{}, err
	}
	return s.Runs.DefinitionByID(r.Context(), id)
}
