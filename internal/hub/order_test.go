package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table/sqlite"
)

var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// clock is a time that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func mustOpen(tb testing.TB, now func() time.Time) *sqlite.Table {
	tb.Helper()
	store, err := sqlite.Open(filepath.Join(tb.TempDir(), "test.db"), now)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { store.Close() })
	return store
}

func mustHub(tb testing.TB, c *clock) (*Hub, *sqlite.Table) {
	store := mustOpen(tb, c.now)
	return New(store, c.now, Retention{}), store
}

// result makes a result for tests; identity is also the name.
func result(dataset, identity string, o dq.Outcome) dq.Result {
	return dq.Result{
		Check:   dq.Check{Identity: identity, Name: identity, Dataset: dq.DatasetRef{DataSource: "shop", Name: dataset}, Source: "checks for " + dataset},
		Outcome: o, Value: "3", Metrics: []string{"m-" + identity},
	}
}

// scanAt makes a finished scan with data time start+minutes.
func scanAt(id, definition string, minutes int, results ...dq.Result) *dq.Scan {
	at := start.Add(time.Duration(minutes) * time.Minute)
	s := &dq.Scan{ID: id, Definition: definition, DataTime: at, Started: at, Ended: at, Results: results}
	for _, r := range results {
		s.Measurements = append(s.Measurements, dq.Measurement{Dataset: r.Dataset, Identity: "m-" + r.Identity, Name: "m", Value: json.RawMessage("3")})
	}
	s.State = s.Conclude(true)
	return s
}

func failedScan(id, definition string, minutes int) *dq.Scan {
	s := scanAt(id, definition, minutes)
	s.Errored = true
	s.Logs = []dq.LogLine{{Level: dq.LevelError, Message: "cannot connect: " + id}}
	s.State = s.Conclude(true)
	return s
}

func mustAccept(tb testing.TB, h *Hub, s *dq.Scan) {
	tb.Helper()
	if _, err := h.Accept(tb.Context(), s); err != nil {
		tb.Fatal(err)
	}
}

func mustDigest(tb testing.TB, h *Hub, ids ...string) {
	tb.Helper()
	for _, id := range ids {
		if err := h.Digest(tb.Context(), id); err != nil {
			tb.Fatal(err)
		}
	}
}

// view is everything that people see, for comparing two hubs.
type view struct {
	Checks, Archived []Check
	Datasets         []Dataset
	Uncovered        []ScanWarning
	Histories        map[string][]Point
}

func mustView(tb testing.TB, h *Hub) view {
	tb.Helper()
	ctx := tb.Context()
	checks, err := h.Checks(ctx, CheckFilter{Size: MaxPageSize})
	if err != nil {
		tb.Fatal(err)
	}
	archived, err := h.Checks(ctx, CheckFilter{Size: MaxPageSize, Archived: true})
	if err != nil {
		tb.Fatal(err)
	}
	datasets, err := h.Datasets(ctx, DatasetFilter{Size: MaxPageSize})
	if err != nil {
		tb.Fatal(err)
	}
	v := view{Checks: checks.Rows, Archived: archived.Rows, Datasets: datasets.Rows, Uncovered: datasets.Uncovered, Histories: map[string][]Point{}}
	for i := range v.Datasets {
		v.Datasets[i].Version = 0 // counts writes, which may be repeated
	}
	for _, c := range append(slices.Clone(v.Checks), v.Archived...) {
		points, _, err := h.History(ctx, c.ID, time.Time{}, time.Time{}, 0)
		if err != nil {
			tb.Fatal(err)
		}
		v.Histories[c.ID] = points
	}
	return v
}

