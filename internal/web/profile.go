package web

import (
	"encoding/json"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// maxProfiled is how many columns a page shows the profiles of.
const maxProfiled = 300

type profileRow struct {
	Column    string
	Missing   string
	Distinct  string
	Min, Max  string
	Mean, Dev string
	Length    string
	Frequent  []fact
	Histogram template.HTML
}

type columnProfile struct {
	Name    string `json:"columnName"`
	Profile struct {
		Min       json.RawMessage `json:"min"`
		Max       json.RawMessage `json:"max"`
		Avg       json.RawMessage `json:"avg"`
		Stddev    json.RawMessage `json:"stddev"`
		Distinct  json.RawMessage `json:"distinct"`
		Missing   json.RawMessage `json:"missing_count"`
		AvgLength json.RawMessage `json:"avg_length"`
		MinLength json.RawMessage `json:"min_length"`
		MaxLength json.RawMessage `json:"max_length"`
		Frequent  []struct {
			Value     json.RawMessage `json:"value"`
			Frequency json.RawMessage `json:"frequency"`
		} `json:"frequent_values"`
		Histogram *struct {
			Boundaries  []json.RawMessage `json:"boundaries"`
			Frequencies []float64         `json:"frequencies"`
		} `json:"histogram"`
	} `json:"profile"`
}

// readProfile makes rows of column profiles as they were sent. What can't be read as such is given as JSON.
func readProfile(raw json.RawMessage) (rows []profileRow, note, rest string) {
	if len(raw) == 0 || isBlank(raw) {
		return nil, "", ""
	}
	var columns []columnProfile
	if json.Unmarshal(raw, &columns) != nil {
		return nil, "", pretty(raw)
	}
	if len(columns) > maxProfiled {
		note = "Only the first " + digits(maxProfiled) + " of " + digits(len(columns)) + " columns are shown."
		columns = columns[:maxProfiled]
	}
	for i := range columns {
		rows = append(rows, columns[i].row())
	}
	return rows, note, ""
}

func (c *columnProfile) row() profileRow {
	p := &c.Profile
	r := profileRow{
		Column: c.Name, Missing: plainValue(p.Missing), Distinct: plainValue(p.Distinct), Min: plainValue(p.Min), Max: plainValue(p.Max),
		Mean: plainValue(p.Avg), Dev: plainValue(p.Stddev),
	}
	if least, most := plainValue(p.MinLength), plainValue(p.MaxLength); least+most != "" {
		r.Length = least + " to " + most
		if mean := plainValue(p.AvgLength); mean != "" {
			r.Length += ", mean " + mean
		}
	}
	for _, f := range p.Frequent[:min(len(p.Frequent), 5)] {
		r.Frequent = append(r.Frequent, fact{clip(plainValue(f.Value), maxShort), plainValue(f.Frequency)})
	}
	if p.Histogram != nil && len(p.Histogram.Frequencies) > 0 {
		r.Histogram = histogram(p.Histogram.Frequencies, c.Name)
	}
	return r
}

// plainValue is a JSON value as text: numbers in words, strings without quotes, nothing for null.
func plainValue(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if text, ok := scalar(raw); ok {
		return text
	}
	return clip(string(raw), maxShort)
}

func histogram(frequencies []float64, column string) template.HTML {
	const width, height = 120.0, 24.0
	frequencies = frequencies[:min(len(frequencies), 60)]
	most := 0.0
	for _, f := range frequencies {
		most = math.Max(most, f)
	}
	if most <= 0 || math.IsInf(most, 0) {
		return ""
	}
	var b strings.Builder
	b.WriteString(`<svg class="histogram" viewBox="0 0 120 24" width="120" height="24" role="img" aria-label="Histogram of ` + escape(clip(column, maxShort)) + `">`)
	step := width / float64(len(frequencies))
	for i, f := range frequencies {
		h := math.Max(f, 0) / most * height
		b.WriteString(`<rect x="` + tenth(float64(i)*step) + `" y="` + tenth(height-h) + `" width="` + tenth(math.Max(step-1, 0.8)) + `" height="` + tenth(h) + `"/>`)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

func tenth(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }
