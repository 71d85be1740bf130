package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// told is a server that notes what a launcher tells it, and says which state the scan is in.
type told struct {
	*httptest.Server
	state string
	down  bool
	calls []string
	log   string // of the failure
}

func startTold(t *testing.T, state string) (*told, string) {
	t.Helper()
	s := &told{state: state}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	cloud := filepath.Join(t.TempDir(), "cloud.yml")
	text := fmt.Sprintf("soda_cloud:\n  scheme: http\n  host: %s\n  api_key_id: id\n  api_key_secret: secret\n", strings.TrimPrefix(s.URL, "http://"))
	if err := os.WriteFile(cloud, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, cloud
}

func (s *told) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Type, ScanID, DefinitionName, DefaultDataSource string
		Logs                                            json.RawMessage
	}
	_ = json.NewDecoder(r.Body).Decode(&in) // a question has no body
	call := strings.TrimSpace(in.Type + " " + in.ScanID)
	if in.Type == "" {
		call = r.Method + " " + r.URL.Path
	}
	if in.DefinitionName != "" {
		call += " " + in.DefinitionName + " of " + in.DefaultDataSource
	}
	s.calls = append(s.calls, call)
	if in.Logs != nil {
		s.log = string(in.Logs)
	}
	if s.down {
		w.WriteHeader(http.StatusForbidden)
	}
	fmt.Fprintf(w, `{"token":"t","scanReference":"s","state":%q}`, s.state)
}

func TestLaunch(t *testing.T) {
	start := []string{"login", "sodaCoreScanStart run-1 shop/public/orders of shop"}
	asked, failed := "GET /api/v1/scans/run-1", "sodaCoreMarkScanFailed run-1"
	for name, c := range map[string]struct {
		state, script string
		code          int
		calls         []string
		log           []string
	}{
		"results arrived":    {"completedWithFailures", "exit 1", 1, []string{asked}, nil},
		"nothing arrived":    {"executing", "echo half; echo way >&2; exit 4", 4, []string{asked, failed}, []string{"half", "way", "ended with exit code 4, and no results of it arrived"}},
		"killed":             {"executing", "kill -9 $$", 137, []string{asked, failed}, []string{"ended by signal 9"}},
		"its own failure":    {"failed", "exit 3", 3, []string{asked}, nil},
		"environment":        {"completed", `[ "$SODA_SCAN_ID $SODA_SCAN_DEFINITION" = "run-1 shop/public/orders" ]`, 0, []string{asked}, nil},
		"nothing was pushed": {"executing", "true", 0, []string{asked, failed}, []string{"exit code 0, and no results"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, cloud := startTold(t, c.state)
			_, errs, err := run(t, t.TempDir(), "", "launch", "--soda-cloud", cloud, "--definition", "shop/public/orders", "--scan-id", "run-1", "--", "sh", "-c", c.script)
			if code := exitCode(err); err != nil && code != c.code || err == nil && c.code != 0 {
				t.Errorf("ended with %v, want %d\n%s", err, c.code, errs)
			}
			if got, want := strings.Join(s.calls, "\n"), strings.Join(append(start, c.calls...), "\n"); got != want {
				t.Errorf("the server was told\n%s\nwant\n%s", got, want)
			}
			for _, want := range c.log {
				if !strings.Contains(s.log, want) {
					t.Errorf("the log lacks %q: %s", want, s.log)
				}
			}
		})
	}
	t.Run("a server that refuses", func(t *testing.T) {
		s, cloud := startTold(t, "")
		s.down = true
		_, errs, err := run(t, t.TempDir(), "", "launch", "--soda-cloud", cloud, "--definition", "d", "--", "false")
		if exitCode(err) != exitNotSent || !strings.Contains(errs, "could not be started") {
			t.Errorf("%v\n%s", err, errs)
		}
	})
	for name, args := range map[string][]string{
		"no command":    {"launch", "--soda-cloud", "x.yml", "--definition", "d"},
		"no definition": {"launch", "--soda-cloud", "x.yml", "--", "true"},
		"no cloud":      {"launch", "--definition", "d", "--", "true"},
		"no such file":  {"launch", "--soda-cloud", "nosuch.yml", "--definition", "d", "--", "true"},
	} {
		if _, _, err := run(t, t.TempDir(), "", args...); exitCode(err) != exitUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := strings.Join(withLaunchFlags([]string{"launch", "-sc", "a", "--", "soda", "-sc", "b"}), " "); got != "launch --soda-cloud a -- soda -sc b" {
		t.Errorf("flags %s", got)
	}
}
