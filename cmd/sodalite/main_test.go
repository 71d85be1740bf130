//go:build !scanner

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	data := filepath.Join(t.TempDir(), "new", "data")
	out, errs, err := run(t, data, "", "keys", "create", "--name", "airflow", "--json")
	var key struct{ ID, Name, Secret string }
	if err != nil || json.Unmarshal([]byte(out), &key) != nil || key.ID == "" || key.Secret == "" || key.Name != "airflow" {
		t.Fatalf("%q, %v", out, err)
	}
	if !strings.Contains(errs, "SODALITE_DATTA") {
		t.Errorf("a mistyped setting is not told: %q", errs)
	}
	if info, err := os.Stat(data); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data directory %v, %v", info.Mode(), err)
	}
	out, _, err = run(t, data, "", "keys", "list")
	if err != nil || !strings.Contains(out, key.ID) || strings.Contains(out, key.Secret) {
		t.Errorf("list: %q, %v", out, err)
	}
	if _, _, err = run(t, data, "", "keys", "revoke", key.ID); err != nil {
		t.Error(err)
	}
	if out, _, err = run(t, data, "", "keys", "list", "--json"); err != nil || strings.TrimSpace(out) != "[]" {
		t.Errorf("list after revoke: %q, %v", out, err)
	}
	if out, _, err = run(t, data, "", "keys", "create", "--name", "people"); err != nil || !strings.Contains(out, "soda_cloud:\n  scheme: ") {
		t.Errorf("create: %q, %v", out, err)
	}
}

func TestUsersAndReplay(t *testing.T) {
	data := t.TempDir()
	if out, _, err := run(t, data, "", "users", "add", "Ada"); err != nil || !strings.Contains(out, "/sign-in/link?token=") {
		t.Errorf("%q, %v", out, err)
	}
	if _, _, err := run(t, data, "a long password\n", "users", "add", "ben", "--password-stdin"); err != nil {
		t.Error(err)
	}
	out, _, err := run(t, data, "", "users", "list")
	if err != nil || !strings.Contains(out, "ada") || !strings.Contains(out, "password") || strings.Contains(out, "a long password") {
		t.Errorf("%q, %v", out, err)
	}
	if out, _, err := run(t, data, "", "replay"); err != nil || !strings.HasPrefix(out, "0 scans") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestExitCodes(t *testing.T) {
	data := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"unknown command":         {[]string{"sing"}, 2, "unknown command"},
		"unknown flag":            {[]string{"keys", "--sing"}, 2, "unknown flag"},
		"no name":                 {[]string{"keys", "create"}, 2, "--name"},
		"no id":                   {[]string{"keys", "revoke"}, 2, "id"},
		"unknown key":             {[]string{"keys", "revoke", "key_none"}, 1, "no API key"},
		"an argument too many":    {[]string{"serve", "now"}, 2, "no arguments"},
		"odd address":             {[]string{"serve", "--listen", "nowhere"}, 2, "SODALITE_LISTEN"},
		"serve on a table":        {[]string{"serve", "--table", "sodalite"}, 2, "SODALITE_TABLE"},
		"attributes without file": {[]string{"attributes", "apply"}, 2, "-f FILE"},
		"no such file":            {[]string{"attributes", "apply", "-f", filepath.Join(data, "none.yml")}, 2, "none.yml"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := run(t, data, "", c.args...)
			if err == nil || exitCode(err) != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v: %v, exit code %d; want %q, %d", c.args, err, exitCode(err), c.want, c.code)
			}
		})
	}
}

func TestAttributes(t *testing.T) {
	data := t.TempDir()
	const good = "attributes:\n  - name: team\n    type: singleSelect\n    allowedValues: [finance, sales]\n  - name: critical\n    type: checkbox\n"
	if out, _, err := run(t, data, good, "attributes", "apply", "-f", "-"); err != nil || out != "Applied: 2 attributes.\n" {
		t.Errorf("%q, %v", out, err)
	}
	if out, _, err := run(t, data, "", "attributes", "list"); err != nil || !strings.Contains(out, "finance sales") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestMistakesInAttributesFilesHaveALine(t *testing.T) {
	files, err := filepath.Glob("testdata/attributes/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files of mistakes")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(data), "\n")
			want := strings.TrimPrefix(first, "# want: ")
			_, err = parseAttributes(filepath.Base(file), data)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

func FuzzParseAttributes(f *testing.F) {
	f.Add("attributes:\n  - {name: a, type: text}")
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = parseAttributes("fuzz.yml", []byte(text))
	})
}

func TestSnippet(t *testing.T) {
	for address, want := range map[string]string{
		"http://127.0.0.1:8088":       "scheme: http\n  host: 127.0.0.1\n  port: \"8088\"\n",
		"https://dq.example.com":      "scheme: https\n  host: dq.example.com\n  api",
		"https://dq.example.com/prod": "host: dq.example.com/prod\n",
		"":                            "host: YOUR-HOST\n",
	} {
		if got := snippet(address, "id", "secret"); !strings.Contains(got, want) || !strings.HasPrefix(got, "soda_cloud:\n") {
			t.Errorf("%q gives\n%s", address, got)
		}
	}
}