// randomScans makes scans of few definitions over few datasets, with ties in time, failures, errors and missing checks.
func randomScans(r *rand.Rand, n int) []*dq.Scan {
	outcomes := []dq.Outcome{dq.Pass, dq.Pass, dq.Pass, dq.Warn, dq.Fail, dq.NotEvaluated}
	var scans []*dq.Scan
	for i := range n {
		id, definition, minute := fmt.Sprintf("scan%03d", i), fmt.Sprintf("definition%d", r.IntN(2)), r.IntN(n)
		if r.IntN(6) == 0 {
			failed := failedScan(id, definition, minute)
			if r.IntN(2) == 0 {
				failed.Covers = []dq.DatasetRef{{DataSource: "shop", Prefix: []string{"pg"}, Name: fmt.Sprintf("dataset%d", r.IntN(3))}}
			}
			scans = append(scans, failed)
			continue
		}
		var results []dq.Result
		for d := range 2 {
			for c := range 3 {
				if r.IntN(4) > 0 {
					res := result(fmt.Sprintf("dataset%d", d), fmt.Sprintf("check%d", c), outcomes[r.IntN(len(outcomes))])
					res.Excluded = r.IntN(12) == 0
					if d == 1 && c == 2 {
						res.Dataset.Prefix = []string{"pg"} // as a contract names the dataset
					}
					results = append(results, res)
				}
			}
		}
		s := scanAt(id, definition, minute, results...)
		s.Partial = r.IntN(6) == 0
		if r.IntN(5) == 0 {
			s.Contract = &dq.ContractRef{File: id}
		}
		if r.IntN(8) == 0 {
			s.Errored = true
			s.State = s.Conclude(true)
		} else if r.IntN(10) == 0 {
			s.State = s.Conclude(false)
		}
		scans = append(scans, s)
	}
	return scans
}

func TestViewsDoNotDependOnTheOrderOfDigesting(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			c := &clock{start.Add(24 * time.Hour)}
			inOrder, _ := mustHub(t, c)
			shuffled, _ := mustHub(t, c)
			var ids []string
			for _, s := range randomScans(r, 70) {
				c.at = c.at.Add(time.Second)
				mustAccept(t, inOrder, s)
				mustAccept(t, shuffled, s)
				ids = append(ids, s.ID)
			}
			byTime := slices.Clone(ids)
			orders := map[string]dq.Order{}
			for _, id := range ids {
				s, err := inOrder.Scan(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				orders[id] = s.Order()
			}
			slices.SortFunc(byTime, func(a, b string) int { return orders[a].Compare(orders[b]) })
			mustDigest(t, inOrder, byTime...)
			r.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
			mustDigest(t, shuffled, ids...)
			mustDigest(t, shuffled, ids[:20]...)
			if diff := cmp.Diff(mustView(t, inOrder), mustView(t, shuffled), cmp.AllowUnexported(Dataset{})); diff != "" {
				t.Errorf("views differ (-in order +shuffled)\n%s", diff)
			}
		})
	}
}

func TestReplayChangesNothing(t *testing.T) {
	c := &clock{start.Add(24 * time.Hour)}
	h, store := mustHub(t, c)
	for _, s := range randomScans(rand.New(rand.NewPCG(7, 7)), 30) {
		c.at = c.at.Add(time.Second)
		mustAccept(t, h, s)
	}
	first, err := h.Replay(t.Context(), ReplayFilter{}, nil)
	if err != nil || len(first.Scans) != 30 || first.Folded == 0 {
		t.Fatalf("first replay %+v, %v", first, err)
	}
	before := mustView(t, h)
	changes, err := store.Changes(t.Context(), 0, 100000)
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.Replay(t.Context(), ReplayFilter{}, nil)
	if err != nil || len(again.Scans) != 30 || again.Folded != 0 {
		t.Errorf("second replay %+v, %v; want no dataset folded", again, err)
	}
	after, err := store.Changes(t.Context(), 0, 100000)
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != len(changes) {
		t.Errorf("the second replay made %d changes: %+v", len(after)-len(changes), after[len(changes):])
	}
	if diff := cmp.Diff(before, mustView(t, h)); diff != "" {
		t.Errorf("views changed\n%s", diff)
	}
}

