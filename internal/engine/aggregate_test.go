package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// standIn is a database that answers each aggregate as its table says, 1 if it does not, and keeps what it was asked.
type standIn struct {
	mu     sync.Mutex
	asked  []string
	answer map[string]any
	// refuse fails statements; it is told whether the statement reads rows.
	refuse func(statement string, reads bool) error
}

func (s *standIn) Close() error { return nil }

func (s *standIn) Query(_ context.Context, statement string, _ int) (*engine.Rows, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, statement)
	if s.refuse != nil {
		if err := s.refuse(statement, !strings.Contains(statement, "1 = 0")); err != nil {
			return nil, err
		}
	}
	list, _, _ := strings.Cut(strings.TrimPrefix(statement, "SELECT\n  "), "\nFROM ")
	var row []any
	for _, item := range strings.Split(list, ",\n  ") {
		value, ok := s.answer[item]
		if !ok {
			value = int64(1)
		}
		row = append(row, value)
	}
	return &engine.Rows{Rows: [][]any{row}, Count: 1}, nil
}

// scanned runs checks on the stand-in, as a dialect with the changes.
func (s *standIn) scanned(t *testing.T, checks string, change func(*engine.Dialect)) *dq.Scan {
	t.Helper()
	return s.scannedIn(t, checks, 1, change)
}

// scannedIn reads tables in slices.
func (s *standIn) scannedIn(t *testing.T, checks string, slices int, change func(*engine.Dialect)) *dq.Scan {
	t.Helper()
	program := sodacl.Parse([]sodacl.File{{Name: "checks.yml", Text: []byte(checks)}}, sodacl.Variables{Values: map[string]string{}})
	return engine.Run(t.Context(), program, s.options(slices, change))
}

func (s *standIn) options(slices int, change func(*engine.Dialect)) engine.Options {
	dialect := &engine.Dialect{
		Name: "stand-in", Quote: `"`, Fold: strings.ToLower, MaxItems: 500, Deviation: true,
		Regex:      func(x, pattern string) string { return x + " ~ " + pattern },
		Percentile: func(x, f string) string { return "PERCENTILE_DISC(" + f + ") WITHIN GROUP (ORDER BY " + x + ")" },
	}
	if change != nil {
		change(dialect)
	}
	source := &engine.Source{Name: "src", Type: "stand-in", Dialect: dialect, Slicing: engine.Slicing{Count: slices}, Open: func(context.Context) (engine.Connection, error) { return s, nil }}
	return engine.Options{
		Definition: "test", Source: "src", Now: time.Now(), Sources: func(string) (*engine.Source, error) { return source, nil },
	}
}

var itemLine = regexp.MustCompile(`(?m)^ +\S`)

func items(statement string) int { return len(itemLine.FindAllString(statement, -1)) }

func TestEqualAggregatesAreMeasuredOnce(t *testing.T) {
	s := &standIn{}
	scan := s.scanned(t, `checks for t:
  - row_count > 0
  - row_count < 10
  - avg(a) > 0
  - avg(a) < 10
  - max(a) > 0
  - freshness(a) < 1d
  - missing_percent(a) < 101
  - missing_percent(b) < 101
  - missing_count(a) < 10
  - row_count > 0:
      filter: a > 1
  - missing_percent(a) < 101:
      filter: a > 1
  - failed rows:
      name: same
      fail condition: a > 1
`, nil)
	// COUNT(*), AVG(a), MAX(a), missing a and b, a > 1, missing where a > 1.
	if len(s.asked) != 1 || items(s.asked[0]) != 7 {
		t.Errorf("want one statement of 7 aggregates, got\n%s", strings.Join(s.asked, "\n"))
	}
	if c := scan.Counts(); c.Total() != 12 {
		t.Errorf("%d checks, want 12", c.Total())
	}
}

func TestStatementsAreSplitAtTheLimit(t *testing.T) {
	var checks strings.Builder
	checks.WriteString("checks for t:\n")
	for i := range 23 {
		fmt.Fprintf(&checks, "  - avg(a%d) = %d\n", i, i)
	}
	for limit, want := range map[int]int{500: 1, 23: 1, 22: 2, 10: 3, 1: 23} {
		s := &standIn{answer: map[string]any{}}
		for i := range 23 {
			s.answer[fmt.Sprintf("AVG(a%d)", i)] = int64(i)
		}
		scan := s.scanned(t, checks.String(), func(d *engine.Dialect) { d.MaxItems = limit })
		if len(s.asked) != want {
			t.Errorf("limit %d: %d statements, want %d", limit, len(s.asked), want)
		}
		if c := scan.Counts(); c.Pass != 23 {
			t.Errorf("limit %d: %d checks passed, want 23", limit, c.Pass)
		}
	}
}

