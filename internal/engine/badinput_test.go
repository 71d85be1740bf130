package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
)

const badTables = `CREATE TABLE t (id int, s varchar, n numeric, ts timestamp, "Odd name; DROP TABLE t" int);
INSERT INTO t VALUES (1, 'a', 1, '2026-01-01', 5), (2, 'O''Brien', NULL, NULL, NULL);
CREATE TABLE empty_one (id int, s varchar);
CREATE TABLE nulls (id int, s varchar, ts timestamp); INSERT INTO nulls VALUES (NULL, NULL, NULL), (NULL, NULL, NULL);
CREATE TABLE beside (id int); CREATE TABLE secret (id int); CREATE ROLE reader LOGIN PASSWORD 'hunter2'; GRANT SELECT ON t, empty_one, nulls, beside TO reader;`

// TestBadInput: what is wrong with one check is told, with its place or in the database's words, and the check beside it is
// evaluated all the same.
func TestBadInput(t *testing.T) {
	server := postgrestest.Start(t)
	server.Exec(t, badTables)
	settings := source.NewSettings("src", "postgres", map[string]string{"host": "127.0.0.1", "port": fmt.Sprint(server.Port), "username": "reader", "password": "hunter2", "database": "postgres", "schema": "public"})
	for name, c := range map[string]struct {
		check   string
		outcome dq.Outcome
		exit    int
		says    string
	}{
		"unknown column":                 {"checks for t:\n  - missing_count(gone) = 0", dq.NotEvaluated, 3, `column "gone" does not exist`},
		"unknown table":                  {"checks for gone:\n  - row_count > 0", dq.NotEvaluated, 3, `relation "public.gone" does not exist`},
		"unknown table, schema":          {"checks for gone:\n  - schema:\n      fail:\n        when required column missing: [id]", dq.NotEvaluated, 3, "the table gone has no columns, or does not exist"},
		"unknown table, reference":       {"checks for t:\n  - values in (id) must exist in gone (id)", dq.NotEvaluated, 3, `relation "public.gone" does not exist`},
		"unknown metric":                 {"checks for t:\n  - rowcount > 0", dq.NotEvaluated, 3, "checks.yml:2:5"},
		"unknown variable":               {"checks for t:\n  - row_count > ${NOPE}", dq.NotEvaluated, 3, `threshold ${NOPE} is "", which is not a number`},
		"threshold is no number":         {"checks for t:\n  - row_count > ten", dq.NotEvaluated, 3, `threshold "ten" is not a number`},
		"threshold is a duration":        {"checks for t:\n  - row_count > 1d", dq.NotEvaluated, 3, "the threshold is a duration, but the metric is a number"},
		"bad filter":                     {"checks for t:\n  - row_count > 0:\n      filter: id >", dq.NotEvaluated, 3, "syntax error"},
		"bad regex":                      {"checks for t:\n  - invalid_count(s) = 0:\n      valid regex: '['", dq.NotEvaluated, 3, "invalid regular expression"},
		"permission denied":              {"checks for secret:\n  - row_count > 0", dq.NotEvaluated, 3, "permission denied for table secret"},
		"query killed":                   {"checks for t:\n  - k = 1:\n      k query: SELECT pg_terminate_backend(pg_backend_pid())::int", dq.NotEvaluated, 3, "terminating connection due to administrator command"},
		"average of text":                {"checks for t:\n  - avg(s) > 0", dq.NotEvaluated, 3, "function avg(character varying) does not exist"},
		"text and number do not compare": {"checks for t:\n  - invalid_count(s) = 0:\n      valid min: 3", dq.NotEvaluated, 3, "operator does not exist"},
		"freshness of a text":            {"checks for t:\n  - freshness(s) < 1d", dq.NotEvaluated, 3, "which is no date or timestamp"},
		"own metric gives text":          {"checks for t:\n  - k = 1:\n      k query: SELECT 'hello'", dq.NotEvaluated, 3, `the query gave the text "hello" where a number is needed`},
		"metric that names itself":       {"checks for t:\n  - k = 1:\n      k expression: SUM(k)", dq.NotEvaluated, 3, `column "k" does not exist`},
		"empty table, count":             {"checks for empty_one:\n  - missing_percent(s) = 0", dq.Pass, 0, ""},
		"empty table, average":           {"checks for empty_one:\n  - avg(id) > 0", dq.NotEvaluated, 0, "there are no rows to measure"},
		"empty table, freshness":         {"checks for empty_one:\n  - freshness(id) < 1d", dq.Fail, 2, ""},
		"all NULL, missing":              {"checks for nulls:\n  - missing_percent(s) < 50", dq.Fail, 2, ""},
		"all NULL, duplicates":           {"checks for nulls:\n  - duplicate_count(id) = 0", dq.Pass, 0, ""},
		"all NULL, maximum":              {"checks for nulls:\n  - max(id) > 0", dq.NotEvaluated, 0, "there are no rows to measure"},
		"all NULL, freshness":            {"checks for nulls:\n  - freshness(ts) < 1d", dq.Fail, 2, ""},
		"name that needs quotes":         {"checks for t:\n  - missing_count(\"Odd name; DROP TABLE t\") = 1", dq.Pass, 0, ""},
		"quote in a value":               {"checks for t:\n  - invalid_count(s) = 1:\n      valid values: [\"O''Brien\"]", dq.Pass, 0, ""},
		"statement in a value":           {"checks for t:\n  - invalid_count(s) = 2:\n      valid values: [\"x''); DROP TABLE t; --\"]", dq.Pass, 0, ""},
		"statement in a schema rule":     {"checks for t:\n  - schema:\n      fail:\n        when required column missing: [\"x'; DROP TABLE t; --\"]", dq.Fail, 2, ""},
		"statement in a table's name":    {"checks for \"t'; DROP TABLE t; --\":\n  - schema:\n      fail:\n        when required column missing: [id]", dq.NotEvaluated, 3, "does not exist"},
		"writing in a fail query":        {"checks for t:\n  - failed rows:\n      fail query: DELETE FROM t RETURNING *", dq.NotEvaluated, 3, "permission denied for table t"},
	} {
		t.Run(name, func(t *testing.T) {
			scan := run(t, settings, c.check+"\nchecks for beside:\n  - row_count = 0\n", nil)
			if len(scan.Results) != 2 {
				t.Fatalf("%d results\n%s", len(scan.Results), logText(scan))
			}
			var beside, bad dq.Result
			for _, r := range scan.Results {
				if r.Name == "row_count = 0" {
					beside = r
				} else {
					bad = r
				}
			}
			told := logText(scan)
			for _, l := range scan.Logs {
				if l.Location != nil {
					told += sodacl.Position{File: l.Location.File, Line: l.Location.Line, Column: l.Location.Col}.String() + "\n"
				}
			}
			if beside.Outcome != dq.Pass {
				t.Errorf("the check beside it is %s", beside.Outcome)
			}
			if bad.Outcome != c.outcome || engine.ExitCode(scan) != c.exit || !strings.Contains(told, c.says) {
				t.Errorf("%s, exit code %d; want %s, %d and %q\n%s", bad.Outcome, engine.ExitCode(scan), c.outcome, c.exit, c.says, told)
			}
			if strings.Contains(told, "hunter2") {
				t.Errorf("the password is told: %s", told)
			}
		})
	}
}

