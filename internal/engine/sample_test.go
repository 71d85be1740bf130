package engine_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
)

// album takes samples, or not.
type album struct {
	refuses bool
	broken  error
	mu      sync.Mutex
	asked   int
	rows    map[string]string // by id, which is the path without its folder
}

func (a *album) Wanted(context.Context) (bool, error) {
	a.asked++
	return !a.refuses, nil
}

func (a *album) SaveSample(_ context.Context, path string, rows []byte) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, name, _ := strings.Cut(strings.TrimSuffix(path, ".jsonl"), "/")
	for a.rows[name] != "" {
		name += "'"
	}
	a.rows[name] = string(rows)
	return name, a.broken
}

const people = `CREATE TABLE people (id integer, name text, email text, "pii note" text, age double);
INSERT INTO people VALUES (1, 'Ann', 'ann@x', 'a', 30), (2, NULL, 'bob@x', 'b', 1e999), (3, 'Cid', NULL, 'c', 7), (4, 'Ann', 'dan@x', 'd', -5);
CREATE TABLE visits (person integer, day text);
INSERT INTO visits VALUES (1, '2026-01-01'), (9, '2026-01-02'), (NULL, '2026-01-03');`

// sampled runs checks on people and visits.
func sampled(t *testing.T, checks string, settings map[string]string, a *album) *dq.Scan {
	t.Helper()
	path := filepath.Join(t.TempDir(), "people.db")
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.ExecContext(t.Context(), people)
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"path": path}
	maps.Copy(all, settings)
	src, err := sources.Open(source.NewSettings("src", "sqlite", all))
	if err != nil {
		t.Fatal(err)
	}
	o := engine.Options{Definition: "Täglich/2", Source: "src", Now: time.Now(), Parallel: 2, Sources: func(string) (*engine.Source, error) { return src, nil }}
	if a != nil {
		a.rows = map[string]string{}
		o.Samples = a
	}
	return engine.Run(t.Context(), sodacl.Parse([]sodacl.File{{Name: "checks.yml", Text: []byte(checks)}}, sodacl.Variables{Values: map[string]string{}}), o)
}

const failingChecks = `filter people [grown]:
  where: age > 10
checks for people:
  - missing_count(name) = 0
  - missing_percent(name) = 0
  - missing_count(id) = 0
  - invalid_count(age) = 0:
      valid min: 0
      filter: id > 1
  - duplicate_count(name):
      warn: when > 0
  - failed rows:
      name: no mail
      fail condition: email IS NULL
  - failed rows:
      name: own query
      fail query: SELECT id, upper(name) AS loud FROM people WHERE id > 2 ORDER BY id DESC
      samples limit: 1
  - own > 9:
      own query: SELECT 3
      failed rows query: SELECT * FROM people WHERE id = 1
checks for people [grown]:
  - duplicate_count(name) = 0
  - missing_count(name) = 0:
      samples limit: 0
checks for visits:
  - values in (person) must exist in people (id)
`

