package runs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
)

// wide saves a definition with one check on each of n datasets, which all pass.
func (w *world) wide(n int) {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "checks for t%d:\n  - row_count = 7\n", i)
	}
	d := definition("")
	d.Files[0].Text = text.String()
	w.save(d)
}

// slowly answers so many statements of each execution, and lets the others wait for its end.
func (w *world) slowly(answered int) {
	var mu sync.Mutex
	left := map[context.Context]int{}
	w.query = func(ctx context.Context, _ string) (*engine.Rows, error) {
		mu.Lock()
		if _, known := left[ctx]; !known {
			left[ctx] = answered
		}
		left[ctx]--
		out := left[ctx] < 0
		mu.Unlock()
		if out {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return &engine.Rows{Rows: [][]any{{int64(7)}}, Count: 1}, nil
	}
}

func TestRunThatDoesNotFitIsHandedOver(t *testing.T) {
	w := start(t)
	w.Limit = 50 * time.Millisecond
	w.wide(10)
	w.slowly(4)
	run := w.begin()
	for part := range 3 {
		if got := w.state(run.ID); part > 0 && got != dq.Executing {
			t.Fatalf("before part %d the run is %s", part, got)
		}
		if len(w.dispatched) != part+1 {
			t.Fatalf("before part %d: dispatched %v", part, w.dispatched)
		}
		w.execute(run.ID)
	}
	scan, err := w.hub.Scan(t.Context(), run.ID)
	if err != nil || scan.State != dq.Completed || scan.Counts() != (dq.Counts{Pass: 10}) || len(scan.Measurements) != 10 {
		t.Errorf("scan %s with %+v and %d measurements, %v", scan.State, scan.Counts(), len(scan.Measurements), err)
	}
	seen := map[string]bool{}
	for _, r := range scan.Results {
		if seen[r.Dataset.Name] {
			t.Errorf("%s is there twice", r.Dataset.Name)
		}
		seen[r.Dataset.Name] = true
	}
	ended, err := w.Run(t.Context(), run.ID)
	if err != nil || ended.State != dq.Completed || ended.Parts != 2 {
		t.Errorf("run %+v, %v", ended, err)
	}
}

// TestTableThatFitsIntoNoExecutionIsReadInSlices: each execution reads some of them, and no slice is read twice.
func TestTableThatFitsIntoNoExecutionIsReadInSlices(t *testing.T) {
	w := start(t)
	w.Limit = 50 * time.Millisecond
	open := w.Open
	w.Open = func(name, kind string, settings map[string]string) (*engine.Source, error) {
		s, err := open(name, kind, settings)
		s.Slicing.Count = 10
		s.Dialect.Slices = func(_ context.Context, _ engine.Connection, _ *engine.Source, t engine.Sliceable) ([]string, error) {
			return engine.Ranges("id", 0, 100, t.Count, "%d"), nil
		}
		return s, err
	}
	var mu sync.Mutex
	read := map[string]int{}
	w.slowly(4)
	slowly := w.query
	w.query = func(ctx context.Context, sql string) (*engine.Rows, error) {
		rows, err := slowly(ctx, sql)
		if err == nil {
			mu.Lock()
			read[sql]++
			mu.Unlock()
		}
		return rows, err
	}
	d := definition("")
	d.Files[0].Text = "checks for orders:\n  - row_count = 70\n"
	w.save(d)
	run := w.begin()
	for range 3 {
		w.execute(run.ID)
	}
	scan, err := w.hub.Scan(t.Context(), run.ID)
	if err != nil || scan.State != dq.Completed || scan.Counts() != (dq.Counts{Pass: 1}) {
		t.Fatalf("scan %+v, %v", scan, err)
	}
	if len(read) != 10 {
		t.Errorf("%d slices were read", len(read))
	}
	for sql, n := range read {
		if n > 1 {
			t.Errorf("read %d times: %s", n, sql)
		}
	}
}

func TestCheckThatFitsIntoNoExecutionTimesOut(t *testing.T) {
	w := start(t)
	w.Limit = 50 * time.Millisecond
	w.wide(3)
	w.query = func(ctx context.Context, sql string) (*engine.Rows, error) {
		if strings.Contains(sql, "t1") {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return &engine.Rows{Rows: [][]any{{int64(7)}}, Count: 1}, nil
	}
	run := w.begin()
	w.execute(run.ID)
	w.execute(run.ID)
	scan, err := w.hub.Scan(t.Context(), run.ID)
	if err != nil || scan.State != dq.TimedOut || scan.Counts() != (dq.Counts{Pass: 2, NotEvaluated: 1}) || !strings.Contains(scan.Why(), "longer than it may") {
		t.Errorf("scan %s with %+v because %q, %v", scan.State, scan.Counts(), scan.Why(), err)
	}
}

func TestDefinitionChangedBetweenParts(t *testing.T) {
	w := start(t)
	w.Limit = 50 * time.Millisecond
	w.wide(5)
	w.slowly(4)
	run := w.begin()
	w.execute(run.ID)
	w.wide(6)
	w.execute(run.ID)
	scan, err := w.hub.Scan(t.Context(), run.ID)
	if err != nil || scan.State != dq.Failed || scan.Counts().Pass != 4 || !strings.Contains(scan.Why(), "was changed") {
		t.Errorf("scan %s with %+v because %q, %v", scan.State, scan.Counts(), scan.Why(), err)
	}
}

func TestRunLostBetweenPartsKeepsWhatItFound(t *testing.T) {
	w := start(t)
	w.Limit = 50 * time.Millisecond
	w.wide(5)
	w.slowly(4)
	run := w.begin()
	w.execute(run.ID)
	w.wait(time.Minute)
	if done := w.tick(); done.Dispatched != 1 || done.Lost != 0 {
		t.Errorf("%+v: a run that was handed over is to be asked for again", done)
	}
	w.wait(25 * time.Hour)
	if done := w.tick(); done.Lost != 1 {
		t.Errorf("%+v", done)
	}
	scan, err := w.hub.Scan(t.Context(), run.ID)
	if err != nil || scan.State != dq.Failed || scan.Counts().Pass != 4 || !strings.Contains(scan.Why(), "Nobody executed") {
		t.Errorf("scan %s with %+v because %q, %v", scan.State, scan.Counts(), scan.Why(), err)
	}
}

func TestStoppedProgramHandsItsRunOver(t *testing.T) {
	for name, answered := range map[string]int{"in the middle": 4, "before anything was found": 0} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			w.wide(5)
			w.slowly(answered)
			run := w.begin()
			ctx, stop := context.WithCancelCause(t.Context())
			time.AfterFunc(50*time.Millisecond, func() { stop(errors.New("terminated")) })
			if err := w.Execute(ctx, run.ID); err != nil {
				t.Fatal(err)
			}
			w.slowly(5)
			w.execute(run.ID)
			scan, err := w.hub.Scan(t.Context(), run.ID)
			if err != nil || scan.State != dq.Completed || scan.Counts().Pass != 5 {
				t.Errorf("scan %s with %+v, %v", scan.State, scan.Counts(), err)
			}
		})
	}
}

