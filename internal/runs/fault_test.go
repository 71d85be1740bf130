package runs_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
)

// TestCrashAtEveryStep lets whoever asks for a run, executes it and looks after it die before and after each table call. A
// minute or so later others go on, as on AWS: a tick every minute, invocations for what is dispatched. However it went, the
// run ends, with one scan that says the same, and the definition is free for the next.
func TestCrashAtEveryStep(t *testing.T) {
	mustPack(t) // its channels must not belong to a bubble
	for name, c := range map[string]struct {
		limit     time.Duration
		scheduled bool
		least     int // table calls without a crash
	}{
		"in one part":   {10 * time.Minute, false, 16},
		"in two parts":  {time.Second, false, 22},
		"at a schedule": {10 * time.Minute, true, 16},
	} {
		t.Run(name, func(t *testing.T) {
			for _, after := range []bool{false, true} {
				for step, crashed := 1, true; crashed; step++ {
					synctest.Test(t, func(t *testing.T) {
						w := start(t)
						w.wide(5)
						if c.scheduled {
							w.save(definition("*/5 * * * *"))
							w.wait(5 * time.Minute)
						}
						if w.Limit = c.limit; c.limit == time.Second {
							w.slowly(3)
						}
						if after {
							w.table.CrashAfter(step)
						} else {
							w.table.CrashBefore(step)
						}
						crashed = w.survive(t, c.scheduled)
						w.proven(t, fmt.Sprintf("crash after=%v at call %d", after, step))
					})
					if !crashed && step < c.least {
						t.Errorf("only %d calls were made", step)
					}
				}
			}
		})
	}
}

// survive plays the parts until nothing is open, and tells whether somebody died.
func (w *world) survive(t *testing.T, scheduled bool) (crashed bool) {
	t.Helper()
	asked := scheduled
	for range 20 {
		if !asked {
			_, err := w.Start(t.Context(), runs.Request{Definition: "nightly", Trigger: runs.ByAPI, Key: "the one"})
			asked = err == nil // who is not answered asks again
		} else {
			_, _ = w.Tick(t.Context()) // a crash is the point
		}
		dispatched := w.dispatched
		w.dispatched = nil
		for _, id := range dispatched {
			_ = w.Execute(t.Context(), id)
			if w.table.Down() {
				crashed = w.table.Recover()
				_ = w.Execute(t.Context(), id) // Lambda tries again
			}
		}
		if w.table.Down() {
			crashed = w.table.Recover()
		}
		w.wait(45 * time.Second)
		if asked && w.rests(t) {
			w.table.Recover() // from a crash that was to come later
			return crashed
		}
	}
	t.Error("something never ends")
	return crashed
}

// rests tells whether nothing goes on any more, and something went on before.
func (w *world) rests(t *testing.T) bool {
	t.Helper()
	open, err := w.OpenRuns(t.Context())
	if w.table.Down() {
		return false
	}
	page, err2 := w.hub.Scans(t.Context(), hub.ScanFilter{Definition: "nightly", Size: 10})
	if w.table.Down() {
		return false
	}
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return len(open) == 0 && len(w.dispatched) == 0 && len(page.Rows) > 0
}

// proven looks at what is left: one scan, a run that says the same, and a definition that can run again.
func (w *world) proven(t *testing.T, how string) {
	t.Helper()
	page, err := w.hub.Scans(t.Context(), hub.ScanFilter{Definition: "nightly", Size: 10})
	if err != nil || len(page.Rows) != 1 {
		t.Fatalf("%s: %d scans, %v", how, len(page.Rows), err)
	}
	scan := page.Rows[0]
	if run := w.state(scan.ID); run != scan.State || run != dq.Completed && run != dq.Failed {
		t.Errorf("%s: the scan is %s, its run %s", how, scan.State, run)
	}
	w.Limit = time.Minute
	w.slowly(100)
	next := w.begin()
	w.execute(next.ID)
	if got := w.state(next.ID); got != dq.Completed {
		t.Errorf("%s: the next run is %s", how, got)
	}
}

func mustPack(t *testing.T) {
	t.Helper()
	body, err := hub.Pack("anything")
	if err != nil {
		t.Fatal(err)
	}
	var back string
	if err := hub.Unpack(body, &back); err != nil {
		t.Fatal(err)
	}
}
