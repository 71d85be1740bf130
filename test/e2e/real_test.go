// Package e2e holds the tests of the whole way, with real components: the built program, Soda clients from PyPI, PostgreSQL,
// an emulator of SNS. See test/provide for where they come from.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/test/component"
)

// builds keeps what this package's tests compile, each once.
var builds struct {
	sync.Mutex
	dir   string
	paths map[string]string
}

// compiled builds a package of this module, as it is built to be used, for this machine. Everything is built alike, so that
// one compilation of what programs have in common serves all.
func compiled(tags, pkg string) (string, error) {
	builds.Lock()
	defer builds.Unlock()
	if path, ok := builds.paths[tags+pkg]; ok {
		return path, nil
	}
	if builds.dir == "" {
		var err error
		if builds.dir, err = os.MkdirTemp("", "sodalite-e2e"); err != nil {
			return "", err
		}
		builds.paths = map[string]string{}
	}
	path := filepath.Join(builds.dir, fmt.Sprint(len(builds.paths)))
	build := exec.Command("go", "build", "-tags", "lambda.norpc,"+tags, "-ldflags=-s", "-trimpath", "-o", path, "../../"+pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	builds.paths[tags+pkg] = path
	return path, nil
}

// program is cmd/sodalite.
func program() (string, error) { return compiled("", "cmd/sodalite") }

func TestMain(m *testing.M) {
	code := m.Run()
	if builds.dir != "" {
		os.RemoveAll(builds.dir)
	}
	os.Exit(code)
}

// logged writes a process's output to the test's log and keeps it.
type logged struct {
	t    *testing.T
	name string
	mu   sync.Mutex
	all  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// start runs a program until the test ends; its output is shown if the test failed.
func start(t *testing.T, cmd *exec.Cmd) *logged {
	t.Helper()
	out := &logged{t: t, name: filepath.Base(cmd.Path)}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-done
			t.Errorf("%s did not stop within 10 s", out.name)
		}
		if t.Failed() {
			said := out.String()
			t.Logf("%s said:\n%s", out.name, said[max(0, len(said)-8000):])
		}
	})
	return out
}

// slow is how many times longer than on an idle machine things may take.
const slow = 6

// waitFor tries until ok or the time is over.
func waitFor(t *testing.T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	limit *= slow
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within %s", what, limit)
}

// sodalite is a running system and an API key for it.
type sodalite struct {
	t           *testing.T
	url         string
	key, secret string
	out         *logged // what it printed, if this test started it
	// flags and env bring the command line to the system's store.
	flags, env []string
}

func startSodalite(t *testing.T, env ...string) *sodalite { return startWith(t, nil, env...) }

// startWith starts the server with more flags.
func startWith(t *testing.T, flags []string, env ...string) *sodalite {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + strconv.Itoa(component.FreePort(t))
	s := &sodalite{t: t, url: "http://" + address, flags: []string{"--data", t.TempDir()}}
	cmd := exec.Command(path, slices.Concat([]string{"serve", "--listen", address}, s.flags, flags)...)
	cmd.Env = append(os.Environ(), env...)
	s.out = start(t, cmd)
	waitFor(t, "server ready", 10*time.Second, func() bool {
		resp, err := http.Get(s.url + "/healthz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	s.newKey()
	return s
}

// newKey makes the API key.
func (s *sodalite) newKey() {
	s.t.Helper()
	var key struct{ ID, Secret string }
	if err := json.Unmarshal(s.run("keys", "create", "--name", "e2e", "--json"), &key); err != nil || key.ID == "" || key.Secret == "" {
		s.t.Fatalf("keys create: %+v, %v", key, err)
	}
	s.key, s.secret = key.ID, key.Secret
}

// run runs a command on the system's store, also while it serves.
func (s *sodalite) run(args ...string) []byte {
	s.t.Helper()
	path, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(path, append(args, s.flags...)...)
	cmd.Env = append(os.Environ(), s.env...)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("sodalite %s: %v\n%s%s", strings.Join(args, " "), err, out, errors.String())
	}
	return out
}

// get reads from the public API.
func (s *sodalite) get(path string, v any) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth(s.key, s.secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s: %d %s", path, resp.StatusCode, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		s.t.Fatalf("GET %s: %v in %s", path, err, body)
	}
}

// snippet is the soda_cloud block that people paste into their configuration.
func (s *sodalite) snippet() string {
	host, port, _ := strings.Cut(strings.TrimPrefix(s.url, "http://"), ":")
	return fmt.Sprintf("soda_cloud:\n  scheme: http\n  host: %s\n  port: \"%s\"\n  api_key_id: %s\n  api_key_secret: %s\n", host, port, s.key, s.secret)
}

// scanner is a folder with a Soda configuration, and the client to run in it.
type scanner struct {
	t        *testing.T
	client   string
	dir      string
	exitCode int
	output   string
}

func newScanner(t *testing.T, client string, files map[string]string) *scanner {
	t.Helper()
	s := &scanner{t: t, client: client, dir: t.TempDir()}
	files[".soda/config.yml"] = "send_anonymous_usage_stats: false\n"
	for name, text := range files {
		path := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// scan runs the client and returns the scan id that its console showed as the trace id.
func (s *scanner) scan(args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.client, append([]string{"scan"}, args...)...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "PYTHONWARNINGS=ignore")
	out, err := cmd.CombinedOutput()
	s.output, s.exitCode = string(out), cmd.ProcessState.ExitCode()
	if err != nil && s.exitCode < 0 {
		s.t.Fatalf("soda: %v\n%s", err, out)
	}
	const label = "Soda Cloud Trace: "
	i := strings.LastIndex(s.output, label)
	if i < 0 {
		s.t.Fatalf("the client showed no trace id:\n%s", s.output)
	}
	id, _, _ := strings.Cut(s.output[i+len(label):], "\n")
	return strings.TrimSpace(id)
}
