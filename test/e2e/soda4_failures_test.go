package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/notify/notifytest"
	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
	"github.com/sodalite-dq/sodalite/test/component"
)

// TestResultsOfSodaCore4ThatAreRefused lets inserts fail in all ways: the client says that nothing was sent, and nothing of the
// results is left.
func TestResultsOfSodaCore4ThatAreRefused(t *testing.T) {
	for version, variable := range soda4Clients {
		t.Run(version, func(t *testing.T) {
			client := component.Path(t, variable)
			database := postgrestest.Start(t)
			database.Exec(t, orders)
			slack := notifytest.StartSlack(t)
			s := startSodalite(t, "SODALITE_SLACK_WEBHOOK_URL="+slack.WebhookURL(), "SODALITE_MAX_BODY=200KiB")
			soda := newScanner4(t, client, s, database.Port)
			soda.write("large.yml", fail4+"check_attributes:\n  note: "+strings.Repeat("x", 100_000)+"\n")
			verify := func(contract string) []string {
				return []string{"contract", "verify", "-c", contract, "-ds", "source.yml", "-sc", "cloud.yml", "-p"}
			}
			soda.must(0, verify("good.yml")...)
			waitFor(t, "digested", 10*time.Second, func() bool { return s.outcomes()["No missing values"] == "pass" })
			before := s.outcomes()

			for name, c := range map[string]struct {
				contract, env string
				between       meddler
				exit          int
				told          string
			}{
				"by our rules":    {"fail.yml", "SODA_SCAN_DEFINITION=" + strings.Repeat("x", 1001), nil, 4, "has 1001 characters"},
				"for its id":      {"fail.yml", "SODA_SCAN_ID=no/id", nil, 4, "cannot be a scan id"},
				"as too large":    {"large.yml", "", nil, 4, "at most 204800 bytes are accepted. Nothing was stored."},
				"by a gateway":    {"fail.yml", "", refuse(http.StatusBadGateway, "<html>Bad gateway</html>"), 4, "502"},
				"as unavailable":  {"fail.yml", "", refuse(http.StatusServiceUnavailable, `{"code":"unavailable","message":"later"}`), 4, "503"},
				"without a word":  {"fail.yml", "", hangUp, 3, ""},
				"managed, hushed": {"fail.yml", "SODA_SCAN_ID=hushed-1", hangUp, 3, ""},
			} {
				t.Run(name, func(t *testing.T) {
					front := startFront(t, s.url, c.between)
					soda.mustWith([]string{c.env}, c.exit, s.through(t, soda, front.URL, verify(c.contract))...)
					if !strings.Contains(soda.output, c.told) {
						t.Errorf("the client is not told %q:\n%s", c.told, soda.output)
					}
					if front.count(inserting) != 1 {
						t.Errorf("the client sent %q", front.passed())
					}
				})
			}
			if after := s.outcomes(); !reflect.DeepEqual(before, after) {
				t.Errorf("outcomes were %v, are %v", before, after)
			}
			if scans := s.scansOf("shop/postgres/public/orders"); scans["completed"] != 1 || scans["completedWithFailures"] != 0 {
				t.Errorf("scans %v", scans)
			}
			if n := slack.Count(); n != 0 {
				t.Errorf("%d messages", n)
			}
			soda.must(1, verify("fail.yml")...) // nothing is in the way of the next
			waitFor(t, "failure", 10*time.Second, func() bool { return s.outcomes()["No negative amounts"] == "fail" })
		})
	}
}

// TestKilledClients kills real clients while they scan. Those tell nothing of a scan before its results are there, which is why
// there is a launcher: it says that the scan failed, and the dataset warns until the next good scan.
func TestKilledClients(t *testing.T) {
	client := component.Path(t, "SODALITE_SODA4")
	database := postgrestest.Start(t)
	database.Exec(t, orders)
	s := startSodalite(t)
	soda := newScanner4(t, client, s, database.Port)
	front := startFront(t, s.url, nil)
	verify := func(contract string) []string {
		return s.through(t, soda, front.URL, []string{client, "contract", "verify", "-c", contract, "-ds", "source.yml", "-sc", "cloud.yml", "-p"})
	}
	for name, env := range map[string]string{"ad hoc": "X=", "managed": "SODA_SCAN_ID=killed-1"} {
		sent := len(front.passed())
		soda.kill(t, database, []string{env}, verify("slow.yml"))
		if got, want := front.passed()[sent:], []string{"login", "sodaCoreDatasetsConfiguration"}; !slices.Equal(got, want) {
			t.Errorf("%s: before its results the client tells %q, want %q: could its end be known now?", name, got, want)
		}
	}
	if len(s.scansOf("shop/postgres/public/orders")) != 0 || s.warning() != nil {
		t.Errorf("scans of clients that sent nothing")
	}

	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	launch := func(contract string) []string {
		return append([]string{path, "launch", "-sc", "cloud.yml", "--definition", "shop/postgres/public/orders", "--"}, verify(contract)...)
	}
	if code := soda.kill(t, database, nil, launch("slow.yml")); code != 137 || !strings.Contains(soda.output, "ended by signal 9") {
		t.Errorf("the launcher ends with %d\n%s", code, soda.output)
	}
	waitFor(t, "warning", 10*time.Second, func() bool { w := s.warning(); return w != nil && w.State == "failed" })
	if code := soda.run(t, nil, launch("good.yml")); code != 0 {
		t.Errorf("the launcher ends with %d\n%s", code, soda.output)
	}
	waitFor(t, "warning gone", 10*time.Second, func() bool { return s.warning() == nil })
	if code := soda.run(t, nil, launch("fail.yml")); code != 1 {
		t.Errorf("the launcher ends with %d\n%s", code, soda.output)
	}
	refused := startFront(t, s.url, refuse(http.StatusBadGateway, "<html>"))
	if code := soda.run(t, nil, s.through(t, soda, refused.URL, launch("good.yml"))); code != 4 || !strings.Contains(soda.output, "no results of it arrived") {
		t.Errorf("the launcher ends with %d\n%s", code, soda.output)
	}
	waitFor(t, "warning of results that were not taken", 10*time.Second, func() bool { return s.warning() != nil })
}

// write puts a file into the scanner's folder.
func (s *scanner) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// kill runs a command until the database is at its statement, ends the client as if the machine had no memory left, and gives
// the exit code.
func (s *scanner) kill(t *testing.T, database *postgrestest.Server, env, args []string) int {
	t.Helper()
	pid := filepath.Join(s.dir, "pid")
	os.Remove(pid) // of the client before
	at := slices.Index(args, s.client)
	script := fmt.Sprintf("echo $$ > %s; exec \"$0\" \"$@\"", pid)
	args = slices.Insert(slices.Clone(args), at, "sh", "-c", script)
	code := make(chan int, 1)
	go func() { code <- s.run(t, env, args) }()
	waitFor(t, "statement", 20*time.Second, func() bool { return sleepers(t, database) == "1" })
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(number, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	database.Query(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' AND pid <> pg_backend_pid()")
	return <-code
}

// run runs a command in the scanner's folder and gives the exit code.
func (s *scanner) run(t *testing.T, env, args []string) int {
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = s.dir
	cmd.Env = append(append(os.Environ(), "HOME="+s.dir, "PYTHONWARNINGS=ignore", "SODA_CORE_TELEMETRY_ENABLED=false"), env...)
	out, _ := cmd.CombinedOutput() // the exit code is looked at
	s.output = string(out)
	return cmd.ProcessState.ExitCode()
}
