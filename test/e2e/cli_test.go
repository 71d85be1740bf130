package e2e

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

// commandLine is the built program in a folder with files, against a SQLite database of three orders there.
type commandLine struct {
	t         *testing.T
	dir       string
	tags      string // with which the program is built
	env       []string
	out, errs string
	code      int
}

func newCommandLine(t *testing.T, files map[string]string) *commandLine {
	t.Helper()
	c := &commandLine{t: t, dir: t.TempDir()}
	db, err := sql.Open("sqlite", filepath.Join(c.dir, "shop.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE orders (id INT, amount INT); INSERT INTO orders VALUES (1, 5), (2, NULL), (3, -1); CREATE TABLE customers (id INT)"); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{
		"configuration.yml": "data_source shop:\n  type: sqlite\n  path: shop.db\n",
		"pass.yml":          "checks for orders:\n  - row_count > 0\n",
		"warn.yml":          "checks for orders:\n  - missing_count(amount):\n      warn: when > 0\n",
		"fail.yml":          "checks for orders:\n  - min(amount) >= 0:\n      name: No negative amounts\n",
		"error.yml":         "checks for orders:\n  - row_count > 0\n  - sum(nothing) > 0\n",
		"mistake.yml":       "checks for orders:\n  - row_count >0\n",
		"checks/a.yml":      "checks for orders:\n  - row_count > 0\n",
		"checks/deep/b.yml": "checks for customers:\n  - row_count = 0\n",
		"checks/readme.txt": "no checks",
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		path := filepath.Join(c.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *commandLine) run(args ...string) {
	c.t.Helper()
	path, err := compiled(c.tags, "cmd/sodalite")
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = c.dir
	cmd.Env = append([]string{"HOME=" + c.dir, "TMPDIR=" + c.dir, "PATH=" + os.Getenv("PATH")}, c.env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the exit code says it
	c.out, c.errs, c.code = out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (c *commandLine) want(code int, words ...string) {
	c.t.Helper()
	if c.code != code {
		c.t.Errorf("exit code %d, want %d\n%s%s", c.code, code, c.out, c.errs)
	}
	for _, w := range words {
		if !strings.Contains(c.out+c.errs, w) {
			c.t.Errorf("%q is not said:\n%s%s", w, c.out, c.errs)
		}
	}
}

func (c *commandLine) read(name string) []byte {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		c.t.Fatal(err)
	}
	return text
}

var base = []string{"scan", "-d", "shop", "-c", "configuration.yml"}

func TestScanExitCodes(t *testing.T) {
	for name, o := range map[string]struct {
		args []string
		code int
		want string
	}{
		"pass":                  {slices.Concat(base, []string{"pass.yml"}), 0, "1 check: 1 passed"},
		"warn":                  {slices.Concat(base, []string{"pass.yml", "warn.yml"}), 1, "WARN"},
		"fail":                  {slices.Concat(base, []string{"warn.yml", "fail.yml"}), 2, "No negative amounts"},
		"error beats fail":      {slices.Concat(base, []string{"fail.yml", "error.yml"}), 3, "nothing"},
		"mistake":               {slices.Concat(base, []string{"pass.yml", "mistake.yml"}), 3, "mistake.yml:2:15"},
		"missing file":          {slices.Concat(base, []string{"none.yml"}), 3, "none.yml"},
		"no checks":             {base, 0, "No checks found"},
		"unknown source":        {[]string{"scan", "-d", "nowhere", "-c", "configuration.yml", "pass.yml"}, 3, "nowhere"},
		"no source":             {[]string{"scan", "-c", "configuration.yml", "pass.yml"}, 2, "-d"},
		"no configuration":      {[]string{"scan", "-d", "shop", "pass.yml"}, 3, "give one with -c"},
		"templates":             {slices.Concat(base, []string{"-T", "templates.yml", "pass.yml"}), 3, "not supported"},
		"unknown flag":          {slices.Concat(base, []string{"--sing", "pass.yml"}), 2, "--sing"},
		"bad time":              {slices.Concat(base, []string{"-t", "yesterday", "pass.yml"}), 2, "yesterday"},
		"bad variable":          {slices.Concat(base, []string{"-v", "x", "pass.yml"}), 2, "NAME=VALUE"},
		"directory":             {slices.Concat(base, []string{"checks"}), 0, "2 checks: 2 passed"},
		"file given twice":      {slices.Concat(base, []string{"pass.yml", "pass.yml"}), 0, "1 check: 1 passed"},
		"a second one":          {slices.Concat(base, []string{"-c", "other.yml", "pass.yml"}), 0, "1 passed"},
		"lint":                  {[]string{"lint", "pass.yml", "checks"}, 0, "No mistakes in 3 files"},
		"lint of a mistake":     {[]string{"lint", "mistake.yml"}, 3, "mistake.yml:2:15"},
		"lint of nothing":       {[]string{"lint"}, 2, "files or directories"},
		"test-connection":       {[]string{"test-connection", "-d", "shop", "-c", "configuration.yml"}, 0, "2 datasets"},
		"test of a wrong name":  {[]string{"test-connection", "-d", "nowhere", "-c", "configuration.yml"}, 1, "the configuration has"},
		"test without a source": {[]string{"test-connection"}, 2, "-d"},
		"explain":               {slices.Concat(base, []string{"--explain", "fail.yml"}), 0, "MIN(amount)"},
		"explain of a mistake":  {slices.Concat(base, []string{"--explain", "mistake.yml"}), 3, "mistake.yml:2:15"},
		"cloud that is not":     {slices.Concat(base, []string{"-c", "cloud.yml", "--local", "pass.yml"}), 0, "1 passed"},
		"push of no results":    {[]string{"push", "configuration.yml", "-c", "cloud.yml"}, 1, "no file of scan results"},
		"push to nowhere":       {[]string{"push", "results.json", "-c", "configuration.yml"}, 2, "soda_cloud:"},
		"push of a missing one": {[]string{"push", "gone.json", "-c", "cloud.yml"}, 1, "gone.json"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCommandLine(t, map[string]string{
				"other.yml":    "data_source other:\n  type: sqlite\n  path: shop.db\n",
				"cloud.yml":    "soda_cloud:\n  scheme: http\n  host: 127.0.0.1\n  port: 1\n  api_key_id: a\n  api_key_secret: b\n",
				"results.json": `{"definitionName": "x", "checks": []}`,
			})
			c.run(o.args...)
			c.want(o.code, o.want)
			if strings.Contains(c.out+c.errs, "\x1b") {
				t.Errorf("colours where no terminal is: %q", c.out+c.errs)
			}
		})
	}
}

func TestScanTellsInManyWays(t *testing.T) {
	c := newCommandLine(t, map[string]string{
		"named.yml": "checks for orders:\n  - row_count = ${n}:\n      name: As many as ${n}\n  - freshness(id) < 1d\n",
	})
	c.run(slices.Concat(base, []string{"pass.yml", "warn.yml", "fail.yml", "--json", "--junit", "report.xml", "-srf", "results.json", "-s", "nightly", "-t", "2026-03-01T06:00:00+01:00"})...)
	c.want(2)
	var printed, written struct {
		DefinitionName, DataTimestamp string
		Checks                        []struct{ Name, Outcome string }
	}
	if err := json.Unmarshal([]byte(c.out), &printed); err != nil {
		t.Fatalf("%v in %s", err, c.out)
	}
	if err := json.Unmarshal(c.read("results.json"), &written); err != nil {
		t.Fatal(err)
	}
	if printed.DefinitionName != "nightly" || printed.DataTimestamp != "2026-03-01T05:00:00+00:00" || len(printed.Checks) != 3 || len(written.Checks) != 3 {
		t.Errorf("printed %+v, written %+v", printed, written)
	}
	var report struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Cases    []struct {
			Name    string    `xml:"name,attr"`
			File    string    `xml:"file,attr"`
			Failure *struct{} `xml:"failure"`
		} `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal(c.read("report.xml"), &report); err != nil {
		t.Fatal(err)
	}
	if report.Tests != 3 || report.Failures != 1 || len(report.Cases) != 3 {
		t.Errorf("JUnit report %+v", report)
	}
	for _, one := range report.Cases {
		if (one.Failure != nil) != (one.Name == "No negative amounts") || one.File == "" {
			t.Errorf("JUnit case %+v", one)
		}
	}

	c.env = []string{"SODA_DATA_SOURCE=shop", "SODA_SCAN_DEFINITION=by environment"}
	c.run("scan", "-c", "configuration.yml", "-v", "n=3", "named.yml", "--json")
	if err := json.Unmarshal([]byte(c.out), &printed); err != nil || printed.DefinitionName != "by environment" || printed.Checks[0].Name != "As many as 3" {
		t.Errorf("printed %+v, %v", printed, err)
	}

	c.run(slices.Concat(base, []string{"-V", "pass.yml", "fail.yml"})...)
	c.want(2, "SELECT", "OUTCOME", "2 checks: 1 passed, 0 warned, 1 failed, 0 not evaluated; 0 errors.")
	if !regexp.MustCompile(`(?m)^pass .*\nFAIL +orders +No negative amounts +-1$`).MatchString(c.out) {
		t.Errorf("the table is not as wanted:\n%s", c.out)
	}
}

// TestScanPushes has the built program push to a running Sodalite, keep what cannot be pushed, and push it later.
func TestScanPushes(t *testing.T) {
	s := startSodalite(t)
	c := newCommandLine(t, map[string]string{"cloud.yml": s.snippet(), "gone.yml": regexp.MustCompile(`port: "?\d+"?`).ReplaceAllString(s.snippet(), "port: 1"),
		"wrong.yml": strings.ReplaceAll(s.snippet(), s.secret, "guessed")})
	c.run(slices.Concat(base, []string{"-c", "cloud.yml", "-s", "pushed", "pass.yml", "fail.yml"})...)
	c.want(2, "See "+s.url+"/scans/")
	waitFor(t, "outcomes", 10*time.Second, func() bool { o := s.outcomes(); return o["No negative amounts"] == "fail" })

	c.run(slices.Concat(base, []string{"-c", "wrong.yml", "pass.yml"})...)
	c.want(3, "could not be pushed", "401", "sodalite push")
	if strings.Contains(c.out+c.errs, "guessed") {
		t.Errorf("the secret is told: %s", c.errs)
	}
	kept := regexp.MustCompile(`They are in (\S+)\. Send`).FindStringSubmatch(c.errs)
	if kept == nil {
		t.Fatalf("results are not kept: %s", c.errs)
	}
	if info, err := os.Stat(kept[1]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("kept results: %v, %v", info, err)
	}
	c.run("push", kept[1], "-c", "cloud.yml")
	c.want(0, "Pushed. See "+s.url+"/scans/")
	first := c.out
	c.run("push", kept[1], "-c", "cloud.yml")
	if c.want(0); c.out != first {
		t.Errorf("the same results twice are two scans: %s and %s", first, c.out)
	}
	c.run(slices.Concat(base, []string{"-c", "gone.yml", "--retry", "1s", "-srf", "mine.json", "pass.yml"})...)
	c.want(3, "could not be pushed", "connection refused", "mine.json")
}

// TestDefinitionsAsCode applies, changes, exports and deletes definitions of an embedded database.
func TestDefinitionsAsCode(t *testing.T) {
	const definitions = `data_source shop:
  type: sqlite
  path: shop.db
definitions:
  nightly orders:
    data source: shop
    schedule: 30 2 * * *
    time zone: Europe/Amsterdam
    variables: {n: 3}
    checks: [checks, pass.yml]
`
	c := newCommandLine(t, map[string]string{"definitions.yml": definitions})
	if err := os.Remove(filepath.Join(c.dir, "configuration.yml")); err != nil {
		t.Fatal(err)
	}
	c.env = []string{"SODALITE_DATA=" + filepath.Join(c.dir, "data")}
	apply := func(code int, words ...string) {
		t.Helper()
		c.run("definitions", "apply", "-f", ".")
		c.want(code, words...)
	}
	c.run("definitions", "apply", "-f", ".", "--dry-run")
	c.want(0, `add data source "shop"`, `add scan definition "nightly orders"`, "+ schedule: 30 2 * * *", "+  - row_count = 0", "Nothing was changed")
	c.run("definitions", "list")
	c.want(0, "no scan definitions")
	apply(0, "Applied: 2 changes")
	apply(0, "Nothing changes.")
	c.run("definitions", "list")
	c.want(0, "nightly orders", "02:30 CE")
	c.run("sources", "list")
	c.want(0, "shop", "path=shop.db")
	c.run("sources", "test", "shop")
	c.want(0, "2 datasets", "orders")

	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("pass.yml", "checks for orders:\n  - row_count > 2\n")
	apply(0, `change scan definition "nightly orders"`, "-  - row_count > 0", "+  - row_count > 2", "Applied: 1 changes")
	c.run("definitions", "export", "-d", "exported")
	c.want(0, "1 data sources and 1 scan definitions")
	c.run("definitions", "apply", "-f", "exported", "--dry-run")
	c.want(0, "1-nightly-orders/pass.yml")

	write("pass.yml", "checks for orders:\n  - row_count >2\n")
	apply(1, "definitions.yml:5:3", "pass.yml:2:15")
	write("pass.yml", "checks for orders:\n  - row_count > 2\n")
	for text, want := range map[string]string{
		strings.Replace(definitions, "schedule:", "shedule:", 1):                    `definitions.yml:7:5: unknown key "shedule"`,
		strings.Replace(definitions, "Amsterdam", "Atlantis", 1):                    "Europe/Atlantis",
		strings.Replace(definitions, "pass.yml", "../secret.yml", 1):                "is no file or directory below",
		strings.Replace(definitions, "checks, pass", "checks, gone", 1):             "gone.yml",
		strings.Replace(definitions, "path: shop.db", "password: hunter2", 1):       "must not be kept in clear",
		strings.Replace(definitions, "definitions:", "definitons:", 1):              `unknown section "definitons"`,
		strings.Replace(definitions, "  nightly orders:", "  nightly orders: 5", 1): "definitions.yml",
	} {
		write("definitions.yml", text)
		apply(1, want)
		if strings.Contains(c.out+c.errs, "hunter2") {
			t.Error("the secret is told")
		}
	}
	write("definitions.yml", strings.Replace(definitions, "nightly orders", "daily orders", 1))
	c.run("definitions", "apply", "-f", ".", "--prune", "--yes")
	c.want(0, `add scan definition "daily orders"`, `delete scan definition "nightly orders"`)
	c.run("sources", "delete", "shop")
	c.want(1, `scan definition "daily orders" is for data source "shop"`)
	c.run("definitions", "get", "daily orders")
	c.want(0, "30 2 * * *", "row_count > 2")
	c.run("definitions", "delete", "daily orders")
	c.want(0, "forgotten")
	c.run("definitions", "delete", "daily orders")
	c.want(1, "not found")
	c.run("sources", "delete", "shop")
	c.want(0, "forgotten")
}
