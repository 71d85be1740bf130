package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
	"github.com/sodalite-dq/sodalite/test/component"
)

const badTables = `
CREATE TABLE t (id INTEGER, s VARCHAR, n NUMERIC, ts TIMESTAMP, day DATE);
INSERT INTO t VALUES (1, 'a', 1, '2026-01-01', '2026-01-01'), (2, 'O''Brien', NULL, NULL, NULL);
CREATE TABLE empty_one (id INTEGER, s VARCHAR);
CREATE TABLE nulls (id INTEGER, s VARCHAR); INSERT INTO nulls VALUES (NULL, NULL);
CREATE TABLE beside (id INTEGER);
CREATE TABLE hidden (id INTEGER);
CREATE TABLE "Odd name" ("select" INTEGER); INSERT INTO "Odd name" VALUES (NULL);
CREATE ROLE reader LOGIN PASSWORD 'hunter2'; CREATE ROLE locked LOGIN PASSWORD 'another';
ALTER ROLE reader SET statement_timeout = '700ms';
GRANT SELECT ON t, empty_one, nulls, beside, "Odd name" TO reader;`

// besideIt is a check that is right, in each file of wrong ones.
const besideIt = "\nchecks for beside:\n  - row_count = 0:\n      name: beside\n"

// mistaken is an input that is wrong, or nearly. says are words of ours about it.
type mistaken struct {
	name, checks  string
	configuration string // "" for one that works
	args          []string
	// differs is why outcomes are not those of the reference client, "" where they are. Its exit code is ours all the same.
	differs string
	says    []string
}

// aborts is where the reference client gives up: a defect that teams cannot rely on (docs/sodacl.md).
const aborts = "the client ends the whole scan, or loses the rest of the file"

