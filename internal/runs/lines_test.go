package runs_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/table/tabletest"
)

func messages(lines []dq.LogLine) string {
	var all []string
	for _, l := range lines {
		all = append(all, l.Message)
	}
	return strings.Join(all, "\n")
}

func (w *world) streamed(id string) []dq.LogLine {
	w.t.Helper()
	lines, err := w.Store.Log(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return lines
}

// TestLogIsShownWhileARunGoesOn: lines come every pace, in one write with many, and the log of the result has each of them once.
func TestLogIsShownWhileARunGoesOn(t *testing.T) {
	w := start(t)
	d := definition("")
	d.Files[0].Text = "checks for orders:\n  - row_count = 7\n"
	for i := range 40 {
		d.Files[0].Text += fmt.Sprintf("  - m%d > 0:\n      m%d query: SELECT %d\n", i, i, i)
	}
	w.save(d)
	run := w.begin()
	seen := make(chan string, 1)
	w.query = func(_ context.Context, sql string) (*engine.Rows, error) {
		if sql == "SELECT 39" {
			for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				if text := messages(w.streamed(run.ID)); strings.Contains(text, "user_defined_query[m20 > 0] took") {
					seen <- text
					break
				}
			}
		}
		return &engine.Rows{Rows: [][]any{{int64(7)}}, Count: 1}, nil
	}
	meter := tabletest.NewMeter(w.Store.Table)
	w.Store.Table = meter
	began := time.Now()
	w.execute(run.ID)
	if paces := int(time.Since(began)/w.Pace) + 1; meter.Take().Writes > 2*paces+10 {
		t.Errorf("more writes than two each of %d paces", paces)
	}
	select {
	case text := <-seen:
		if !strings.Contains(text, "41 checks, 41 statements") {
			t.Errorf("seen while it ran:\n%s", text)
		}
	default:
		t.Fatal("nothing was seen while it ran")
	}
	scan, err := w.hub.Scan(t.Context(), run.ID)
	if err != nil {
		t.Fatal(err)
	}
	joined := runs.JoinLogs(w.streamed(run.ID), scan.Logs)
	if messages(joined) != messages(scan.Logs) || !strings.Contains(messages(joined), "took") {
		t.Errorf("the log of the result\n%s\nwith what was streamed\n%s", messages(scan.Logs), messages(joined))
	}
}

// TestLogOfALostRunIsKept: what a run had told before it fell silent stands before the word that it is lost.
func TestLogOfALostRunIsKept(t *testing.T) {
	w := start(t)
	run := w.begin()
	w.query = func(ctx context.Context, _ string) (*engine.Rows, error) {
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && len(w.streamed(run.ID)) == 0; time.Sleep(5 * time.Millisecond) {
		}
		w.wait(time.Hour) // without a word, as if the process were gone
		w.tick()
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	if err := w.Execute(t.Context(), run.ID); err == nil || !strings.Contains(err.Error(), "its result is dropped") {
		t.Errorf("error %v", err)
	}
	scan, err := w.hub.Scan(t.Context(), run.ID)
	if err != nil || scan.State != dq.Failed {
		t.Fatalf("scan %s, %v", scan.State, err)
	}
	if text := messages(runs.JoinLogs(w.streamed(run.ID), scan.Logs)); !strings.Contains(text, "1 checks, 1 statements") || !strings.HasSuffix(text, "did not say how it ended.") {
		t.Errorf("the log is\n%s", text)
	}
}
