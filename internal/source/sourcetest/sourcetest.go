// Package sourcetest is what every data source must do, as tests: it connects or says why not without telling secrets, its
// values become the engine's, its catalogue lists tables and columns, names are quoted, statements end when their context
// does, and the same checks have the same outcomes and values as on any other source.
//
// A source's own test makes a [Subject] and calls [Run]. How a server is started, or files are written, is left to it.
package sourcetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/source"
)

// Secret is the text that settings in [Subject.Broken] may hold as passwords. It must not be told.
const Secret = "hunter2-must-not-be-told"

// Subject is a data source that holds [Tables].
type Subject struct {
	New      func(*source.Settings) (*engine.Source, error)
	Kind     string
	Settings map[string]string
	// Broken are settings, laid over Settings, with which nothing can be opened, by what is wrong; and what the error must say.
	Broken map[string]Broken
	// Slow is a statement that runs for minutes.
	Slow string
	// Lacks names what the database does not have, which the suite then leaves out.
	Lacks []string
	// Numbers says that booleans are numbers, 0 and 1.
	Numbers bool
}

// Broken are settings that cannot work.
type Broken struct {
	Settings map[string]string
	Says     string
}

// Says makes settings, given as names and values in turn, whose error must say something.
func Says(text string, settings ...string) Broken {
	b := Broken{Settings: map[string]string{}, Says: text}
	for i := 0; i+1 < len(settings); i += 2 {
		b.Settings[settings[i]] = settings[i+1]
	}
	return b
}

// What a database may lack.
const (
	// Deviations are STDDEV, VARIANCE and their like, Percentiles PERCENTILE_DISC.
	Deviations  = "deviations"
	Percentiles = "percentiles"
	// OddNames are names of tables that files cannot have.
	OddNames = "odd names"
	// EmptyColumns are the columns of a table without rows, which JSON lines cannot tell.
	EmptyColumns = "empty columns"
)

func (s *Subject) lacks(what string) bool { return slices.Contains(s.Lacks, what) }

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	t.Run("opens or says why not", s.broken)
	src := s.source(t, s.Settings)
	c, err := src.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	t.Run("values", func(t *testing.T) { s.values(t, src, c) })
	t.Run("no more rows than asked for, all counted", func(t *testing.T) { s.keep(t, src, c) })
	t.Run("a statement that fails says why", func(t *testing.T) { s.fails(t, src, c) })
	t.Run("catalogue", func(t *testing.T) { s.catalogue(t, src, c) })
	t.Run("side by side", func(t *testing.T) { s.parallel(t, src, c) })
	t.Run("ends when its context ends", func(t *testing.T) { s.cancel(t, c) })
	t.Run("checks", func(t *testing.T) { s.checks(t, src) })
	t.Run("samples and profiles", func(t *testing.T) { s.facts(t, src) })
	t.Run("hostile names", func(t *testing.T) { s.hostile(t, src) })
}

