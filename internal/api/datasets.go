package api

import (
	"net/http"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
)

// datasetRow is a dataset (public API section 1.9), with the warnings that stand on it as members of our own.
type datasetRow struct {
	ID                string         `json:"id"`
	Name              string         `json:"name"`
	CloudURL          string         `json:"cloudUrl"`
	Checks            int            `json:"checks"`
	Incidents         int            `json:"incidents"`
	HealthStatus      int            `json:"healthStatus"`
	DataQualityStatus dq.Outcome     `json:"dataQualityStatus,omitempty"`
	LastUpdated       string         `json:"lastUpdated,omitempty"`
	Label             string         `json:"label"`
	QualifiedName     string         `json:"qualifiedName"`
	Datasource        datasource     `json:"datasource"`
	Tags              []string       `json:"tags"`
	Attributes        map[string]any `json:"attributes"`
	Owners            []any          `json:"owners"`
	// Ours.
	Outcomes     dq.Counts     `json:"outcomes"`
	LastScanID   string        `json:"lastScanId,omitempty"`
	ScanWarning  *scanWarning  `json:"scanWarning,omitempty"`
	ScanWarnings []scanWarning `json:"scanWarnings,omitempty"` // when several definitions warn
	// SameAs is the dataset under the name that the other generation of scanners has for it; lists have it.
	SameAs *otherName `json:"sameAs,omitempty"`
}

type otherName struct {
	ID            string `json:"id"`
	QualifiedName string `json:"qualifiedName"`
}

type datasource struct {
	Name   string `json:"name"`
	Label  string `json:"label"`
	Type   string `json:"type,omitempty"`
	Prefix string `json:"prefix,omitempty"`
}

type scanWarning struct {
	ScanID         string       `json:"scanId"`
	ScanDefinition string       `json:"scanDefinition"`
	State          dq.ScanState `json:"state"`
	Since          string       `json:"since"`
	Why            string       `json:"why,omitempty"`
}

func (s *server) datasetRow(r *http.Request, d *hub.Dataset) datasetRow {
	row := datasetRow{
		ID: d.ID, Name: d.Name, CloudURL: s.link(r, "/datasets/"+d.ID), Checks: d.Counts.Total(), HealthStatus: max(d.Health(), 0),
		DataQualityStatus: quality(d.Counts), LastUpdated: isoTime(d.Updated), Label: d.Name, QualifiedName: d.QualifiedName(),
		Datasource: datasource{Name: d.DataSource, Label: d.DataSource, Type: d.SourceType, Prefix: strings.Join(d.Prefix, "/")}, Tags: []string{}, Attributes: map[string]any{},
		Owners: []any{}, Outcomes: d.Counts, LastScanID: d.LastScan,
	}
	if d.Same != nil {
		row.SameAs = &otherName{ID: d.Same.ID(), QualifiedName: d.Same.QualifiedName()}
	}
	var warnings []scanWarning
	for _, w := range d.Warnings {
		warnings = append(warnings, scanWarning{ScanID: w.ScanID, ScanDefinition: w.Definition, State: w.State, Since: isoTime(w.Since), Why: w.Why})
	}
	if len(warnings) > 0 {
		row.ScanWarning = &warnings[0]
	}
	if len(warnings) > 1 {
		row.ScanWarnings = warnings
	}
	return row
}

// quality is the worst verdict; Soda's enumeration has none for not evaluated.
func quality(c dq.Counts) dq.Outcome {
	if worst := c.Worst(); worst.Evaluated() {
		return worst
	}
	return ""
}

func (s *server) datasets(r *http.Request) (any, error) {
	q := r.URL.Query()
	number, size, err := paging(r, 10, 1000, 10)
	if err != nil {
		return nil, err
	}
	from, err := timeParameter(r, "from")
	if err != nil {
		return nil, err
	}
	found, err := s.Hub.Datasets(r.Context(), hub.DatasetFilter{
		Text: q.Get("search"), DataSource: q.Get("datasourceName"), UpdatedAfter: from, Page: number, Size: size,
	})
	if err != nil {
		return nil, err
	}
	rows := make([]datasetRow, len(found.Rows))
	for i := range found.Rows {
		rows[i] = s.datasetRow(r, &found.Rows[i])
	}
	return pageOf(rows, found.Page, found.Size, found.Total), nil
}

// datasetDetail is one dataset, with what scans learned of it.
type datasetDetail struct {
	datasetRow
	Columns  []dq.Column `json:"columns,omitempty"`
	RowCount *int64      `json:"rowCount,omitempty"`
}

func (s *server) dataset(r *http.Request) (any, error) {
	d, err := s.Hub.Dataset(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return datasetDetail{datasetRow: s.datasetRow(r, &d.Dataset), Columns: d.Schema, RowCount: d.RowCount}, nil
}