// slowScan runs a check beside one that takes minutes.
func slowScan(ctx context.Context, t *testing.T, settings *source.Settings, timeout time.Duration) *dq.Scan {
	src, err := sources.Open(settings)
	if err != nil {
		t.Fatal(err)
	}
	program := parseChecks("checks for t:\n  - row_count > 0\n  - slow = 1:\n      slow query: SELECT 1 FROM pg_sleep(600)\n")
	return engine.Run(ctx, program, engine.Options{Definition: "d", Source: "src", Now: time.Now(), Parallel: 2, Timeout: timeout, Sources: func(string) (*engine.Source, error) { return src, nil }})
}

func parseChecks(text string) *sodacl.Program {
	return sodacl.Parse([]sodacl.File{{Name: "checks.yml", Text: []byte(text)}}, sodacl.Variables{})
}

// TestTimeoutReachesTheDatabase: a statement over its time, or of a cancelled scan, ends in the database too.
func TestTimeoutReachesTheDatabase(t *testing.T) {
	server := postgrestest.Start(t)
	server.Exec(t, badTables)
	settings := source.NewSettings("src", "postgres", map[string]string{"host": "127.0.0.1", "port": fmt.Sprint(server.Port), "username": "postgres", "database": "postgres", "schema": "public"})
	src, err := sources.Open(settings)
	if err != nil {
		t.Fatal(err)
	}
	watch, err := src.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	sleeping := func() int64 {
		rows, err := watch.Query(t.Context(), "SELECT COUNT(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT 1 FROM pg_sleep%'", 1)
		if err != nil {
			t.Fatal(err)
		}
		return rows.Rows[0][0].(int64)
	}
	gone := func() { // at once: the program may end now
		t.Helper()
		if sleeping() > 0 {
			t.Fatal("the statement still runs in the database")
		}
	}
	scan := slowScan(t.Context(), t, settings, 2*time.Second)
	if !strings.Contains(logText(scan), "the statement took longer than 2s") || scan.State != dq.CompletedWithErrors || engine.ExitCode(scan) != 3 {
		t.Errorf("%s\n%s", scan.State, logText(scan))
	}
	if c := scan.Counts(); c.Pass != 1 || c.NotEvaluated != 1 {
		t.Errorf("%+v", c)
	}
	gone()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for sleeping() == 0 {
			time.Sleep(20 * time.Millisecond)
		}
		cancel()
	}()
	if scan := slowScan(ctx, t, settings, 0); scan.State != dq.Canceled {
		t.Errorf("%s\n%s", scan.State, logText(scan))
	}
	gone()
}

// TestUnreachable: nothing is evaluated, the reason is told without the password, and outcomes of former scans stay.
func TestUnreachable(t *testing.T) {
	settings := source.NewSettings("src", "postgres", map[string]string{"host": "127.0.0.1", "port": "1", "username": "u", "password": "hunter2", "database": "d"})
	scan := run(t, settings, "checks for t:\n  - row_count > 0\n", nil)
	if scan.State != dq.Failed || engine.ExitCode(scan) != 3 || len(scan.Results) != 0 || !strings.Contains(logText(scan), "connection refused") || strings.Contains(logText(scan), "hunter2") {
		t.Errorf("%s, %d results\n%s", scan.State, len(scan.Results), logText(scan))
	}
}
