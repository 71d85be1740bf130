package v3

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// Results words a scan as Soda Core 3 writes its results: the file of --scan-results-file, and with type and token the body
// of sodaCoreInsertScanResults (protocol section 8). It is the inverse of [Scan].
func Results(s *dq.Scan) map[string]any {
	counts := s.Counts()
	out := map[string]any{
		"definitionName": s.Definition, "defaultDataSource": s.DataSource,
		"dataTimestamp": seconds(s.DataTime), "scanStartTimestamp": seconds(s.Started), "scanEndTimestamp": seconds(s.Ended),
		"hasErrors": s.Errored, "hasWarnings": counts.Warn > 0, "hasFailures": counts.Fail > 0,
		"automatedMonitoringChecks": []any{}, "sourceOwner": cmp.Or(s.Scanner.Name, "soda-core"),
	}
	checks, metrics, queries, metadata, profiling, logs := []any{}, []any{}, []any{}, []any{}, []any{}, []any{}
	for i := range s.Results {
		// The reference client leaves out what it could not evaluate, unless it can say why.
		if r := &s.Results[i]; r.Outcome.Evaluated() || len(r.Reasons) > 0 {
			checks = append(checks, wireResult(r))
		}
	}
	for _, m := range s.Measurements {
		w := map[string]any{"identity": m.Identity, "metricName": m.Name, "value": m.Value}
		if m.Name == "schema" || m.Name == "group evolution" {
			w["dataSourceName"], w["tableName"], w["partitionName"], w["columnName"] = m.Dataset.DataSource, m.Dataset.Name, nil, nil
		}
		metrics = append(metrics, w)
	}
	for _, q := range s.Queries {
		queries = append(queries, map[string]any{
			"name": q.Name, "dataSource": q.DataSource, "table": null(q.Table), "partition": nil, "column": null(q.Column), "sql": q.SQL,
			"exception": null(q.Error), "duration": clock(q.Duration),
		})
	}
	for _, r := range s.Reports {
		if r.Schema != nil {
			metadata = append(metadata, map[string]any{"table": r.Dataset.Name, "dataSource": r.Dataset.DataSource, "schema": wireColumns(r.Schema)})
		}
		if r.Sample != "" {
			file := map[string]any{"reference": map[string]string{"type": "sodaCloudStorage", "fileId": r.Sample}}
			profiling = append(profiling, map[string]any{"table": r.Dataset.Name, "dataSource": r.Dataset.DataSource, "sampleFile": file})
		}
		if r.RowCount != nil || r.Profile != nil {
			profiling = append(profiling, map[string]any{"table": r.Dataset.Name, "dataSource": r.Dataset.DataSource, "rowCount": r.RowCount, "columnProfiles": r.Profile})
		}
	}
	for _, l := range s.Logs {
		w := map[string]any{"level": l.Level, "message": l.Message, "timestamp": l.Time.UTC().Format(time.RFC3339Nano), "index": l.Index}
		if l.Location != nil {
			w["location"] = wireLocation{&l.Location.File, l.Location.Line, l.Location.Col}
		}
		logs = append(logs, w)
	}
	out["checks"], out["metrics"], out["queries"], out["metadata"], out["profiling"], out["logs"] = checks, metrics, queries, metadata, profiling, logs
	return out
}

// Identities are a check's identities by version (protocol section 8.3), the inverse of how [Scan] keeps them.
func Identities(c *dq.Check) map[string]string {
	switch len(c.Aliases) {
	case 2:
		return map[string]string{"v1": c.Aliases[1], "v2": c.Aliases[0], "v3": c.Identity}
	case 3: // the check has an identity of its own, and the three that it would have without
		return map[string]string{"v1": c.Aliases[2], "v2": c.Aliases[1], "v3": c.Aliases[0], "v4": c.Identity}
	}
	return map[string]string{"v3": c.Identity}
}

func wireResult(r *dq.Result) map[string]any {
	identities := Identities(&r.Check)
	w := map[string]any{
		"identity": identities["v3"], "identities": identities, "migratedIdentities": nil, "name": r.Name, "type": "generic", "definition": r.Source,
		"resourceAttributes": wireAttributes(r.Attributes), "dataSource": r.Dataset.DataSource, "table": null(r.Dataset.Name), "column": null(r.Column),
		"metrics": append([]string{}, r.Metrics...), "outcome": nil, "diagnostics": wireDiagnostics(r), "source": "soda-core", "location": nil,
	}
	if r.Outcome.Evaluated() {
		w["outcome"] = r.Outcome
	}
	if r.Location != nil {
		w["location"] = wireLocation{&r.Location.File, r.Location.Line, r.Location.Col}
	}
	if r.Group != nil {
		w["group"] = map[string]string{"identity": r.Group.Identity, "name": r.Group.Name, "distinctLabel": r.Group.Label}
	}
	if len(r.Reasons) > 0 {
		w["outcomeReasons"] = r.Reasons
	}
	return w
}

func wireAttributes(list []dq.Attribute) []map[string]any {
	out := []map[string]any{}
	for _, a := range list {
		out = append(out, map[string]any{"name": a.Name, "value": a.Value})
	}
	return out
}

func wireDiagnostics(r *dq.Result) map[string]any {
	d := map[string]any{"blocks": []any{}}
	if r.ValueLabel == "" {
		d["value"] = nil
	}
	var more map[string]json.RawMessage
	if json.Unmarshal(r.Diagnostics, &more) == nil {
		for name, raw := range more {
			d[name] = raw
		}
	}
	if r.Value != "" {
		d["value"] = r.Value
	}
	if r.ValueLabel != "" {
		d["valueLabel"] = r.ValueLabel
	}
	if r.Measure != "" {
		d["measure"] = r.Measure
	}
	if r.Warn != nil {
		d["warn"] = r.Warn
	}
	if r.Fail != nil {
		d["fail"] = r.Fail
	}
	return d
}

func wireColumns(list []dq.Column) []wireColumn {
	out := make([]wireColumn, len(list))
	for i, c := range list {
		out[i] = wireColumn{c.Name, c.Type}
	}
	return out
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func seconds(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05-07:00") }

// clock writes a duration as Python's timedelta: 0:00:00.000305.
func clock(d time.Duration) string {
	return strings.TrimSuffix(fmt.Sprintf("%d:%02d:%02d.%06d", d/time.Hour, d/time.Minute%60, d/time.Second%60, d/time.Microsecond%1_000_000), ".000000")
}
