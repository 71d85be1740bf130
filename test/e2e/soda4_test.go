package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/notify/notifytest"
	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
	"github.com/sodalite-dq/sodalite/test/component"
)

// soda4 runs any command of a Soda Core 4 client in its folder and gives the exit code.
func (s *scanner) soda4(env []string, args ...string) int {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.client, args...)
	cmd.Dir = s.dir
	cmd.Env = append(append(os.Environ(), "HOME="+s.dir, "PYTHONWARNINGS=ignore", "SODA_CORE_TELEMETRY_ENABLED=false"), env...)
	out, err := cmd.CombinedOutput()
	s.output, s.exitCode = string(out), cmd.ProcessState.ExitCode()
	if err != nil && s.exitCode < 0 {
		s.t.Fatalf("soda %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return s.exitCode
}

// must runs a command and wants its exit code.
func (s *scanner) must(code int, args ...string) {
	s.t.Helper()
	s.mustWith(nil, code, args...)
}

func (s *scanner) mustWith(env []string, code int, args ...string) {
	s.t.Helper()
	if got := s.soda4(env, args...); got != code {
		s.t.Errorf("soda %s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, s.output)
	}
}

func source4(name string, port int) string {
	return fmt.Sprintf("type: postgres\nname: %s\nconnection:\n  host: 127.0.0.1\n  port: %d\n  user: postgres\n  password: secret\n  database: postgres\n", name, port)
}

const (
	contractHead = "dataset: shop/postgres/public/orders\ncolumns:\n  - name: id\n    checks:\n      - missing:\n      - duplicate:\n  - name: amount\n"
	good4        = contractHead + "  - name: status\nchecks:\n  - schema:\n      allow_other_column_order: true\n  - row_count:\n"
	fail4        = contractHead + "    checks:\n      - invalid:\n          name: No negative amounts\n          valid_min: 0\n          threshold:\n            metric: percent\n            must_be_less_than: 5\n  - name: status\nchecks:\n  - row_count:\n"
	warn4        = contractHead + "    checks:\n      - invalid:\n          name: No negative amounts\n          valid_min: 0\n          threshold:\n            level: warn\n            must_be: 0\n  - name: status\n"
	// sleeping takes longer than any test; that it runs is seen in the database.
	sleeping = "SELECT count(*) FROM generate_series(1, 2), pg_sleep(300)"
	error4   = contractHead + "  - name: status\nchecks:\n  - row_count:\n  - failed_rows:\n      query: SELECT * FROM nowhere\n"
)

func newScanner4(t *testing.T, client string, s *sodalite, port int) *scanner {
	return newScanner(t, client, map[string]string{
		"cloud.yml": s.snippet(), "source.yml": source4("shop", port), "nowhere.yml": source4("shop", 1), "good.yml": good4, "fail.yml": fail4, "warn.yml": warn4,
		"error.yml": error4, "mistaken.yml": strings.Replace(good4, "  - row_count:\n", "  - row_count:\n      threshold: {must_be: many}\n", 1),
		"slow.yml": strings.Replace(good4, "  - row_count:\n", "  - row_count:\n  - metric:\n      query: "+sleeping+"\n      threshold: {must_be: 2}\n", 1), "broken.yml": "dataset: shop/postgres/public/orders\ncolumns: [unclosed\n",
		"wrongkey.yml": strings.Replace(s.snippet(), s.secret, "sodalite_wrong", 1),
	})
}

// soda4Clients are the variables of test/provide that name the clients, by their version.
var soda4Clients = map[string]string{"newest": "SODALITE_SODA4", "oldest": "SODALITE_SODA4_OLDEST"}

// TestSodaCore4 runs every command of the newest and of the oldest Soda Core 4 against PostgreSQL, and looks at what the
// system shows and whom it tells after each.
func TestSodaCore4(t *testing.T) {
	for version, variable := range soda4Clients {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			allCommandsOfSoda4(t, component.Path(t, variable), version == "oldest")
		})
	}
}