func TestAlerts(t *testing.T) {
	c := &clock{start.Add(24 * time.Hour)}
	h, _ := mustHub(t, c)
	alert := func(id string) *dq.Alert {
		a, err := h.Alert(t.Context(), id)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		return &a
	}
	digest := func(s *dq.Scan) *dq.Alert {
		c.at = c.at.Add(time.Second)
		mustAccept(t, h, s)
		mustDigest(t, h, s.ID)
		return alert(s.ID)
	}
	if a := digest(scanAt("good", "d", 10, result("t", "a", dq.Pass), result("t", "b", dq.Warn))); a != nil {
		t.Errorf("pass and warn made an alert: %+v", a)
	}
	a := digest(scanAt("bad", "d", 20, result("t", "a", dq.Fail), result("t", "b", dq.Pass)))
	if a == nil || len(a.Checks) != 1 || a.Checks[0].Name != "a" || a.Checks[0].Previous != dq.Pass || !a.Checks[0].Since.Equal(start.Add(20*time.Minute)) {
		t.Fatalf("alert %+v", a)
	}
	a = digest(scanAt("still bad", "d", 30, result("t", "a", dq.Fail)))
	if a == nil || a.Checks[0].Previous != dq.Fail || !a.Checks[0].Since.Equal(start.Add(20*time.Minute)) {
		t.Errorf("alert %+v", a)
	}
	if a := digest(failedScan("failed", "d", 40)); a != nil {
		t.Errorf("a failed scan made an alert: %+v", a)
	}
	if a := digest(scanAt("late", "d", 5, result("t", "a", dq.Fail))); a != nil {
		t.Errorf("a late failure made an alert: %+v", a)
	}
	none := scanAt("not evaluated", "d", 50, result("t", "a", dq.NotEvaluated))
	if a := digest(none); a != nil {
		t.Errorf("a check not evaluated made an alert: %+v", a)
	}
}

func TestACheckMissingFromANewerScanIsArchivedAndComesBack(t *testing.T) {
	c := &clock{start.Add(24 * time.Hour)}
	h, _ := mustHub(t, c)
	names := func(f CheckFilter) (names []string) {
		page, err := h.Checks(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Rows {
			names = append(names, row.Name)
		}
		return names
	}
	step := func(s *dq.Scan) {
		mustAccept(t, h, s)
		mustDigest(t, h, s.ID)
	}
	step(scanAt("1", "d", 10, result("t", "a", dq.Pass), result("t", "b", dq.Fail)))
	unclean := scanAt("2", "d", 20, result("t", "a", dq.Pass))
	unclean.Errored, unclean.State = true, dq.CompletedWithErrors
	step(unclean)
	if got := names(CheckFilter{}); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("after a scan with errors: %v", got)
	}
	step(scanAt("3", "d", 30, result("t", "a", dq.Pass)))
	if got, archived := names(CheckFilter{}), names(CheckFilter{Archived: true}); !slices.Equal(got, []string{"a"}) || !slices.Equal(archived, []string{"b"}) {
		t.Errorf("after a clean scan without b: %v, archived %v", got, archived)
	}
	step(scanAt("4", "other", 40, result("t", "z", dq.Pass)))
	step(scanAt("5", "d", 50, result("t", "a", dq.Pass), result("t", "b", dq.Fail)))
	if got := names(CheckFilter{}); !slices.Equal(got, []string{"a", "b", "z"}) {
		t.Errorf("after b came back: %v", got)
	}
}

