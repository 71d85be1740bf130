package v4

import (
	"bytes"
	"cmp"
	"encoding/json"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

// Results words the scan of a contract as Soda Core 4 writes its results: with type and token, and the member contract, the
// body of sodaCoreInsertScanResults (protocol, contract verification envelope). It is the inverse of [Scan].
func Results(s *dq.Scan) map[string]any {
	counts := s.Counts()
	checks, logs := []any{}, []any{}
	for i := range s.Results {
		checks = append(checks, results(&s.Results[i]))
	}
	for _, l := range s.Logs {
		w := map[string]any{"level": l.Level, "message": l.Message, "timestamp": seconds(l.Time), "index": l.Index, "thread": dq.OriginContract}
		if l.Location != nil {
			w["location"] = map[string]any{"file_path": l.Location.File, "line": max(l.Location.Line-1, 0), "column": max(l.Location.Col-1, 0)}
		}
		logs = append(logs, w)
	}
	mode := "full"
	if s.Partial {
		mode = "partial"
	}
	out := map[string]any{
		"definitionName": s.Definition, "defaultDataSource": s.DataSource, "defaultDataSourceProperties": map[string]string{"type": s.DataSourceType},
		"dataTimestamp": seconds(s.DataTime), "scanStartTimestamp": seconds(s.Started), "scanEndTimestamp": seconds(s.Ended),
		"hasErrors": s.Errored, "hasWarnings": !s.Errored && counts.Fail == 0 && counts.Warn > 0, "hasFailures": !s.Errored && counts.Fail > 0,
		"checks": checks, "logs": logs, "sourceOwner": cmp.Or(s.Scanner.Name, "soda-core"), "postProcessingStages": []any{}, "resultsIngestionMode": mode,
		"tokenUsage": []any{},
	}
	if metadata := schemas(s); len(metadata) > 0 {
		out["metadata"] = metadata
	}
	return out
}

// schemas are the columns that the scan read.
func schemas(s *dq.Scan) []any {
	var out []any
	for _, r := range s.Reports {
		columns := []any{}
		for _, c := range r.Schema {
			columns = append(columns, map[string]string{"columnName": c.Name, "sourceDataType": c.Type})
		}
		out = append(out, map[string]any{"datasetQualifiedName": r.Dataset.QualifiedName(), "schema": columns})
	}
	return out
}

func results(r *dq.Result) map[string]any {
	attributes := []any{}
	for _, a := range r.Attributes {
		if a.Value == nil {
			attributes = append(attributes, map[string]any{"name": a.Name})
		} else {
			attributes = append(attributes, map[string]any{"name": a.Name, "value": a.Value})
		}
	}
	w := map[string]any{
		"checkPath": r.Identity, "name": r.Name, "type": "generic", "checkType": r.Kind, "definition": withoutType(r.Source), "resourceAttributes": attributes,
		"dataSource": r.Dataset.DataSource, "table": r.Dataset.Name, "datasetPrefix": append([]string{}, r.Dataset.Prefix...), "outcome": wireOutcome(r),
		"source": cmp.Or(r.Origin, dq.OriginContract), "diagnostics": wireDiagnostics(r),
	}
	if len(r.Aliases) > 0 {
		w["identities"] = map[string]string{"vc1": r.Aliases[0]}
	}
	if r.Column != "" {
		w["column"] = r.Column
	}
	if r.Location != nil {
		w["location"] = map[string]any{"filePath": r.Location.File, "line": max(r.Location.Line-1, 0), "col": max(r.Location.Col-1, 0)}
	}
	return w
}

func wireOutcome(r *dq.Result) string {
	switch {
	case r.Excluded:
		return "excluded"
	case !r.Outcome.Evaluated():
		return "unevaluated"
	}
	return string(r.Outcome)
}

// wireDiagnostics has a value in any case, as the client's has: 0 where there is none.
func wireDiagnostics(r *dq.Result) map[string]any {
	d := map[string]any{"value": cmp.Or(r.Value, "0")}
	var more struct{ V4 json.RawMessage }
	if json.Unmarshal(r.Diagnostics, &more) == nil && more.V4 != nil {
		d["v4"] = more.V4
	}
	if r.Measure == "time" {
		d["measure"] = r.Measure
	}
	for name, t := range map[string]*dq.Threshold{"fail": r.Fail, "warn": r.Warn} {
		if t != nil {
			d[name] = wireBounds(*t)
		}
	}
	return d
}

// wireBounds leaves out the number of an equality, which the definition tells.
func wireBounds(t dq.Threshold) dq.Threshold {
	if t.GreaterThan != "" && t.GreaterThan == t.LessThan || t.GreaterThanOrEqual != "" && t.GreaterThanOrEqual == t.LessThanOrEqual {
		return dq.Threshold{}
	}
	return t
}

func seconds(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05-07:00") }

// withoutType takes the type of check out of a definition, as the client writes it; the inverse of withType.
func withoutType(text string) string {
	root, err := yamldoc.Parse([]byte(text), maxDefinition, maxNodes)
	if err != nil || root == nil {
		return text
	}
	checks := yamldoc.Member(root, "checks")
	if columns := yamldoc.Member(root, "columns"); first(columns) != nil {
		checks = yamldoc.Member(first(columns), "checks")
	}
	check := first(checks)
	if check == nil || check.Kind != yaml.MappingNode || len(check.Content) != 2 {
		return text
	}
	body := check.Content[1]
	if yamldoc.IsNull(body) {
		body = &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	}
	checks.Content[0] = body
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if e.Encode(root) != nil || e.Close() != nil {
		return text
	}
	return b.String()
}