var mistakes = []mistaken{
	{name: "all passes", checks: "checks for t:\n  - row_count = 2"},
	{name: "warns", checks: "checks for t:\n  - row_count:\n      warn: when > 1"},
	{name: "fails", checks: "checks for t:\n  - row_count = 0"},
	{name: "fails and warns", checks: "checks for t:\n  - row_count = 0\n  - row_count:\n      warn: when > 1"},
	{name: "fails with an error", checks: "checks for t:\n  - row_count = 0\n  - row_count >0", says: []string{"checks.yml:3:"}},
	{name: "broken YAML", checks: "checks for t:\n  - row_count > 0\n bad: [", says: []string{"checks.yml:", "YAML"}},
	{name: "no checks", checks: "# nothing"},
	{name: "a list where sections are", checks: "- row_count > 0", says: []string{"checks.yml:"}},
	{name: "unknown section", checks: "chekcs for t:\n  - row_count > 0", says: []string{"checks.yml:1:1", "checks for"}},
	{name: "unknown check", checks: "checks for t:\n  - nonsense here", says: []string{"checks.yml:2:14"}},
	{name: "unknown metric", checks: "checks for t:\n  - rowcount > 0", says: []string{"checks.yml:2:5", "row_count"}, differs: aborts},
	{name: "unknown key", checks: "checks for t:\n  - row_count > 0:\n      nam: x", says: []string{"checks.yml:3:7", "name"}},
	{name: "unknown column", checks: "checks for t:\n  - missing_count(gone) = 0", says: []string{`column "gone" does not exist`, "checks.yml:2:5"}},
	{name: "unknown column beside a right one", checks: "checks for t:\n  - missing_count(gone) = 0\n  - missing_count(id) = 0", says: []string{`column "gone" does not exist`},
		differs: "a wrong aggregate takes those of the statement with it"},
	{name: "unknown table", checks: "checks for gone:\n  - row_count > 0", says: []string{`relation "public.gone" does not exist`}},
	{name: "unknown table in a reference", checks: "checks for t:\n  - values in (id) must exist in gone (id)", says: []string{`relation "public.gone" does not exist`}, differs: aborts},
	{name: "unknown variable", checks: "checks for t:\n  - row_count > ${NOPE}", says: []string{"checks.yml:2:5", "NOPE"}},
	{name: "unknown format", checks: "checks for t:\n  - invalid_count(s) = 0:\n      valid format: emial", says: []string{"checks.yml:3:21", "email"}},
	{name: "no threshold", checks: "checks for t:\n  - row_count", says: []string{"checks.yml:2:5", "threshold"}},
	{name: "a threshold that is no number", checks: "checks for t:\n  - row_count > ten", says: []string{"ten"}},
	{name: "bad filter", checks: "checks for t:\n  - row_count > 0:\n      filter: id >", says: []string{"syntax error"}},
	{name: "permission denied", checks: "checks for hidden:\n  - row_count > 0", says: []string{"permission denied for table hidden"}},
	{name: "statement killed", checks: "checks for t:\n  - k = 1:\n      k query: SELECT 1 FROM pg_sleep(5)", says: []string{"statement timeout"}},
	{name: "average of text", checks: "checks for t:\n  - avg(s) > 0", says: []string{"avg(character varying) does not exist"}},
	{name: "types that do not compare", checks: "checks for t:\n  - invalid_count(day) = 0:\n      valid min: 3", says: []string{"operator does not exist"}},
	{name: "metrics in a circle", checks: "checks for t:\n  - a = 1:\n      a expression: SUM(b)\n  - b = 1:\n      b expression: SUM(a)", says: []string{`column "b" does not exist`, `column "a" does not exist`}},
	{name: "a metric that gives text", checks: "checks for t:\n  - k = 1:\n      k query: SELECT 'hello'", says: []string{"hello"}, differs: aborts},
	{name: "a query that is no SQL", checks: "checks for t:\n  - failed rows:\n      name: q\n      fail query: SELEKT 1 FROM t", says: []string{"syntax error"}, differs: aborts},
	{name: "a file that is not there", checks: "checks for t:\n  - k = 1:\n      k sql_file: gone.sql", says: []string{"checks.yml:3:19", "gone.sql"}, differs: aborts},
	{name: "empty table", checks: "checks for empty_one:\n  - row_count = 0\n  - avg(id) > 0\n  - missing_percent(s) = 0\n  - duplicate_count(id) = 0\n  - max(s) > 0"},
	{name: "all NULL", checks: "checks for nulls:\n  - missing_percent(s) < 50\n  - max(id) > 0\n  - duplicate_count(id) = 0\n  - invalid_count(s) = 0:\n      valid values: [a]"},
	{name: "names in quotes", checks: "checks for \"Odd name\":\n  - missing_count(\"select\") = 1"},
	{name: "a quote in a value", checks: "checks for t:\n  - invalid_count(s) = 1:\n      valid values: [\"O''Brien\"]"},
	{name: "a statement in a value", checks: "checks for t:\n  - invalid_count(s) = 2:\n      valid values: [\"x''); DROP TABLE t; --\"]"},
	{name: "change without a server", checks: "checks for t:\n  - change for row_count > 0", says: []string{"history"}},
	{name: "unreachable database", checks: "checks for t:\n  - row_count > 0", configuration: "unreachable", says: []string{"connect"}},
	{name: "wrong password", checks: "checks for t:\n  - row_count > 0", configuration: "locked", says: []string{"password authentication failed"}},
	{name: "unknown data source", checks: "checks for t:\n  - row_count > 0", args: []string{"-d", "gone"}, says: []string{`"gone"`, "shop"}},
	{name: "configuration that is no YAML", checks: "checks for t:\n  - row_count > 0", configuration: "broken", says: []string{"broken.yml", "YAML"}},
	{name: "configuration that is not there", checks: "checks for t:\n  - row_count > 0", configuration: "gone", says: []string{"gone.yml", "does not exist"}},
	{name: "checks that are not there", args: []string{"gone-checks.yml"}, checks: "checks for t:\n  - row_count > 0", says: []string{"gone-checks.yml", "does not exist"}},
	{name: "templates", args: []string{"-T", "templates.yml"}, checks: "checks for t:\n  - row_count > 0", says: []string{"templates"}},
}