func TestAFailureLateBeyondTheStripMovesSince(t *testing.T) {
	c := &clock{start.Add(24 * time.Hour)}
	h, _ := mustHub(t, c)
	for i := range StripLength + 10 {
		s := scanAt(fmt.Sprintf("s%02d", i), "d", 10*i, result("t", "a", dq.Pass))
		mustAccept(t, h, s)
		mustDigest(t, h, s.ID)
	}
	late := scanAt("late", "d", 35, result("t", "a", dq.Fail))
	mustAccept(t, h, late)
	mustDigest(t, h, late.ID)
	page, err := h.Checks(t.Context(), CheckFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := page.Rows[0].Since, start.Add(40*time.Minute); !got.Equal(want) {
		t.Errorf("passing since %s, want %s", got, want)
	}
}

func TestExpiredIsNotShown(t *testing.T) {
	c := &clock{start.Add(24 * time.Hour)}
	store := mustOpen(t, c.now)
	h := New(store, c.now, Retention{Results: 10 * 24 * time.Hour, Samples: time.Hour})
	mustAccept(t, h, scanAt("old", "d", 0, result("t", "a", dq.Fail)))
	mustDigest(t, h, "old")
	sample, err := h.SaveSample(t.Context(), "rows.jsonl", []byte("[1]\n[2]"))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := h.Sample(t.Context(), sample); err != nil || s.Rows != 2 || string(s.Data) != "[1]\n[2]" {
		t.Errorf("sample %+v, %v", s, err)
	}
	c.at = c.at.Add(2 * time.Hour)
	if _, err := h.Sample(t.Context(), sample); !errors.Is(err, ErrNotFound) {
		t.Errorf("expired sample: %v", err)
	}
	if v := mustView(t, h); len(v.Checks) != 1 {
		t.Errorf("checks %+v", v.Checks)
	}
	c.at = c.at.Add(11 * 24 * time.Hour)
	if v := mustView(t, h); len(v.Checks)+len(v.Datasets) != 0 {
		t.Errorf("after the retention: %+v", v)
	}
	if _, err := h.Scan(t.Context(), "old"); !errors.Is(err, ErrNotFound) {
		t.Errorf("expired scan: %v", err)
	}
	if err := h.Digest(t.Context(), "old"); err != nil {
		t.Errorf("digest of an expired scan: %v", err)
	}
}

// TestAnOldCheckOfALivingDatasetExpires keeps a dataset alive by another definition.
func TestAnOldCheckOfALivingDatasetExpires(t *testing.T) {
	c := &clock{start}
	h, _ := mustHub(t, c)
	push := func(id, definition, check string) {
		at := c.at.Sub(start)
		mustAccept(t, h, scanAt(id, definition, int(at/time.Minute), result("t", check, dq.Fail)))
		mustDigest(t, h, id)
	}
	push("one", "given up", "a")
	push("two", "lives", "b")
	c.at = c.at.Add(DefaultRetention.Results - time.Hour)
	push("three", "lives", "b")
	if v := mustView(t, h); len(v.Checks) != 2 {
		t.Fatalf("before its end: %+v", v.Checks)
	}
	c.at = c.at.Add(2 * time.Hour)
	push("four", "lives", "b")
	v := mustView(t, h)
	if len(v.Checks) != 1 || v.Checks[0].Definition != "lives" || v.Datasets[0].Counts.Total() != 1 {
		t.Errorf("after its end: %+v, %+v", v.Checks, v.Datasets)
	}
	if strip := v.Checks[0].Last; len(strip) != 2 {
		t.Errorf("the strip still has %d results, want the 2 that are left", len(strip))
	}
}

func TestScansPageThroughShards(t *testing.T) {
	c := &clock{start}
	h, _ := mustHub(t, c)
	var want []string
	for i := range 45 {
		c.at = c.at.Add(time.Second)
		s := scanAt(fmt.Sprintf("s%02d", i), fmt.Sprintf("d%d", i%3), i, result("t", "a", dq.Pass))
		mustAccept(t, h, s)
		want = append([]string{s.ID}, want...)
	}
	var got []string
	for before := ""; ; {
		page, err := h.Scans(t.Context(), ScanFilter{Before: before, Size: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Rows {
			got = append(got, row.ID)
		}
		if before = page.Next; before == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	page, err := h.Scans(t.Context(), ScanFilter{Definition: "d1", Size: 100})
	if err != nil || len(page.Rows) != 15 {
		t.Errorf("%d scans of d1, %v", len(page.Rows), err)
	}
}