// TestFailedRowsAreKept: each kind of check hands on the rows that it has counted, once, after all has been measured, and
// tells of them in its diagnostics.
func TestFailedRowsAreKept(t *testing.T) {
	without := sampled(t, failingChecks, nil, nil)
	a := &album{}
	scan := sampled(t, failingChecks, nil, a)
	want := map[string]string{
		"people_name_failed_rows":   `[2,null,"bob@x","b","inf"]`,
		"people_name_failed_rows'":  `[1,"Ann","ann@x","a",30.0] [4,"Ann","dan@x","d",-5.0]`,
		"people_age_failed_rows":    `[4,"Ann","dan@x","d",-5.0]`,
		"people_failed_rows":        `[3,"Cid",null,"c",7.0]`,
		"people_failed_rows'":       `[4,"ANN"]`,
		"people_failed_rows''":      `[1,"Ann","ann@x","a",30.0]`,
		"visits_person_failed_rows": `[9,"2026-01-02"]`,
	}
	got := map[string]string{}
	for name, rows := range a.rows {
		got[name] = strings.Join(strings.Fields(rows), " ")
	}
	if fmt.Sprint(slices.Sorted(maps.Values(got))) != fmt.Sprint(slices.Sorted(maps.Values(want))) {
		t.Errorf("kept\n%v, want\n%v\n%s", got, want, logText(scan))
	}
	if a.asked != 1 || engine.ExitCode(scan) != engine.ExitCode(without) || len(scan.Queries) != len(without.Queries)+len(want)-1 { // the query of failed rows gives its own sample
		t.Errorf("asked %d times; exit code %d, without samples %d; %d statements, without %d", a.asked, engine.ExitCode(scan), engine.ExitCode(without), len(scan.Queries), len(without.Queries))
	}
	for i, q := range without.Queries {
		if scan.Queries[i].SQL != q.SQL {
			t.Errorf("statement %d is\n%s, without samples\n%s", i, scan.Queries[i].SQL, q.SQL)
		}
	}
	ids := map[string]string{}
	for _, r := range scan.Results {
		for _, b := range blocks(t, r) {
			ids[r.Name] += b.Type + " " + b.File.Reference.FileID + fmt.Sprint(" ", b.Total, b.File.Total, b.File.Stored, len(b.File.Columns))
		}
	}
	if missing := ids["missing_count(name) = 0"]; ids["missing_percent(name) = 0"] != missing || !strings.HasPrefix(missing, "failedRowsAnalysis people_name_failed_rows") || !strings.HasSuffix(missing, " 1 1 1 5") {
		t.Errorf("of missing values: %q and %q", missing, ids["missing_percent(name) = 0"])
	}
	if got := ids["own query"]; !strings.HasPrefix(got, "file people_failed_rows") || !strings.HasSuffix(got, " 0 2 1 2") {
		t.Errorf("of the query: %q", got)
	}
	if ids["missing_count(id) = 0"] != "" {
		t.Error("a check that passes has a sample")
	}
}

type block struct {
	Type  string
	Total int `json:"totalFailingRows"`
	File  struct {
		Columns   []struct{ Name, Type string }
		Total     int                     `json:"totalRowCount"`
		Stored    int                     `json:"storedRowCount"`
		Reference struct{ FileID string } `json:"reference"`
	}
}

func blocks(t *testing.T, r dq.Result) []block {
	t.Helper()
	var d struct{ Blocks []block }
	if len(r.Diagnostics) > 0 {
		if err := json.Unmarshal(r.Diagnostics, &d); err != nil {
			t.Fatal(err)
		}
	}
	return d.Blocks
}

