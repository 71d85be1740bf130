package v4

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/wire"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// wireCheck is a check with its result (Soda Core 4 protocol, check object).
type wireCheck struct {
	Identities map[string]json.RawMessage `json:"identities"`
	CheckPath  string                     `json:"checkPath"`
	Name       string                     `json:"name"`
	Type       string                     `json:"type"`
	CheckType  string                     `json:"checkType"`
	Definition string                     `json:"definition"`
	Attributes []struct {
		Name  string          `json:"name"`
		Value json.RawMessage `json:"value"`
	} `json:"resourceAttributes"`
	Location *struct {
		FilePath string `json:"filePath"`
		Line     int    `json:"line"`
		Col      int    `json:"col"`
	} `json:"location"`
	DataSource  string                     `json:"dataSource"`
	Table       string                     `json:"table"`
	Prefix      []string                   `json:"datasetPrefix"`
	Column      string                     `json:"column"`
	Outcome     string                     `json:"outcome"`
	Source      string                     `json:"source"`
	Diagnostics map[string]json.RawMessage `json:"diagnostics"`
}

func (b *builder) check(path string, raw json.RawMessage) error {
	var w wireCheck
	if err := wire.Decode(path, raw, &w); err != nil {
		return err
	}
	written := readDefinition(w.Definition, w.CheckType)
	r := dq.Result{Check: w.check(written), Excluded: w.Outcome == "excluded"}
	if r.Identity == "" {
		return wire.Bad(path+".checkPath", "is missing, and so is identities.vc1; one of them must name the check")
	}
	if r.Dataset.DataSource == "" {
		r.Dataset.DataSource = b.scan.DataSource
	}
	var err error
	if r.Outcome, err = outcome(path, w.Outcome); err != nil {
		return err
	}
	if err := w.read(&r, written); err != nil {
		return wire.Bad(path+".diagnostics", err.Error())
	}
	b.scan.Results = append(b.scan.Results, r)
	return nil
}

// check is the check apart from its result. Its identity is its path, which is unique within a dataset and a collection of
// checks; the client's own identity has 32 bits only, over unrelated checks too (Soda Core 4 protocol, check identity).
func (w *wireCheck) check(written definition) dq.Check {
	c := dq.Check{
		Identity: w.CheckPath, Name: cmp.Or(w.Name, w.CheckPath, "unnamed check"), Column: w.Column, Source: written.text, Origin: cmp.Or(w.Source, dq.OriginContract),
		Dataset: dq.DatasetRef{DataSource: w.DataSource, Prefix: prefix(w.Prefix), Name: w.Table}, Kind: w.kind(),
	}
	for _, raw := range w.Identities {
		var id string
		if json.Unmarshal(raw, &id) != nil || id == "" {
			continue
		}
		if c.Identity == "" {
			c.Identity = id
		} else {
			c.Aliases = append(c.Aliases, id)
		}
	}
	for _, a := range w.Attributes {
		c.Attributes = append(c.Attributes, dq.Attribute{Name: a.Name, Value: a.Value})
	}
	if w.Location != nil {
		c.Location = &dq.Location{File: w.Location.FilePath, Line: w.Location.Line + 1, Col: w.Location.Col + 1}
	}
	return c
}

// kind is the kind of check; extensions tell theirs by the type, or have words of their own.
func (w *wireCheck) kind() string {
	switch {
	case w.Type == "anomalyDetection":
		return "anomaly"
	case w.CheckType != "":
		return w.CheckType
	case w.Type != "generic":
		return w.Type
	}
	return ""
}

func outcome(path, word string) (dq.Outcome, error) {
	switch word {
	case "pass":
		return dq.Pass, nil
	case "warn":
		return dq.Warn, nil
	case "fail":
		return dq.Fail, nil
	case "unevaluated", "excluded", "notEvaluated", "":
		return dq.NotEvaluated, nil
	}
	return "", wire.Bad(path+".outcome", fmt.Sprintf("%q is none of pass, warn, fail, unevaluated and excluded", dq.Truncate(word, 40)))
}

