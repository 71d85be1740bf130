package hub

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table/tabletest"
)

// TestCrashAtEveryStep lets accept and digest die before and after each table call, recovers as the stream does (the sender
// knows whether the scan was acknowledged; digest is called again), and compares with a run without faults.
func TestCrashAtEveryStep(t *testing.T) {
	scans := func() []*dq.Scan {
		covering := failedScan("covering", "e", 25)
		covering.Covers = []dq.DatasetRef{{DataSource: "shop", Prefix: []string{"pg"}, Name: "t"}} // never seen before
		return []*dq.Scan{
			covering,
			scanAt("first", "d", 10, result("t", "a", dq.Pass), result("u", "b", dq.Fail)),
			failedScan("failed", "d", 20),
			scanAt("second", "d", 30, result("t", "a", dq.Fail), result("u", "b", dq.Fail)),
		}
	}
	c := &clock{start.Add(24 * time.Hour)}
	smooth, _ := mustHub(t, c)
	for _, s := range scans() {
		mustAccept(t, smooth, s)
		mustDigest(t, smooth, s.ID)
	}
	want := mustView(t, smooth)
	for _, after := range []bool{false, true} {
		for step := 1; ; step++ {
			store := tabletest.NewFaulty(mustOpen(t, c.now))
			h := New(store, c.now, Retention{})
			if after {
				store.CrashAfter(step)
			} else {
				store.CrashBefore(step)
			}
			crashed := false
			for _, s := range scans() {
				for attempt := 0; attempt < 2; attempt++ {
					if _, err := h.Accept(t.Context(), s); err == nil {
						break
					}
					crashed = store.Recover() || crashed // not acknowledged: the sender tries again
				}
				if h.Digest(t.Context(), s.ID) != nil {
					crashed = store.Recover() || crashed
					h = New(store, c.now, Retention{}) // a new process
					mustDigest(t, h, s.ID)
				}
			}
			store.Recover()
			name := fmt.Sprintf("crash after=%v at call %d", after, step)
			if diff := cmp.Diff(want, mustView(t, h)); diff != "" {
				t.Fatalf("%s: views differ (-want +got)\n%s", name, diff)
			}
			for _, id := range []string{"first", "second"} {
				a, err := h.Alert(t.Context(), id)
				b, _ := smooth.Alert(t.Context(), id)
				if err != nil || cmp.Diff(a, b) != "" {
					t.Errorf("%s: alert of %s is %+v (%v), want %+v", name, id, a, err, b)
				}
			}
			if _, err := h.Alert(t.Context(), "failed"); err == nil {
				t.Errorf("%s: the failed scan made an alert", name)
			}
			if !crashed {
				if step < 15 {
					t.Errorf("only %d calls were made", step)
				}
				break
			}
		}
	}
}

// TestAFailureIsAlertedThoughANewerScanCameBeforeTheRetry is the case that needs the timeline's memory: digest dies between
// fold and alert, a newer passing scan is digested, and only then the first is tried again.
func TestAFailureIsAlertedThoughANewerScanCameBeforeTheRetry(t *testing.T) {
	c := &clock{start.Add(24 * time.Hour)}
	store := tabletest.NewFaulty(mustOpen(t, c.now))
	h := New(store, c.now, Retention{})
	mustAccept(t, h, scanAt("bad", "d", 10, result("t", "a", dq.Fail)))
	mustAccept(t, h, scanAt("good", "d", 20, result("t", "a", dq.Pass)))
	for step := 1; ; step++ {
		store.CrashBefore(step)
		err := h.Digest(t.Context(), "bad")
		if !store.Recover() {
			t.Fatalf("no crash at call %d: %v", step, err)
		}
		if entry, err := h.timelineEntry(t.Context(), timelineKey(dq.DatasetRef{DataSource: "shop", Name: "t"}.ID(), orderOf(t, h, "bad"))); err == nil && len(entry.Failures) == 1 {
			break // folded, and no alert yet
		}
	}
	mustDigest(t, h, "good", "bad")
	if a, err := h.Alert(t.Context(), "bad"); err != nil || len(a.Checks) != 1 {
		t.Errorf("alert %+v, %v", a, err)
	}
}

func orderOf(t *testing.T, h *Hub, id string) dq.Order {
	t.Helper()
	s, err := h.Scan(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s.Order()
}

// TestConcurrentDigests lets many digests of one dataset race, as parallel shards of a stream would.
func TestConcurrentDigests(t *testing.T) {
	c := &clock{start.Add(24 * time.Hour)}
	one, _ := mustHub(t, c)
	many, _ := mustHub(t, c)
	scans := randomScans(rand.New(rand.NewPCG(3, 3)), 24)
	for _, s := range scans {
		c.at = c.at.Add(time.Second)
		mustAccept(t, one, s)
		mustAccept(t, many, s)
		mustDigest(t, one, s.ID)
	}
	errs := make(chan error)
	for worker := range 4 {
		go func() {
			for i, s := range scans {
				if i%4 != worker && i%3 != worker { // some twice
					continue
				}
				err := many.Digest(t.Context(), s.ID)
				for attempt := 0; err != nil && attempt < 20; attempt++ {
					err = many.Digest(t.Context(), s.ID)
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(mustView(t, one), mustView(t, many)); diff != "" {
		t.Errorf("views differ (-one at a time +at once)\n%s", diff)
	}
}

// TestBudget holds the cost of a 50-check scan over one dataset: at most 0.6 write units a check result for accept and
// digest together, and a fixed number of table calls.
func TestBudget(t *testing.T) {
	c := &clock{start.Add(24 * time.Hour)}
	meter := tabletest.NewMeter(mustOpen(t, c.now))
	h := New(meter, c.now, Retention{})
	accept := func(minute int) *dq.Scan {
		var results []dq.Result
		for i := range 50 {
			r := result("orders", fmt.Sprintf("%08x", 7919*i), dq.Pass)
			r.Name = fmt.Sprintf("missing_count(column_%d) = 0", i)
			r.Source = "checks for orders:\n  " + r.Name
			r.Fail = &dq.Threshold{GreaterThan: "0.0"}
			r.Value = "0"
			if (i+minute)%9 == 0 {
				r.Outcome, r.Value = dq.Fail, "12"
			}
			results = append(results, r)
		}
		s := scanAt(fmt.Sprintf("scan%d", minute), "nightly_orders", minute, results...)
		for i := range 60 {
			s.Logs = append(s.Logs, dq.LogLine{Index: i, Level: dq.LevelInfo, Message: fmt.Sprintf("  missing_count(column_%d) = 0 [PASSED]", i), Time: s.Ended})
			s.Queries = append(s.Queries, dq.Query{Name: fmt.Sprintf("%d.shop.orders.failed_rows", i), SQL: fmt.Sprintf("SELECT * FROM orders WHERE column_%d IS NULL LIMIT 100", i)})
		}
		mustAccept(t, h, s)
		return s
	}
	for minute := range StripLength + 5 {
		mustDigest(t, h, accept(minute).ID)
	}
	meter.Take()
	s := accept(100)
	accepted := meter.Take()
	mustDigest(t, h, s.ID)
	digested := meter.Take()
	t.Logf("accept %+v, digest %+v", accepted, digested)
	if got := (accepted.WriteUnits + digested.WriteUnits) / 50; got > 0.6 {
		t.Errorf("%.2f write units a check result, at most 0.6", got)
	}
	if accepted.Calls() != 1 {
		t.Errorf("accept makes %d table calls, want 1", accepted.Calls())
	}
	if digested.Calls() != 6 { // scan, definition read and written, views, fold, alert
		t.Errorf("digest makes %d table calls, want 6", digested.Calls())
	}
}