func TestCanceledRunKeepsItsScanOutOfTheViews(t *testing.T) {
	w := start(t)
	w.Limit = 50 * time.Millisecond
	w.wide(5)
	w.slowly(4)
	run := w.begin()
	w.execute(run.ID)
	if _, err := w.Cancel(t.Context(), run.ID, "By ada."); err != nil {
		t.Fatal(err)
	}
	w.execute(run.ID)
	scan, err := w.hub.Scan(t.Context(), run.ID)
	if err != nil || scan.State != dq.Canceled || scan.Counts().Pass != 4 || w.state(run.ID) != dq.Canceled {
		t.Fatalf("scan %s with %+v, %v; run %s", scan.State, scan.Counts(), err, w.state(run.ID))
	}
	if err := w.hub.Digest(t.Context(), run.ID); err != nil {
		t.Fatal(err)
	}
	page, err := w.hub.Checks(t.Context(), hub.CheckFilter{})
	if err != nil || len(page.Rows) != 0 {
		t.Errorf("%d checks are shown, %v", len(page.Rows), err)
	}
}

func TestOneWishIsOneRun(t *testing.T) {
	w := start(t)
	wish := runs.Request{Definition: "nightly", Trigger: runs.ByEvent, Key: "event 1"}
	first, err := w.Start(t.Context(), wish)
	if err != nil {
		t.Fatal(err)
	}
	w.execute(first.ID)
	again, err := w.Start(t.Context(), wish)
	if err != nil || again.ID != first.ID || again.State != dq.Completed || len(w.dispatched) != 1 {
		t.Errorf("%+v, %v; dispatched %v", again, err, w.dispatched)
	}
	wish.Key = "event 2"
	if other, err := w.Start(t.Context(), wish); err != nil || other.ID == first.ID {
		t.Errorf("%+v, %v", other, err)
	}
}

func TestWaitingRunsAreBounded(t *testing.T) {
	w := start(t)
	for range 10 {
		w.begin()
	}
	if run, err := w.Start(t.Context(), runs.Request{Definition: "nightly", Trigger: runs.ByAPI}); !errors.Is(err, runs.ErrTooMany) {
		t.Errorf("%+v, %v", run, err)
	}
}

func TestTheNextRunBeginsWhenOneEnds(t *testing.T) {
	w := start(t)
	first, second := w.begin(), w.begin()
	w.execute(second.ID)
	w.dispatched = nil
	if w.state(first.ID) != dq.Queuing || w.state(second.ID) != dq.Completed {
		t.Fatalf("runs are %s and %s", w.state(first.ID), w.state(second.ID))
	}
	third := w.begin()
	w.execute(third.ID)
	if len(w.dispatched) != 2 || w.dispatched[1] != first.ID {
		t.Errorf("dispatched %v, want %s at the end", w.dispatched, first.ID)
	}
}
