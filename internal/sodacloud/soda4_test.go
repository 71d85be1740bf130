package sodacloud_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/sodacloud"
	"github.com/sodalite-dq/sodalite/internal/table/tabletest"
)

// verified is an insert of a contract on the dataset orders with one check.
func verified(outcome, at string, more map[string]any) map[string]any {
	m := map[string]any{
		"definitionName": orders.QualifiedName(), "defaultDataSource": "warehouse", "dataTimestamp": at, "contract": map[string]any{"fileId": "f"},
		"checks": []any{map[string]any{"identities": map[string]any{"vc1": "24bdaf0e"}, "checkPath": "checks.row_count", "checkType": "row_count", "name": "rows",
			"outcome": outcome, "dataSource": "warehouse", "datasetPrefix": []string{"postgres", "sales"}, "table": "orders", "source": "soda-contract",
			"diagnostics": map[string]any{"value": 5, "fail": map[string]any{}}}},
	}
	for name, v := range more {
		m[name] = v
	}
	return m
}

// insert4 sends a message, digests what came of it, and gives the answer.
func (s *system) insert4(t *testing.T, message map[string]any) map[string]json.RawMessage {
	t.Helper()
	s.now = s.now.Add(time.Second)
	status, header, answer := s.send(t, "/api/command", nil, mustJSON(t, withToken("sodaCoreInsertScanResults", message)))
	if status != 200 || text(answer["scanId"]) == "" {
		t.Fatalf("insert: %d %s", status, answer)
	}
	if err := s.hub.Digest(t.Context(), header.Get("X-Soda-Trace-Id")); err != nil {
		t.Fatal(err)
	}
	return answer
}

func withToken(kind string, message map[string]any) map[string]any {
	out := map[string]any{"type": kind, "token": "token-of-stub"}
	for name, v := range message {
		out[name] = v
	}
	return out
}

// warnings are those on the dataset orders.
func (s *system) warnings(t *testing.T) []hub.ScanWarning {
	t.Helper()
	d, err := s.hub.Dataset(t.Context(), orders.ID())
	if err != nil {
		t.Fatal(err)
	}
	return d.Warnings
}

// stream sends lines of a log and wants 200.
func (s *system) stream(t *testing.T, id, batch string, lines ...string) {
	t.Helper()
	status, _, answer := s.send(t, "/api/logs/"+id+"/"+batch, map[string]string{"Authorization": "token-of-stub", "Content-Type": "application/jsonlines"}, []byte(strings.Join(lines, "\n")))
	if status != 200 {
		t.Fatalf("log batch: %d %s", status, answer)
	}
}

func logLine(thread string, index, second int, message string) string {
	return fmt.Sprintf(`{"level":"info","message":%q,"timestamp":"2026-11-24T00:00:%02d+00:00","index":%d,"thread":%q,"stage":"main","dataset":""}`, message, second, index, thread)
}

