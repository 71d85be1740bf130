package sodacloud_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/sodacloud"
)

// insert wraps members of a payload into an authorized insert.
func insert(members string) []byte {
	return []byte(`{` + members + `,"type":"sodaCoreInsertScanResults","token":"token-of-stub"}`)
}

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBadInputIsRefusedAndLeavesNothing(t *testing.T) {
	const good = `"definitionName":"d","dataTimestamp":"2026-11-23T00:00:00+00:00"`
	manyChecks := `"checks":[` + strings.TrimSuffix(strings.Repeat(`{"identity":"a","outcome":"pass"},`, 100_000), ",") + `]`
	gzipped := map[string]string{"Content-Encoding": "gzip"}
	for name, c := range map[string]struct {
		path    string
		headers map[string]string
		body    []byte
		status  int
		want    string // in the message
	}{
		"empty body":                  {"/api/command", nil, nil, 400, "not JSON"},
		"not JSON":                    {"/api/command", nil, []byte("{\n \"type\": oops}"), 400, "line 2, column 10"},
		"an array":                    {"/api/command", nil, []byte(`[1]`), 400, "not a JSON object"},
		"null":                        {"/api/command", nil, []byte(`null`), 400, "null"},
		"no type":                     {"/api/command", nil, []byte(`{"token":"x"}`), 400, "type: is missing"},
		"type is a number":            {"/api/command", nil, []byte(`{"type":5}`), 400, "type: want a string"},
		"unknown command":             {"/api/command", nil, []byte(`{"type":"dropAllTables","token":"token-of-stub"}`), 400, "unknown command"},
		"unknown query":               {"/api/query", nil, []byte(`{"type":"everything","token":"token-of-stub"}`), 400, "unknown query"},
		"wrong key":                   {"/api/command", nil, []byte(`{"type":"login","apiKeyId":"key-id-of-user","apiKeySecret":"wrong"}`), 401, "not valid"},
		"unknown key":                 {"/api/command", nil, []byte(`{"type":"login","apiKeyId":"nobody","apiKeySecret":"secret-of-user"}`), 401, "not valid"},
		"key is an object":            {"/api/command", nil, []byte(`{"type":"login","apiKeyId":{},"apiKeySecret":[]}`), 401, "not valid"},
		"no token":                    {"/api/command", nil, []byte(`{` + good + `,"type":"sodaCoreInsertScanResults"}`), 401, "not valid"},
		"wrong token":                 {"/api/command", nil, []byte(`{` + good + `,"type":"sodaCoreInsertScanResults","token":"x"}`), 401, "not valid"},
		"query with a wrong token":    {"/api/query", nil, []byte(`{"type":"sodaCoreCloudConfiguration","token":"x"}`), 401, "not valid"},
		"upload with a wrong token":   {"/api/scan/upload", map[string]string{"Authorization": "x"}, []byte(`[1]`), 401, "not valid"},
		"upload with samples off":     {"/api/scan/upload", map[string]string{"Authorization": "token-of-stub"}, []byte(`[1]`), 403, "SODALITE_SAMPLES"},
		"no definition":               {"/api/command", nil, insert(`"checks":[]`), 400, "definitionName: is missing"},
		"blank definition":            {"/api/command", nil, insert(`"definitionName":"  "`), 400, "definitionName: is missing or blank"},
		"endless definition":          {"/api/command", nil, insert(`"definitionName":"` + strings.Repeat("x", 1001) + `"`), 400, "1001 characters"},
		"endless dataset":             {"/api/command", nil, insert(good + `,"checks":[{"identity":"a","table":"` + strings.Repeat("x", 1001) + `","outcome":"pass"}]`), 400, "dataset"},
		"endless identity":            {"/api/command", nil, insert(good + `,"checks":[{"identity":"` + strings.Repeat("x", 5000) + `","outcome":"pass"}]`), 400, "checks[0]"},
		"wrong type":                  {"/api/command", nil, insert(good + `,"checks":"none"`), 400, "checks: is a JSON string, want an array"},
		"NaN":                         {"/api/command", nil, insert(good + `,"metrics":[{"identity":"m","value":NaN}]`), 400, "NaN"},
		"Infinity":                    {"/api/command", nil, insert(good + `,"metrics":[{"identity":"m","value":-Infinity}]`), 400, "Infinity"},
		"nested beyond sense":         {"/api/command", nil, insert(good + `,"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)), 400, "depth"},
		"100,000 checks":              {"/api/command", nil, insert(good + `,` + manyChecks), 413, "100000 checks, at most 10000"},
		"over the limit":              {"/api/command", nil, insert(good + `,"x":"` + strings.Repeat("y", 5<<20) + `"`), 413, "at most 4194304 bytes"},
		"bomb":                        {"/api/command", gzipped, zipped(t, insert(good+`,"x":"`+strings.Repeat("y", 50<<20)+`"`)), 413, "at most 4194304 bytes"},
		"said to be gzip":             {"/api/command", gzipped, []byte("plain"), 400, "not gzip"},
		"gzip cut short":              {"/api/command", gzipped, zipped(t, insert(good))[:40], 400, "could not be read"},
		"unknown encoding":            {"/api/command", map[string]string{"Content-Encoding": "br"}, []byte("x"), 415, "gzip"},
		"identities of no check":      {"/api/query", nil, []byte(`{"type":"sodaCoreCheckIdentities","token":"token-of-stub"}`), 400, "checkId: is missing"},
		"identities of unknown check": {"/api/query", nil, []byte(`{"type":"sodaCoreCheckIdentities","checkId":"x","token":"token-of-stub"}`), 404, "checkId"},
		"filter of an unknown form":   {"/api/query", nil, []byte(`{"type":"sodaCoreHistoricMeasurements","filter":{"type":"or"},"token":"token-of-stub"}`), 400, "filter.type"},
		"filter of an unknown column": {"/api/query", nil, []byte(`{"type":"sodaCoreHistoricMeasurements","filter":{"type":"and","andExpressions":[{"type":"equals","left":{"columnName":"x"}}]},"token":"token-of-stub"}`), 400, "andExpressions[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustStart(t, nil)
			status, header, answer := s.send(t, c.path, c.headers, c.body)
			if status != c.status || !strings.Contains(text(answer["message"]), c.want) || text(answer["code"]) == "" {
				t.Errorf("got %d %s, want %d with %q", status, answer, c.status, c.want)
			}
			if got := header.Get("Content-Type"); got != "application/json" || header.Get("X-Soda-Trace-Id") == "" {
				t.Errorf("headers %v", header)
			}
			if _, ok := answer["results"]; ok {
				t.Error("an error must not carry results: the client would use them")
			}
			for _, secret := range []string{"secret-of-user", "token-of-stub"} {
				if strings.Contains(fmt.Sprint(answer), secret) {
					t.Errorf("the answer tells a secret: %s", answer)
				}
			}
			page, err := s.hub.Scans(t.Context(), hub.ScanFilter{})
			if err != nil || len(page.Rows) != 0 {
				t.Errorf("something was stored: %+v, %v", page.Rows, err)
			}
		})
	}
}

func TestOddInputIsTakenAsItIs(t *testing.T) {
	const check = `"checks":[{"identity":"a","name":%s,"dataSource":"shop","table":%s,"outcome":"fail","diagnostics":{"value":%s}}]`
	base := `"definitionName":"d","dataTimestamp":"2026-11-23T00:00:00+00:00",`
	for name, members := range map[string]string{
		"markup in names":       base + fmt.Sprintf(check, `"<script>alert(1)</script>"`, `"\"; DROP TABLE x; --"`, "1"),
		"control characters":    base + fmt.Sprintf(check, `"a\u0000b\u202e\n"`, `"t\u0007"`, "1"),
		"huge number":           base + fmt.Sprintf(check, `"n"`, `"t"`, "1e999"),
		"many digits":           base + fmt.Sprintf(check, `"n"`, `"t"`, strings.Repeat("9", 5000)),
		"lone surrogate":        base + fmt.Sprintf(check, `"\ud800"`, `"t"`, "1"),
		"not UTF-8":             base + fmt.Sprintf(check, "\"caf\xe9\"", `"t"`, "1"),
		"thousand levels":       base + fmt.Sprintf(check, `"n"`, `"t"`, "1") + `,"extra":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000),
		"table is null":         base + fmt.Sprintf(check, `"n"`, `null`, "1"),
		"no diagnostics":        base + `"checks":[{"identity":"a","outcome":"fail"}]`,
		"unknown members":       base + `"future":{"a":[1,2]},"checks":[{"identity":"a","outcome":"fail","novel":true}]`,
		"clock in the future":   `"definitionName":"d","dataTimestamp":"2099-01-01T00:00:00+00:00",` + fmt.Sprintf(check, `"n"`, `"t"`, "1"),
		"clock before our time": `"definitionName":"d","dataTimestamp":"0001-01-01T00:00:00+00:00",` + fmt.Sprintf(check, `"n"`, `"t"`, "1"),
		"no times":              `"definitionName":"d",` + fmt.Sprintf(check, `"n"`, `"t"`, "1"),
	} {
		t.Run(name, func(t *testing.T) {
			s := mustStart(t, nil)
			status, _, answer := s.send(t, "/api/command", nil, insert(members))
			if status != 200 {
				t.Fatalf("got %d %s", status, answer)
			}
			id := text(answer["scanId"])
			if err := s.hub.Digest(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			page, err := s.hub.Checks(t.Context(), hub.CheckFilter{})
			if err != nil || len(page.Rows) != 1 || page.Rows[0].Outcome != dq.Fail {
				t.Fatalf("checks %+v, %v", page.Rows, err)
			}
			if at := page.Rows[0].At; at.After(s.now.Add(time.Minute)) || at.Year() < 2000 {
				t.Errorf("shown at %s", at)
			}
			status, _, again := s.send(t, "/api/command", nil, insert(members))
			if status != 200 || text(again["scanId"]) != id {
				t.Errorf("the same scan again: %d %s", status, again)
			}
			scans, err := s.hub.Scans(t.Context(), hub.ScanFilter{})
			if err != nil || len(scans.Rows) != 1 {
				t.Errorf("%d scans, %v", len(scans.Rows), err)
			}
		})
	}
}

func TestAWrongClockDoesNotHideLaterResults(t *testing.T) {
	s := mustStart(t, nil)
	push := func(at, outcome string) {
		s.now = s.now.Add(time.Hour)
		_, _, answer := s.send(t, "/api/command", nil, insert(`"definitionName":"d","dataTimestamp":"`+at+`","checks":[{"identity":"a","table":"t","outcome":"`+outcome+`"}]`))
		if err := s.hub.Digest(t.Context(), text(answer["scanId"])); err != nil {
			t.Fatal(err)
		}
	}
	push("2099-01-01T00:00:00+00:00", "fail")
	push("2026-11-24T02:00:00+00:00", "pass")
	page, err := s.hub.Checks(t.Context(), hub.CheckFilter{})
	if err != nil || page.Rows[0].Outcome != dq.Pass {
		t.Errorf("checks %+v, %v", page.Rows, err)
	}
	list, err := s.hub.Scans(t.Context(), hub.ScanFilter{})
	if err != nil {
		t.Fatal(err)
	}
	scan, err := s.hub.Scan(t.Context(), list.Rows[1].ID)
	if err != nil || len(scan.Notes) != 1 || !strings.Contains(scan.Notes[0], "clock") {
		t.Errorf("notes %q, %v", scan.Notes, err)
	}
}

// broken is a hub whose storage does not answer.
type broken struct{ sodacloud.Hub }

var errStorage = errors.New("storage is down: secret detail")

func (broken) Accept(context.Context, *dq.Scan) (hub.Accepted, error) {
	return hub.Accepted{}, errStorage
}
func (broken) Attributes(context.Context) ([]hub.AttributeSchema, error) {
	return nil, errStorage
}
func (broken) Measurements(context.Context, hub.MeasurementQuery) ([]hub.Measured, error) {
	return nil, errStorage
}

func TestTroubleOfOurs(t *testing.T) {
	s := mustStart(t, func(c *sodacloud.Config) { c.Hub = broken{} })
	status, _, answer := s.send(t, "/api/command", nil, insert(`"definitionName":"d"`))
	if status != http.StatusServiceUnavailable || strings.Contains(fmt.Sprint(answer), "detail") {
		t.Errorf("insert: %d %s; want 503 without detail", status, answer)
	}
	status, header, _ := s.send(t, "/api/command", map[string]string{"X-Soda-Backpressure": "1"}, insert(`"definitionName":"d"`))
	if status != http.StatusTooManyRequests || header.Get("Retry-After") != "6" {
		t.Errorf("insert of a client that waits: %d, Retry-After %q; want 429", status, header.Get("Retry-After"))
	}
	for _, kind := range []string{"sodaCoreHistoricMeasurements", "sodaCoreAvailableCheckAttributes"} {
		body := fmt.Sprintf(`{"type":%q,"filter":{"type":"and","andExpressions":[]},"token":"token-of-stub"}`, kind)
		status, _, answer := s.send(t, "/api/query", nil, []byte(body))
		if status != 200 || string(answer["results"]) != "[]" {
			t.Errorf("%s: %d %s; want 200 and nothing found, an error would abort the scan", kind, status, answer)
		}
	}
}

// impatient is an Auth that has seen too many attempts.
type impatient struct{ oneKey }

func (impatient) Login(context.Context, string, string, string) (string, error) {
	return "", auth.TooManyAttempts{After: 90 * time.Second}
}

func TestTooManyAttempts(t *testing.T) {
	s := mustStart(t, func(c *sodacloud.Config) { c.Auth = impatient{} })
	status, header, _ := s.send(t, "/api/command", nil, []byte(`{"type":"login","apiKeyId":"a","apiKeySecret":"b"}`))
	if status != http.StatusTooManyRequests || header.Get("Retry-After") != "91" {
		t.Errorf("got %d, Retry-After %q", status, header.Get("Retry-After"))
	}
}

func TestOnlyPOST(t *testing.T) {
	s := mustStart(t, nil)
	for _, path := range []string{"/api/command", "/api/query", "/api/scan/upload"} {
		resp, err := http.Get(s.web.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST" {
			t.Errorf("GET %s: %d, Allow %q", path, resp.StatusCode, resp.Header.Get("Allow"))
		}
	}
}

func TestOnlyKnownAttributes(t *testing.T) {
	s := mustStart(t, func(c *sodacloud.Config) { c.OnlyKnownAttributes = true })
	if err := s.hub.ApplyAttributes(t.Context(), []hub.AttributeSchema{{Name: "team", Type: "text"}}); err != nil {
		t.Fatal(err)
	}
	_, _, answer := s.send(t, "/api/command", nil, insert(`"definitionName":"d","checks":[{"identity":"a","outcome":"pass","resourceAttributes":[{"name":"team","value":"x"},{"name":"odd","value":"y"}]}]`))
	scan, err := s.hub.Scan(t.Context(), text(answer["scanId"]))
	if err != nil || len(scan.Results[0].Attributes) != 1 || len(scan.Notes) != 1 || !strings.Contains(scan.Notes[0], `"odd"`) {
		t.Errorf("attributes %+v, notes %q, %v", scan.Results[0].Attributes, scan.Notes, err)
	}
}

func TestUploads(t *testing.T) {
	s := mustStart(t, func(c *sodacloud.Config) { c.Samples = true })
	rows := "[1,NaN]\n[2,null]\n"
	headers := map[string]string{"Authorization": "token-of-stub", "File-Path": "d/t\xe9_failed_rows.jsonl"}
	var ids []string
	for range 2 {
		status, _, answer := s.send(t, "/api/scan/upload", headers, []byte(rows))
		if status != 200 || text(answer["fileId"]) == "" {
			t.Fatalf("got %d %s", status, answer)
		}
		ids = append(ids, text(answer["fileId"]))
	}
	if ids[0] == ids[1] {
		t.Error("two uploads have one id")
	}
	sample, err := s.hub.Sample(t.Context(), ids[0])
	if err != nil || string(sample.Data) != rows || sample.Rows != 2 || sample.Path != "d/té_failed_rows.jsonl" {
		t.Errorf("sample %+v, %v", sample, err)
	}
}

// TestAnAnomalyModelGetsItsPastBack asks as a client does that learns from its past: for measurements by metric identity, for
// results by any version of the check's identity, and as the simulator does for the check's identities.
func TestAnAnomalyModelGetsItsPastBack(t *testing.T) {
	s := mustStart(t, nil)
	for i, value := range []string{"10", "12.0"} {
		s.now = s.now.Add(time.Hour)
		_, _, answer := s.send(t, "/api/command", nil, insert(fmt.Sprintf(`"definitionName":"d","defaultDataSource":"shop","dataTimestamp":"2026-11-2%dT00:00:00+00:00",
			"metrics":[{"identity":"metric-d-shop-t-row_count","metricName":"row_count","value":%s}],
			"checks":[{"identity":"three","identities":{"v1":"one","v2":"two","v3":"three","v4":"four"},"name":"n","type":"anomalyDetection","table":"t",
			 "metrics":["metric-d-shop-t-row_count"],"outcome":"pass","diagnostics":{"blocks":[],"value":%s,"warn":{"greaterThanOrEqual":15.5,"lessThanOrEqual":5},
			 "fail":{"greaterThanOrEqual":20,"lessThanOrEqual":1},"anomalyProbability":null,"anomalyPredictedValue":11.5,"anomalyErrorCode":""}}]`, i+1, value, value)))
		if err := s.hub.Digest(t.Context(), text(answer["scanId"])); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(kind, column, identity string) (list []map[string]any) {
		_, _, answer := s.send(t, "/api/query", nil, fmt.Appendf(nil, `{"type":%q,"limit":1000,"filter":{"type":"and","andExpressions":[{"type":"equals",
			"left":{"type":"columnValue","columnName":%q},"right":{"type":"string","value":%q}}]},"token":"token-of-stub"}`, kind, column, identity))
		if err := json.Unmarshal(answer["results"], &list); err != nil {
			t.Fatalf("%s: %v in %s", kind, err, answer)
		}
		return list
	}
	measured := ask("sodaCoreHistoricMeasurements", "metric.identity", "metric-d-shop-t-row_count")
	if len(measured) != 2 || measured[0]["value"] != 12.0 || measured[0]["dataTime"] != "2026-11-22T00:00:00Z" {
		t.Fatalf("measurements %v", measured)
	}
	want := map[string]any{
		"measurementId": measured[0]["id"], "outcome": "pass", "dataTime": "2026-11-22T00:00:00Z",
		"diagnostics": map[string]any{
			"value": 12.0, "anomalyPredictedValue": 11.5, "anomalyErrorCode": "",
			"warn": map[string]any{"greaterThanOrEqual": 15.5, "lessThanOrEqual": 5.0}, "fail": map[string]any{"greaterThanOrEqual": 20.0, "lessThanOrEqual": 1.0},
		},
	}
	for _, version := range []string{"one", "two", "three", "four"} {
		results := ask("sodaCoreHistoricCheckResults", "check.identity", version)
		if len(results) != 2 {
			t.Fatalf("results by %q: %v", version, results)
		}
		if diff := cmp.Diff(want, results[0]); diff != "" {
			t.Errorf("result by %q (-want +got):\n%s", version, diff)
		}
	}
	page, err := s.hub.Checks(t.Context(), hub.CheckFilter{})
	if err != nil || len(page.Rows) != 1 {
		t.Fatalf("checks %+v, %v", page.Rows, err)
	}
	_, _, answer := s.send(t, "/api/query", nil, fmt.Appendf(nil, `{"type":"sodaCoreCheckIdentities","checkId":%q,"token":"token-of-stub"}`, page.Rows[0].ID))
	if got, want := string(answer["identities"]), `{"v1":"one","v2":"two","v3":"three","v4":"four"}`; got != want {
		t.Errorf("identities %s, want %s", got, want)
	}
}

func FuzzCommand(f *testing.F) {
	f.Add([]byte(`{"type":"login","apiKeyId":1,"apiKeySecret":"b"}`))
	f.Add(insert(`"definitionName":"d","checks":[{"identity":"a","outcome":"fail","table":"t"}]`))
	s := mustStart(f, func(c *sodacloud.Config) { c.Log = slog.New(slog.DiscardHandler) })
	f.Fuzz(func(t *testing.T, body []byte) {
		status, _, answer := s.send(t, "/api/command", nil, body)
		if status != 200 && text(answer["message"]) == "" {
			t.Errorf("%d %s", status, answer)
		}
		if id := text(answer["scanId"]); id != "" {
			if err := s.hub.Digest(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
	})
}
