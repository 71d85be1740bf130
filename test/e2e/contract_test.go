package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
	"github.com/sodalite-dq/sodalite/test/component"
)

// cloud stands in for a server: it accepts everything and keeps the last results.
type cloud struct {
	*httptest.Server
	mu      sync.Mutex
	results map[string]any
}

func startCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	data, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(data, &body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if body["type"] == "sodaCoreInsertScanResults" {
		c.mu.Lock()
		c.results = body
		c.mu.Unlock()
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"token":"t","results":[],"fileId":"f","scanId":"s"}`)
}

// take gives the results that were pushed since, nil for none.
func (c *cloud) take() map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	results := c.results
	c.results = nil
	return results
}

// contractDeviations are the cases in which our engine knowingly concludes something else: by case what exit code it has, and by
// check why. docs/contracts.md tells of each.
var contractDeviations = map[string]map[string]string{
	"no-column": {
		"checks.row_count": "what can be measured is measured, though another column is not there", "columns.id.checks.missing": "likewise",
	},
	"no-source": {"": "3"}, // a data source that is not configured is an error, whether results are pushed or not
}

// TestContractsAsTheReferenceClient runs the reference client and sodalite contract verify on the same contracts and tables,
// and compares exit codes and all that both push.
func TestContractsAsTheReferenceClient(t *testing.T) {
	client := component.Path(t, "SODALITE_SODA4")
	database := postgrestest.Start(t)
	tables, err := os.ReadFile("testdata/contracts/tables.sql")
	if err != nil {
		t.Fatal(err)
	}
	database.Exec(t, string(tables))
	files, err := filepath.Glob("testdata/contracts/*.yml")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d contracts, %v", len(files), err)
	}
	c := startCloud(t)
	host := strings.TrimPrefix(c.URL, "http://")
	configuration := map[string]string{
		"source.yml": source4("shop", database.Port),
		"cloud.yml":  fmt.Sprintf("soda_cloud:\n  scheme: http\n  host: %s\n  api_key_id: key\n  api_key_secret: secret\n", host),
	}
	runs := c.reference(t, client, configuration, files)
	checks := 0
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".yml")
		t.Run(name, func(t *testing.T) {
			run := runs[name]
			if run.Exit != run.want {
				t.Errorf("the reference client ends with %d, want %d\n%s", run.Exit, run.want, run.Output)
			}
			ours := c.verify(t, run, contractDeviations[name])
			checks += compareContracts(t, contractDeviations[name], run.results, ours)
		})
	}
	t.Logf("%d checks compared", checks)
}

// referenceRun is one run of the reference client.
type referenceRun struct {
	Dir    string   `json:"dir"`
	Args   []string `json:"args"`
	Exit   int      `json:"exit"`
	Output string   `json:"output"`

	want    int
	results map[string]any
}

// reference runs the reference client on all contracts. Its modules are loaded once, and each run is a process of its own.
func (c *cloud) reference(t *testing.T, client string, configuration map[string]string, files []string) map[string]*referenceRun {
	t.Helper()
	runs := map[string]*referenceRun{}
	loader := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(client), "python"), "testdata/contracts/run.py")
	loader.Env = append(os.Environ(), "HOME="+t.TempDir(), "PYTHONWARNINGS=ignore", "SODA_CORE_TELEMETRY_ENABLED=false")
	loader.Stderr = os.Stderr
	in, err1 := loader.StdinPipe()
	out, err2 := loader.StdoutPipe()
	if err := errors.Join(err1, err2, loader.Start()); err != nil {
		t.Fatal(err)
	}
	answers := json.NewDecoder(out)
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		configuration["contract.yml"] = string(text)
		run := &referenceRun{Dir: newScanner(t, client, configuration).dir}
		run.Args = append([]string{"contract", "verify", "-c", "contract.yml", "-ds", "source.yml", "-sc", "cloud.yml", "-p"}, strings.Fields(header(text, "args"))...)
		if run.want, err = strconv.Atoi(header(text, "exit")); err != nil {
			t.Fatalf("%s has no line such as # exit: 0", path)
		}
		if err := errors.Join(json.NewEncoder(in).Encode(run), answers.Decode(run)); err != nil {
			t.Fatal(err)
		}
		run.results = c.take()
		runs[strings.TrimSuffix(filepath.Base(path), ".yml")] = run
	}
	in.Close()
	if err := loader.Wait(); err != nil {
		t.Fatal(err)
	}
	return runs
}

// header reads a line such as "# exit: 1" at the beginning of a contract.
func header(text []byte, name string) string {
	found := regexp.MustCompile(`(?m)^# ` + name + `: (.*)$`).FindSubmatch(text)
	if found == nil {
		return ""
	}
	return string(found[1])
}