// TestTheExampleOnTheAttributesPageApplies reads what the page tells people to write.
func TestTheExampleOnTheAttributesPageApplies(t *testing.T) {
	page, err := os.ReadFile("../../internal/web/templates/attributes.html")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "<code>attributes:")
	example, _, ended := strings.Cut(rest, "</code>")
	if !found || !ended {
		t.Fatal("the page has no example")
	}
	schema, err := parseAttributes("attributes.yml", []byte("attributes:"+example))
	if err != nil || len(schema) != 2 {
		t.Errorf("%+v, %v", schema, err)
	}
}

// TestNamedFilesComeAlong: a definition is kept with the files that its checks name, and can be exported and applied again.
func TestNamedFilesComeAlong(t *testing.T) {
	data, dir := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"definitions.yml": "data_source shop:\n  type: sqlite\n  path: shop.db\ndefinitions:\n  nightly:\n    data source: shop\n    checks: checks\n",
		"checks/a.yml":    "checks for orders:\n  - k > 0:\n      k sql_file: ../sql/k.sql\n",
		"sql/k.sql":       "SELECT 7",
		"bad/checks.yml":  "checks for orders:\n  - k > 0:\n      k sql_file: /etc/hostname\n",
		"bad/setup.yml":   "definitions:\n  bad:\n    data source: shop\n    checks: checks.yml\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, _, err := run(t, data, "", "definitions", "apply", "-f", filepath.Join(dir, "definitions.yml")); err != nil || !strings.Contains(out, "+SELECT 7") {
		t.Fatalf("%q, %v", out, err)
	}
	exported := filepath.Join(dir, "exported")
	if out, _, err := run(t, data, "", "definitions", "export", "-d", exported); err != nil {
		t.Fatalf("%q, %v", out, err)
	}
	for _, says := range []string{"+++ 1-nightly/sql/k.sql", "Nothing changes"} { // names have a folder more, where they fit as before
		if out, _, err := run(t, data, "", "definitions", "apply", "-f", exported); err != nil || !strings.Contains(out, says) {
			t.Errorf("%q, %v", out, err)
		}
	}
	if out, errs, err := run(t, data, "", "definitions", "apply", "-f", filepath.Join(dir, "bad", "setup.yml")); err == nil || !strings.Contains(err.Error(), "not among the files") {
		t.Errorf("%q %q, %v", out, errs, err)
	}
}

// TestMistakesInSetupsAreToldAtOnce: all that is wrong with data sources and definitions is told with its place, and then nothing
// is made.
func TestMistakesInSetupsAreToldAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		setup string
		want  []string
	}{
		"data sources": {
			"data_source a:\n  type: postgress\ndata_source b:\n  type: postgres\n  host: h\n  port: abc\ndata_source c:\n  type: postgres\ndata_source d:\n  type: postgres\n  host: h\n  password: clear\n",
			[]string{`setup.yml:1:1: data source a has the type "postgress"`, `setup.yml:3:1: data source b: port "abc"`, `setup.yml:7:1: data source c (postgres) needs "host"`, "setup.yml:9:1: password of data source d must not"},
		},
		"definition": {
			"data_source a:\n  type: sqlite\n  path: a.db\ndefinitions:\n  d:\n    data source: a\n    schedule: 99 * * * *\n    checks: bad.yml\n  e:\n    data source: a\n    checks: gone.yml\n",
			[]string{`setup.yml:5:3: schedule "99 * * * *": end of range`, "setup.yml:5:3: bad.yml:2:15: the check", "setup.yml:11:13: there is no file or directory gone.yml"},
		},
		"unknown data source": {
			"data_source a:\n  type: sqlite\n  path: a.db\ndefinitions:\n  d:\n    data source: nope\n    checks: good.yml\n  e:\n    data source: neither\n    checks: good.yml\n",
			[]string{`setup.yml:5:3: scan definition "d" is for data source "nope"`, `setup.yml:8:3: scan definition "e" is for data source "neither"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			data, dir := t.TempDir(), t.TempDir()
			t.Chdir(dir)
			for file, text := range map[string]string{"setup.yml": c.setup, "bad.yml": "checks for t:\n  - row_count >> 0\n", "good.yml": "checks for t:\n  - row_count > 0\n"} {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, _, err := run(t, data, "", "definitions", "apply", "-f", "setup.yml")
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("want %q in %v", want, err)
				}
			}
			if out, _, err := run(t, data, "", "sources", "list"); err != nil || strings.Contains(out, "sqlite") {
				t.Errorf("%q, %v", out, err)
			}
		})
	}
}

// TestSettingsOfTheEnvironmentAreNotJudged: who applies a setup need not have the values that scans take from their environment.
func TestSettingsOfTheEnvironmentAreNotJudged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "setup.yml")
	if err := os.WriteFile(path, []byte("data_source a:\n  type: postgres\n  host: h\n  port: ${env_var('SODALITE_SOURCE_PORT')}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, err := run(t, t.TempDir(), "", "definitions", "apply", "-f", path); err != nil {
		t.Errorf("%q, %v", out, err)
	}
}
