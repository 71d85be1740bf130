package engine_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
	"github.com/sodalite-dq/sodalite/test/component"
)

// The differential test runs the reference client beside this engine on tables and checks that a seed makes up, and compares
// what they conclude. SODALITE_DIFFERENTIAL_SCANS and SODALITE_DIFFERENTIAL_SEED ask for more scans, and others, than the
// default, which fits a run of all tests.

func setting(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// reference is the running reference client. It answers in the order in which it was asked.
type reference struct {
	in  io.Writer
	out *bufio.Reader
}

// startReference runs testdata/reference.py with the Python of the client that the variable names.
func startReference(t *testing.T, variable string) *reference {
	t.Helper()
	soda := component.Path(t, variable)
	cmd := exec.Command(filepath.Join(filepath.Dir(soda), "python"), "testdata/reference.py")
	// The client looks variables up in the environment first; ours sees none in these tests.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "SODA_CORE_TELEMETRY_ENABLED=false"}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the reference client: %v\n%s", err, dq.Truncate(complaints.String(), 2000))
		}
	})
	return &reference{in, bufio.NewReaderSize(out, 1<<20)}
}

// ask sends scans; the client works on them while we do.
func (r *reference) ask(t *testing.T, scans []any) {
	t.Helper()
	var body bytes.Buffer
	for _, s := range scans {
		if err := json.NewEncoder(&body).Encode(s); err != nil {
			t.Fatal(err)
		}
	}
	go func() { _, _ = r.in.Write(body.Bytes()) }() // a client that is gone gives no answer
}

func (r *reference) answer(t *testing.T, v any) {
	t.Helper()
	line, err := r.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, v)
	}
	if err != nil {
		t.Fatalf("the reference client's answer: %v\n%s", err, line)
	}
}

// fixedHistory gives the same former measurements for every metric.
type fixedHistory []any

func (h fixedHistory) Measurements(_ context.Context, _ string, _, _ time.Time, limit int) ([]engine.Measured, error) {
	var out []engine.Measured
	for _, v := range h[:min(limit, len(h))] {
		body, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		out = append(out, engine.Measured{Value: body})
	}
	return out, nil
}

// scansPerWorld is how many scans are made on the same tables.
const scansPerWorld = 60

// TestDifferentialPostgres compares on PostgreSQL.
func TestDifferentialPostgres(t *testing.T) {
	server := postgrestest.Start(t)
	client := startReference(t, "SODALITE_SODA_POSTGRES")
	differential(t, client, false, func(world int, tables string) *source.Settings {
		schema := fmt.Sprintf("world%d", world)
		server.Exec(t, "CREATE SCHEMA "+schema+"; SET search_path TO "+schema+"; SET TIME ZONE 'UTC';\n"+tables)
		return source.NewSettings("src", "postgres", map[string]string{
			"host": "127.0.0.1", "port": fmt.Sprint(server.Port), "username": "postgres", "password": "x", "database": "postgres", "schema": schema,
		})
	})
}

// differential compares scans on world after world; build makes the tables of one. With clean, no check has a mistake.
func differential(t *testing.T, client *reference, clean bool, build func(world int, tables string) *source.Settings) {
	seed := setting(t, "SODALITE_DIFFERENTIAL_SEED", 1)
	scans := int(setting(t, "SODALITE_DIFFERENTIAL_SCANS", 240))
	totals := tally{}
	for world := 0; scans > 0; world++ {
		g := newGenerator(seed+uint64(world), clean)
		settings := build(world, g.sql())
		compareWorld(t, g, client, settings, min(scans, scansPerWorld), totals)
		scans -= scansPerWorld
	}
	for reason, n := range totals {
		t.Logf("%6d %s", n, reason)
	}
}

// tally counts checks compared, and differences that are explained, by reason.
type tally map[string]int