// read takes value and thresholds out of the diagnostics and keeps the rest (Soda Core 4 protocol, diagnostics).
func (w *wireCheck) read(r *dq.Result, written definition) error {
	if r.Excluded {
		return nil // its bounds are not those of an evaluated check
	}
	rest := make(map[string]json.RawMessage, len(w.Diagnostics))
	for name, raw := range w.Diagnostics {
		rest[name] = raw
	}
	for _, name := range []string{"value", "measure", "fail", "warn"} {
		delete(rest, name)
	}
	w.readValue(r, rest)
	w.readThresholds(r, written)
	w.readMeasure(r, written)
	if w.CheckType == "schema" {
		readSchema(r, rest, written)
	}
	for name, raw := range rest {
		if string(bytes.TrimSpace(raw)) == "null" {
			delete(rest, name)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	var err error
	r.Diagnostics, err = json.Marshal(rest)
	return err
}

// readValue takes the value of a check that has one: of one that could not be evaluated it is 0 and means nothing.
func (w *wireCheck) readValue(r *dq.Result, rest map[string]json.RawMessage) {
	raw := bytes.TrimSpace(w.Diagnostics["value"])
	switch {
	case !r.Outcome.Evaluated():
		if len(raw) > 0 && raw[0] == '"' {
			_ = json.Unmarshal(raw, &r.ValueLabel) // a query that gave a text, which is worth seeing
		}
	case string(raw) == "true":
		r.Value = "1"
	case string(raw) == "false":
		r.Value = "0"
	case len(raw) > 0 && raw[0] == '"':
		_ = json.Unmarshal(raw, &r.ValueLabel)
	default:
		r.Value = wire.Number(raw)
	}
	if w.CheckType == "freshness" && r.Value != "" && !hasNewest(rest["v4"]) {
		r.Value, r.ValueLabel = "", "no time in the column"
	}
}

// hasNewest tells whether a freshness check found a time at all.
func hasNewest(raw json.RawMessage) bool {
	var v4 struct {
		Actual    string `json:"actualTimestamp"`
		ActualUTC string `json:"actualTimestampUtc"`
	}
	_ = json.Unmarshal(raw, &v4) // nothing: no time
	return v4.Actual+v4.ActualUTC != ""
}

// readThresholds takes the bad ranges. An equality has no bounds on the wire, so its number comes from the definition; of a
// warning, clients up to 4.21 send the bounds as those of a failure.
func (w *wireCheck) readThresholds(r *dq.Result, written definition) {
	r.Fail = bounds(w.Diagnostics["fail"], written.level("fail"))
	r.Warn = bounds(w.Diagnostics["warn"], written.level("warn"))
	if _, ok := w.Diagnostics["warn"]; !ok && written.only("warn") {
		r.Warn, r.Fail = bounds(w.Diagnostics["fail"], written.level("warn")), nil
	}
}

func bounds(raw json.RawMessage, written *threshold) *dq.Threshold {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if t := wire.Threshold(raw); t != nil {
		return t
	}
	if written == nil {
		return nil
	}
	return written.equality()
}

// readMeasure tells what the value is in: percent if the definition says so, milliseconds for freshness. Clients before 4.16
// send that in the unit of the threshold.
func (w *wireCheck) readMeasure(r *dq.Result, written definition) {
	switch {
	case string(bytes.TrimSpace(w.Diagnostics["measure"])) == `"time"`:
		r.Measure = wording.MeasureTime
	case w.CheckType == "freshness":
		r.Measure = wording.MeasureTime
		unit := written.unit()
		r.Value = times(r.Value, unit)
		for _, t := range []*dq.Threshold{r.Warn, r.Fail} {
			if t != nil {
				t.GreaterThan, t.GreaterThanOrEqual = times(t.GreaterThan, unit), times(t.GreaterThanOrEqual, unit)
				t.LessThan, t.LessThanOrEqual = times(t.LessThan, unit), times(t.LessThanOrEqual, unit)
			}
		}
	case written.percent():
		r.Measure = wording.MeasurePercent
	}
}

// times multiplies a number by a whole one, to whole ones; what is no number stays.
func times(n json.Number, by int64) json.Number {
	const most = 40 // digits of a number worth converting
	x, ok := new(big.Float).SetString(string(n))
	if !ok || len(n) > most || strings.ContainsAny(string(n), "eE") {
		return n
	}
	whole, _ := x.Mul(x, new(big.Float).SetInt64(by)).Int(nil)
	return json.Number(whole.String())
}