func allCommandsOfSoda4(t *testing.T, client string, oldest bool) {
	database := postgrestest.Start(t)
	database.Exec(t, orders)
	slack := notifytest.StartSlack(t)
	s := startSodalite(t, "SODALITE_SLACK_WEBHOOK_URL="+slack.WebhookURL())
	soda := newScanner4(t, client, s, database.Port)
	verify := func(contract, source string) []string {
		return []string{"contract", "verify", "-c", contract, "-ds", source, "-sc", "cloud.yml", "-p"}
	}

	soda.must(0, "cloud", "test", "-sc", "cloud.yml")
	soda.must(3, "cloud", "test", "-sc", "wrongkey.yml")
	soda.must(0, "contract", "verify", "-c", "good.yml", "-ds", "source.yml")
	soda.must(0, "contract", "verify", "-c", "good.yml", "-ds", "source.yml", "-sc", "cloud.yml")
	soda.must(3, "contract", "fetch", "-d", "shop/postgres/public/orders", "-f", "fetched.yml", "-sc", "cloud.yml")

	soda.must(0, verify("good.yml", "source.yml")...)
	s.link4(soda.output)
	waitFor(t, "digested", 10*time.Second, func() bool { return s.outcomes()["No missing values"] == "pass" })
	soda.must(1, verify("fail.yml", "source.yml")...)
	message := slack.Wait(t, 1, 10*time.Second)[0]
	for _, want := range []string{"No negative amounts", "orders", "33.3", "%"} {
		if !strings.Contains(message.Text, want) {
			t.Errorf("the Slack text lacks %q: %s", want, message.Text)
		}
	}
	soda.must(2, verify("warn.yml", "source.yml")...)
	waitFor(t, "warn", 10*time.Second, func() bool { return s.outcomes()["No negative amounts"] == "warn" })
	before := s.outcomes()
	soda.must(3, verify("good.yml", "nowhere.yml")...)
	waitFor(t, "warning", 10*time.Second, func() bool { return s.warning() != nil })
	if w := s.warning(); w.State != "failed" || w.ScanDefinition != "shop/postgres/public/orders" {
		t.Errorf("warning %+v", w)
	}
	if now := s.outcomes(); fmt.Sprint(now) != fmt.Sprint(before) {
		t.Errorf("outcomes after a failed scan %v, before %v", now, before)
	}
	soda.must(2, verify("warn.yml", "source.yml")...)
	waitFor(t, "warning gone", 10*time.Second, func() bool { return s.warning() == nil })
	soda.must(3, verify("error.yml", "source.yml")...)
	waitFor(t, "warning of an error in SQL", 10*time.Second, func() bool { return s.warning() != nil })
	soda.must(3, verify("broken.yml", "source.yml")...)
	if n := slack.Count(); n != 1 {
		t.Errorf("%d messages, want 1: only the failed check tells somebody", n)
	}

	s.publishAndFetch(soda)
	s.managed(soda, oldest)
	soda.must(3, append(verify("good.yml", "source.yml")[:6], "-sc", "wrongkey.yml", "-p")...)
	s.expireTokens(t, soda, verify("good.yml", "source.yml"))
	if !oldest {
		s.deferResults(t, soda, verify("good.yml", "source.yml"))
		soda.must(0, "data-source", "discover", "-ds", "source.yml", "-sc", "cloud.yml", "--scan-definition-name", "discover shop")
		waitFor(t, "discovered", 10*time.Second, func() bool { return s.scansOf("discover shop")["completed"] == 1 })
		for _, request := range [][]string{{"fetch", "-r", "1", "-f", "request.yml"}, {"push", "-r", "1", "-f", "good.yml"}, {"transition", "-r", "1", "-s", "done"}} {
			soda.must(3, append([]string{"request", request[0], "-sc", "cloud.yml"}, request[1:]...)...)
			if !strings.Contains(soda.output, "Contract requests are not kept here") {
				t.Errorf("request %s is not told why:\n%s", request[0], soda.output)
			}
		}
	}
}

// link4 follows the link that the client printed.
func (s *sodalite) link4(output string) {
	s.t.Helper()
	_, after, ok := strings.Cut(output, "see "+s.url)
	if !ok {
		s.t.Errorf("the client printed no link:\n%s", output)
		return
	}
	path, _, _ := strings.Cut(after, "\n")
	p := s.signIn()
	waitFor(s.t, "dataset page", 10*time.Second, func() bool { return strings.Contains(p.get(strings.TrimSpace(path)).Find("h1").Text(), "orders") })
}

// publishAndFetch publishes two versions, fetches the newest, and looks at the dataset's page.
func (s *sodalite) publishAndFetch(soda *scanner) {
	t := s.t
	t.Helper()
	soda.must(0, "contract", "publish", "-c", "good.yml", "-sc", "cloud.yml")
	soda.must(0, "contract", "publish", "-c", "fail.yml", "-sc", "cloud.yml")
	soda.must(3, "contract", "publish", "-c", "broken.yml", "-sc", "cloud.yml")
	soda.must(3, "contract", "publish", "-c", "mistaken.yml", "-sc", "cloud.yml")
	if !strings.Contains(soda.output, "mistaken.yml:13:28: must_be must be a number, it is \"many\"") || strings.Contains(soda.output, "Contract published") {
		t.Errorf("the mistakes of a contract are not told when it is published:\n%s", soda.output)
	}
	soda.must(0, "contract", "fetch", "-d", "shop/postgres/public/orders", "-f", "fetched.yml", "-sc", "cloud.yml")
	if got, err := os.ReadFile(filepath.Join(soda.dir, "fetched.yml")); err != nil || string(got) != fail4 {
		t.Errorf("fetched %q, %v", got, err)
	}
	soda.must(1, "contract", "verify", "-d", "shop/postgres/public/orders", "-ds", "source.yml", "-sc", "cloud.yml", "-p")
}