func (s *Subject) source(t *testing.T, settings map[string]string) *engine.Source {
	t.Helper()
	src, err := s.New(source.NewSettings("src", s.Kind, settings))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func (s *Subject) broken(t *testing.T) {
	for name, b := range s.Broken {
		t.Run(name, func(t *testing.T) {
			settings := map[string]string{}
			for _, from := range []map[string]string{s.Settings, b.Settings} {
				for k, v := range from {
					settings[k] = v
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			src, err := s.New(source.NewSettings("src", s.Kind, settings))
			if err == nil {
				var c engine.Connection
				if c, err = src.Open(ctx); err == nil {
					_ = c.Close()
					t.Fatal("it could be opened")
				}
			}
			if !strings.Contains(err.Error(), b.Says) || strings.Contains(err.Error(), Secret) {
				t.Errorf("error %q, want %q in it and no secret", err, b.Says)
			}
		})
	}
}

func (s *Subject) values(t *testing.T, src *engine.Source, c engine.Connection) {
	orders := Tables()[0]
	var names []string
	for _, column := range orders.Columns {
		names = append(names, column.Name)
	}
	rows, err := c.Query(t.Context(), "SELECT "+strings.Join(names, ", ")+" FROM "+src.Qualified("orders")+" ORDER BY created_at", 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows.Rows) != len(orders.Rows) || rows.Count != int64(len(orders.Rows)) {
		t.Fatalf("%d rows, %d counted, want %d", len(rows.Rows), rows.Count, len(orders.Rows))
	}
	for i, want := range orders.Rows {
		for j, w := range want {
			if got := rows.Rows[i][j]; !s.same(got, w) {
				t.Errorf("row %d, %s: got %#v (%T), want %#v", i+1, names[j], got, got, w)
			}
			if got := rows.Columns[j].Name; got != names[j] {
				t.Errorf("column %d is named %q, want %q", j+1, got, names[j])
			}
		}
	}
}

func (s *Subject) same(got, want any) bool {
	switch w := want.(type) {
	case bool:
		if s.Numbers {
			return got == int64(map[bool]int{true: 1}[w])
		}
	case float64:
		g, ok := got.(float64)
		if n, isInt := got.(int64); isInt {
			g, ok = float64(n), true
		}
		return ok && math.Abs(g-w) < 1e-9
	case time.Time:
		g, ok := got.(time.Time)
		return ok && g.Equal(w)
	case engine.Date:
		g, ok := got.(engine.Date)
		return ok && g.Equal(w.Time)
	}
	return got == want
}

func (s *Subject) keep(t *testing.T, src *engine.Source, c engine.Connection) {
	rows, err := c.Query(t.Context(), "SELECT id FROM "+src.Qualified("orders"), 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows.Rows) != 2 || rows.Count != 5 {
		t.Errorf("%d rows, %d counted, want 2 of 5", len(rows.Rows), rows.Count)
	}
}

func (s *Subject) fails(t *testing.T, src *engine.Source, c engine.Connection) {
	for _, statement := range []string{"SELECT no_such_column FROM " + src.Qualified("orders"), "SELECT 1 FROM " + src.Qualified("no_such_table"), "SELEC 1"} {
		if _, err := c.Query(t.Context(), statement, 1); err == nil || len(err.Error()) < 10 {
			t.Errorf("%s: error %v", statement, err)
		}
	}
	if _, err := c.Query(t.Context(), "SELECT COUNT(*) FROM "+src.Qualified("orders"), 1); err != nil {
		t.Errorf("after statements that failed: %v", err)
	}
}

func (s *Subject) catalogue(t *testing.T, src *engine.Source, c engine.Connection) {
	list := func(statement string) (first []string) {
		t.Helper()
		rows, err := c.Query(t.Context(), statement, 100)
		if err != nil {
			t.Fatalf("%s\n%v", statement, err)
		}
		for _, row := range rows.Rows {
			first = append(first, row[0].(string))
		}
		return first
	}
	want := []string{"id", "amount", "ratio", "paid", "status", "email", "order_date", "created_at", "seen_at", "absent", "price"}
	if got := list(src.Dialect.Columns(src, "orders")); !slices.Equal(got, want) {
		t.Errorf("columns %q, want %q", got, want)
	}
	if got := list(src.Dialect.Columns(src, "x' OR '1'='1")); len(got) != 0 {
		t.Errorf("columns of a hostile name: %q", got)
	}
	for _, c := range []struct {
		include, exclude, want []string
	}{
		{[]string{"orders"}, nil, []string{"orders"}},
		{[]string{"%e%"}, []string{"empty%", "O%", "o%"}, []string{"customers"}},
		{nil, []string{"O%", "o%"}, []string{"customers", "empty_table"}},
		{[]string{"none%"}, nil, nil},
	} {
		if got := list(src.Dialect.Tables(src, c.include, c.exclude)); !slices.Equal(got, c.want) {
			t.Errorf("tables like %q but %q: %q, want %q", c.include, c.exclude, got, c.want)
		}
	}
}

func (s *Subject) parallel(t *testing.T, src *engine.Source, c engine.Connection) {
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() {
			rows, err := c.Query(t.Context(), "SELECT COUNT(*) FROM "+src.Qualified("orders"), 1)
			if err == nil && rows.Rows[0][0] != int64(5) {
				err = fmt.Errorf("counted %v", rows.Rows[0][0])
			}
			errs[i] = err
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

func (s *Subject) cancel(t *testing.T, c engine.Connection) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { _, err := c.Query(ctx, s.Slow, 1); done <- err }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("the statement ended by itself")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the statement went on after its context had ended")
	}
}

// run runs checks on the source.
func (s *Subject) run(t *testing.T, src *engine.Source, text string) *dq.Scan {
	t.Helper()
	program := sodacl.Parse([]sodacl.File{{Name: "checks.yml", Text: []byte(text)}}, sodacl.Variables{Values: map[string]string{"NOW": "2026-03-05 13:00:00"}})
	return engine.Run(t.Context(), program, engine.Options{
		Definition: "suite", Source: "src", Now: time.Now(), Parallel: 4,
		Sources: func(string) (*engine.Source, error) { return src, nil },
	})
}

// verdict is a check's outcome and value; a value of "" is not compared.
type verdict struct {
	outcome dq.Outcome
	value   json.Number
}

// compare holds the scan's checks to the verdicts by name. Whatever else the scan has is an error.
func compare(t *testing.T, scan *dq.Scan, want map[string]verdict) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range scan.Results {
		w, ok := want[r.Name]
		seen[r.Name] = true
		if !ok || r.Outcome != w.outcome || (w.value != "" && !near(r.Value, w.value)) {
			t.Errorf("%s: %s, value %s; want %+v", r.Name, r.Outcome, r.Value, w)
		}
	}
	for name := range want {
		if !seen[name] {
			t.Errorf("%s: the check is lost", name)
		}
	}
	if t.Failed() {
		for _, l := range scan.Logs {
			t.Log(l.Level, l.Message)
		}
		for _, q := range scan.Queries {
			t.Log(q.SQL)
		}
	}
}

func near(a, b json.Number) bool {
	x, err1 := a.Float64()
	y, err2 := b.Float64()
	return err1 == nil && err2 == nil && math.Abs(x-y) <= 1e-6*math.Max(1, math.Abs(y))
}

func (s *Subject) checks(t *testing.T, src *engine.Source) {
	want := map[string]verdict{
		"row_count = 5": {dq.Pass, "5"}, "min(amount) = -5": {dq.Pass, "-5"}, "max(amount) < 20": {dq.Fail, "20.25"}, "sum(amount) = 26": {dq.Pass, "26"},
		"avg(amount) = 6.5": {dq.Pass, "6.5"}, "avg(ratio) between 0.24 and 0.26": {dq.Pass, "0.25"}, "avg(id) = 2.8": {dq.Pass, "2.8"},
		"missing_count(email) = 0": {dq.Fail, "1"}, "missing_percent(email) < 30 %": {dq.Pass, "20"}, "missing_count(absent) = 5": {dq.Pass, "5"},
		"missing_count(status) = 1": {dq.Pass, "1"}, "invalid_count(email) = 1": {dq.Pass, "1"}, "valid_count(email) = 3": {dq.Pass, "3"},
		"invalid_percent(status) < 50": {dq.Pass, "40"}, "invalid_count(amount) = 1": {dq.Pass, "1"}, "duplicate_count(id) = 0": {dq.Fail, "1"}, "duplicate_percent(status) = 20": {dq.Pass, "20"},
		"duplicate_count(id, status) = 0": {dq.Pass, "0"}, "max_length(status) = 4": {dq.Pass, "4"}, "min_length(email) = 14": {dq.Pass, "14"},
		"freshness(created_at) < 1h": {dq.Pass, "1800000"}, "freshness(order_date) < 1h": {dq.Fail, "46800000"}, "schema": {dq.Fail, ""},
		"values in (id) must exist in customers (id)": {dq.Fail, "2"}, "row_count same as customers": {dq.Fail, "2"},
		"bad amounts": {dq.Fail, "1"}, "own query": {dq.Pass, "3"}, "own expression": {dq.Pass, "25.25"}, "avg(absent) > 0": {dq.NotEvaluated, ""},
		"max(amount) of paid = 20.25": {dq.Pass, "20.25"}, "paid rows": {dq.Pass, "2"},
		"max(price) = 4": {dq.Pass, "4"}, "avg(price) between 2.6 and 2.7": {dq.Pass, "2.6666667"}, "invalid_count(price) = 2": {dq.Pass, "2"},
		"row_count = 0": {dq.Pass, "0"}, "avg(id) > 1": {dq.NotEvaluated, ""}, "duplicate_count(name) = 0": {dq.Pass, "0"}, "missing_percent(name) = 0": {dq.Pass, "0"},
	}
	text := `checks for orders:
  - row_count = 5
  - min(amount) = -5
  - max(amount) < 20
  - sum(amount) = 26
  - avg(amount) = 6.5
  - avg(id) = 2.8
  - avg(ratio) between 0.24 and 0.26
  - missing_count(email) = 0
  - missing_percent(email) < 30 %
  - missing_count(absent) = 5
  - missing_count(status) = 1:
      missing values: [n/a]
  - invalid_count(email) = 1:
      valid format: email
  - valid_count(email) = 3:
      valid regex: '^.+@example\.org$'
  - invalid_percent(status) < 50:
      valid values: [new, paid]
  - invalid_count(amount) = 1:
      valid min: 0
  - duplicate_count(id) = 0
  - duplicate_percent(status) = 20
  - duplicate_count(id, status) = 0
  - max_length(status) = 4
  - min_length(email) = 14
  - freshness(created_at) < 1h
  - freshness(order_date) < 1h
  - avg(absent) > 0
  - schema:
      name: schema
      fail:
        when required column missing: [id, no_such]
  - values in (id) must exist in customers (id)
  - row_count same as customers
  - failed rows:
      name: bad amounts
      fail condition: amount < 0
  - mine = 3:
      name: own query
      mine query: SELECT COUNT(*) FROM ` + src.Qualified("customers") + `
  - total > 0:
      name: own expression
      total expression: SUM(amount) - 0.75
  - max(amount) = 20.25:
      name: max(amount) of paid = 20.25
      filter: status = 'paid'
  - row_count = 2:
      name: paid rows
      filter: status = 'paid'
  - max(price) = 4:
      valid format: decimal
  - avg(price) between 2.6 and 2.7:
      valid format: decimal
  - invalid_count(price) = 2:
      valid format: decimal
      valid min: 2
checks for empty_table:
  - row_count = 0
`
	if s.lacks(EmptyColumns) {
		for _, name := range []string{"avg(id) > 1", "duplicate_count(name) = 0", "missing_percent(name) = 0"} {
			delete(want, name)
		}
	} else {
		text += "  - avg(id) > 1\n  - duplicate_count(name) = 0\n  - missing_percent(name) = 0\n"
	}
	text += "checks for customers:\n  - row_count = 3\n"
	want["row_count = 3"] = verdict{dq.Pass, "3"}
	if !s.lacks(Deviations) {
		text += "  - stddev(id) = 1\n  - variance(id) = 1\n  - var_pop(id) < 1\n  - stddev_pop(id) < 1\n"
		for name, value := range map[string]json.Number{"stddev(id) = 1": "1", "variance(id) = 1": "1", "var_pop(id) < 1": "0.6666666667", "stddev_pop(id) < 1": "0.8164965809"} {
			want[name] = verdict{dq.Pass, value}
		}
	}
	if !s.lacks(Percentiles) {
		text += "  - percentile(id, 0.5) = 2\n"
		want["percentile(id, 0.5) = 2"] = verdict{dq.Pass, "2"}
	}
	if !s.lacks(OddNames) {
		q := src.Dialect.Quote
		column := q + OddColumn + q
		text += "checks for " + q + OddName + q + ":\n  - missing_count(" + column + ") = 1:\n      name: odd\n"
		want["odd"] = verdict{dq.Pass, "1"}
		text += "for each dataset T:\n  datasets: [\"%dd name%\", orders]\n  checks:\n    - row_count between 1 and 4:\n        name: each ${T}\n"
		want["each "+OddName], want["each orders"] = verdict{dq.Pass, "2"}, verdict{dq.Fail, "5"}
	}
	scan := s.run(t, src, text)
	compare(t, scan, want)
}

func (s *Subject) hostile(t *testing.T, src *engine.Source) {
	const name = `x'; DROP TABLE orders; --`
	scan := s.run(t, src, `checks for orders:
  - schema:
      name: schema
      fail:
        when required column missing: ["`+name+`"]
  - row_count = 5:
      name: `+`"`+name+`"
`)
	for _, r := range scan.Results {
		if r.Name == name && r.Outcome != dq.Pass {
			t.Errorf("%s: %s", r.Name, r.Outcome)
		}
	}
	again := s.run(t, src, "checks for orders:\n  - row_count = 5\n")
	compare(t, again, map[string]verdict{"row_count = 5": {dq.Pass, "5"}})
}

// Pass runs checks on a source, all of which must pass.
func Pass(t *testing.T, open func(*source.Settings) (*engine.Source, error), kind string, settings map[string]string, checks string) {
	t.Helper()
	s := Subject{New: open, Kind: kind}
	scan := s.run(t, s.source(t, settings), checks)
	if len(scan.Results) == 0 || scan.Counts().Pass != len(scan.Results) || scan.Errored {
		t.Errorf("%+v", scan.Results)
		for _, l := range scan.Logs {
			t.Log(l.Level, l.Message)
		}
	}
}
