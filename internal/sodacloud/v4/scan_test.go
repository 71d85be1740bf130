package v4

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/wire"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

func members(t testing.TB, payload string) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(payload), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// mustCheck reads a message with one check and gives its result.
func mustCheck(t *testing.T, check string) dq.Result {
	t.Helper()
	s, err := Scan(members(t, `{"definitionName":"d","defaultDataSource":"shop","contract":{"fileId":"f"},"checks":[`+check+`]}`), "")
	if err != nil {
		t.Fatal(err)
	}
	return s.Results[0]
}

func TestThresholdsAndValues(t *testing.T) {
	for name, c := range map[string]struct {
		kind, definition, outcome, diagnostics string
		value, warn, fail, label               string // in words
	}{
		"greater than":          {"row_count", "checks:\n- threshold:\n    must_be_greater_than: 100\n", "fail", `{"value":5,"fail":{"lessThanOrEqual":100}}`, "5", "", "<= 100", ""},
		"between":               {"aggregate", "columns:\n- name: a\n  checks:\n  - function: avg\n", "pass", `{"value":26.7,"fail":{"greaterThan":50,"lessThan":10}}`, "26.7", "", "< 10 or > 50", ""},
		"not between":           {"metric", "checks:\n- expression: x\n", "fail", `{"value":3,"fail":{"greaterThan":1,"lessThan":5}}`, "3", "", "> 1 and < 5", ""},
		"equality by default":   {"missing", "columns:\n- name: a\n  checks:\n  - {}\n", "fail", `{"value":2,"fail":{}}`, "2", "", "not 0", ""},
		"must be":               {"missing", "columns:\n- name: a\n  checks:\n  - threshold:\n      must_be: 7\n", "fail", `{"value":2,"fail":{}}`, "2", "", "not 7", ""},
		"must not be":           {"missing", "columns:\n- name: a\n  checks:\n  - threshold:\n      must_not_be: 7\n", "fail", `{"value":7,"fail":{}}`, "7", "", "= 7", ""},
		"percent":               {"invalid", "columns:\n- name: a\n  checks:\n  - threshold:\n      metric: percent\n      must_be_less_than: 5\n", "fail", `{"value":20.0,"fail":{"greaterThanOrEqual":5}}`, "20%", "", ">= 5%", ""},
		"percent of zero":       {"invalid", "columns:\n- name: a\n  checks:\n  - threshold:\n      metric: percent\n      must_be: 0\n", "pass", `{"value":0,"fail":{}}`, "0%", "", "not 0%", ""},
		"warning":               {"missing", "columns:\n- name: a\n  checks:\n  - threshold:\n      must_be: 0\n      level: warn\n", "warn", `{"value":1,"warn":{}}`, "1", "not 0", "", ""},
		"warning of old client": {"row_count", "checks:\n- threshold:\n    level: warn\n    must_be_greater_than: 9\n", "warn", `{"value":1,"fail":{"lessThanOrEqual":9}}`, "1", "<= 9", "", ""},
		"two levels":            {"missing", "columns:\n- name: a\n  checks:\n  - threshold:\n      metric: percent\n      must_be_less_than: 5\n      additional:\n        must_be: 1\n        level: warn\n", "pass", `{"value":1,"fail":{"greaterThanOrEqual":5},"warn":{}}`, "1%", "not 1%", ">= 5%", ""},
		"broken definition":     {"missing", "columns: [", "fail", `{"value":2,"fail":{}}`, "2", "", "", ""},
		"freshness":             {"freshness", "checks:\n- column: c\n", "pass", `{"value":7200000,"measure":"time","fail":{"greaterThanOrEqual":86400000},"v4":{"type":"freshness","actualTimestamp":"2026-01-01T00:00:00+00:00"}}`, "2h", "", ">= 1d", ""},
		"freshness in hours":    {"freshness", "checks:\n- column: c\n  threshold:\n    must_be_less_than: 24\n", "pass", `{"value":1.5,"fail":{"greaterThanOrEqual":24},"v4":{"type":"freshness","actualTimestampUtc":"2026-01-01T00:00:00+00:00"}}`, "1h 30m", "", ">= 1d", ""},
		"freshness in days":     {"freshness", "checks:\n- column: c\n  threshold:\n    unit: day\n    must_be_less_than: 2\n", "pass", `{"value":1,"fail":{"greaterThanOrEqual":2},"v4":{"type":"freshness","actualTimestamp":"2026-01-01T00:00:00+00:00"}}`, "1d", "", ">= 2d", ""},
		"freshness of nothing":  {"freshness", "checks:\n- column: c\n", "fail", `{"value":0,"measure":"time","v4":{"type":"freshness"}}`, "no time in the column", "", "", "no time in the column"},
		"not evaluated":         {"missing", "columns:\n- name: a\n  checks:\n  - {}\n", "unevaluated", `{"value":0,"fail":{}}`, "no value", "", "not 0", ""},
		"left out":              {"freshness", "checks:\n- column: c\n", "excluded", `{"value":0,"fail":{"greaterThanOrEqual":24}}`, "no value", "", "", ""},
		"a truth":               {"metric", "checks:\n- expression: x\n", "pass", `{"value":true}`, "1", "", "", ""},
		"a text":                {"metric", "checks:\n- query: x\n", "unevaluated", `{"value":"2026-01-01"}`, "2026-01-01", "", "", "2026-01-01"},
		"no diagnostics":        {"row_count", "", "pass", `{}`, "no value", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			check := map[string]any{"checkPath": "checks.x", "checkType": c.kind, "definition": c.definition, "outcome": c.outcome, "diagnostics": json.RawMessage(c.diagnostics), "dataSource": "shop", "table": "t"}
			raw, err := json.Marshal(check)
			if err != nil {
				t.Fatal(err)
			}
			r := mustCheck(t, string(raw))
			got := []string{wording.FormatValue(r.Value, r.ValueLabel, r.Measure), wording.FormatThreshold(r.Warn, r.Measure), wording.FormatThreshold(r.Fail, r.Measure), r.ValueLabel}
			if diff := cmp.Diff([]string{c.value, c.warn, c.fail, c.label}, got); diff != "" {
				t.Errorf("value, warn, fail, label (-want +got)\n%s", diff)
			}
		})
	}
}

