package engine_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
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
	ID     string                `json:"id"`
	Sodacl string                `json:"sodacl"`
	Vars   map[string]string     `json:"vars"`
	Want   map[string]corpusWant `json:"want"`
}

type corpusWant struct {
	Exit    int  `json:"exit"`
	Queries *int `json:"queries"`
	Checks  []struct {
		Name      string          `json:"name"`
		Dataset   *string         `json:"dataset"`
		Column    *string         `json:"column"`
		Partition *string         `json:"partition"`
		Outcome   *string         `json:"outcome"`
		Value     json.RawMessage `json:"value"`
		Zones     struct{ Warn, Fail *dq.Threshold }
	} `json:"checks"`
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

// run runs one text of checks on a source named src.
func run(t *testing.T, settings *source.Settings, text string, vars map[string]string) *dq.Scan {
	t.Helper()
	src, err := sources.Open(settings)
	if err != nil {
		t.Fatal(err)
	}
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

// TestCorpusPostgres holds outcomes, values, zones and exit codes to the reference client's, but for the deviations listed.
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
	compareCorpus(t, "postgres", settings, nil)
}

// compareCorpus runs the corpus on one kind of data source. more are deviations beside those on every kind.
func compareCorpus(t *testing.T, kind string, settings *source.Settings, more map[string]string) {
	checks := 0
	for _, c := range corpus(t) {
		want, ok := c.Want[kind]
		if !ok {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			scan := run(t, settings, c.Sodacl, c.Vars)
			problems := differences(want, scan)
			checks += len(want.Checks)
			reason, deviates := deviations[c.ID]
			if r, ok := more[c.ID]; ok {
				reason, deviates = r, true
			}
			if n := measuring(scan); !deviates && !scan.Errored && want.Queries != nil && n > *want.Queries {
				t.Errorf("%d statements, the reference needs %d", n, *want.Queries)
			}
			switch {
			case deviates && len(problems) == 0:
				t.Errorf("listed as a deviation (%s), but is equal", reason)
			case !deviates && len(problems) > 0:
				t.Errorf("%s\n%s\nlog:\n%s", strings.Join(problems, "\n"), c.Sodacl, logText(scan))
			}
		})
	}
	t.Logf("%d checks compared", checks)
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

func logText(s *dq.Scan) string {
	var out bytes.Buffer
	for _, l := range s.Logs {
		fmt.Fprintf(&out, "%s %s\n", l.Level, l.Message)
	}
	return out.String()
}

// differences compares a scan with what the reference client concluded. Checks that it lost (an error ended its scan, or the
// file) must not be evaluated, or absent, here.
func differences(want corpusWant, scan *dq.Scan) []string {
	var out []string
	if got := engine.ExitCode(scan); got != want.Exit {
		out = append(out, fmt.Sprintf("exit code %d, want %d", got, want.Exit))
	}
	left := map[string][]dq.Result{}
	for _, r := range scan.Results {
		key := r.Name + "|" + r.Dataset.Name
		left[key] = append(left[key], r)
	}
	for _, w := range want.Checks {
		dataset := ""
		if w.Dataset != nil {
			dataset = strings.Trim(*w.Dataset, `"`)
		}
		key := w.Name + "|" + dataset
		outcome := dq.NotEvaluated
		if w.Outcome != nil {
			outcome = dq.Outcome(*w.Outcome)
		}
		list := left[key]
		if len(list) == 0 {
			if outcome != dq.NotEvaluated {
				out = append(out, fmt.Sprintf("check %q is lost, want %s", key, outcome))
			}
			continue
		}
		got := list[0]
		left[key] = list[1:]
		if got.Outcome != outcome {
			out = append(out, fmt.Sprintf("check %q: %s (value %s), want %s (value %s)", key, got.Outcome, got.Value, outcome, w.Value))
			continue
		}
		if outcome.Evaluated() && got.Measure == "" && !sameNumber(got.Value, w.Value) {
			out = append(out, fmt.Sprintf("check %q: value %s, want %s", key, got.Value, w.Value))
		}
		if outcome.Evaluated() && got.Kind != "reference" && got.Kind != "failed_rows" && (!sameZone(got.Warn, w.Zones.Warn) || !sameZone(got.Fail, w.Zones.Fail)) {
			out = append(out, fmt.Sprintf("check %q: zones %+v %+v, want %+v %+v", key, got.Warn, got.Fail, w.Zones.Warn, w.Zones.Fail))
		}
	}
	for key, list := range left {
		for _, r := range list {
			if r.Outcome.Evaluated() {
				out = append(out, fmt.Sprintf("check %q: %s, the reference has no such check", key, r.Outcome))
			}
		}
	}
	return out
}

func sameNumber(got json.Number, want json.RawMessage) bool {
	if string(want) == "null" || len(want) == 0 {
		return got == ""
	}
	a, err1 := got.Float64()
	b, err2 := json.Number(want).Float64()
	if err1 != nil || err2 != nil {
		return strings.Trim(string(want), `"`) == "nan" && got == ""
	}
	return math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b))
}

func sameZone(got, want *dq.Threshold) bool {
	if got == nil || want == nil {
		return got == want
	}
	same := func(a, b json.Number) bool {
		return (a == "") == (b == "") && (a == "" || sameNumber(a, json.RawMessage(b)))
	}
	return same(got.GreaterThan, want.GreaterThan) && same(got.GreaterThanOrEqual, want.GreaterThanOrEqual) && same(got.LessThan, want.LessThan) && same(got.LessThanOrEqual, want.LessThanOrEqual)
}

// deviations are the scans in which we knowingly differ from the reference client, and why. docs/sodacl.md tells them to
// people.
var deviations = map[string]string{
	"distribution/not-configured":     lost,
	"failed_rows/condition-and-query": shared,
	"freshness/mistakes":              shared,
	"mistakes/bad-filter-sql":         shared,
	"mistakes/unknown-column":         shared,
	"types/dates-and-booleans":        shared,
	"user_metric/text-result":         lost,
	"invalid/values-lengths-ranges":   identity,
	"reference/exist":                 identity,
	"group_by/parent-and-children":    "the parent of a group by is not reported beside its groups, as in the reference's own results file",
	"vectors/a114":                    "a fail query is run as it is; the reference ends the scan at SELECT 1",
}

const (
	shared   = "quirk 10: one bad column takes down its own checks only, not all that share its statement"
	lost     = "quirk 41: a check that cannot be run takes down itself only, not the scan"
	identity = "quirk 9: metrics that differ are measured apart, where the reference shares one value"
)
