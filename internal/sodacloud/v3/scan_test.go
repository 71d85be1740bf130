package v3

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/wire"
)

// members are those of a payload, with a definition's name if the text has none.
func members(t testing.TB, text string) map[string]json.RawMessage {
	t.Helper()
	m := map[string]json.RawMessage{"definitionName": []byte(`"d"`)}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestScanOfTheSmallestPayload(t *testing.T) {
	s, err := Scan(members(t, `{"definitionName":"d","dataTimestamp":"2025-03-02T00:00:00+00:00","checks":[],"type":"x","token":"t"}`))
	if err != nil {
		t.Fatal(err)
	}
	if s.State != dq.Completed || s.Definition != "d" || s.DataTime != time.Date(2025, 3, 2, 0, 0, 0, 0, time.UTC) {
		t.Errorf("got %+v", s)
	}
}

func TestContentIDLeavesOutTheToken(t *testing.T) {
	a := wire.ContentID("k", members(t, `{"definitionName":"d","token":"one","checks":[1]}`))
	b := wire.ContentID("k", members(t, `{"checks":[1],"token":"two","definitionName":"d"}`))
	c := wire.ContentID("k", members(t, `{"checks":[2],"token":"two","definitionName":"d"}`))
	if a != b || a == c {
		t.Errorf("got %q, %q and %q; want the first two equal and the third not", a, b, c)
	}
}

func TestMistakesAreToldWithTheirPath(t *testing.T) {
	for name, c := range map[string]struct{ payload, want string }{
		"definition is a number":   {`{"definitionName":7}`, "definitionName: is a JSON number, want a string"},
		"checks is an object":      {`{"checks":{}}`, "checks: is a JSON object, want an array"},
		"a check is a number":      {`{"checks":[1]}`, "checks[0]: is a JSON number, want an object"},
		"a check without identity": {`{"checks":[{"identity":"a","name":"n"},{"name":"n"}]}`, "checks[1].identity: is missing"},
		"unknown outcome":          {`{"checks":[{"identity":"a","outcome":"maybe"}]}`, "checks[0].outcome: is none of pass, warn, fail and null"},
		"outcome is a number":      {`{"checks":[{"identity":"a","outcome":3}]}`, "checks[0].outcome: is a JSON number, want a string"},
		"time":                     {`{"dataTimestamp":"yesterday"}`, `dataTimestamp: "yesterday" is not an ISO 8601 time`},
		"log index":                {`{"logs":[{"index":"first"}]}`, "logs[0].index: is a JSON string, want a number"},
		"flag":                     {`{"hasErrors":"yes"}`, "hasErrors: is a JSON string, want a boolean"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Scan(members(t, c.payload))
			var wire *wire.Error
			if !errors.As(err, &wire) || err.Error() != c.want {
				t.Errorf("%s: got %v, want %q", c.payload, err, c.want)
			}
		})
	}
}

func TestStates(t *testing.T) {
	const summary = `"logs":[{"level":"info","message":"Scan summary:","index":1}]`
	for name, c := range map[string]struct {
		payload string
		want    dq.ScanState
	}{
		"all pass":                   {`{"checks":[{"identity":"a","outcome":"pass"}],` + summary + `}`, dq.Completed},
		"a warning":                  {`{"checks":[{"identity":"a","outcome":"warn"}],` + summary + `}`, dq.CompletedWithWarnings},
		"a failure without the flag": {`{"hasFailures":false,"checks":[{"identity":"a","outcome":"fail"}],` + summary + `}`, dq.CompletedWithFailures},
		"errors and a verdict":       {`{"hasErrors":true,"checks":[{"identity":"a","outcome":"fail"}],` + summary + `}`, dq.CompletedWithErrors},
		"errors and no verdict":      {`{"hasErrors":true,"checks":[{"identity":"a","outcome":null}],` + summary + `}`, dq.Failed},
		"interrupted":                {`{"checks":[{"identity":"a","outcome":"pass"}],"logs":[{"message":"Soda Core 3.5.6"}]}`, dq.Incomplete},
		"dbt has no summary":         {`{"checks":[{"identity":"a","outcome":"fail","source":"dbt"}],"logs":[{"message":"x"}]}`, dq.CompletedWithFailures},
		"old client without logs":    {`{"checks":[{"identity":"a","outcome":"pass"}]}`, dq.Completed},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Scan(members(t, c.payload))
			if err != nil {
				t.Fatal(err)
			}
			if s.State != c.want {
				t.Errorf("got %s, want %s", s.State, c.want)
			}
		})
	}
}

