package runs_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/table/sqlite"
	"github.com/sodalite-dq/sodalite/internal/table/tabletest"
)

func remoteLines(from, n int) []runs.Line {
	var lines []runs.Line
	for i := range n {
		lines = append(lines, runs.Line{LogLine: dq.LogLine{Index: from + i, Level: dq.LevelInfo, Message: fmt.Sprintf("Executing SQL query %d: SELECT COUNT(*) FROM sales.orders", i)}, Thread: "a thread"})
	}
	return lines
}

// TestStreamingCost holds what a batch of twenty lines costs, after the first.
func TestStreamingCost(t *testing.T) {
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	store, err := sqlite.Open(filepath.Join(t.TempDir(), "test.db"), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	meter := tabletest.NewMeter(store)
	s := &runs.Store{Table: meter, Now: func() time.Time { return now }, Keep: time.Hour}
	remote := runs.Remote{ID: "id", Definition: "nightly"}
	if err := s.Stream(t.Context(), remote, remoteLines(0, 20)); err != nil {
		t.Fatal(err)
	}
	meter.Take()
	if err := s.Stream(t.Context(), remote, remoteLines(20, 20)); err != nil {
		t.Fatal(err)
	}
	used := meter.Take()
	t.Logf("%+v", used)
	if used.WriteUnits > 4 || used.Calls() > 4 {
		t.Errorf("a batch takes %.0f write units and %d calls, want at most 4 and 4", used.WriteUnits, used.Calls())
	}
}

// TestStreamingSurvivesCrashes lets the store die at every call; the client sends the batch again.
func TestStreamingSurvivesCrashes(t *testing.T) {
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	for step := 1; ; step++ {
		store, err := sqlite.Open(filepath.Join(t.TempDir(), "test.db"), func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		faulty := tabletest.NewFaulty(store)
		s := &runs.Store{Table: faulty, Now: func() time.Time { return now }, Keep: time.Hour}
		remote := runs.Remote{ID: "id", Definition: "nightly"}
		faulty.CrashAfter(step)
		if s.Stream(t.Context(), remote, remoteLines(0, 20)) == nil {
			return
		}
		faulty.Recover()
		err = errors.Join(s.Stream(t.Context(), remote, remoteLines(0, 20)), s.Stream(t.Context(), remote, remoteLines(20, 5)))
		lines, logErr := s.Log(t.Context(), "id")
		run, runErr := s.Run(t.Context(), "id")
		if err := errors.Join(err, logErr, runErr); err != nil || len(lines) != 25 || run.State != dq.Executing {
			t.Fatalf("crash at call %d: %d lines, run %+v, %v", step, len(lines), run, err)
		}
	}
}