func TestCheckOfAContract(t *testing.T) {
	r := mustCheck(t, `{"identities":{"vc1":"24bdaf0e"},"checkPath":"columns.id.checks.duplicate","name":"Ids","type":"generic","checkType":"duplicate",
	 "definition":"filter: a > 1\ncolumns:\n- name: id\n  checks:\n  - name: Ids\n    threshold:\n      must_be: 0\n",
	 "resourceAttributes":[{"name":"team","value":"sales"},{"name":"critical","value":true},{"name":"none"}],"location":{"filePath":"c.yml","line":0,"col":10},
	 "dataSource":"shop","table":"orders","datasetPrefix":["postgres","sales"],"column":"id","outcome":"fail","source":"soda-contract",
	 "diagnostics":{"value":1,"fail":{},"v4":{"type":"duplicate","failedRowsCount":1}}}`)
	want := dq.Check{
		Identity: "columns.id.checks.duplicate", Aliases: []string{"24bdaf0e"}, Name: "Ids", Column: "id", Kind: "duplicate", Origin: dq.OriginContract,
		Dataset: dq.DatasetRef{DataSource: "shop", Prefix: []string{"postgres", "sales"}, Name: "orders"}, Location: &dq.Location{File: "c.yml", Line: 1, Col: 11},
		Source:     "filter: a > 1\ncolumns:\n  - name: id\n    checks:\n      - duplicate:\n          name: Ids\n          threshold:\n            must_be: 0\n",
		Attributes: []dq.Attribute{{Name: "team", Value: json.RawMessage(`"sales"`)}, {Name: "critical", Value: json.RawMessage(`true`)}, {Name: "none"}},
	}
	if diff := cmp.Diff(want, r.Check); diff != "" {
		t.Errorf("check (-want +got)\n%s", diff)
	}
	if string(r.Diagnostics) != `{"v4":{"type":"duplicate","failedRowsCount":1}}` {
		t.Errorf("diagnostics %s", r.Diagnostics)
	}
}

func TestChecksOfOneDatasetNeverCollide(t *testing.T) {
	s, err := Scan(members(t, `{"definitionName":"d","contract":{},"checks":[
	 {"identities":{"vc1":"00000000"},"checkPath":"columns.a.checks.missing","outcome":"pass","dataSource":"s","table":"t"},
	 {"identities":{"vc1":"00000000"},"checkPath":"columns.b.checks.missing","outcome":"fail","dataSource":"s","table":"t"},
	 {"identities":{"vc1":"11111111"},"outcome":"fail","dataSource":"s","table":"t"}]}`), "")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for i := range s.Results {
		r := &s.Results[i]
		ids[dq.CheckID(r.Dataset.ID(), s.Definition, r.Identity)] = true
	}
	if len(ids) != 3 || s.Results[2].Identity != "11111111" {
		t.Errorf("%d ids for 3 checks; %+v", len(ids), s.Results)
	}
}

