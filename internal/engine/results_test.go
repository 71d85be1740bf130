package engine_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/sodacloud/v3"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
)

// everyKind has a check of every kind that the reference client writes to its results file.
const everyKind = `filter t [part]:
  where: id < 100
configurations for t:
  missing values for s: [N/A]
checks for t [part]:
  - row_count > 0
checks for t:
  - row_count between 1 and 5
  - missing_count(s) = 0:
      name: nothing missing
      attributes: {team: data, level: 3, tags: [a, b], live: true, since: 2026-01-02}
  - missing_percent(s) < 5 %:
      warn: when > 1
  - invalid_percent(s):
      valid values: [a, b]
      warn: when between 1 and 10
      fail: when > 10
  - duplicate_percent(s) = 0
  - duplicate_count(s, n) = 0
  - avg(n) > 1000:
      identity: my-own
  - max_length(s) < 2
  - freshness(ts) < 1d
  - freshness(dt) < 1d
  - schema:
      warn:
        when required column missing: [gone]
      fail:
        when wrong column type: {id: varchar}
        when forbidden column present: ["s%", ts]
        when wrong column index: {ts: 0}
  - values in (n) must exist in u (n)
  - row_count same as u
  - mine > 5:
      mine expression: SUM(n)
  - own = 2:
      own query: SELECT 2
  - failed rows:
      fail condition: n > 1
  - failed rows:
      name: by query
      fail query: SELECT * FROM t WHERE n > 1
  - group by:
      name: groups
      query: SELECT s, COUNT(*) AS cnt FROM t GROUP BY s
      fields: [s]
      checks:
        - cnt > 1:
            name: size
  - group evolution:
      query: SELECT DISTINCT s FROM t
      fail:
        when required group missing: [zz]
checks:
  - overall = 1:
      overall query: SELECT 1
for each dataset D:
  datasets: [u]
  checks:
    - row_count > 0:
        name: rows of ${D}
    - row_count between 1 and 9
discover datasets:
  datasets: [t]
`

// differentResults are the parts of the file that are not as the reference's, by the end of their path, and why.
var differentResults = map[string]string{
	".diagnostics.blocks[0]":       "rows do not leave the data source, so there is nothing to say of samples",
	".diagnostics.blocks":          "rows do not leave the data source, so there is nothing to say of samples",
	".diagnostics.file":            "rows do not leave the data source, so there is nothing to say of samples",
	".diagnostics.fail":            "more than the reference tells: reference and failed rows checks fail above 0",
	".diagnostics.row_count":       "more than the reference tells: what a percentage was computed from",
	".diagnostics.missing_count":   "more than the reference tells: what a percentage was computed from",
	".diagnostics.invalid_count":   "more than the reference tells: what a percentage was computed from",
	".diagnostics.duplicate_count": "more than the reference tells: what a percentage was computed from",
	".outcomeReasons":              "more than the reference tells: schema events in words",
}

func knownDifference(path string) bool {
	for end := range differentResults {
		if strings.HasSuffix(path, end) {
			return true
		}
	}
	return false
}

// TestResultsFile compares the results file with the one that the reference client writes: the same members everywhere, with
// values of the same type, and of checks and metrics the same values.
func TestResultsFile(t *testing.T) {
	server := postgrestest.Start(t)
	client := startReference(t, "SODALITE_SODA_POSTGRES")
	server.Exec(t, `CREATE TABLE t (id int, n numeric(10,2), s varchar, ts timestamp, dt date);
INSERT INTO t VALUES (1, 1.5, 'a', '2026-01-01', '2026-01-01'), (2, 2, 'a', NULL, NULL), (3, NULL, 'N/A', '2026-01-02', NULL), (4, 3, NULL, NULL, NULL);
CREATE TABLE u (n numeric(10,2)); INSERT INTO u VALUES (1.5);`)
	settings := source.NewSettings("src", "postgres", map[string]string{"host": "127.0.0.1", "port": fmt.Sprint(server.Port), "username": "postgres", "password": "x", "database": "postgres", "schema": "public"})
	client.ask(t, []any{map[string]any{"configuration": configurationOf(settings), "sodacl": everyKind, "results": true, "vars": map[string]string{"NOW": "2026-01-03"}}})
	src, err := sources.Open(settings)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := json.Marshal(v3.Results((&madeScan{sodacl: everyKind, vars: map[string]string{"NOW": "2026-01-03"}}).run(t, src)))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	var answer struct{ Results map[string]any }
	if err := json.Unmarshal(ours, &got); err != nil {
		t.Fatal(err)
	}
	client.answer(t, &answer)
	for _, list := range []string{"checks", "metrics"} {
		for key, w := range byKey(answer.Results[list]) {
			if g, ok := byKey(got[list])[key]; ok {
				compareJSON(t, list+"["+key+"]", g, w, true)
			} else if !strings.Contains(key, "-group by-") && !strings.HasSuffix(key, "-cnt > 1-17d4aec3") { // their values are whole results
				t.Errorf("%s: %s is missing; there are %s", list, key, keysOf(byKey(got[list])))
			}
		}
		delete(got, list)
		delete(answer.Results, list)
	}
	compareJSON(t, "", got, answer.Results, false)
}

// byKey makes a map of a list, by name and table of checks, identity of metrics.
func byKey(list any) map[string]any {
	out := map[string]any{}
	for _, one := range list.([]any) {
		m := one.(map[string]any)
		key, ok := m["name"]
		if !ok {
			key = m["identity"]
		}
		if filter := m["metrics"]; filter != nil {
			key = fmt.Sprint(key, strings.Contains(fmt.Sprint(filter), "-part-"))
		}
		out[fmt.Sprint(key)] = one
	}
	return out
}

func keysOf(m map[string]any) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// compareJSON compares members and types, and with values also what they hold. Lists are compared by their first elements,
// or whole with values.
func compareJSON(t *testing.T, path string, got, want any, values bool) {
	t.Helper()
	if strings.HasSuffix(path, ".definition") {
		got, want = strings.TrimSpace(got.(string)), strings.TrimSpace(want.(string))
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s: %v, want an object", path, got)
			return
		}
		for _, k := range keysOf(w) {
			if _, ok := g[k]; !ok && !knownDifference(path+"."+k) {
				t.Errorf("%s.%s is missing, want %v", path, k, w[k])
			} else if ok {
				compareJSON(t, path+"."+k, g[k], w[k], values)
			}
		}
		for _, k := range keysOf(g) {
			if _, ok := w[k]; !ok && !knownDifference(path+"."+k) {
				t.Errorf("%s.%s: %v, the reference has no such member", path, k, g[k])
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || (len(g) == 0) != (len(w) == 0) || values && len(g) != len(w) {
			if len(g) == 0 && knownDifference(path) {
				return
			}
			t.Errorf("%s: %v, want %v", path, got, want)
			return
		}
		for i := range w {
			if i < len(g) && (i == 0 || values) {
				compareJSON(t, fmt.Sprintf("%s[%d]", path, i), g[i], w[i], values)
			}
		}
	default:
		if values && fmt.Sprint(got) != fmt.Sprint(want) || got != nil && want != nil && fmt.Sprintf("%T", got) != fmt.Sprintf("%T", want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}
