package web

import (
	"cmp"
	"context"
	"errors"
	"html/template"
	"net/http"
	"slices"

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
	Contract    *contractView
	Same, Like  []datasetLink // the dataset under another name; others of its name
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
	d, err := s.joined(r.Context(), id)
	if scan := r.URL.Query().Get("scan"); errors.Is(err, hub.ErrNotFound) && validID(scan) { // not digested yet
		http.Redirect(w, r, "/scans/"+scan, http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	a := newAddress("/datasets/"+id, r.URL.Query(), "page", "since")
	filter := hub.CheckFilter{DatasetID: id, OrDatasets: datasetIDs(d.kin.Same), Sort: "outcome", Page: a.number("page", maxPages) - 1, Size: 100}
	checks, err := s.Hub.Checks(r.Context(), filter)
	if err != nil {
		return err
	}
	contract, err := s.contract(r.Context(), a, d.contractOf, d.Verified, d.VerifiedBy)
	if err != nil {
		return err
	}
	now := clock{s.Now()}
	v := datasetView{
		Contract: contract, Same: datasetLinks(d.kin.Same), Like: datasetLinks(d.kin.Like),
		Row: now.datasetRow(&d.Dataset), Checks: now.checkTable("Checks of this dataset", checks.Rows, nil),
		Pager:     newPager(a, "page", "check", filter.Page+1, filter.Size, checks.Total),
		CheckList: address{path: "/checks"}.with("dataset", d.Name, "source", d.DataSource).String(),
		Scans:     now.scanRows(d.scans), Schema: d.Schema, SchemaAt: at(d.SchemaAt),
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

// joined is a dataset with what is known of it under its other names.
type joined struct {
	hub.DatasetDetail
	kin   hub.Kin
	scans []hub.ScanHead
	// contractOf is the id under which its contract is kept: contracts name the containers.
	contractOf string
}

func (s *site) joined(ctx context.Context, id string) (j joined, err error) {
	if j.DatasetDetail, err = s.Hub.Dataset(ctx, id); err != nil {
		return j, err
	}
	if j.scans, err = s.Hub.DatasetScans(ctx, id, datasetScansShown); err != nil {
		return j, err
	}
	if j.kin, err = s.Hub.Kin(ctx, j.DatasetRef); err != nil {
		return j, err
	}
	j.contractOf = id
	for _, same := range j.kin.Same {
		if len(j.Prefix) == 0 {
			j.contractOf = same.ID()
		}
		other, err := s.Hub.Dataset(ctx, same.ID())
		if err != nil {
			return j, err
		}
		scans, err := s.Hub.DatasetScans(ctx, same.ID(), datasetScansShown)
		if err != nil {
			return j, err
		}
		j.join(&other, scans)
	}
	return j, nil
}

// join adds what is known under another name. What a name can have one of only, the first has.
func (j *joined) join(d *hub.DatasetDetail, scans []hub.ScanHead) {
	j.Counts = j.Counts.Plus(d.Counts)
	j.Warnings = append(j.Warnings, d.Warnings...)
	j.Definitions = append(j.Definitions, d.Definitions...)
	if d.LastData.After(j.LastData) {
		j.LastScan, j.LastScanState, j.LastData = d.LastScan, d.LastScanState, d.LastData
	}
	if j.Schema == nil {
		j.Schema, j.SchemaAt = d.Schema, d.SchemaAt
	}
	if j.Profile == nil {
		j.Profile, j.RowCount = d.Profile, d.RowCount
	}
	j.SourceType, j.Sample = cmp.Or(j.SourceType, d.SourceType), cmp.Or(j.Sample, d.Sample)
	if j.Verified == nil {
		j.Verified, j.VerifiedBy = d.Verified, d.VerifiedBy
	}
	j.scans = append(j.scans, scans...)
	slices.SortStableFunc(j.scans, func(a, b hub.ScanHead) int { return b.DataTime.Compare(a.DataTime) })
	j.scans = j.scans[:min(len(j.scans), datasetScansShown)]
}

func datasetIDs(list []dq.DatasetRef) []string {
	ids := make([]string, len(list))
	for i, d := range list {
		ids[i] = d.ID()
	}
	return ids
}

func datasetLinks(list []dq.DatasetRef) []datasetLink {
	links := make([]datasetLink, len(list))
	for i, d := range list {
		links[i] = datasetLink{d.ID(), d.QualifiedName()}
	}
	return links
}
