package hub

import (
	"fmt"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table/tabletest"
)

// TestPagesMakeFewCalls holds each page to a dozen table calls with 500 datasets, cold and warm, however long the history.
func TestPagesMakeFewCalls(t *testing.T) {
	c := &clock{start.Add(24 * time.Hour)}
	model := tabletest.NewModel(c.now)
	fill := New(model, c.now, Retention{})
	for n := range 3 {
		var results []dq.Result
		for d := range 500 {
			results = append(results, result(fmt.Sprintf("dataset%03d", d), "a", dq.Pass), result(fmt.Sprintf("dataset%03d", d), "b", dq.Fail))
		}
		s := scanAt(fmt.Sprintf("scan%d", n), "d", n, results...)
		mustAccept(t, fill, s)
		mustDigest(t, fill, s.ID)
	}
	meter := tabletest.NewMeter(model)
	page, err := fill.Checks(t.Context(), CheckFilter{})
	if err != nil || page.Total != 1000 {
		t.Fatalf("%d checks, %v", page.Total, err)
	}
	one := page.Rows[0]
	for name, look := range map[string]func(h *Hub) error{
		"checks":   func(h *Hub) error { _, err := h.Checks(t.Context(), CheckFilter{}); return err },
		"datasets": func(h *Hub) error { _, err := h.Datasets(t.Context(), DatasetFilter{}); return err },
		"check": func(h *Hub) error {
			_, _, err := h.History(t.Context(), one.ID, time.Time{}, time.Time{}, 0)
			return err
		},
		"dataset":       func(h *Hub) error { _, err := h.Dataset(t.Context(), one.DatasetID); return err },
		"dataset scans": func(h *Hub) error { _, err := h.DatasetScans(t.Context(), one.DatasetID, 0); return err },
		"scans":         func(h *Hub) error { _, err := h.Scans(t.Context(), ScanFilter{}); return err },
		"scan":          func(h *Hub) error { _, err := h.Scan(t.Context(), "scan1"); return err },
	} {
		h := New(meter, c.now, Retention{})
		for _, state := range []string{"cold", "warm"} {
			meter.Take()
			if err := look(h); err != nil {
				t.Fatal(err)
			}
			used := meter.Take()
			t.Logf("%s %s: %+v", name, state, used)
			if used.Calls() > 12 {
				t.Errorf("%s, %s: %d table calls, at most 12", name, state, used.Calls())
			}
		}
	}
}