func TestWhatFollowsIsDerived(t *testing.T) {
	s := &standIn{answer: map[string]any{"COUNT(a)": int64(7), "COUNT(CASE WHEN NOT (a ~ 'x+') THEN 1 END)": int64(2)}}
	scan := s.scanned(t, `checks for t:
  - valid_count(a) = 5:
      valid regex: x+
  - invalid_count(a) = 2:
      valid regex: x+
`, nil)
	if len(s.asked) != 1 || strings.Count(s.asked[0], "~") != 1 || scan.Counts().Pass != 2 {
		t.Errorf("want the expression once, and both checks passed: %+v\n%s", scan.Counts(), strings.Join(s.asked, "\n"))
	}
	derive := func(d *engine.Dialect) { d.Derive = true }
	values := map[string]any{"COUNT(a)": int64(4), "SUM(a)": 10.0, "VARIANCE(a)": 5.0 / 3, "STDDEV(a)": math.Sqrt(5.0 / 3)}
	for checks, want := range map[string]int{
		"sum(a) = 10|avg(a) = 2.5": 2,
		"avg(a) = 1":               1,
		"stddev(a) between 1.29099 and 1.29100|variance(a) between 1.66666 and 1.66667|var_pop(a) = 1.25|stddev_pop(a) between 1.11803 and 1.11804": 2,
		"stddev(a) between 1.29099 and 1.29100|var_pop(a) between 1.2499999 and 1.2500001":                                                          2,
	} {
		s := &standIn{answer: values}
		scan := s.scanned(t, "checks for t:\n  - "+strings.ReplaceAll(checks, "|", "\n  - "), derive)
		if len(s.asked) != 1 || items(s.asked[0]) != want || scan.Counts().Pass != scan.Counts().Total() {
			t.Errorf("%s: want %d aggregates and all passed, got %+v\n%s", checks, want, scan.Results, strings.Join(s.asked, "\n"))
		}
	}
}

func TestSortingAggregatesStandApart(t *testing.T) {
	apart := func(d *engine.Dialect) { d.SortApart = true }
	s := &standIn{}
	s.scanned(t, "checks for t:\n  - percentile(a, 0.5) > 0\n  - row_count > 0\n", apart)
	want := "SELECT *\nFROM (\n  SELECT\n    COUNT(*)\n  FROM t\n) AS plain, (\n  SELECT\n    PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY a)\n  FROM t\n) AS sorted"
	if len(s.asked) < 1 || s.asked[0] != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(s.asked, "\n"), want)
	}
	s = &standIn{}
	s.scanned(t, "checks for t:\n  - percentile(a, 0.5) > 0\n  - percentile(b, 0.5) > 0\n", apart)
	if len(s.asked) != 1 || strings.Contains(s.asked[0], "AS sorted") {
		t.Errorf("alone they need no subquery: %s", strings.Join(s.asked, "\n"))
	}
}

// TestWrongAggregatesAreFound counts the statements that read rows when some aggregates fail.
func TestWrongAggregatesAreFound(t *testing.T) {
	checks := "checks for t:\n"
	for i := range 32 {
		checks += fmt.Sprintf("  - avg(a%d) = 1\n", i)
	}
	wrong := errors.New("there is something wrong")
	for name, c := range map[string]struct {
		refuse             func(statement string, reads bool) error
		passed, reads, all int
	}{
		"nothing": {func(string, bool) error { return nil }, 32, 1, 1},
		"a column is not there": {func(s string, _ bool) error {
			if strings.Contains(s, "(a7)") {
				return wrong
			}
			return nil
		}, 31, 2, 14},
		"a value overflows": {func(s string, reads bool) error {
			if reads && strings.Contains(s, "(a7)") {
				return wrong
			}
			return nil
		}, 31, 12, 14},
		"no such table": {func(string, bool) error { return wrong }, 0, 1, 2},
		"the filter overflows": {func(_ string, reads bool) error {
			if reads {
				return wrong
			}
			return nil
		}, 0, 2, 4},
	} {
		s := &standIn{refuse: c.refuse}
		scan := s.scanned(t, checks, nil)
		reads := 0
		for _, statement := range s.asked {
			if !strings.Contains(statement, "1 = 0") {
				reads++
			}
		}
		if got := scan.Counts(); got.Pass != c.passed || got.NotEvaluated != 32-c.passed {
			t.Errorf("%s: %+v, want %d passed", name, got, c.passed)
		}
		if reads > c.reads || len(s.asked) > c.all {
			t.Errorf("%s: %d statements, %d of them read rows; want at most %d, %d", name, len(s.asked), reads, c.all, c.reads)
		}
	}
}
