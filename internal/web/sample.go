package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"regexp"

	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// Bounds of a sample on a page.
const (
	sampleRows  = 200
	sampleCells = 100
)

type sampleView struct {
	ID       string
	Received template.HTML
	Rows     string
	Head     []string
	Table    [][]sampleCell
	Note     string
	// BackHref leads to the check or dataset that the rows belong to.
	BackHref, BackText string
}

type sampleCell struct {
	Text string
	Null bool
}

func (s *site) sample(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	sample, err := s.Hub.Sample(r.Context(), id)
	if err != nil {
		return err
	}
	now := clock{s.Now()}
	v := sampleView{ID: id, Received: now.when(sample.Received), Rows: wording.Count(sample.Rows, "row")}
	if err := s.sampleOrigin(r.Context(), r, id, &v); err != nil {
		return err
	}
	v.Table, v.Note = readSample(sample.Data)
	v.fillHead()
	return s.render(w, r, http.StatusOK, "sample", view{Title: "Sample of rows", Section: "checks", Body: v})
}

// sampleOrigin finds the names of the columns, which a sample does not have itself, at the check or dataset that links to it.
func (s *site) sampleOrigin(ctx context.Context, r *http.Request, id string, v *sampleView) error {
	if checkID := r.URL.Query().Get("check"); validID(checkID) {
		c, err := s.Hub.Check(ctx, checkID)
		if err == nil {
			v.Head, v.BackHref, v.BackText = sampleColumns(c.Diagnostics, id), "/checks/"+checkID, c.Name
		}
		return ignoreMissing(err)
	}
	if datasetID := r.URL.Query().Get("dataset"); validID(datasetID) {
		d, err := s.Hub.Dataset(ctx, datasetID)
		if err == nil {
			for _, column := range d.Schema {
				v.Head = append(v.Head, column.Name)
			}
			v.BackHref, v.BackText = "/datasets/"+datasetID, datasetName(d.DatasetRef)
		}
		return ignoreMissing(err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, hub.ErrNotFound) {
		return nil
	}
	return err
}

// fillHead numbers the columns if their names are not known, or are those of another shape.
func (v *sampleView) fillHead() {
	width := 0
	for _, row := range v.Table {
		width = max(width, len(row))
	}
	if len(v.Head) == width {
		return
	}
	v.Head = nil
	for i := range width {
		v.Head = append(v.Head, "Column "+digits(i+1))
	}
}

// readSample reads rows of JSON Lines, each an array. A line that is none is shown as it is.
func readSample(data []byte) (table [][]sampleCell, note string) {
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if len(table) == sampleRows {
			return table, "Only the first " + digits(sampleRows) + " rows are shown."
		}
		row, cut := readRow(line)
		if cut {
			note = "Only the first " + digits(sampleCells) + " columns are shown."
		}
		table = append(table, row)
	}
	return table, note
}

// bareNumbers finds the numbers that Python writes and JSON does not know. Strings are matched, too, and kept.
var bareNumbers = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|-?Infinity|NaN`)

func readRow(line []byte) (row []sampleCell, cut bool) {
	var values []json.RawMessage
	if json.Unmarshal(line, &values) != nil {
		quoted := bareNumbers.ReplaceAllFunc(line, func(m []byte) []byte {
			if m[0] == '"' {
				return m
			}
			return []byte(`"` + string(m) + `"`)
		})
		if json.Unmarshal(quoted, &values) != nil {
			return []sampleCell{{Text: clip(string(bytes.ToValidUTF8(line, []byte("�"))), maxCell)}}, false
		}
	}
	if len(values) > sampleCells {
		values, cut = values[:sampleCells], true
	}
	for _, v := range values {
		row = append(row, newSampleCell(v))
	}
	return row, cut
}

// newSampleCell shows numbers as they came: they are data, not measurements.
func newSampleCell(raw json.RawMessage) sampleCell {
	if string(raw) == "null" {
		return sampleCell{Text: "null", Null: true}
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return sampleCell{Text: clip(s, maxCell)}
	}
	return sampleCell{Text: clip(string(raw), maxCell)}
}
