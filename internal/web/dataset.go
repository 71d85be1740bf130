package web

import (
	"html/template"
	"net/http"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
)

// datasetScansShown is how many of its scans a dataset's page lists.
const datasetScansShown = 15

type datasetView struct {
	Row         datasetRow
	Definitions []attributeLink
	RowCount    string
	Sample      string // address
	Checks      checkTable
	Pager       pager
	CheckList   string // the address of the dashboard for this dataset only
	Scans       []scanRow
	Schema      []dq.Column
	SchemaAt    template.HTML
	Profile     []profileRow
	ProfileNote string
	ProfileRest string
}

func (s *site) dataset(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	d, err := s.Hub.Dataset(r.Context(), id)
	if err != nil {
		return err
	}
	a := newAddress("/datasets/"+id, r.URL.Query(), "page")
	filter := hub.CheckFilter{DatasetID: id, Sort: "outcome", Page: a.number("page", maxPages) - 1, Size: 100}
	checks, err := s.Hub.Checks(r.Context(), filter)
	if err != nil {
		return err
	}
	scans, err := s.Hub.DatasetScans(r.Context(), id, datasetScansShown)
	if err != nil {
		return err
	}
	now := clock{s.Now()}
	v := datasetView{
		Row: now.datasetRow(&d.Dataset), Checks: now.checkTable("Checks of this dataset", checks.Rows, nil),
		Pager:     newPager(a, "page", "check", filter.Page+1, filter.Size, checks.Total),
		CheckList: address{path: "/checks"}.with("dataset", d.Name, "source", d.DataSource).String(),
		Scans:     now.scanRows(scans), Schema: d.Schema, SchemaAt: at(d.SchemaAt),
	}
	for _, name := range d.Definitions {
		v.Definitions = append(v.Definitions, attributeLink{Value: name, Href: address{path: "/scans"}.with("definition", name).String()})
	}
	if d.RowCount != nil {
		v.RowCount = digits(int(*d.RowCount))
	}
	if validID(d.Sample) {
		v.Sample = address{path: "/samples/" + d.Sample}.with("dataset", id).String()
	}
	v.Profile, v.ProfileNote, v.ProfileRest = readProfile(d.Profile)
	return s.render(w, r, http.StatusOK, "dataset", view{Title: clip(datasetName(d.DatasetRef), 80), Section: "datasets", Body: v})
}
