package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
	"github.com/sodalite-dq/sodalite/test/component"
)

const visitors = `
CREATE TABLE visitors (id INTEGER, name VARCHAR, email VARCHAR, secret_code VARCHAR, age INTEGER, seen TIMESTAMPTZ, weight NUMERIC(6,2));
INSERT INTO visitors VALUES (1, 'Ann', 'ann@x.org', 's1', 30, '2026-03-01 10:00:00+00', 61.50), (2, NULL, 'bob', 's2', -4, NULL, 80),
  (3, 'Cid', NULL, 's3', 55, '2026-03-02 11:30:15.25+00', NULL), (4, 'Ann', 'dan@x.org', NULL, NULL, '2026-03-01 00:00:00+00', 1);
INSERT INTO visitors SELECT n, 'v' || n, NULL, 'x', n, NULL, 0 FROM generate_series(100, 399) n;
CREATE TABLE visits (visitor INTEGER, day DATE);
INSERT INTO visits VALUES (1, '2026-03-01'), (7, '2026-03-02'), (NULL, '2026-03-03');`

// sampleChecks fail in each way that has rows to show.
const sampleChecks = `checks for visitors:
  - missing_count(name) = 0
  - missing_percent(name) < 0.01 %
  - missing_count(email) = 0
  - missing_count(seen) = 0:
      samples limit: 7
  - missing_count(weight) = 0:
      samples limit: 0
  - invalid_count(email) = 0:
      valid format: email
  - invalid_count(age) = 0:
      valid min: 0
      filter: id < 100
  - duplicate_count(name) = 0
  - failed rows:
      name: by condition
      fail condition: age < 0 OR weight > 70
  - failed rows:
      name: by query
      fail query: SELECT id, name FROM visitors WHERE id < 4 ORDER BY id
      samples limit: 2
  - failed rows:
      name: query of all columns
      fail query: SELECT * FROM visitors WHERE id = 1
  - old > 100:
      old query: SELECT count(*) FROM visitors WHERE age > 50 AND id < 100
      failed rows query: SELECT id, age, seen FROM visitors WHERE age > 50 AND id < 100
  - row_count > 1
checks for visits:
  - values in (visitor) must exist in visitors (id)
`

// uploads keeps what scanners send of rows on their way to a server.
type uploads struct {
	*httptest.Server
	mu      sync.Mutex
	files   map[string]string // by id
	results []byte
}

func recordUploads(t *testing.T, target string) *uploads {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	u := &uploads{files: map[string]string{}}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) }}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, r)
		u.note(r, body, answer.Body.Bytes())
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(u.Close)
	return u
}

func (u *uploads) note(r *http.Request, body, answer []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case r.URL.Path == "/api/scan/upload":
		var file struct{ FileID string }
		if json.Unmarshal(answer, &file) == nil {
			u.files[file.FileID] = string(body)
		}
	case bytes.Contains(body, []byte(`"sodaCoreInsertScanResults"`)):
		u.results = body
	}
}

// samples gives the rows of each check, as columns and a set of lines, and how many it says there are.
func (u *uploads) samples(t *testing.T) map[string]string {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	var scan struct {
		Checks []struct {
			Name        string
			Diagnostics struct {
				Blocks []struct {
					Type    string
					Failing int `json:"totalFailingRows"`
					File    struct {
						Columns   []struct{ Name string }
						Stored    int `json:"storedRowCount"`
						Reference struct{ FileID string }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(u.results, &scan); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range scan.Checks {
		for _, b := range c.Diagnostics.Blocks {
			lines := strings.Split(strings.TrimSpace(u.files[b.File.Reference.FileID]), "\n")
			for i, line := range lines {
				lines[i] = alike(t, line)
			}
			slices.Sort(lines)
			if len(lines) > 20 {
				lines = []string{fmt.Sprintf("%d rows", len(lines))} // which ones is the database's choice
			}
			out[c.Name] += fmt.Sprintf("%s %d %d %v\n%s", b.Type, b.Failing, b.File.Stored, b.File.Columns, strings.Join(lines, "\n"))
		}
	}
	u.files, u.results = map[string]string{}, nil
	return out
}

func (u *uploads) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.files)
}

// alike writes a row so that numbers and texts of them are the same: the reference client sends decimals as texts.
func alike(t *testing.T, line string) string {
	t.Helper()
	var cells []any
	if err := json.Unmarshal([]byte(line), &cells); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	for i, c := range cells {
		if text, ok := c.(string); ok {
			var f float64
			if json.Unmarshal([]byte(text), &f) == nil {
				cells[i] = f
			}
		}
	}
	body, err := json.Marshal(cells)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestSamplesAreThoseOfTheReference: the rows of failed checks that sodalite scan uploads are those that Soda Core 3 uploads,
// with the same columns kept back; neither uploads any where the server takes none, and a local scan never does.
func TestSamplesAreThoseOfTheReference(t *testing.T) {
	client := component.Path(t, "SODALITE_SODA_POSTGRES")
	database := postgrestest.Start(t)
	database.Exec(t, visitors)
	on, off := startSodalite(t, "SODALITE_SAMPLES=on"), startSodalite(t)
	toOn, toOff := recordUploads(t, on.url), recordUploads(t, off.url)
	const sampler = "  sampler:\n    exclude_columns:\n      VISITORS: [secret_*, Weight]\n"
	files := map[string]string{"checks.yml": sampleChecks}
	for name, s := range map[string]*sodalite{"on": {url: toOn.URL, key: on.key, secret: on.secret}, "off": {url: toOff.URL, key: off.key, secret: off.secret}} {
		files["all-"+name+".yml"] = configuration(database.Port) + s.snippet()
		files["some-"+name+".yml"] = configuration(database.Port) + sampler + s.snippet()
		files["none-"+name+".yml"] = configuration(database.Port) + "  sampler:\n    disable_samples: true\n" + s.snippet()
	}
	soda, ours := newScanner(t, client, files), newCommandLine(t, files)
	for _, configuration := range []string{"all", "some"} {
		soda.scan("-d", "shop", "-s", "reference", "-c", configuration+"-on.yml", "checks.yml")
		want := toOn.samples(t)
		ours.run("scan", "-d", "shop", "-s", "ours", "-c", configuration+"-on.yml", "checks.yml")
		got := toOn.samples(t)
		if soda.exitCode != ours.code || ours.code != 2 {
			t.Errorf("exit codes %d of the reference, %d of ours\n%s%s", soda.exitCode, ours.code, ours.out, ours.errs)
		}
		if len(want) < 9 {
			t.Errorf("the reference uploaded %d samples\n%s", len(want), soda.output)
		}
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("%s, %q:\n%s\nwant\n%s", configuration, name, got[name], want[name])
			}
		}
		for name := range got {
			if want[name] == "" {
				t.Errorf("%s, %q has rows that the reference has not:\n%s", configuration, name, got[name])
			}
		}
	}
	for _, configuration := range []string{"all-off.yml", "none-on.yml"} {
		ours.run("scan", "-d", "shop", "-s", "ours", "-c", configuration, "checks.yml")
		if n := toOn.count() + toOff.count(); n > 0 || ours.code != 2 {
			t.Errorf("%s: %d samples were uploaded, exit code %d", configuration, n, ours.code)
		}
	}
	ours.run("scan", "-d", "shop", "-c", "all-on.yml", "checks.yml", "--local", "--json", "-V")
	if strings.Contains(ours.out, "failed_rows[") || ours.code != 2 {
		t.Errorf("a local scan fetches rows:\n%s", ours.out)
	}
}
