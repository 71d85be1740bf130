package engine_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
	_ "github.com/sodalite-dq/sodalite/internal/wiring/sources/local"
)

// corpusCase is one scan that the reference client (Soda Core 3.5.6) was run on, and what it concluded.
type corpusCase struct {
	ID     string            `json:"id"`
	Sodacl string            `json:"sodacl"`
	Vars   map[string]string `json:"vars"`
	Want   map[string]want   `json:"want"`
}

func corpus(t *testing.T) []corpusCase {
	t.Helper()
	f, err := os.Open("testdata/corpus.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []corpusCase
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c corpusCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	if len(cases) != 258 {
		t.Fatalf("the corpus has %d scans, want 258", len(cases))
	}
	return cases
}

func opened(t *testing.T, settings *source.Settings) *engine.Source {
	t.Helper()
	src, err := sources.Open(settings)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// run runs one text of checks on a source named src.
func run(t *testing.T, settings *source.Settings, text string, vars map[string]string) *dq.Scan {
	t.Helper()
	return runOn(t, opened(t, settings), text, vars)
}

func runOn(t *testing.T, src *engine.Source, text string, vars map[string]string) *dq.Scan {
	t.Helper()
	program := sodacl.Parse([]sodacl.File{{Name: "checks.yml", Text: []byte(text)}}, sodacl.Variables{Values: vars})
	return engine.Run(t.Context(), program, engine.Options{
		Definition: "corpus", Source: "src", Now: time.Now(), Parallel: 4,
		Sources: func(name string) (*engine.Source, error) {
			if name != "src" {
				return nil, fmt.Errorf("is not configured")
			}
			return src, nil
		},
	})
}

// TestCorpusPostgres holds outcomes, values, zones and exit codes to the reference client's, but for the deviations listed: of rows
// that are read at once, and of rows that are read in slices of any of them.
func TestCorpusPostgres(t *testing.T) {
	server := postgrestest.Start(t)
	tables, err := os.ReadFile("testdata/tables.sql")
	if err != nil {
		t.Fatal(err)
	}
	server.Exec(t, "CREATE SCHEMA corpus; SET search_path TO corpus; SET TIME ZONE 'UTC';\n"+string(tables))
	settings := source.NewSettings("src", "postgres", map[string]string{
		"host": "127.0.0.1", "port": fmt.Sprint(server.Port), "username": "postgres", "database": "postgres", "schema": "corpus",
	})
	compareCorpus(t, "postgres", opened(t, settings), nil)
	t.Run("in slices", func(t *testing.T) {
		src := opened(t, settings)
		src.Slicing = engine.Slicing{Count: 4}
		src.Dialect.Slices = func(_ context.Context, _ engine.Connection, _ *engine.Source, of engine.Sliceable) ([]string, error) {
			var conditions []string
			for i := range of.Count {
				conditions = append(conditions, fmt.Sprintf("hashtext(CAST(%s.* AS text)) & 3 = %d", of.From[strings.LastIndex(of.From, ".")+1:], i))
			}
			return conditions, nil
		}
		compareCorpus(t, "postgres", src, nil)
	})
}

// compareCorpus runs the corpus on one kind of data source. more are deviations beside those on every kind.
func compareCorpus(t *testing.T, kind string, src *engine.Source, more map[deviation]string) {
	checks, inSlices := 0, 0
	listed := map[deviation]bool{}
	allowed := maps.Clone(deviations)
	maps.Copy(allowed, more)
	for _, c := range corpus(t) {
		want, ok := c.Want[kind]
		if !ok {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			scan := runOn(t, src, c.Sodacl, c.Vars)
			checks += len(want.Checks)
			for _, q := range scan.Queries {
				if strings.HasSuffix(q.Name, "slice 1 of 4") {
					inSlices++
				}
			}
			var problems []string
			deviates := false
			for _, d := range differences(want, scan) {
				known := deviation{c.ID, strings.SplitN(d.check, "\n", 2)[0]}
				if _, ok := allowed[known]; ok {
					listed[known], deviates = true, true
				} else {
					problems = append(problems, fmt.Sprintf("%s\n\t{%q, %q}", d.text, known.scan, known.check))
				}
			}
			if n := measuring(scan); src.Slicing.Count < 2 && !scan.Errored && !deviates && want.Queries != nil && n > *want.Queries {
				problems = append(problems, fmt.Sprintf("%d statements, the reference needs %d", n, *want.Queries))
			}
			if len(problems) > 0 {
				t.Errorf("%s\n%s\nlog:\n%s", strings.Join(problems, "\n"), c.Sodacl, logText(scan))
			}
		})
	}
	for d, reason := range allowed {
		if !listed[d] {
			t.Errorf("listed as a deviation (%s), but equal: %s, %s", reason, d.scan, d.check)
		}
	}
	if want := map[bool]int{true: 200}[src.Slicing.Count > 1]; inSlices < want {
		t.Errorf("%d partitions were read in slices, want at least %d", inSlices, want)
	}
	t.Logf("%d checks compared, %d deviations, %d partitions in slices", checks, len(listed), inSlices)
}

// measuring counts statements as the corpus does, which leaves out those of fail queries.
func measuring(s *dq.Scan) int {
	n := 0
	for _, q := range s.Queries {
		if !strings.Contains(q.Name, "user_defined_failed_rows") {
			n++
		}
	}
	return n
}

// deviation names a check (name and dataset; "" for the exit code) of a scan of the corpus.
type deviation struct{ scan, check string }

// deviations are the checks in which we knowingly differ from the reference client, and why. docs/sodacl.md tells them to
// people.
var deviations = map[deviation]string{
	{"distribution/not-configured", "row_count > 0|orders"}:                                lost,
	{"user_metric/text-result", "row_count > 0|orders"}:                                    lost,
	{"failed_rows/condition-and-query", "Negative amounts|orders"}:                         shared,
	{"failed_rows/condition-and-query", "Nothing wrong|orders"}:                            shared,
	{"failed_rows/condition-and-query", "Some allowed|orders"}:                             shared,
	{"freshness/mistakes", "freshness(ts) < 5|v_fr"}:                                       shared,
	{"freshness/mistakes", "freshness(ts) > 1d|v_fr"}:                                      shared,
	{"freshness/mistakes", "freshness(ts, NOPE) < 1d|v_fr"}:                                shared,
	{"mistakes/bad-filter-sql", "row_count > 1|orders"}:                                    shared,
	{"mistakes/unknown-column", "row_count > 0|orders"}:                                    shared,
	{"types/dates-and-booleans", "missing_count(paid) = 0|orders"}:                         shared,
	{"types/dates-and-booleans", "invalid_count(paid) = 0|orders"}:                         shared,
	{"types/dates-and-booleans", "missing_count(order_date) = 0|orders"}:                   shared,
	{"types/dates-and-booleans", "invalid_count(ratio) = 0|orders"}:                        shared,
	{"types/dates-and-booleans", "invalid_count(quantity) = 0|orders"}:                     shared,
	{"invalid/values-lengths-ranges", "invalid_count(email) > 0|orders"}:                   identity,
	{"reference/exist", "values in (customer_id) must not exist in customers (id)|orders"}: identity,
	{"group_by/parent-and-children", "By status|orders"}:                                   parent,
	{"vectors/a114", ""}:                selects,
	{"vectors/a114", "failed rows|v_t"}: selects,
}

const (
	shared   = "quirk 10: one bad column takes down its own checks only, not all that share its statement"
	lost     = "quirk 41: a check that cannot be run takes down itself only, not the scan"
	identity = "quirk 9: metrics that differ are measured apart, where the reference shares one value"
	parent   = "the parent of a group by is not reported beside its groups, as in the reference's own results file"
	selects  = "quirk 41: a fail query is run as it is; the reference ends the scan at SELECT 1"
)
