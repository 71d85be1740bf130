// Package bench times the hot paths. Run it with `make bench`; docs/performance.md has figures. Budgets that must hold are
// asserted as counts elsewhere (internal/hub, TestBudget); nothing here fails by being slow.
//
// SODALITE_BENCH_DATA names a folder that keeps the large store between runs.
package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/table/sqlite"
)

// The large store: what the pages are promised to be instant at.
const (
	datasets       = 500
	checksEach     = 20
	scansEach      = 100 // results of each check
	datasetsInScan = 10
)

var words = []string{"orders", "payments", "customers", "invoices", "shipments", "events", "sessions", "products", "returns", "refunds"}

// madeScan makes a scan of n checks over each of the datasets, with logs and queries as a client sends.
func madeScan(id, definition string, at time.Time, names []string, n int, r *rand.Rand) *dq.Scan {
	s := &dq.Scan{
		ID: id, Definition: definition, Scanner: dq.Scanner{Name: "soda-core", Version: "3.5.6"}, DataSource: "warehouse",
		DataTime: at, Started: at, Ended: at.Add(9 * time.Second),
	}
	for _, name := range names {
		ref := dq.DatasetRef{DataSource: "warehouse", Name: name}
		for i := range n {
			line := fmt.Sprintf("missing_count(column_%d) = 0", i)
			metric := fmt.Sprintf("metric-%s-warehouse-%s-column_%d-missing_count", definition, name, i)
			o, value := dq.Pass, 0
			if r.IntN(40) == 0 {
				o, value = dq.Fail, 1+r.IntN(500)
			}
			s.Results = append(s.Results, dq.Result{
				Check: dq.Check{
					Identity: fmt.Sprintf("%08x", 7919*i+len(name)), Name: line, Dataset: ref, Column: fmt.Sprintf("column_%d", i), Kind: "missing",
					Source: "checks for " + name + ":\n  " + line, Location: &dq.Location{File: "checks/" + name + ".yml", Line: i + 2, Col: 5},
					Attributes: []dq.Attribute{{Name: "owner", Value: []byte(`"` + words[i%4] + ` team"`)}},
				},
				Outcome: o, Value: numberOf(value), Fail: &dq.Threshold{GreaterThan: "0.0", LessThan: "0.0"}, Metrics: []string{metric},
			})
			s.Measurements = append(s.Measurements, dq.Measurement{Dataset: ref, Identity: metric, Name: "missing_count", Value: []byte(numberOf(value))})
			s.Logs = append(s.Logs, dq.LogLine{Index: len(s.Logs), Level: "info", Message: "      " + line + " [PASSED]", Time: at})
		}
		s.Queries = append(s.Queries, dq.Query{Name: "1.warehouse." + name + ".aggregation[0]", DataSource: "warehouse", Table: name, SQL: "SELECT COUNT(*) FROM " + name})
	}
	s.State = s.Conclude(true)
	return s
}

func open(tb testing.TB, dir string) (*sqlite.Table, *hub.Hub) {
	tb.Helper()
	store, err := sqlite.Open(filepath.Join(dir, "sodalite.db"), time.Now)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { store.Close() })
	return store, hub.New(store, time.Now, hub.Retention{})
}

// large fills the large store once for all benchmarks.
var large = sync.OnceValues(func() (string, error) {
	dir := os.Getenv("SODALITE_BENCH_DATA")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "sodalite-bench")
	}
	done := filepath.Join(dir, "filled")
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	fmt.Fprintf(os.Stderr, "filling %s with %d results, once …\n", dir, datasets*checksEach*scansEach)
	store, err := sqlite.Open(filepath.Join(dir, "sodalite.db"), time.Now)
	if err != nil {
		return "", err
	}
	defer store.Close()
	h := hub.New(store, time.Now, hub.Retention{})
	g, ctx := errgroup.WithContext(context.Background())
	g.SetLimit(4)
	for group := range datasets / datasetsInScan {
		g.Go(func() error { return fill(ctx, h, group) })
	}
	if err := g.Wait(); err != nil {
		return "", err
	}
	return dir, os.WriteFile(done, nil, 0o600)
})

