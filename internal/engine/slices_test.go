package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// thirds cuts every table into three.
func thirds(d *engine.Dialect) {
	d.Slices = func(context.Context, engine.Connection, *engine.Source, engine.Sliceable) ([]string, error) {
		return []string{"id < 10", "id >= 10 AND id < 20", "id >= 20"}, nil
	}
}

const slicedChecks = `filter t [some]:
  where: a > 0 -- and more
checks for t:
  - row_count = 3
  - max(a) = 1
  - avg(a) = 1
  - percentile(a, 0.5) = 1
  - own > 0:
      own expression: SUM(a) / 2
checks for t [some]:
  - row_count = 3
`

func TestLargeTablesAreReadInSlices(t *testing.T) {
	s := &standIn{}
	scan := s.scannedIn(t, slicedChecks, 3, thirds)
	if c := scan.Counts(); c.Pass != 6 || scan.Errored {
		t.Errorf("%+v %+v", c, scan.Logs)
	}
	of := func(condition string) (found []string) {
		for _, statement := range s.asked {
			if strings.HasSuffix(statement, condition) {
				found = append(found, statement)
			}
		}
		return found
	}
	// Each third of both partitions once; the percentile and the expression of all rows, in one statement.
	for _, want := range []string{
		"FROM t\nWHERE id < 10", "FROM t\nWHERE id >= 10 AND id < 20", "FROM t\nWHERE id >= 20", "FROM t",
		"FROM t\nWHERE (a > 0 -- and more\n) AND id < 10", "FROM t\nWHERE (a > 0 -- and more\n) AND id >= 10 AND id < 20", "FROM t\nWHERE (a > 0 -- and more\n) AND id >= 20",
	} {
		if got := of(want); len(got) != 1 {
			t.Errorf("%d statements end with %q", len(got), want)
		}
	}
	if len(s.asked) != 7 || !strings.Contains(of("FROM t")[0], "PERCENTILE") || strings.Contains(of("id < 10")[0], "SUM(a) / 2") {
		t.Errorf("%d statements\n%s", len(s.asked), strings.Join(s.asked, "\n\n"))
	}
}

// TestSlicesThatFailAreMeasuredAtOnce: whether the statement is wrong, or only the slice could not be read.
func TestSlicesThatFailAreMeasuredAtOnce(t *testing.T) {
	s := &standIn{refuse: func(statement string, _ bool) error {
		if strings.HasSuffix(statement, "id >= 20") {
			return errors.New("connection reset")
		}
		return nil
	}}
	if scan := s.scannedIn(t, "checks for t:\n  - row_count = 1\n  - avg(a) = 1\n", 3, thirds); scan.Counts().Pass != 2 || scan.Errored || len(s.asked) != 4 {
		t.Errorf("%+v %+v\n%s", scan.Counts(), scan.Logs, strings.Join(s.asked, "\n\n"))
	}
	s = &standIn{refuse: func(statement string, _ bool) error {
		if strings.Contains(statement, "nothing") {
			return errors.New("column nothing does not exist")
		}
		return nil
	}}
	scan := s.scannedIn(t, "checks for t:\n  - row_count = 1\n  - avg(nothing) = 1\n", 3, thirds)
	if c := scan.Counts(); c.Pass != 1 || c.NotEvaluated != 1 || !scan.Errored {
		t.Errorf("%+v %+v", c, scan.Logs)
	}
	s = &standIn{answer: map[string]any{"MAX(a)": "a text"}}
	if scan := s.scannedIn(t, "checks for t:\n  - row_count = 3\n  - max(a) = 1\n", 3, thirds); scan.Counts().Pass != 1 || len(s.asked) != 4 {
		t.Errorf("texts are merged: %+v %+v", scan.Results, s.asked)
	}
}

// TestSlicesAreCarriedOver: what one part has measured of a table is not measured again by the next.
func TestSlicesAreCarriedOver(t *testing.T) {
	const checks = "checks for t:\n  - row_count = 3\n  - max(a) = 9.5\n  - freshness(b) < 100000d\n  - duplicate_percent(a) < 100\n"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	newest := time.Date(2026, 3, 1, 6, 0, 0, 123456000, time.UTC)
	s := &standIn{answer: map[string]any{"MAX(a)": 9.5, "MAX(b)": newest}, refuse: func(statement string, _ bool) error {
		if strings.HasSuffix(statement, "id >= 20") {
			cancel()
			return context.Canceled
		}
		return ctx.Err()
	}}
	program := func() *sodacl.Program {
		return sodacl.Parse([]sodacl.File{{Name: "checks.yml", Text: []byte(checks)}}, sodacl.Variables{Values: map[string]string{}})
	}
	o := s.options(3, thirds)
	first := engine.RunPart(ctx, program(), o)
	if len(first.Left()) != 4 || !first.Progress() {
		t.Fatalf("left %q, progress %t", first.Left(), first.Progress())
	}
	body, err := json.Marshal(first.Tables())
	if err != nil {
		t.Fatal(err)
	}
	o = s.options(3, func(d *engine.Dialect) {
		d.Slices = func(context.Context, engine.Connection, *engine.Source, engine.Sliceable) ([]string, error) {
			t.Error("the table is cut again")
			return nil, nil
		}
	})
	if err := json.Unmarshal(body, &o.Tables); err != nil {
		t.Fatal(err)
	}
	o.Only, s.refuse, s.asked = first.Left(), nil, nil
	next := engine.RunPart(t.Context(), program(), o)
	scan := engine.Merge(first.Found(), next.Whole())
	if scan.Counts() != (dq.Counts{Pass: 4}) || scan.Errored {
		t.Errorf("%+v %+v", scan.Results, scan.Logs)
	}
	if len(s.asked) != 2 || !strings.HasSuffix(s.asked[0]+s.asked[1], "id >= 20") && !strings.Contains(s.asked[0], "id >= 20") {
		t.Errorf("asked\n%s", strings.Join(s.asked, "\n\n"))
	}
	stuck := engine.RunPart(ctx, program(), o)
	if stuck.Progress() {
		t.Error("what was carried over counts as progress")
	}
}

func TestTablesThatCannotBeCutAreReadAtOnce(t *testing.T) {
	for name, answer := range map[string]func() ([]string, error){
		"too small":      func() ([]string, error) { return nil, nil },
		"nothing to cut": func() ([]string, error) { return nil, errors.New("it has no key") },
		"one slice":      func() ([]string, error) { return []string{"1 = 1"}, nil },
	} {
		s := &standIn{}
		scan := s.scannedIn(t, slicedChecks, 3, func(d *engine.Dialect) {
			d.Slices = func(context.Context, engine.Connection, *engine.Source, engine.Sliceable) ([]string, error) {
				return answer()
			}
		})
		if len(s.asked) != 2 || scan.Errored {
			t.Errorf("%s: %d statements, %+v", name, len(s.asked), scan.Logs)
		}
		told := false
		for _, l := range scan.Logs {
			told = told || l.Level == dq.LevelInfo && strings.Contains(l.Message, "it has no key")
		}
		if told != (name == "nothing to cut") {
			t.Errorf("%s: %+v", name, scan.Logs)
		}
	}
	s := &standIn{}
	if s.scannedIn(t, slicedChecks, 1, thirds); len(s.asked) != 2 {
		t.Errorf("without being asked for: %d statements", len(s.asked))
	}
}