// verify runs our program in the same folder with the same arguments.
func (c *cloud) verify(t *testing.T, run *referenceRun, deviations map[string]string) map[string]any {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, run.Args...)
	cmd.Dir = run.Dir
	out, _ := cmd.CombinedOutput() // the exit code is compared
	want := fmt.Sprint(run.want)
	if code, ok := deviations[""]; ok {
		want = code
	}
	if got := fmt.Sprint(cmd.ProcessState.ExitCode()); got != want {
		t.Errorf("sodalite ends with %s, want %s\n%s", got, want, out)
	}
	return c.take()
}

// compareContracts compares what two clients pushed, and gives the number of checks.
func compareContracts(t *testing.T, deviations map[string]string, theirs, ours map[string]any) int {
	t.Helper()
	if theirs == nil {
		return 0 // a contract that cannot be read gives no results there, and a failed scan here
	}
	for _, member := range []string{
		"definitionName", "defaultDataSource", "defaultDataSourceProperties", "hasErrors", "hasWarnings", "hasFailures", "resultsIngestionMode",
	} {
		if member == "hasErrors" || !theirs["hasErrors"].(bool) {
			same(t, member, theirs[member], ours[member])
		}
	}
	want, got := byPath(theirs), byPath(ours)
	if len(want) == 0 { // they had errors before they began
		return 0
	}
	for path, check := range want {
		mine, ok := got[path]
		if !ok {
			t.Errorf("%s: not reported", path)
			continue
		}
		if why, ok := deviations[path]; ok {
			if reflect.DeepEqual(check["outcome"], mine["outcome"]) {
				t.Errorf("%s deviates (%s), but is equal", path, why)
			}
			continue
		}
		compareCheck(t, path, check, mine)
	}
	for path := range got {
		if want[path] == nil {
			t.Errorf("%s: only reported by us", path)
		}
	}
	return len(want)
}

func byPath(results map[string]any) map[string]map[string]any {
	out := map[string]map[string]any{}
	list, _ := results["checks"].([]any)
	for _, c := range list {
		check := c.(map[string]any)
		out[check["checkPath"].(string)] = check
	}
	return out
}

func compareCheck(t *testing.T, path string, theirs, ours map[string]any) {
	t.Helper()
	for _, member := range []string{
		"identities", "name", "type", "checkType", "resourceAttributes", "location", "dataSource", "table", "datasetPrefix", "column", "outcome", "source",
	} {
		if member == "name" { // which may tell the time of the run
			theirs[member], ours[member] = withoutTime(theirs[member]), withoutTime(ours[member])
		}
		same(t, path+" "+member, theirs[member], ours[member])
	}
	if text := fmt.Sprint(theirs["definition"]); !strings.Contains(text, "${var.") { // which we fill in at any depth
		same(t, path+" definition", parsed(t, text), parsed(t, ours["definition"]))
	}
	if theirs["outcome"] == "excluded" {
		return // its bounds mean nothing
	}
	a, b := theirs["diagnostics"].(map[string]any), ours["diagnostics"].(map[string]any)
	for _, member := range []string{"value", "fail", "warn", "measure"} {
		if member == "value" && theirs["outcome"] == "unevaluated" {
			continue
		}
		if member == "value" && a["measure"] == "time" && path == "checks.freshness" && near(a[member], b[member]) {
			continue // the one of now
		}
		same(t, path+" diagnostics."+member, a[member], b[member])
	}
	if theirs["outcome"] != "unevaluated" {
		compareV4(t, path, a["v4"].(map[string]any), b["v4"].(map[string]any))
	}
}

