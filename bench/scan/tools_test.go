package scan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tool is a program that scans, with its arguments but the results file.
type tool struct {
	command []string
	dir     string
}

// run is one run of a tool.
type run struct {
	Wall   time.Duration
	Memory int64
	Exit   int
	Output []byte `json:",omitempty"`
}

// results is what both tools write with -srf, as far as it is compared.
type results struct {
	Checks []struct {
		Name, Table string
		Outcome     *string
		Diagnostics struct{ Value any }
	}
	Queries []struct{ Name, Table, SQL string }
}

// launcher is the variable that makes this program run its arguments as a command and tell time and memory. A process
// inherits the peak memory of the one that it was forked from; a launcher of its own is small.
const launcher = "SODALITE_BENCH_LAUNCH"

func launch(args []string) int {
	var output bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &output, &output
	begin := time.Now()
	err := cmd.Run()
	r := run{Wall: time.Since(begin)}
	if cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	r.Memory, r.Exit = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss<<10, cmd.ProcessState.ExitCode()
	if r.Exit > 3 {
		r.Output = output.Bytes()
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return 1
	}
	return 0
}

// run runs the tool once, with more arguments if there are any.
func (t *tool) run(b *testing.B, more ...string) run {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self, slices.Concat(t.command, more)...)
	cmd.Env = append(os.Environ(), launcher+"=1", "HOME="+t.dir)
	cmd.Stderr = os.Stderr
	cmd.Dir = t.dir
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%s: %v", t.command[0], err)
	}
	var r run
	if err := json.Unmarshal(out, &r); err != nil {
		b.Fatal(err)
	}
	if r.Exit > 3 {
		b.Fatalf("%s: exit code %d\n%s", t.command[0], r.Exit, r.Output[max(0, len(r.Output)-3000):])
	}
	return r
}

// results runs the tool and reads its results file.
func (t *tool) results(b *testing.B) results {
	b.Helper()
	file := filepath.Join(t.dir, "results.json")
	t.run(b, "-srf", file)
	text, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	var r results
	if err := json.Unmarshal(text, &r); err != nil {
		b.Fatal(err)
	}
	return r
}

// sameResults holds our outcomes and values to the reference's. Checks that it could not evaluate are free, and ages of data
// are as of the moment.
func sameResults(b *testing.B, want, got results) {
	b.Helper()
	type key struct{ table, name string }
	of := map[key][]int{}
	for i, c := range got.Checks {
		k := key{c.Table, c.Name}
		of[k] = append(of[k], i)
	}
	for _, w := range want.Checks {
		k := key{w.Table, w.Name}
		if len(of[k]) == 0 {
			b.Errorf("check %q of %s is lost", w.Name, w.Table)
			continue
		}
		g := got.Checks[of[k][0]]
		of[k] = of[k][1:]
		if w.Outcome == nil {
			continue
		}
		if g.Outcome == nil || *g.Outcome != *w.Outcome {
			b.Errorf("check %q of %s: outcome %v, want %s", w.Name, w.Table, g.Outcome, *w.Outcome)
		}
		want, ok1 := w.Diagnostics.Value.(float64)
		value, ok2 := g.Diagnostics.Value.(float64)
		if ok1 && ok2 && !strings.HasPrefix(w.Name, "freshness") && math.Abs(want-value) > 1e-9*math.Max(math.Abs(want), math.Abs(value)) {
			b.Errorf("check %q of %s: value %v, want %v", w.Name, w.Table, value, want)
		}
	}
}

var aggregation = regexp.MustCompile(`(?s)^\s*SELECT\s+(.*?)\s*\nFROM (.*)$`)

// distinctAggregates is one statement with all distinct aggregates of the reference's statements, if they are of one table.
func distinctAggregates(r results) string {
	var items []string
	from := ""
	for _, q := range r.Queries {
		m := aggregation.FindStringSubmatch(q.SQL)
		if !strings.Contains(q.Name, ".aggregation[") || m == nil {
			continue
		}
		if from != "" && m[2] != from {
			return ""
		}
		from = m[2]
		for _, item := range strings.Split(m[1], ",\n  ") {
			if !slices.Contains(items, item) {
				items = append(items, item)
			}
		}
	}
	if from == "" {
		return ""
	}
	return "SELECT\n  " + strings.Join(items, ",\n  ") + "\nFROM " + from
}

// built builds sodalite once for each set of build tags, with cgo where DuckDB needs it.
func built(b *testing.B, tags string) string {
	b.Helper()
	builds.Lock()
	defer builds.Unlock()
	if path, ok := builds.paths[tags]; ok {
		return path
	}
	path := filepath.Join(builds.dir, "sodalite-"+tags)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s", "-tags", tags, "-o", path, "github.com/sodalite-dq/sodalite/cmd/sodalite")
	cgo := "0"
	if tags == "duckdb" {
		cgo = "1"
	}
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	builds.paths[tags] = path
	return path
}

var builds = struct {
	sync.Mutex
	dir   string
	paths map[string]string
}{paths: map[string]string{}}

// pair makes both tools for the same configuration and checks. The reference sends no telemetry.
func pair(b *testing.B, dir, binary, reference, configuration, checks string) (ours, theirs *tool) {
	b.Helper()
	for name, text := range map[string]string{"configuration.yml": configuration, "checks.yml": checks, ".soda/config.yml": "send_anonymous_usage_stats: false\n"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	args := []string{"scan", "-d", "src", "-c", "configuration.yml", "checks.yml"}
	return &tool{append([]string{binary}, args...), dir}, &tool{append([]string{reference}, args...), dir}
}