// TestMistakesEndAsInTheReference: what is wrong ends with the exit code of Soda Core 3, and with its outcomes; nothing prints the
// password, and each mistake is told with its place or in the database's words.
func TestMistakesEndAsInTheReference(t *testing.T) {
	client := component.Path(t, "SODALITE_SODA_POSTGRES")
	database := postgrestest.Start(t)
	database.Exec(t, badTables)
	as := func(user string, port int) string {
		return strings.NewReplacer("username: postgres", "username: "+user, "password: secret", "password: hunter2").Replace(configuration(port))
	}
	files := map[string]string{
		"configuration.yml": as("reader", database.Port), "unreachable.yml": as("reader", 1), "locked.yml": as("locked", database.Port),
		"broken.yml": "data_source shop:\n  type: postgres\n password: hunter2\n", "templates.yml": "templates:\n  - name: x\n",
	}
	soda, ours := newScanner(t, client, maps.Clone(files)), newCommandLine(t, files)
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			for _, dir := range []string{soda.dir, ours.dir} {
				if err := os.WriteFile(filepath.Join(dir, "checks.yml"), []byte(m.checks+besideIt), 0o600); err != nil {
					t.Fatal(err)
				}
				_ = os.Remove(filepath.Join(dir, "results.json")) // of the scan before
			}
			configuration := "configuration.yml"
			if m.configuration != "" {
				configuration = m.configuration + ".yml"
			}
			args := append([]string{"scan", "-d", "shop", "-c", configuration, "-srf", "results.json", "checks.yml"}, m.args...)
			cmd := exec.CommandContext(t.Context(), client, args...)
			cmd.Dir, cmd.Env = soda.dir, append(os.Environ(), "HOME="+soda.dir, "PYTHONWARNINGS=ignore")
			said, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil {
				t.Fatal(err)
			}
			ours.run(args...)
			if want := cmd.ProcessState.ExitCode(); ours.code != want {
				t.Errorf("exit code %d, the client's %d\nours:\n%s%s\nthe client:\n%s", ours.code, want, ours.out, ours.errs, said)
			}
			got, want := outcomesIn(t, ours.dir), outcomesIn(t, soda.dir)
			if m.differs == "" && !maps.Equal(got, want) || m.differs != "" && maps.Equal(got, want) {
				t.Errorf("outcomes %v, the client's %v (differs: %q)\nours:\n%s%s\nthe client:\n%s", got, want, m.differs, ours.out, ours.errs, said)
			}
			for name, outcome := range want {
				if got[name] != outcome {
					t.Errorf("%q is %s for the client, %s here", name, outcome, got[name])
				}
			}
			for _, words := range m.says {
				if !strings.Contains(ours.out+ours.errs, words) {
					t.Errorf("%q is not said:\n%s%s", words, ours.out, ours.errs)
				}
			}
			results, _ := os.ReadFile(filepath.Join(ours.dir, "results.json")) // may not be there
			if strings.Contains(ours.out+ours.errs+string(results), "hunter2") {
				t.Errorf("the password is told:\n%s%s%s", ours.out, ours.errs, results)
			}
			small := *ours // built as a scanner only, of which the same must hold
			small.tags = "scanner"
			small.run(args...)
			if small.code != ours.code || small.errs != ours.errs || !maps.Equal(outcomesIn(t, small.dir), got) {
				t.Errorf("built as a scanner only: exit code %d\n%s%s\nelse %d\n%s%s", small.code, small.out, small.errs, ours.code, ours.out, ours.errs)
			}
		})
	}
}

// outcomesIn reads the evaluated checks of a results file; none if there is no file.
func outcomesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if err != nil {
		return nil
	}
	var results struct {
		Checks []struct{ Name, Outcome string }
	}
	if err := json.Unmarshal(body, &results); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	out := map[string]string{}
	for _, c := range results.Checks {
		if c.Outcome != "" {
			out[c.Name] = c.Outcome
		}
	}
	return out
}
