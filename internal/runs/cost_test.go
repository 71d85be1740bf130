package runs_test

import (
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/table/tabletest"
)

// TestCost bounds what schedules and runs take of the table, for docs/cost.md; the result itself is hub's to store.
func TestCost(t *testing.T) {
	w := start(t)
	meter := tabletest.NewMeter(w.Store.Table)
	w.Store.Table = meter
	w.save(definition("* * * * *"))
	meter.Take()

	w.now = w.now.Truncate(time.Minute).Add(65 * time.Second)
	if done := w.tick(); done != (runs.Ticked{Scheduled: 1}) {
		t.Fatalf("ticked %+v", done)
	}
	queued := meter.Take()
	w.execute(w.dispatched[len(w.dispatched)-1])
	executed := meter.Take()
	w.tick()
	idle := meter.Take()
	t.Logf("queue: %+v\nexecute: %+v\nidle tick: %+v", queued, executed, idle)
	if used := queued.WriteUnits + executed.WriteUnits; used > 20 {
		t.Errorf("a run takes %.0f write units beside its result, want at most 20", used)
	}
	if idle.WriteUnits > 0 || idle.ReadUnits > 3 || idle.Calls() > 4 {
		t.Errorf("a tick with nothing to do takes %+v, want at most 3 read units and 4 calls", idle)
	}
}