func TestCheckKeepsNumbersAndDiagnostics(t *testing.T) {
	s, err := Scan(members(t, `{"defaultDataSource":"shop","definitionName":"d",
	 "metrics":[{"identity":"m1","metricName":"max","value":9007199254740993},{"identity":"m2","metricName":"row_count","value":null}],
	 "checks":[{"identity":"v3id","identities":{"v1":"a","v2":"b","v3":"v3id","v4":"mine"},"migratedIdentities":{"v1":"old"},
	  "name":"big","definition":"checks for t:\n  max(x) > 0","dataSource":"shop","table":"t","column":null,"metrics":["m1"],"outcome":"fail",
	  "resourceAttributes":[{"name":"owner","value":"Ada"},{"name":"tags","value":["x","y"]}],
	  "outcomeReasons":[{"code":"c","message":"m","severity":"warn"}],
	  "diagnostics":{"blocks":[],"value":9007199254740993,"fail":{"lessThanOrEqual":0.0,"greaterThan":"${x}"},"warn":null,"extra":{"a":1}}}],
	 "somethingNew":{"kept":true}}`))
	if err != nil {
		t.Fatal(err)
	}
	r := s.Results[0]
	if r.Value != "9007199254740993" || r.Fail == nil || r.Fail.LessThanOrEqual != "0.0" || r.Fail.GreaterThan != "" || r.Warn != nil {
		t.Errorf("value %q, fail %+v, warn %+v", r.Value, r.Fail, r.Warn)
	}
	if got, want := string(r.Diagnostics), `{"extra":{"a":1}}`; got != want {
		t.Errorf("diagnostics %s, want %s", got, want)
	}
	if r.Identity != "mine" || strings.Join(r.Aliases, " ") != "v3id b a old" {
		t.Errorf("identity %q, aliases %q", r.Identity, r.Aliases)
	}
	if r.Kind != "aggregate" || r.Owner() != "Ada" || r.Attributes[1].Text() != "x, y" || len(r.Reasons) != 1 {
		t.Errorf("kind %q, owner %q, attributes %v", r.Kind, r.Owner(), r.Attributes)
	}
	if len(s.Measurements) != 1 || string(s.Measurements[0].Value) != "9007199254740993" || s.Measurements[0].Dataset.Name != "t" {
		t.Errorf("measurements %+v", s.Measurements)
	}
	if string(s.Extra["somethingNew"]) != `{"kept":true}` {
		t.Errorf("extra %s", s.Extra)
	}
}

