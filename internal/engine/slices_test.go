package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
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