func compareV4(t *testing.T, path string, theirs, ours map[string]any) {
	t.Helper()
	for member, value := range theirs {
		if strings.HasPrefix(member, "expectedTimestamp") && path == "checks.freshness" {
			continue
		}
		same(t, path+" v4."+member, value, ours[member])
	}
	for member := range ours {
		if _, ok := theirs[member]; !ok {
			t.Errorf("%s v4.%s is only told by us: %v", path, member, ours[member])
		}
	}
}

func near(a, b any) bool {
	x, ok1 := a.(float64)
	y, ok2 := b.(float64)
	return ok1 && ok2 && x-y < 120_000 && y-x < 120_000
}

var times = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00`)

func withoutTime(v any) any { return times.ReplaceAllString(fmt.Sprint(v), "<time>") }

// parsed reads a definition, which the two print differently.
func parsed(t *testing.T, v any) any {
	t.Helper()
	var out any
	if err := yaml.Unmarshal([]byte(times.ReplaceAllString(fmt.Sprint(v), "<time>")), &out); err != nil {
		t.Errorf("the definition %v cannot be read: %v", v, err)
	}
	return out
}

func same(t *testing.T, what string, theirs, ours any) {
	t.Helper()
	if what == "resourceAttributes" {
		theirs, ours = sorted(theirs), sorted(ours)
	}
	if !reflect.DeepEqual(theirs, ours) {
		a, _ := json.Marshal(theirs) // it came from JSON
		b, _ := json.Marshal(ours)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: the reference client says %s, we say %s", what, a, b)
		}
	}
}

func sorted(v any) any {
	list, _ := v.([]any)
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return list
}

// TestContractsRunByTheSystem lets the real client verify contracts on the system's own engine (verify -r).
func TestContractsRunByTheSystem(t *testing.T) {
	client := component.Path(t, "SODALITE_SODA4")
	database := postgrestest.Start(t)
	database.Exec(t, orders)
	s := startSodalite(t, "SODALITE_SOURCE_PASSWORD=secret")
	soda := newScanner4(t, client, s, database.Port)
	s.addSource(soda, database.Port)
	remote := func(contract string, more ...string) []string {
		return append([]string{"contract", "verify", "-c", contract, "-sc", "cloud.yml", "-r"}, more...)
	}

	soda.must(0, remote("good.yml", "-p")...)
	waitFor(t, "result of a remote run", 10*time.Second, func() bool { return s.outcomes()["No missing values"] == "pass" })
	if !strings.Contains(soda.output, "passed") {
		t.Errorf("the log of the run is not told:\n%s", soda.output)
	}
	soda.must(1, remote("fail.yml", "-p")...)
	waitFor(t, "failure of a remote run", 10*time.Second, func() bool { return s.outcomes()["No negative amounts"] == "fail" })
	soda.must(2, remote("warn.yml")...)
	if got := s.outcomes()["No negative amounts"]; got != "fail" {
		t.Errorf("a run that does not publish made the check %s", got)
	}
	if !strings.Contains(soda.output, "1 warned") {
		t.Errorf("the log of a run that does not publish is not told:\n%s", soda.output)
	}
	soda.must(3, remote("error.yml", "-p")...)
	soda.must(0, remote("fail.yml", "-p", "-cp", "checks.row_count")...)
	counts := s.scansOf("shop/postgres/public/orders")
	if counts["completed"] != 2 || counts["completedWithFailures"] != 1 || counts["completedWithErrors"] != 1 {
		t.Errorf("scans %v", counts)
	}

	start := time.Now()
	for name, c := range map[string]struct{ text, why string }{
		"elsewhere": {strings.Replace(good4, "dataset: shop/", "dataset: elsewhere/", 1), "not configured here"},
		"unable":    {strings.Replace(good4, "columns:", "reconciliation: {}\ncolumns:", 1), "unable.yml:2:1: reconciliation cannot be run here"},
		"wrong":     {strings.Replace(good4, "  - row_count:\n", "  - row_count:\n      threshold: {must_be: many}\n", 1), "wrong.yml:13:28: must_be must be a number"},
	} {
		if err := os.WriteFile(filepath.Join(soda.dir, name+".yml"), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		soda.must(4, remote(name+".yml", "-p")...)
		if !strings.Contains(soda.output, c.why) {
			t.Errorf("%s: the client is not told why:\n%s", name, soda.output)
		}
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("what cannot be run was told after %s", took)
	}
}

// addSource configures the database in the system.
func (s *sodalite) addSource(soda *scanner, port int) {
	s.t.Helper()
	path := filepath.Join(soda.dir, "configuration.yml")
	source := fmt.Sprintf("data_source shop:\n  type: postgres\n  host: 127.0.0.1\n  port: %d\n  username: postgres\n  password: ${env_var('SODALITE_SOURCE_PASSWORD')}\n  database: postgres\n", port)
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.run("sources", "apply", "-f", path)
}

// sleepers counts the statements that a database is at which take longer than any test.
func sleepers(t *testing.T, database *postgrestest.Server) string {
	t.Helper()
	return database.Query(t, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(300)%' AND pid <> pg_backend_pid()")
}

// TestCanceledRunsOfContracts cancels runs that a client waits for: the statement ends in the database, the client hears of it,
// and nothing of the run is kept as a verdict.
func TestCanceledRunsOfContracts(t *testing.T) {
	for version, c := range map[string]struct {
		variable, flag string
		exit           int
	}{
		"newest": {"SODALITE_SODA4", "-r", 3},
		"oldest": {"SODALITE_SODA4_OLDEST", "-a", 0}, // which takes a canceled scan for one that went well
	} {
		t.Run(version, func(t *testing.T) {
			client := component.Path(t, c.variable)
			database := postgrestest.Start(t)
			database.Exec(t, orders)
			s := startSodalite(t, "SODALITE_SOURCE_PASSWORD=secret")
			soda := newScanner4(t, client, s, database.Port)
			s.addSource(soda, database.Port)
			for by, cancel := range map[string]func(id string){"API": s.cancelByAPI, "page": s.cancelOnPage} {
				code := make(chan int, 1)
				go func() {
					code <- soda.soda4(nil, "contract", "verify", "-c", "slow.yml", "-sc", "cloud.yml", c.flag, "-p")
				}()
				waitFor(t, "statement", 20*time.Second, func() bool { return sleepers(t, database) == "1" })
				id := s.newestRun()
				cancel(id)
				waitFor(t, "end of the statement", 10*time.Second, func() bool { return sleepers(t, database) == "0" })
				if got := <-code; got != c.exit || !strings.Contains(soda.output, "Canceled by request") {
					t.Errorf("canceled by %s, the client ends with %d, want %d\n%s", by, got, c.exit, soda.output)
				}
				if got := s.scanState(id); got != "canceled" {
					t.Errorf("canceled by %s, the run is %s", by, got)
				}
			}
		})
	}
}

func (s *sodalite) cancelByAPI(id string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodDelete, s.url+"/api/v1/scans/"+id, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth(s.key, s.secret)
	if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("cancel: %v, %v", resp, err)
	}
}

func (s *sodalite) cancelOnPage(id string) {
	s.t.Helper()
	p := s.signIn()
	action, ok := p.get("/scans/" + id).Find("form[action$='/cancel']").Attr("action")
	if !ok {
		s.t.Fatal("the page of a run has no way to cancel it")
	}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+action, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Origin", s.url)
	resp, err := p.client.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("cancel: %v, %v", resp, err)
	}
}

// newestRun is the id of the run that goes on, as the page of scans lists it.
func (s *sodalite) newestRun() string {
	s.t.Helper()
	id := ""
	waitFor(s.t, "a run on the page", 10*time.Second, func() bool {
		id = strings.TrimPrefix(s.signIn().get("/scans").Find("table.runs a[href^='/scans/']").First().AttrOr("href", ""), "/scans/")
		return id != ""
	})
	return id
}