// TestTestsOfDBTMeasureNothing reads what soda ingest dbt sends: no values, no summary, flags that say nothing, a member or
// four less, and a test on two models twice.
func TestTestsOfDBTMeasureNothing(t *testing.T) {
	s, err := Scan(members(t, `{"definitionName":"Ingest - dbt","defaultDataSource":"shop","dataTimestamp":"2026-11-25T16:27:42+00:00","scanStartTimestamp":"2026-11-25T16:27:42+00:00",
	 "scanEndTimestamp":"2026-11-25T16:27:42+00:00","hasErrors":false,"hasWarnings":false,"hasFailures":false,"metrics":[{"identity":"dbt_metric","metricName":"dbt_metric","value":0}],
	 "checks":[{"identity":"test.shop.unique_email.cd34","identities":{"v1":"test.shop.unique_email.cd34","v2":"test.shop.unique_email.cd34","v3":"test.shop.unique_email.cd34"},
	  "name":"unique_email","type":"generic","definition":"unique_email","location":{"filePath":"models/schema.yml","line":0,"col":0},"dataSource":"shop","table":"customers",
	  "column":"email","metrics":["dbt_metric"],"outcome":"fail","diagnostics":{"value":0},"source":"dbt"}],
	 "logs":[{"level":"info","message":"Soda Core 3.5.6","timestamp":"2026-11-25T16:27:42+00:00","index":0}],"sourceOwner":"soda-core"}`))
	if err != nil {
		t.Fatal(err)
	}
	r := s.Results[0]
	if s.State != dq.CompletedWithFailures || r.Outcome != dq.Fail || r.Kind != kindDBT || r.Dataset.Name != "customers" || r.Name != "unique_email" {
		t.Errorf("state %s, result %+v", s.State, r)
	}
	if r.Value != "" || r.Diagnostics != nil || len(s.Measurements) != 0 {
		t.Errorf("value %q, diagnostics %s, measurements %v; want none", r.Value, r.Diagnostics, s.Measurements)
	}
}

func TestMetricsWithoutCheckFindTheirDataset(t *testing.T) {
	s, err := Scan(members(t, `{"defaultDataSource":"shop","definitionName":"d","checks":[],
	 "queries":[{"name":"q","dataSource":"shop","table":"orders","exception":null,"duration":"1 day, 0:00:01.5"},{"name":"q","dataSource":"shop","table":"orders-eu"}],
	 "metrics":[{"identity":"metric-d-shop-orders-eu-row_count","metricName":"row_count","value":1},
	            {"identity":"metric-d-shop-orders-row_count","metricName":"row_count","value":2},
	            {"identity":"s","metricName":"schema","dataSourceName":"shop","tableName":"items","value":[{"columnName":"id","sourceDataType":"int"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"orders-eu", "orders", "items"} {
		if got := s.Measurements[i].Dataset.Name; got != want {
			t.Errorf("metric %d belongs to %q, want %q", i, got, want)
		}
	}
	if s.Queries[0].Duration != 24*time.Hour+1500*time.Millisecond {
		t.Errorf("duration %s", s.Queries[0].Duration)
	}
	if len(s.Reports) != 1 || s.Reports[0].Schema[0] != (dq.Column{Name: "id", Type: "int"}) {
		t.Errorf("reports %+v", s.Reports)
	}
}

func FuzzScan(f *testing.F) {
	f.Add(`{"definitionName":"d","checks":[{"identity":"a","outcome":"fail","diagnostics":{"value":1e999}}],"metrics":[{"identity":"m","value":[1]}]}`)
	f.Add(`{"logs":[{"message":"Scan summary:","timestamp":"2025-03-02T00:00:00+00:00"}],"queries":[{"duration":"-1 day, 23:59:59"}]}`)
	f.Add(`{"profiling":[{"table":"t","sampleFile":{"reference":{"fileId":"f"}}}],"metadata":[{"schema":[{}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		m := map[string]json.RawMessage{"definitionName": []byte(`"d"`)}
		if json.Unmarshal([]byte(text), &m) != nil {
			return
		}
		s, err := Scan(m)
		if err != nil {
			return
		}
		if !s.State.Finished() {
			t.Errorf("state %q", s.State)
		}
		if _, err := json.Marshal(s); err != nil {
			t.Errorf("cannot be stored: %v", err)
		}
	})
}

func FuzzHistoryFilter(f *testing.F) {
	f.Add(`{"limit":1000,"filter":{"type":"and","andExpressions":[{"type":"equals","left":{"type":"columnValue","columnName":"metric.identity"},"right":{"type":"string","value":"m"}}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var m map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &m) == nil {
			_, _ = ReadHistoryFilter(m)
		}
	})
}
