package v3

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/wire"
)

// kindDBT is the kind of checks that came from dbt's tests.
const kindDBT = "test"

type wireCheck struct {
	Identity           string                     `json:"identity"`
	Identities         map[string]json.RawMessage `json:"identities"`
	MigratedIdentities map[string]json.RawMessage `json:"migratedIdentities"`
	Name               string                     `json:"name"`
	Type               string                     `json:"type"`
	Definition         string                     `json:"definition"`
	ResourceAttributes []struct {
		Name  string          `json:"name"`
		Value json.RawMessage `json:"value"`
	} `json:"resourceAttributes"`
	Location       *wireLocation              `json:"location"`
	DataSource     string                     `json:"dataSource"`
	Table          *string                    `json:"table"`
	Column         *string                    `json:"column"`
	Metrics        []string                   `json:"metrics"`
	Outcome        *string                    `json:"outcome"`
	Diagnostics    map[string]json.RawMessage `json:"diagnostics"`
	Source         string                     `json:"source"`
	OutcomeReasons []struct {
		Code     string `json:"code"`
		Message  string `json:"message"`
		Severity string `json:"severity"`
	} `json:"outcomeReasons"`
	Group *struct {
		Identity      string `json:"identity"`
		Name          string `json:"name"`
		DistinctLabel string `json:"distinctLabel"`
	} `json:"group"`
}

func (b *builder) check(path string, raw json.RawMessage, metricNames map[string]string) error {
	var w wireCheck
	if err := wire.Decode(path, raw, &w); err != nil {
		return err
	}
	r := dq.Result{Check: w.check(), Metrics: w.Metrics}
	if r.Dataset.DataSource == "" {
		r.Dataset.DataSource = b.scan.DataSource
	}
	if r.Identity == "" {
		return wire.Bad(path+".identity", "is missing")
	}
	if r.Name == "" {
		r.Name = firstLine(w.Definition)
	}
	var err error
	if r.Outcome, err = outcome(path, w.Outcome); err != nil {
		return err
	}
	for _, reason := range w.OutcomeReasons {
		r.Reasons = append(r.Reasons, dq.Reason{Code: reason.Code, Message: reason.Message, Severity: reason.Severity})
	}
	r.Kind = kind(&w, metricNames)
	if r.Kind == kindDBT {
		delete(w.Diagnostics, "value") // always 0, and measured by nobody (protocol section 11)
	}
	if err := readDiagnostics(&r, w.Diagnostics); err != nil {
		return wire.Bad(path+".diagnostics", err.Error())
	}
	if b.owner == nil {
		b.owner = map[string]dq.DatasetRef{}
	}
	for _, m := range w.Metrics {
		if _, ok := b.owner[m]; !ok {
			b.owner[m] = r.Dataset
		}
	}
	b.scan.Results = append(b.scan.Results, r)
	return nil
}

func (w *wireCheck) check() dq.Check {
	c := dq.Check{
		Identity: w.Identity, Name: w.Name, Column: wire.Text(w.Column), Source: w.Definition, Location: w.Location.location(),
		Dataset: dq.DatasetRef{DataSource: w.DataSource, Name: wire.Text(w.Table)},
	}
	// A custom identity (v4) is the only one that survives a change of the threshold.
	if v4 := identity(w.Identities["v4"]); v4 != "" {
		c.Identity = v4
	}
	seen := map[string]bool{c.Identity: true}
	for _, set := range []map[string]json.RawMessage{w.Identities, w.MigratedIdentities} {
		for _, version := range []string{"v4", "v3", "v2", "v1"} {
			if id := identity(set[version]); id != "" && !seen[id] {
				seen[id] = true
				c.Aliases = append(c.Aliases, id)
			}
		}
	}
	if c.Identity == "" && len(c.Aliases) > 0 {
		c.Identity, c.Aliases = c.Aliases[0], c.Aliases[1:]
	}
	for _, a := range w.ResourceAttributes {
		c.Attributes = append(c.Attributes, dq.Attribute{Name: a.Name, Value: a.Value})
	}
	if w.Group != nil {
		c.Group = &dq.Group{Identity: w.Group.Identity, Name: w.Group.Name, Label: w.Group.DistinctLabel}
	}
	return c
}

