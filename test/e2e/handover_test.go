package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
	"github.com/sodalite-dq/sodalite/internal/table"
	"github.com/sodalite-dq/sodalite/internal/table/dynamo"
	"github.com/sodalite-dq/sodalite/internal/table/dynamo/dynamotest"
)

// lambdaService takes asynchronous invocations, as AWS Lambda does, and has function scan run them one after the other.
type lambdaService struct {
	*httptest.Server
	mu      sync.Mutex
	running sync.WaitGroup
	invoke  func(payload []byte) error
	asked   int
	errs    []string
}

func startLambdaService(t *testing.T) *lambdaService {
	s := &lambdaService{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		payload, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("X-Amz-Invocation-Type") != "Event" || !strings.HasSuffix(r.URL.Path, "/invocations") {
			http.Error(w, "unexpected", http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked++
		s.running.Go(func() { s.run(payload) })
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *lambdaService) run(payload []byte) {
	if err := s.invoke(payload); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.errs = append(s.errs, err.Error())
	}
}

// longRuns is the functions with runs that take longer than an invocation: of 35 seconds the function keeps 30 back for storing
// the result.
type longRuns struct {
	*awsForm
	lambda *lambdaService
	basic  map[string]string
	store  *dynamo.Table
}

func startLongRuns(t *testing.T, checks string) *longRuns {
	t.Helper()
	return startLongRunsOn(t, orders, "", checks)
}

// startLongRunsOn has other tables, and a setting of the data source.
func startLongRunsOn(t *testing.T, tables, setting, checks string) *longRuns {
	t.Helper()
	database := postgrestest.Start(t)
	database.Exec(t, tables)
	lambda := startLambdaService(t)
	a := startAWSForm(t, "AWS_ENDPOINT_URL_LAMBDA="+lambda.URL, "SODALITE_SCAN_FUNCTION=scan")
	a.limit = 35 * time.Second
	l := &longRuns{awsForm: a, lambda: lambda}
	lambda.invoke = func(payload []byte) error {
		_, err := a.function("scan").Invoke(context.WithoutCancel(t.Context()), payload)
		return err
	}
	a.function("scan") // before anybody asks for it from another goroutine
	t.Cleanup(lambda.running.Wait)
	for _, v := range a.env {
		if endpoint, ok := strings.CutPrefix(v, "AWS_ENDPOINT_URL_DYNAMODB="); ok {
			l.store = dynamo.New(dynamotest.Client(endpoint), a.table, time.Now)
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"checks.yml":      checks,
		"definitions.yml": configuration(database.Port) + "definitions:\n  long:\n    data source: shop\n    checks: checks.yml\n",
	} {
		text = strings.Replace(text, "  password: secret\n", setting, 1) // which nobody asks for
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.run("definitions", "apply", "-f", filepath.Join(dir, "definitions.yml"))
	var key struct{ ID, Secret string }
	if err := json.Unmarshal([]byte(a.run("keys", "create", "--name", "long", "--json")), &key); err != nil {
		t.Fatal(err)
	}
	l.basic = map[string]string{"authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(key.ID+":"+key.Secret)), "content-type": "application/x-www-form-urlencoded"}
	return l
}

// ask starts a run by the API.
func (l *longRuns) ask() (id string) {
	l.t.Helper()
	resp := l.http("dashboard", "POST", "/api/v1/scans", l.basic, "scanDefinition=long")
	for name, value := range resp.Headers {
		if strings.EqualFold(name, "X-Soda-Scan-Id") {
			return value
		}
	}
	l.t.Fatalf("start: %d %v %s", resp.StatusCode, resp.Headers, resp.Body)
	return ""
}

type toldScan struct {
	State string
	Why   string
}

func (l *longRuns) get(path string, v any) {
	l.t.Helper()
	resp := l.http("dashboard", "GET", path, l.basic, "")
	if resp.StatusCode != 200 || json.Unmarshal([]byte(resp.Body), v) != nil {
		l.t.Fatalf("%s: %d %s", path, resp.StatusCode, resp.Body)
	}
}

// ended waits for the run's end, digests its result, and gives its state and the outcomes of its checks.
func (l *longRuns) ended(id string) (state string, outcomes map[string]string) {
	l.t.Helper()
	var scan toldScan
	waitFor(l.t, "end of the run", 30*time.Second, func() bool {
		l.get("/api/v1/scans/"+id, &scan)
		return scan.State != "queuing" && scan.State != "executing"
	})
	if failed := l.wake("digest", table.Key{PK: "SCAN#" + id, SK: "DOC"}).BatchItemFailures; len(failed) > 0 {
		l.t.Errorf("digest failed: %v", failed)
	}
	var checks struct {
		Content []struct{ Name, EvaluationStatus string }
	}
	l.get("/api/v1/checks?size=100", &checks)
	outcomes = map[string]string{}
	for _, c := range checks.Content {
		outcomes[c.Name] = c.EvaluationStatus
	}
	return scan.State, outcomes
}

func (l *longRuns) log(id string) string {
	l.t.Helper()
	var log struct {
		Content []struct{ Message string }
	}
	l.get("/api/v1/scans/"+id+"/logs?size=1000", &log)
	var all strings.Builder
	for _, line := range log.Content {
		all.WriteString(line.Message + "\n")
	}
	return all.String()
}

func sleeps(n int, seconds float64) string {
	var checks strings.Builder
	for i := range n {
		fmt.Fprintf(&checks, "  - slow_%d > 0:\n      name: slow %d\n      slow_%d query: SELECT %d FROM pg_sleep(%g)\n", i, i, i, i+1, seconds)
	}
	return checks.String()
}

// handedOver asks for a run that takes several invocations, and wants so many checks of it to pass.
func (l *longRuns) handedOver(checks int) (id string) {
	l.t.Helper()
	id = l.ask()
	state, outcomes := l.ended(id)
	l.lambda.running.Wait()
	if state != "completed" || len(outcomes) != checks {
		l.t.Errorf("the run is %s with %d checks\n%s", state, len(outcomes), l.log(id))
	}
	for name, outcome := range outcomes {
		if outcome != "pass" {
			l.t.Errorf("%s is %s", name, outcome)
		}
	}
	if l.lambda.asked < 2 || len(l.lambda.errs) > 0 {
		l.t.Errorf("the function was asked for %d invocations; %v", l.lambda.asked, l.lambda.errs)
	}
	l.logged("scan", "run is handed over")
	return id
}

// TestALongRunIsHandedOver: what one invocation has no time for, the next ones do; together it is one scan with every check.
func TestALongRunIsHandedOver(t *testing.T) {
	l := startLongRuns(t, "checks for orders:\n  - row_count = 3\n"+sleeps(36, 1)) // four at once: nine seconds, of five an invocation has
	l.handedOver(37)
}

// TestATableThatTakesTooLongIsReadInSlices: one statement would take 36 seconds, and an invocation has five. Each reads some of the
// slices, and together they make one result.
func TestATableThatTakesTooLongIsReadInSlices(t *testing.T) {
	const tables = "CREATE TABLE wide AS SELECT i AS id, repeat('x', 100) AS note FROM generate_series(0, 119999) AS g(i);\nANALYZE wide"
	l := startLongRunsOn(t, tables, "  slices: 32\n", `checks for wide:
  - row_count = 120000
  - avg(id) = 59999.5
  - failed rows:
      name: slow rows
      fail condition: CASE WHEN id % 1000 = 7 THEN pg_sleep(0.3) IS NOT NULL END
      fail: when > 120
`)
	id := l.handedOver(3)
	if log := l.log(id); strings.Count(log, "slice 1 of 32 took") != 1 || strings.Count(log, "slice 32 of 32 took") != 1 {
		t.Errorf("slices are not read once each:\n%s", log)
	}
}

// TestARunThatGetsNowhereTimesOut: a statement that takes longer than an invocation is ended in the database, the run says so,
// and what was found before is kept.
func TestARunThatGetsNowhereTimesOut(t *testing.T) {
	l := startLongRuns(t, "checks for orders:\n  - row_count = 3\n"+sleeps(1, 600))
	id := l.ask()
	state, outcomes := l.ended(id)
	l.lambda.running.Wait()
	if log := l.log(id); state != "timedOut" || outcomes["row_count = 3"] != "pass" || outcomes["slow 0"] != "" && outcomes["slow 0"] != "notEvaluated" || !strings.Contains(log, "longer than it may") {
		t.Errorf("the run is %s, outcomes %v\n%s", state, outcomes, log)
	}
	if len(l.lambda.errs) > 0 {
		t.Errorf("invocations failed: %v", l.lambda.errs)
	}
	var warned struct {
		Content []struct{ ScanWarning *scanWarning }
	}
	l.get("/api/v1/datasets", &warned)
	if len(warned.Content) != 1 || warned.Content[0].ScanWarning == nil || warned.Content[0].ScanWarning.ScanDefinition != "long" {
		t.Errorf("datasets %+v", warned)
	}
}

// TestAKilledFunctionIsSeen: the process dies between claim and result. The run goes on in nobody's eyes until its lease is over;
// then a tick says that it failed, and the next run of the definition can begin.
func TestAKilledFunctionIsSeen(t *testing.T) {
	l := startLongRuns(t, "checks for orders:\n  - row_count = 3\n"+sleeps(1, 3))
	id := l.ask()
	var scan toldScan
	waitFor(t, "run executing", 10*time.Second, func() bool {
		l.get("/api/v1/scans/"+id, &scan)
		return scan.State == "executing"
	})
	if err := syscall.Kill(l.functions["scan"].PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	l.lambda.running.Wait()
	if len(l.lambda.errs) != 1 || !strings.Contains(l.lambda.errs[0], "process ended") {
		t.Fatalf("invocations: %v", l.lambda.errs)
	}
	delete(l.functions, "scan")
	var ticked struct{ Lost int }
	l.call("scan", map[string]any{"tick": true}, &ticked)
	if l.get("/api/v1/scans/"+id, &scan); ticked.Lost != 0 || scan.State != "executing" {
		t.Fatalf("within its lease the run is %s, %+v", scan.State, ticked)
	}

	l.leaseOver(id)
	l.call("scan", map[string]any{"tick": true}, &ticked)
	state, _ := l.ended(id)
	if log := l.log(id); ticked.Lost != 1 || state != "failed" || !strings.Contains(log, "fell silent") {
		t.Errorf("the run is %s, %+v\n%s", state, ticked, log)
	}
	again := l.ask()
	if state, outcomes := l.ended(again); state != "completed" || len(outcomes) != 2 {
		t.Errorf("the next run is %s, outcomes %v", state, outcomes)
	}
}

// leaseOver lets the minutes pass in which an executing run need not be heard of.
func (l *longRuns) leaseOver(id string) {
	l.t.Helper()
	item, err := l.store.Get(l.t.Context(), table.Key{PK: "RUN#" + id, SK: "DOC"})
	if err != nil {
		l.t.Fatal(err)
	}
	var run map[string]any
	if err := json.Unmarshal(item.Head, &run); err != nil {
		l.t.Fatal(err)
	}
	if run["deadline"] == nil {
		l.t.Fatalf("the run has no deadline: %s", item.Head)
	}
	run["deadline"] = time.Now().Add(-time.Second).UTC()
	if item.Head, err = json.Marshal(run); err != nil {
		l.t.Fatal(err)
	}
	version := item.Version
	item.Version++
	if err := l.store.Write(l.t.Context(), table.Put(item, table.IfVersion(version))); err != nil {
		l.t.Fatal(err)
	}
}