func (s *system) log(t *testing.T, id string) string {
	t.Helper()
	lines, err := s.runs.Log(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, l := range lines {
		words = append(words, l.Message)
	}
	return strings.Join(words, " ")
}

func TestAnswerToAContract(t *testing.T) {
	s := mustStart(t, nil)
	answer := s.insert4(t, verified("pass", "2026-11-24T00:00:00+00:00", nil))
	var checks []struct {
		ID         string
		Identities []string
		Datasets   []struct{ ID, DQN string }
	}
	if err := json.Unmarshal(answer["checks"], &checks); err != nil {
		t.Fatal(err)
	}
	c, err := s.hub.Check(t.Context(), checks[0].ID)
	if err != nil || c.Name != "rows" || c.Origin != dq.OriginContract {
		t.Errorf("the id of the answer leads to %+v, %v", c, err)
	}
	if checks[0].Identities[0] != "24bdaf0e" || checks[0].Datasets[0].DQN != orders.QualifiedName() || checks[0].Datasets[0].ID != orders.ID() {
		t.Errorf("answer %+v", checks)
	}
	if got, want := text(answer["cloudUrl"]), "https://dq.example.com/datasets/"+orders.ID()+"?scan="+text(answer["scanId"]); got != want {
		t.Errorf("cloudUrl %s, want %s", got, want)
	}
	again := s.insert4(t, verified("pass", "2026-11-24T00:00:00+00:00", nil))
	if text(again["scanId"]) != text(answer["scanId"]) {
		t.Error("the same message twice makes two scans")
	}
}

func TestAManagedScanLosesNothing(t *testing.T) {
	s := mustStart(t, nil)
	managed := map[string]any{"scanId": "11111111-2222-3333-4444-555555555555"}
	for i, at := range []string{"2026-11-24T00:00:00+00:00", "2026-11-24T00:00:00+00:00", "2026-11-24T00:01:00+00:00"} { // once, again, and a second contract
		if got := text(s.insert4(t, verified("pass", at, managed))["scanId"]); got != managed["scanId"] {
			t.Errorf("insert %d is answered %q", i, got)
		}
	}
	page, err := s.hub.Scans(t.Context(), hub.ScanFilter{})
	if err != nil || len(page.Rows) != 2 {
		t.Errorf("%d scans, %v; want 2: the repeat is one with the first", len(page.Rows), err)
	}
	for range 2 { // clients before 4.20 may say it twice, and after results
		if status, answer := s.ask(t, "/api/command", "sodaCoreMarkScanFailed", map[string]any{"scanId": managed["scanId"], "logs": []any{}}); status != 200 {
			t.Errorf("marked failed after results: %d %s", status, answer)
		}
	}
	scan, err := s.hub.Scan(t.Context(), managed["scanId"].(string))
	if err != nil || scan.State != dq.Completed {
		t.Errorf("the scan is %s, %v", scan.State, err)
	}
}

func TestMarkedFailedWarnsUntilTheNextGoodScan(t *testing.T) {
	s := mustStart(t, nil)
	s.insert4(t, verified("pass", "2026-11-24T00:00:00+00:00", nil))
	failed := map[string]any{"scanId": "run-1", "logs": []any{
		map[string]any{"level": "info", "message": "Fetching datasets configurations for '[DatasetIdentifier(data_source='warehouse', prefixes=['postgres', 'sales'], dataset='orders')]'", "index": 0, "thread": 5},
		map[string]any{"level": "error", "message": "Could not connect", "index": 1, "thread": "soda-contract"},
	}}
	for range 2 {
		s.now = s.now.Add(time.Minute)
		if status, answer := s.ask(t, "/api/command", "sodaCoreMarkScanFailed", failed); status != 200 {
			t.Fatalf("mark: %d %s", status, answer)
		}
		if err := s.hub.Digest(t.Context(), "run-1"); err != nil {
			t.Fatal(err)
		}
	}
	if w := s.warnings(t); len(w) != 1 || w[0].ScanID != "run-1" || w[0].Why != "Could not connect" {
		t.Errorf("warnings %+v", w)
	}
	if _, err := s.hub.Alert(t.Context(), "run-1"); err == nil {
		t.Error("a failed scan alerts")
	}
	late := s.insert4(t, verified("fail", "2026-11-24T02:00:00+00:00", map[string]any{"scanId": "run-1"}))
	if text(late["scanId"]) != "run-1" || len(s.warnings(t)) != 0 {
		t.Errorf("results after all: %s; warnings %+v", late, s.warnings(t))
	}
}

func TestAFailureNobodyCanPlaceIsShownAsARun(t *testing.T) {
	s := mustStart(t, nil)
	status, answer := s.ask(t, "/api/command", "sodaCoreMarkScanFailed", map[string]any{"scanId": "lost-1", "logs": []any{map[string]any{"level": "error", "message": "bad file", "index": 0}}})
	if status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	run, err := s.runs.Run(t.Context(), "lost-1")
	if err != nil || run.State != dq.Failed || s.log(t, "lost-1") != "bad file" {
		t.Errorf("run %+v, %v", run, err)
	}
}

func TestStreamedLogs(t *testing.T) {
	s := mustStart(t, nil)
	first := []string{logLine("a", 0, 1, "one"), logLine("a", 1, 2, "two"), logLine("b", 0, 2, "other")}
	s.stream(t, "live", "batchV4", first...)
	run, err := s.runs.Run(t.Context(), "live")
	if err != nil || run.State != dq.Executing || run.Lines != 3 {
		t.Fatalf("run %+v, %v", run, err)
	}
	s.stream(t, "live", "batchV4", first...)                                                          // again, as after a broken connection
	s.stream(t, "live", "batchV3", logLine("a", 2, 1, "three"), logLine("a", 1, 2, "two"), "no line") // a clock that goes back, a repeat within another batch
	if got, want := s.log(t, "live"), "no line one two three other"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	s.insert4(t, verified("pass", "2026-11-24T00:00:00+00:00", map[string]any{"scanId": "live"}))
	if run, _ := s.runs.Run(t.Context(), "live"); run.State != dq.Completed {
		t.Errorf("after its results the run is %s", run.State)
	}
	s.stream(t, "live", "batchV4", logLine("a", 9, 9, "late"))
	if got := s.log(t, "live"); !strings.HasSuffix(got, "late") {
		t.Errorf("a line after the end is lost: %q", got)
	}
	id := text(s.insert4(t, verified("pass", "2026-11-24T03:00:00+00:00", nil))["scanId"])
	s.stream(t, id, "batchV4", logLine("a", 0, 9, "of a scan that never ran here"))
	if run, err := s.runs.Run(t.Context(), id); err != nil || !run.State.Finished() {
		t.Errorf("lines for a finished scan begin a run: %+v, %v", run, err)
	}
}

func TestStreamedLogsAreBounded(t *testing.T) {
	s := mustStart(t, nil)
	long := strings.Repeat("é", 50_000)
	s.stream(t, "long", "batchV4", logLine("a", 0, 0, long))
	if got := len(s.log(t, "long")); got > 11_000 {
		t.Errorf("a line of %d bytes", got)
	}
	for batch := range 25 {
		var lines []string
		for i := range 1000 {
			lines = append(lines, logLine("a", 1+batch*1000+i, 0, "x"))
		}
		s.stream(t, "many", "batchV4", lines...)
	}
	lines, err := s.runs.Log(t.Context(), "many")
	if err != nil || len(lines) > runs.MaxLines+1 || !strings.Contains(lines[len(lines)-1].Message, "longer than") {
		t.Errorf("%d lines, %v, the last %+v", len(lines), err, lines[len(lines)-1])
	}
}

func TestBadLogBatches(t *testing.T) {
	s := mustStart(t, nil)
	for name, c := range map[string]struct {
		path, token string
		body        string
		status      int
	}{
		"no token":    {"/api/logs/x/batchV4", "", "{}", 401},
		"wrong token": {"/api/logs/x/batchV4", "nope", "{}", 401},
		"strange id":  {"/api/logs/a%20b/batchV4", "token-of-stub", "{}", 400},
		"too large":   {"/api/logs/x/batchV4", "token-of-stub", strings.Repeat("x", 5<<20), 413},
		"nothing":     {"/api/logs/x/batchV4", "token-of-stub", "", 200},
		"not JSON":    {"/api/logs/y/batchV4", "token-of-stub", "oops\n\n", 200},
	} {
		status, _, answer := s.send(t, c.path, map[string]string{"Authorization": c.token}, []byte(c.body))
		if status != c.status {
			t.Errorf("%s: %d %s, want %d", name, status, answer, c.status)
		}
	}
	if _, err := s.runs.Run(t.Context(), "x"); err == nil {
		t.Error("an empty batch makes a run")
	}
}

// bury does what the schedule does to runs that fell silent.
func (s *system) bury(t *testing.T) runs.Ticked {
	t.Helper()
	e := &runs.Executor{Store: s.runs, Hub: s.hub}
	done, err := e.Tend(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestAScannerThatIsKilledLeavesAWarning(t *testing.T) {
	s := mustStart(t, nil)
	s.insert4(t, verified("pass", "2026-11-24T00:00:00+00:00", nil))
	start := map[string]any{"scanId": "killed", "version": "4", "definitionName": orders.QualifiedName(), "defaultDataSource": "warehouse", "dataTimestamp": "2026-11-24T00:10:00+00:00"}
	if status, answer := s.ask(t, "/api/command", "sodaCoreScanStart", start); status != 200 || text(answer["scanReference"]) != "killed" {
		t.Fatalf("start: %d %s", status, answer)
	}
	s.stream(t, "killed", "batchV4", logLine("a", 0, 1, "Running a query"))
	for range 3 { // as long as it is heard of it is not lost
		s.now = s.now.Add(100 * time.Minute)
		s.stream(t, "killed", "batchV4", logLine("a", int(s.now.Unix()%100_000), 1, "Still running"))
		if done := s.bury(t); done.Lost != 0 {
			t.Fatal("a scan that is heard of is lost")
		}
	}
	s.now = s.now.Add(3 * time.Hour)
	if done := s.bury(t); done.Lost != 1 {
		t.Fatalf("%+v", done)
	}
	if err := s.hub.Digest(t.Context(), "killed"); err != nil {
		t.Fatal(err)
	}
	if w := s.warnings(t); len(w) != 1 || w[0].ScanID != "killed" || !strings.Contains(w[0].Why, "silent") {
		t.Errorf("warnings %+v", w)
	}
	if _, err := s.hub.Alert(t.Context(), "killed"); err == nil {
		t.Error("a lost scan alerts")
	}
	s.insert4(t, verified("pass", s.now.Format(time.RFC3339), nil))
	if w := s.warnings(t); len(w) != 0 {
		t.Errorf("warnings after a good scan %+v", w)
	}
}

// deaf is a store of runs that cannot be told that a scan has ended.
type deaf struct{ *runs.Store }

func (deaf) End(context.Context, string, dq.ScanState, string) error { return errStorage }

func TestResultsAreNotTakenForSilence(t *testing.T) {
	s := mustStart(t, nil)
	door := mustStart(t, func(c *sodacloud.Config) { c.Hub, c.Runs = s.hub, deaf{s.runs} })
	s.stream(t, "live", "batchV4", logLine("a", 0, 1, "one"))
	status, _, answer := door.send(t, "/api/command", nil, mustJSON(t, withToken("sodaCoreInsertScanResults", verified("pass", "2026-11-24T00:00:00+00:00", map[string]any{"scanId": "live"}))))
	if status != 200 {
		t.Fatalf("what is stored is acknowledged: %d %s", status, answer)
	}
	s.now = s.now.Add(3 * time.Hour)
	if done := s.bury(t); done.Lost != 1 {
		t.Errorf("%+v", done)
	}
	page, err := s.hub.Scans(t.Context(), hub.ScanFilter{})
	if run, runErr := s.runs.Run(t.Context(), "live"); err != nil || runErr != nil || len(page.Rows) != 1 || run.State != dq.Completed {
		t.Errorf("scans %+v, run %+v", page.Rows, run)
	}
}

func TestBatchesWithoutAnEndHaveFailed(t *testing.T) {
	s := mustStart(t, nil)
	batch := verified("pass", "2026-11-24T00:00:00+00:00", map[string]any{"scanReference": "cut"})
	if status, answer := s.ask(t, "/api/command", "sodaCoreInsertScanDataBatch", batch); status != 200 { // without a start, too
		t.Fatalf("%d %s", status, answer)
	}
	s.now = s.now.Add(3 * time.Hour)
	s.bury(t)
	page, err := s.hub.Scans(t.Context(), hub.ScanFilter{})
	if err != nil || len(page.Rows) != 2 || page.Rows[0].State != dq.Failed || page.Rows[1].State != dq.Completed {
		t.Errorf("scans %+v, %v; want what came, and a failed scan beside it", page.Rows, err)
	}
}

func TestResultsInBatches(t *testing.T) {
	s := mustStart(t, nil)
	start := map[string]any{"scanId": "batched", "definitionName": "all of sales", "dataTimestamp": "2026-11-24T00:00:00+00:00"}
	batch := func(at string) (int, map[string]json.RawMessage) {
		return s.ask(t, "/api/command", "sodaCoreInsertScanDataBatch", verified("pass", at, map[string]any{"scanReference": "batched"}))
	}
	for _, step := range []func() (int, map[string]json.RawMessage){
		func() (int, map[string]json.RawMessage) { return s.ask(t, "/api/command", "sodaCoreScanStart", start) },
		func() (int, map[string]json.RawMessage) { return batch("2026-11-24T00:00:00+00:00") },
		func() (int, map[string]json.RawMessage) { return batch("2026-11-24T00:01:00+00:00") },
		func() (int, map[string]json.RawMessage) {
			return s.ask(t, "/api/command", "sodaCoreScanEndAsync", map[string]any{"scanReference": "batched"})
		},
	} {
		if status, answer := step(); status != 200 {
			t.Fatalf("%d %s", status, answer)
		}
	}
	if run, err := s.runs.Run(t.Context(), "batched"); err != nil || run.State != dq.Completed || run.Definition != "all of sales" {
		t.Errorf("run %+v, %v", run, err)
	}
	page, err := s.hub.Scans(t.Context(), hub.ScanFilter{})
	if err != nil || len(page.Rows) != 2 {
		t.Errorf("%d scans, %v; want one for each batch", len(page.Rows), err)
	}
	if status, answer := s.ask(t, "/api/command", "sodaCoreScanStart", start); status != 400 || text(answer["code"]) != "invalid_scan_state" {
		t.Errorf("started again: %d %s", status, answer)
	}
	if status, answer := s.ask(t, "/api/command", "sodaCorePostProcessingUpdate", map[string]any{"scanId": "batched", "name": "warehouse", "state": "failed", "error": "no room"}); status != 200 {
		t.Errorf("stage: %d %s", status, answer)
	}
	if got := s.log(t, "batched"); got != "Stage warehouse: failed\nno room" {
		t.Errorf("log %q", got)
	}
}

func TestQueriesOfSodaCore4(t *testing.T) {
	s := mustStart(t, nil)
	s.insert4(t, verified("fail", "2026-11-23T00:00:00+00:00", nil))
	s.insert4(t, verified("pass", "2026-11-24T00:00:00+00:00", map[string]any{"metrics": []any{map[string]any{"identity": "m1", "metricName": "rows", "value": 7}}}))
	identities := make([]string, 500)
	for i := range identities {
		identities[i] = fmt.Sprint("none", i)
	}
	s.mustPublish(t, orders.QualifiedName(), ordersContract)
	filter := map[string]any{"type": "and", "andExpressions": []any{map[string]any{"type": "equals", "left": map[string]any{"columnName": "identifier"}, "right": map[string]any{"value": orders.QualifiedName()}}}}
	for name, c := range map[string]struct {
		kind    string
		members map[string]any
		want    string
	}{
		"who am I":        {"whoAmI", nil, `"name":"nightly scanner"`},
		"configuration":   {"sodaCoreDatasetsConfiguration", map[string]any{"version": 4, "datasets": []any{}}, `"results":[]`},
		"data source":     {"sodaCoreGetDatasourceConfigurationFile", nil, `{}`},
		"contracts":       {"sodaCoreContracts", map[string]any{"filter": filter}, `"results":[{"contents":`},
		"measurements":    {"sodaCoreHistoricMeasurements2", map[string]any{"metricIdentities": append(identities, "m1"), "limit": 1}, `"identity":"m1","value":7`},
		"no measurements": {"sodaCoreHistoricMeasurements2", map[string]any{"metricIdentities": []string{"m1"}, "minScanTime": "2026-11-25T00:00:00.000+00:00", "maxScanTime": "2026-11-26T00:00:00.000+00:00"}, `"results":[]`},
		"check results":   {"sodaCoreHistoricCheckResults2", map[string]any{"checkIdentities": []string{"24bdaf0e"}, "limit": 1}, `{"results":[{"dataTime":"2026-11-24T00:00:00Z","identity":"24bdaf0e","outcome":"pass"}]}`},
		"before others":   {"sodaCoreHistoricCheckResults2", map[string]any{"checkIdentities": []string{"24bdaf0e"}, "limit": 1, "minScanTime": "2026-11-22T00:00:00.000+00:00", "maxScanTime": "2026-11-23T12:00:00.000+00:00"}, `{"results":[{"dataTime":"2026-11-23T00:00:00Z","identity":"24bdaf0e","outcome":"fail"}]}`},
	} {
		status, answer := s.ask(t, "/api/query", c.kind, c.members)
		if got := string(mustJSON(t, anyJSON(t, mustJSON(t, answer)))); status != 200 || !strings.Contains(got, c.want) {
			t.Errorf("%s: %d %s, want %s", name, status, got, c.want)
		}
	}
}

func TestBadInputOfSodaCore4(t *testing.T) {
	for name, c := range map[string]struct {
		path, kind string
		members    map[string]any
		want       string
	}{
		"no scan id":           {"/api/command", "sodaCoreMarkScanFailed", nil, "scanId: is missing"},
		"a path as id":         {"/api/command", "sodaCoreMarkScanFailed", map[string]any{"scanId": "../../x"}, "scanId"},
		"start of nothing":     {"/api/command", "sodaCoreScanStart", map[string]any{"scanId": "a"}, "definitionName: is missing"},
		"endless name":         {"/api/command", "sodaCoreScanStart", map[string]any{"scanId": "a", "definitionName": strings.Repeat("x", 1001)}, "1001 characters"},
		"end of nothing":       {"/api/command", "sodaCoreScanEndAsync", nil, "scanReference: is missing"},
		"stage of an unknown":  {"/api/command", "sodaCorePostProcessingUpdate", map[string]any{"scanId": "nope", "name": "x"}, "there is no scan"},
		"too many identities":  {"/api/query", "sodaCoreHistoricMeasurements2", map[string]any{"metricIdentities": make([]string, 1001)}, "at most 1000"},
		"a contract request":   {"/api/query", "sodaCoreFetchContractRequestProposal", map[string]any{"contractRequestNumber": 1}, "soda contract publish"},
		"a transition":         {"/api/command", "sodaCoreTransitionContractRequest", map[string]any{"contractRequestNumber": 1}, "soda contract publish"},
		"an unknown command":   {"/api/command", "sodaCoreV3MigrationCreate", nil, "unknown command"},
		"contract is a number": {"/api/command", "sodaCoreInsertScanResults", map[string]any{"contract": 5}, "contract: is a JSON number"},
		"endless container":    {"/api/command", "sodaCoreInsertScanResults", verified("pass", "", map[string]any{"checks": []any{map[string]any{"checkPath": "a", "outcome": "pass", "table": "t", "datasetPrefix": []string{strings.Repeat("x", 1001)}}}}), "1001 characters"},
		"no definition":        {"/api/command", "sodaCoreInsertScanResults", map[string]any{"contract": map[string]any{}}, "scan definition"},
	} {
		s := mustStart(t, nil)
		status, answer := s.ask(t, c.path, c.kind, c.members)
		if status != http.StatusBadRequest || !strings.Contains(text(answer["message"]), c.want) || text(answer["code"]) == "" {
			t.Errorf("%s: %d %s, want 400 with %q", name, status, answer, c.want)
		}
	}
}

// TestBudgetOfAContract holds the cost of a contract of 500 checks: accepting it is one write, and a check result costs at most
// 0.6 write units with the digest.
func TestBudgetOfAContract(t *testing.T) {
	s := mustStart(t, nil)
	message := verified("pass", "2026-11-24T00:00:00+00:00", nil)
	checks := make([]any, 500)
	for i := range checks {
		outcome := "pass"
		if i%7 == 0 {
			outcome = "fail"
		}
		column := fmt.Sprintf("column_%03d", i)
		checks[i] = map[string]any{
			"identities": map[string]any{"vc1": fmt.Sprintf("%08x", 2654435761*i%4294967296)}, "checkPath": "columns." + column + ".checks.missing", "checkType": "missing", "type": "generic",
			"name": "No missing values", "definition": "columns:\n- name: " + column + "\n  checks:\n  - threshold:\n      metric: percent\n      must_be_less_than: 5\n", "column": column,
			"resourceAttributes": []any{map[string]any{"name": "team", "value": "sales"}}, "location": map[string]any{"filePath": "contract.yml", "line": 3 + 6*i, "col": 10}, "source": "soda-contract",
			"dataSource": "warehouse", "datasetPrefix": []string{"postgres", "sales"}, "table": "orders", "outcome": outcome,
			"diagnostics": map[string]any{"value": float64(i%20) + 0.5, "fail": map[string]any{"greaterThanOrEqual": 5},
				"v4": map[string]any{"type": "missing", "failedRowsCount": i, "failedRowsPercent": float64(i%20) + 0.5, "datasetRowsTested": 1000, "checkRowsTested": 1000}},
		}
	}
	message["checks"] = checks
	s.insert4(t, message)
	meter := tabletest.NewMeter(s.runs.Table)
	metered := mustStartOn(t, s, meter)
	message["dataTimestamp"] = "2026-11-24T01:00:00+00:00"
	status, _, answer := metered.send(t, "/api/command", nil, mustJSON(t, withToken("sodaCoreInsertScanResults", message)))
	accepted := meter.Take()
	if status != 200 || accepted.Calls() != 1 {
		t.Errorf("accepting takes %d calls, want 1 write: %d %s", accepted.Calls(), status, answer["message"])
	}
	if err := metered.hub.Digest(t.Context(), text(answer["scanId"])); err != nil {
		t.Fatal(err)
	}
	digested := meter.Take()
	t.Logf("accept %+v, digest %+v", accepted, digested)
	if got := (accepted.WriteUnits + digested.WriteUnits) / 500; got > 0.6 {
		t.Errorf("%.2f write units a check result, at most 0.6", got)
	}
	var listed []json.RawMessage
	if err := json.Unmarshal(answer["checks"], &listed); err != nil || len(listed) != 500 {
		t.Errorf("%d checks in the answer, %v", len(listed), err)
	}
}

// mustStartOn is another door to the store of a system, through a meter.
func mustStartOn(t *testing.T, s *system, meter *tabletest.Meter) *system {
	t.Helper()
	clock := func() time.Time { return s.now }
	other := &system{now: s.now, hub: hub.New(meter, clock, hub.Retention{})}
	other.runs = &runs.Store{Table: meter, Now: clock, Keep: time.Hour}
	door := mustStart(t, func(c *sodacloud.Config) { c.Hub, c.Runs = other.hub, other.runs })
	other.web = door.web
	return other
}