// identity reads an identity that may be any JSON string; anything else is none.
func identity(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // null, a number or nothing: no identity
	return s
}

func firstLine(definition string) string {
	_, line, _ := strings.Cut(definition, "\n")
	line, _, _ = strings.Cut(strings.TrimSpace(line), "\n")
	if line = strings.TrimSuffix(strings.TrimPrefix(line, "- "), ":"); line != "" {
		return line
	}
	return "unnamed check"
}

func outcome(path string, o *string) (dq.Outcome, error) {
	switch strings.ToLower(wire.Text(o)) {
	case "":
		return dq.NotEvaluated, nil
	case "pass":
		return dq.Pass, nil
	case "warn":
		return dq.Warn, nil
	case "fail":
		return dq.Fail, nil
	}
	return "", wire.Bad(path+".outcome", "is none of pass, warn, fail and null")
}

// readDiagnostics takes what has a place of its own out of the diagnostics (protocol section 8.5) and keeps the rest.
func readDiagnostics(r *dq.Result, d map[string]json.RawMessage) error {
	r.Value = wire.Number(d["value"])
	r.Warn, r.Fail = wire.Threshold(d["warn"]), wire.Threshold(d["fail"])
	_ = json.Unmarshal(d["valueLabel"], &r.ValueLabel) // absent or not a string: no label
	if string(d["measure"]) == `"time"` {
		r.Measure = "time"
	}
	rest := make(map[string]json.RawMessage, len(d))
	for name, raw := range d {
		rest[name] = raw
	}
	for _, name := range []string{"value", "valueLabel", "measure"} {
		delete(rest, name)
	}
	if r.Warn != nil || string(d["warn"]) == "null" {
		delete(rest, "warn")
	}
	if r.Fail != nil || string(d["fail"]) == "null" {
		delete(rest, "fail")
	}
	if string(bytes.TrimSpace(d["blocks"])) == "[]" {
		delete(rest, "blocks")
	}
	if raw, ok := d["value"]; ok && r.Value == "" && string(raw) != "null" {
		rest["value"] = raw
	}
	if len(rest) == 0 {
		return nil
	}
	var err error
	r.Diagnostics, err = json.Marshal(rest)
	return err
}

// metricKinds tells the kind of a check by the name of a metric it is made from.
var metricKinds = map[string]string{
	"row_count": "row_count", "missing_count": "missing", "missing_percent": "missing", "valid_count": "invalid",
	"valid_percent": "invalid", "invalid_count": "invalid", "invalid_percent": "invalid", "duplicate_count": "duplicate",
	"duplicate_percent": "duplicate", "failed rows": "failed_rows", "reference": "reference", "schema": "schema",
	"group evolution": "group", "avg": "aggregate", "min": "aggregate", "max": "aggregate", "sum": "aggregate",
	"stddev": "aggregate", "stddev_pop": "aggregate", "stddev_samp": "aggregate", "variance": "aggregate",
	"var_pop": "aggregate", "var_samp": "aggregate", "percentile": "aggregate", "avg_length": "aggregate",
	"min_length": "aggregate", "max_length": "aggregate",
}

// kind infers the real kind of a check: on the wire nearly all are "generic" (protocol section 8.2).
func kind(w *wireCheck, metricNames map[string]string) string {
	has := func(member string) bool { _, ok := w.Diagnostics[member]; return ok }
	switch {
	case w.Source == "dbt":
		return kindDBT
	case w.Type == "anomalyDetection" || has("anomalyProbability") || has("anomalyPredictedValue"):
		return "anomaly"
	case has("column_type_mismatches") || has("missing_column_names"):
		return "schema"
	case has("otherRowCount"):
		return "row_count"
	case has("diagnostics"):
		return "change"
	case string(w.Diagnostics["measure"]) == `"time"`:
		return "freshness"
	}
	for _, m := range w.Metrics {
		if k, ok := metricKinds[metricNames[m]]; ok {
			return k
		}
		if strings.HasPrefix(metricNames[m], "distribution") {
			return "distribution"
		}
	}
	return "user_defined"
}