func TestUnknownKindsAndSourcesAreKept(t *testing.T) {
	r := mustCheck(t, `{"checkPath":"data-standard.x:checks.novel","checkType":"novel","source":"data-standard","outcome":"pass","dataSource":"s","table":"t",
	 "diagnostics":{"value":1,"v4":{"type":"novel","a":{"b":[1]}},"more":7}}`)
	if r.Kind != "novel" || r.Origin != "data-standard" || r.Outcome != dq.Pass || string(r.Diagnostics) != `{"more":7,"v4":{"type":"novel","a":{"b":[1]}}}` {
		t.Errorf("%+v", r)
	}
	r = mustCheck(t, `{"identities":{"vc1":"a"},"type":"anomalyDetection","outcome":"warn","source":"metric-monitoring"}`)
	if r.Kind != "anomaly" || r.Dataset.DataSource != "shop" || r.Name == "" {
		t.Errorf("%+v", r)
	}
}

func TestSchemaDifferences(t *testing.T) {
	for name, c := range map[string]struct {
		definition, diagnostics string
		label, rest             string
	}{
		"all kinds": {"checks:\n- {}\n",
			`{"value":3,"v4":{"type":"schema","expected":[{"name":"payment_id","type":"varchar"},{"name":"iban","type":"varchar(22)"},{"name":"booked_at"}],"actual":[{"name":"payment_id","type":"character varying(20)"},{"name":"iban","type":"character varying(34)"},{"name":"note","type":"text"}]}}`,
			"3 schema differences", `"column_type_mismatches":{"iban":{"actual_type":"character varying(34)","expected_type":"varchar(22)"}},"missing_column_names":["booked_at"],"unexpected_column_names":["note"]`},
		"order only": {"checks:\n- {}\n",
			`{"value":0,"v4":{"type":"schema","expected":[{"name":"a"},{"name":"b"}],"actual":[{"name":"b","type":"int"},{"name":"a","type":"int"}]}}`,
			"columns in another order", `"column_index_mismatches":{"b":{"actual_index":0,"expected_index":1}}`},
		"allowed": {"checks:\n- allow_extra_columns: true\n  allow_other_column_order: true\n",
			`{"value":1,"v4":{"type":"schema","expected":[{"name":"a","type":"int"},{"name":"b"}],"actual":[{"name":"x","type":"int"},{"name":"b","type":"int"},{"name":"a","type":"text"}]}}`,
			"1 schema difference", `"column_type_mismatches":{"a":{"actual_type":"text","expected_type":"int"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := json.Marshal(map[string]any{"checkPath": "checks.schema", "checkType": "schema", "definition": c.definition, "outcome": "fail", "diagnostics": json.RawMessage(c.diagnostics)})
			if err != nil {
				t.Fatal(err)
			}
			r := mustCheck(t, string(raw))
			got, _, _ := strings.Cut(strings.TrimPrefix(string(r.Diagnostics), "{"), `,"v4":`)
			if r.ValueLabel != c.label || got != c.rest {
				t.Errorf("%q with\n%s\nwant %q with\n%s", r.ValueLabel, got, c.label, c.rest)
			}
		})
	}
}

func TestStatesComeFromOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		payload string
		state   dq.ScanState
	}{
		"errors hide a failure": {`"hasErrors":true,"hasFailures":false,"checks":[{"checkPath":"a","outcome":"fail"}]`, dq.CompletedWithErrors},
		"errors and nothing":    {`"hasErrors":true,"checks":[{"checkPath":"a","outcome":"unevaluated"}]`, dq.Failed},
		"no checks":             {`"hasErrors":true`, dq.Failed},
		"old name of a flag":    {`"hasErrors":false,"hasWarns":true,"checks":[{"checkPath":"a","outcome":"warn"}]`, dq.CompletedWithWarnings},
		"all left out":          {`"hasErrors":false,"resultsIngestionMode":"partial","checks":[{"checkPath":"a","outcome":"excluded"}]`, dq.Completed},
		"nothing evaluated":     {`"hasErrors":false,"checks":[{"checkPath":"a","outcome":"unevaluated"}]`, dq.Completed},
	} {
		s, err := Scan(members(t, `{"definitionName":"d","contract":{},`+c.payload+`}`), "")
		if err != nil || s.State != c.state {
			t.Errorf("%s: %s, %v; want %s", name, s.State, err, c.state)
		}
		if _, hasWarns := s.Extra["hasWarns"]; hasWarns || s.Partial != strings.Contains(c.payload, "partial") {
			t.Errorf("%s: partial %v, extra %s", name, s.Partial, s.Extra)
		}
	}
}

func TestMistakesAreToldWithTheirPath(t *testing.T) {
	for name, c := range map[string]struct{ payload, want string }{
		"checks is an object":    {`{"checks":{}}`, "checks: is a JSON object, want an array"},
		"a check is a number":    {`{"checks":[1]}`, "checks[0]: is a JSON number"},
		"a check without name":   {`{"checks":[{"outcome":"pass"}]}`, "checks[0].checkPath: is missing"},
		"an unknown outcome":     {`{"checks":[{"checkPath":"a","outcome":"maybe"}]}`, "checks[0].outcome"},
		"a prefix that is none":  {`{"checks":[{"checkPath":"a","datasetPrefix":"x"}]}`, "checks[0].datasetPrefix"},
		"a time that is none":    {`{"dataTimestamp":"yesterday"}`, "dataTimestamp"},
		"a scan id in a path":    {`{"scanId":"../x"}`, "scanId"},
		"a log that is none":     {`{"logs":[5]}`, "logs[0]"},
		"a dataset that is none": {`{"metadata":[{"datasetQualifiedName":"x"}]}`, "metadata[0].datasetQualifiedName"},
	} {
		_, err := Scan(members(t, c.payload), "")
		var bad *wire.Error
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want one with %q", name, err, c.want)
		}
	}
}

func TestLogs(t *testing.T) {
	s, err := Scan(members(t, `{"definitionName":"d","contract":{},"logs":[
	 {"level":"critical","message":"second","timestamp":"2026-01-01T00:00:00+00:00","index":1,"thread":140679466986368,"exception":"Traceback"},
	 {"level":"info","message":"first","timestamp":"2026-01-01T00:00:01+00:00","index":0,"thread":"soda-contract","location":{"file_path":"c.yml","line":6,"column":20}}]}`), "soda-core/4.28.0")
	if err != nil {
		t.Fatal(err)
	}
	first, second := s.Logs[0], s.Logs[1]
	if first.Message != "first" || *first.Location != (dq.Location{File: "c.yml", Line: 7, Col: 21}) || second.Level != dq.LevelError || second.Message != "second\nTraceback" {
		t.Errorf("logs %+v", s.Logs)
	}
	if s.Scanner != (dq.Scanner{Name: "soda-core", Version: "4.28.0"}) {
		t.Errorf("scanner %+v", s.Scanner)
	}
}

func TestStreamedLines(t *testing.T) {
	lines := ReadLogBatch([]byte(`{"level":"info","message":"a","timestamp":"2026-01-01T00:00:00+00:00","index":3,"thread":"t","dataset":""}` + "\n\nnot JSON\n" + `{"level":5}`))
	if len(lines) != 3 || lines[0].Index != 3 || lines[0].Thread != "t" || lines[1].Message != "not JSON" || lines[2].Message != `{"level":5}` || lines[1].Thread == lines[2].Thread {
		t.Errorf("lines %+v", lines)
	}
	d, ok := DatasetOfBatch(ReadLogBatch([]byte(`{"message":"Fetching for '[DatasetIdentifier(data_source='shop', prefixes=['postgres', 'sales'], dataset='orders')]'"}`)))
	if !ok || d.QualifiedName() != "shop/postgres/sales/orders" {
		t.Errorf("dataset %+v, %v", d, ok)
	}
	if _, ok := DatasetOfBatch(lines); ok {
		t.Error("a dataset out of nothing")
	}
}

func FuzzScan(f *testing.F) {
	f.Add(`{"definitionName":"d","contract":{"fileId":"f"},"checks":[{"checkPath":"a","checkType":"schema","outcome":"fail","definition":"checks:\n- {}\n","diagnostics":{"value":1e999,"fail":{},"v4":{"expected":[{"name":"a"}],"actual":[]}}}]}`)
	f.Add(`{"checks":[{"checkPath":"a","checkType":"freshness","outcome":"pass","definition":"checks:\n- threshold: &x\n    unit: day\n    additional: *x\n","diagnostics":{"value":1.5,"fail":{"greaterThan":2}}}]}`)
	f.Add(`{"version":"4","metadata":[{"datasetQualifiedName":"a/b","schema":[{}]}],"logs":[{"thread":5,"message":"DatasetIdentifier(data_source='a', prefixes=[], dataset='b')"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var m map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &m) != nil {
			return
		}
		s, err := Scan(m, "soda-core/4")
		if err != nil {
			return
		}
		if !s.State.Finished() {
			t.Errorf("state %q", s.State)
		}
		if _, err := json.Marshal(s.Scan); err != nil {
			t.Errorf("cannot be stored: %v", err)
		}
	})
}

func FuzzOthers(f *testing.F) {
	f.Add(`{"scanId":"a","logs":[{"message":"x"}],"limit":5,"metricIdentities":["a"],"minScanTime":"2026-01-01T00:00:00.123+00:00","filter":{"andExpressions":[{"type":"equals","left":{"columnName":"identifier"}}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		ReadLogBatch([]byte(text))
		var m map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &m) != nil {
			return
		}
		_, _ = ReadFailed(m)
		_, _ = ReadStart(m)
		_, _ = ReadHistoryQuery(m, "metricIdentities")
		_, _ = ReadContractFilter(m)
	})
}