func compareWorld(t *testing.T, g *generator, client *reference, settings *source.Settings, n int, totals tally) {
	src, err := sources.Open(settings)
	if err != nil {
		t.Fatal(err)
	}
	connection, err := src.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	src.Open = func(context.Context) (engine.Connection, error) { return kept{connection}, nil }
	configuration := configurationOf(settings)
	var scans []madeScan
	var asked []any
	for range n {
		s := g.scan()
		scans = append(scans, s)
		asked = append(asked, map[string]any{"configuration": configuration, "sodacl": s.sodacl, "vars": s.vars, "history": s.history})
	}
	client.ask(t, asked)
	for i, s := range scans {
		scan := s.run(t, src)
		var w want
		client.answer(t, &w)
		totals["checks compared"] += len(w.Checks)
		totals["scans compared"]++
		var problems []string
		for _, d := range differences(w, scan) {
			if reason := explained(d, w, s.sodacl); reason != "" {
				totals[reason]++
			} else {
				problems = append(problems, d.what+": "+d.text)
			}
		}
		if len(problems) > 0 {
			t.Errorf("scan %d: %s\n%s\nvars %v, history %v\nlog:\n%s\nthe reference's errors: %s\nits statements:\n%s", i, strings.Join(problems, "\n"),
				s.sodacl, s.vars, s.history, logText(scan), strings.Join(w.Errors, "\n"), strings.Join(w.SQL, "\n"))
		}
	}
}

// configurationOf writes settings as a configuration file.
func configurationOf(settings *source.Settings) string {
	out := "data_source src:\n  type: " + settings.Type + "\n"
	for _, name := range settings.Names() {
		value := settings.Text(name, "")
		if value != "true" {
			value = strconv.Quote(value)
		}
		out += fmt.Sprintf("  %s: %s\n", name, value)
	}
	return out
}

// run runs the scan here.
func (s *madeScan) run(t *testing.T, src *engine.Source) *dq.Scan {
	o := engine.Options{Definition: "differential", Source: "src", Now: time.Now(), Parallel: 2, Sources: func(name string) (*engine.Source, error) {
		if name != "src" {
			return nil, errors.New("is not configured")
		}
		return src, nil
	}}
	if s.history != nil {
		o.History = fixedHistory(s.history)
	}
	values := map[string]string{}
	for name, value := range s.vars {
		values[name] = value
	}
	program := sodacl.Parse([]sodacl.File{{Name: "checks.yml", Text: []byte(s.sodacl)}}, sodacl.Variables{Values: values})
	return engine.Run(t.Context(), program, o)
}

// kept is a connection that stays open for the next scan.
type kept struct{ engine.Connection }

func (kept) Close() error { return nil }

// explained gives the reason of a difference that is meant to be, "" for all others.
func explained(d difference, w want, sodacl string) string {
	failed := func(message string) bool {
		return slices.ContainsFunc(w.Errors, func(e string) bool { return strings.Contains(e, message) })
	}
	others := slices.DeleteFunc(slices.Clone(w.Errors), func(e string) bool {
		return strings.Contains(e, "float() argument must be") || strings.Contains(e, ".failed_rows[")
	})
	switch {
	case d.what == "exit" && w.Exit == 3 && len(others) == 0:
		return "the change of a metric that is NULL, and samples of rows, end with an error in the reference"
	case strings.Contains(sodacl, "fail query: SELECT 1\n") && failed("Error occurred while executing scan"):
		return selects
	case d.what == "metrics" && strings.Contains(sodacl, "nosuch"):
		return "a format that does not exist is no part of a metric's identity"
	case d.what == "lost" && slices.ContainsFunc(d.want.Metrics, func(m string) bool { return strings.Contains(m, "-group by") }):
		return parent
	case d.what == "identity" && strings.Contains(sodacl, "configurations for") && strings.Contains(d.got.Source, " values:"):
		return "the reference hashes a check's list of values joined with that of its column; here identities depend on the check alone"
	case d.what == "outcome" && d.got.Outcome == dq.NotEvaluated && string(d.want.Value) == "0.0" && failed("Query execution error"):
		return "quirk 11: a percentage whose statement failed is not evaluated, where the reference takes it for 0"
	}
	return ""
}