// TestRowsThatStay: nothing is fetched that nobody takes, and what is excluded does not leave the database.
func TestRowsThatStay(t *testing.T) {
	all := `checks for people:
  - missing_count(name) = 0
  - duplicate_count(name) = 0
  - failed rows:
      fail query: SELECT id FROM people WHERE email IS NULL
  - failed rows:
      fail query: SELECT id, lower(email) AS x FROM people
  - failed rows:
      fail query: SELECT p.* FROM people p
`
	for _, tc := range []struct {
		name, checks string
		settings     map[string]string
		album        *album
		want         string // rows
		says         string
	}{
		{name: "nobody takes them", checks: all, album: &album{refuses: true}},
		{name: "switched off", checks: all, settings: map[string]string{"sampler.disable_samples": "True"}, album: &album{}},
		{name: "stored elsewhere", checks: all, settings: map[string]string{"sampler.storage.type": "http"}, album: &album{}},
		{name: "a wrong limit", checks: all, settings: map[string]string{"sampler.samples_limit": "many"}, album: &album{}},
		{name: "a limit of none", checks: all, settings: map[string]string{"sampler.samples_limit": "0"}, album: &album{}},
		{name: "excluded columns", checks: all, settings: map[string]string{"sampler.exclude_columns.PEO*": `["EMAIL","pii%","age"]`}, album: &album{},
			want: `[1,"Ann"]|[4,"Ann"] [2,null] [3]`, says: "its query selects email"},
		{name: "excluded for another dataset", checks: "checks for visits:\n  - missing_count(person) = 0\n", settings: map[string]string{"sampler.exclude_columns.people": "person"}, album: &album{},
			want: `[null,"2026-01-03"]`},
		{name: "all columns excluded", checks: all, settings: map[string]string{"sampler.exclude_columns.people": "*"}, album: &album{}, says: "all columns are excluded"},
		{name: "chosen columns", checks: "checks for people:\n  - missing_count(name) = 0:\n      samples columns: [\"\\\"pii note\\\"\", id, email]\n", settings: map[string]string{"sampler.exclude_columns.people": "email"},
			album: &album{}, want: `["b",2]`},
		{name: "not collected", checks: "checks for people:\n  - missing_count(name) = 0:\n      collect failed rows: false\n      samples limit: 5\n", album: &album{}},
		{name: "a query that fails", checks: "checks for people:\n  - own > 9:\n      own query: SELECT 3\n      failed rows query: SELECT gone FROM people\n  - missing_count(name) = 0\n", album: &album{},
			want: `[2,null,"bob@x","b","inf"]`, says: "no such column"},
		{name: "nobody can keep them", checks: all, album: &album{broken: errors.New("disk full")}, says: "disk full",
			want: `[1,"Ann","ann@x","a",30.0]|[2,null,"bob@x","b","inf"]|[3,"Cid",null,"c",7.0]|[4,"Ann","dan@x","d",-5.0] [1,"Ann","ann@x","a",30.0]|[4,"Ann","dan@x","d",-5.0] [1,"ann@x"]|[2,"bob@x"]|[3,null]|[4,"dan@x"] [2,null,"bob@x","b","inf"] [3]`},
		{name: "first rows of a dataset", checks: "sample datasets:\n  datasets: [vis%]\n", album: &album{}, settings: map[string]string{"sampler.exclude_columns.visits": "person"},
			want: `["2026-01-01"]|["2026-01-02"]|["2026-01-03"]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := sampled(t, tc.checks, tc.settings, nil)
			scan := sampled(t, tc.checks, tc.settings, tc.album)
			var rows []string
			for _, r := range tc.album.rows {
				rows = append(rows, strings.ReplaceAll(strings.TrimSpace(r), "\n", "|"))
			}
			slices.Sort(rows)
			if got := strings.Join(rows, " "); got != tc.want {
				t.Errorf("kept %s, want %s\n%s", got, tc.want, logText(scan))
			}
			if !strings.Contains(logText(scan), tc.says) {
				t.Errorf("the log lacks %q:\n%s", tc.says, logText(scan))
			}
			if tc.want == "" && tc.says == "" && len(scan.Queries) != len(before.Queries) {
				t.Errorf("%d statements, without samples %d", len(scan.Queries), len(before.Queries))
			}
			if engine.ExitCode(scan) != engine.ExitCode(before) || scan.Counts() != before.Counts() {
				t.Errorf("exit code %d, without samples %d", engine.ExitCode(scan), engine.ExitCode(before))
			}
			if tc.album.broken != nil && bytes.Contains(scan.Results[0].Diagnostics, []byte("fileId")) {
				t.Errorf("a sample that was not kept is told of: %s", scan.Results[0].Diagnostics)
			}
		})
	}
}

// TestProfilesOfExcludedColumns have counts, and no values.
func TestProfilesOfExcludedColumns(t *testing.T) {
	scan := sampled(t, "profile columns:\n  columns: [people.%]\n", map[string]string{"sampler.exclude_columns.people": `["email","age"]`}, nil)
	if len(scan.Reports) != 1 {
		t.Fatalf("%d reports\n%s", len(scan.Reports), logText(scan))
	}
	profile := string(scan.Reports[0].Profile)
	for _, secret := range []string{"ann@x", "bob@x", `"min":-5`} {
		if strings.Contains(profile, secret) {
			t.Errorf("the profile tells %s: %s", secret, profile)
		}
	}
	for _, told := range []string{`"value":"Ann"`, `"columnName":"email"`, `"columnName":"age"`} {
		if !strings.Contains(profile, told) {
			t.Errorf("the profile lacks %s: %s", told, profile)
		}
	}
}