// fill pushes all scans of one definition.
func fill(ctx context.Context, h *hub.Hub, group int) error {
	r := rand.New(rand.NewPCG(uint64(group), 1))
	var names []string
	for i := range datasetsInScan {
		names = append(names, fmt.Sprintf("%s_%03d", words[i], group))
	}
	begin := time.Now().Add(-scansEach * 6 * time.Hour)
	for n := range scansEach {
		s := madeScan(dq.OpaqueID(16, "bench", fmt.Sprint(group), fmt.Sprint(n)), fmt.Sprintf("nightly_%03d", group), begin.Add(time.Duration(n)*6*time.Hour), names, checksEach, r)
		if _, err := h.Accept(ctx, s); err != nil {
			return err
		}
		if err := h.Digest(ctx, s.ID); err != nil {
			return err
		}
	}
	return nil
}

func mustLarge(b *testing.B) string {
	b.Helper()
	dir, err := large()
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

// percentile95 reports the 95th percentile beside the mean.
func percentile95(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
}

// BenchmarkAccept stores a 500-check scan of ten datasets with a durable commit.
func BenchmarkAccept(b *testing.B) {
	_, h := open(b, b.TempDir())
	r := rand.New(rand.NewPCG(1, 1))
	var took []time.Duration
	for n := 0; b.Loop(); n++ {
		s := madeScan(fmt.Sprintf("scan%d", n), "nightly", time.Now(), words, 50, r)
		begin := time.Now()
		if _, err := h.Accept(b.Context(), s); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	percentile95(b, took)
}

// BenchmarkAcceptAndDigest takes a 50-check scan of one dataset all the way to its views.
func BenchmarkAcceptAndDigest(b *testing.B) {
	_, h := open(b, b.TempDir())
	r := rand.New(rand.NewPCG(1, 1))
	var took []time.Duration
	for n := 0; b.Loop(); n++ {
		s := madeScan(fmt.Sprintf("scan%d", n), "nightly", time.Now(), words[:1], 50, r)
		begin := time.Now()
		if _, err := h.Accept(b.Context(), s); err != nil {
			b.Fatal(err)
		}
		if err := h.Digest(b.Context(), s.ID); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	percentile95(b, took)
}

// BenchmarkOpen opens the large store, beside an empty one.
func BenchmarkOpen(b *testing.B) {
	for name, dir := range map[string]string{"empty": b.TempDir(), "large": mustLarge(b)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				store, err := sqlite.Open(filepath.Join(dir, "sodalite.db"), time.Now)
				if err != nil {
					b.Fatal(err)
				}
				store.Close()
			}
		})
	}
}

// BenchmarkLists reads what pages show from the large store: with a cold cache, as a new process does, and warm.
func BenchmarkLists(b *testing.B) {
	dir := mustLarge(b)
	store, warm := open(b, dir)
	checks := func(h *hub.Hub) error {
		_, err := h.Checks(b.Context(), hub.CheckFilter{Outcomes: []dq.Outcome{dq.Fail}, Sort: "evaluated"})
		return err
	}
	page, err := warm.Checks(b.Context(), hub.CheckFilter{})
	if err != nil {
		b.Fatal(err)
	}
	one := page.Rows[0]
	for _, c := range []struct {
		name string
		read func() error
	}{
		{"checks cold", func() error { return checks(hub.New(store, time.Now, hub.Retention{})) }},
		{"checks warm", func() error { return checks(warm) }},
		{"datasets", func() error { _, err := warm.Datasets(b.Context(), hub.DatasetFilter{}); return err }},
		{"history", func() error {
			_, _, err := warm.History(b.Context(), one.ID, time.Time{}, time.Time{}, 0)
			return err
		}},
		{"scans", func() error { _, err := warm.Scans(b.Context(), hub.ScanFilter{}); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				begin := time.Now()
				if err := c.read(); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begin))
			}
			percentile95(b, took)
		})
	}
}

func numberOf(n int) json.Number { return json.Number(strconv.Itoa(n)) }