// managed runs scans whose ids are given from outside, as schedulers of data teams do.
func (s *sodalite) managed(soda *scanner, oldest bool) {
	t := s.t
	t.Helper()
	id := func(n int) []string { return []string{fmt.Sprintf("SODA_SCAN_ID=11111111-2222-3333-4444-%012d", n)} }
	state := func(n int) string { return s.scanState(strings.TrimPrefix(id(n)[0], "SODA_SCAN_ID=")) }
	args := func(contract, source string) []string {
		return []string{"contract", "verify", "-c", contract, "-ds", source, "-sc", "cloud.yml", "-p"}
	}
	soda.mustWith(id(1), 1, args("fail.yml", "source.yml")...)
	if got := state(1); got != "completedWithFailures" {
		t.Errorf("the managed scan is %s", got)
	}
	soda.mustWith(id(2), 3, args("good.yml", "nowhere.yml")...)
	if got := state(2); got != "failed" {
		t.Errorf("the managed scan of an unreachable source is %s", got)
	}
	waitFor(t, "warning of a managed scan", 10*time.Second, func() bool { w := s.warning(); return w != nil && w.State == "failed" })
	soda.mustWith(id(3), 0, args("good.yml", "source.yml")...)
	waitFor(t, "warning gone", 10*time.Second, func() bool { return s.warning() == nil })
	if !oldest { // which does not know of the server here
		soda.mustWith(id(4), 0, "data-source", "test", "-ds", "source.yml", "-sc", "cloud.yml")
		s.streamed("11111111-2222-3333-4444-000000000004")
		soda.mustWith(id(5), 0, "data-source", "discover", "-ds", "source.yml", "-sc", "cloud.yml", "--scan-definition-name", "managed discovery")
		if got := state(5); got != "completed" {
			t.Errorf("the managed discovery, in batches, is %s", got)
		}
	}
}

// streamed looks at the page of a scan whose client only streamed its log.
func (s *sodalite) streamed(id string) {
	s.t.Helper()
	if text := s.signIn().get("/scans/" + id).Find("main").Text(); !strings.Contains(text, "Running") || !strings.Contains(text, "tested ok") {
		s.t.Errorf("the page of a streamed log: %s", text)
	}
}

// scansOf counts the scans of a definition by state.
func (s *sodalite) scansOf(definition string) map[string]int {
	s.t.Helper()
	var list struct {
		Content []struct {
			State          string
			ScanDefinition struct{ Name string }
		}
	}
	s.get("/api/v1/scans?size=100", &list)
	counts := map[string]int{}
	for _, scan := range list.Content {
		if scan.ScanDefinition.Name == definition {
			counts[scan.State]++
		}
	}
	return counts
}

// deferResults lets a proxy ask the client to send its results later, which clients from 4.28 on do.
func (s *sodalite) deferResults(t *testing.T, soda *scanner, verify []string) {
	t.Helper()
	front := startFront(t, s.url, later)
	soda.must(0, s.through(t, soda, front.URL, verify)...)
	if n := front.count(inserting); n != 2 {
		t.Errorf("the results were sent %d times", n)
	}
}

// through is a command with the server at another address.
func (s *sodalite) through(t *testing.T, soda *scanner, address string, args []string) []string {
	t.Helper()
	host, port, _ := strings.Cut(strings.TrimPrefix(address, "http://"), ":")
	snippet := fmt.Sprintf("soda_cloud:\n  scheme: http\n  host: %s\n  port: %q\n  api_key_id: %s\n  api_key_secret: %s\n", host, port, s.key, s.secret)
	if err := os.WriteFile(filepath.Join(soda.dir, "front.yml"), []byte(snippet), 0o600); err != nil {
		t.Fatal(err)
	}
	return strings.Fields(strings.ReplaceAll(strings.Join(args, " "), "cloud.yml", "front.yml"))
}

// expireTokens lets a proxy refuse the token once in the middle of a run: the client logs in again, and its results arrive.
func (s *sodalite) expireTokens(t *testing.T, soda *scanner, verify []string) {
	t.Helper()
	front := startFront(t, s.url, expire)
	before := s.scansOf("shop/postgres/public/orders")["completed"]
	soda.must(0, s.through(t, soda, front.URL, verify)...)
	if front.count("login") != 2 || front.refused() != 1 {
		t.Errorf("%d logins and %d refusals, want 2 and 1", front.count("login"), front.refused())
	}
	if got := s.scansOf("shop/postgres/public/orders")["completed"]; got != before+1 {
		t.Errorf("%d completed scans, want %d", got, before+1)
	}
	if resp, err := http.Get(s.url + "/healthz"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("after all: %v, %v", resp, err)
	}
}
