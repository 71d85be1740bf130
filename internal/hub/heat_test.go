package hub

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table/tabletest"
)

// TestHeat simulates 10,000 scans a minute of 50 checks each, by 200 definitions over a dataset each, and looks for the
// partition that DynamoDB would throttle first: one takes 1,000 write units and 3,000 read units a second
// (docs.aws.amazon.com/amazondynamodb, "Designing partition keys to distribute your workload").
func TestHeat(t *testing.T) {
	const (
		definitions = 200
		rounds      = 2
		limit       = 1000.0
		readLimit   = 3000.0
		rate        = 10_000.0 / 60 // scans a second
	)
	c := &clock{start.Add(24 * time.Hour)}
	meter := tabletest.NewMeter(mustOpen(t, c.now))
	h := New(meter, c.now, Retention{})
	before, readBefore := map[string]float64{}, map[string]float64{}
	for round := range rounds {
		if round == rounds-1 {
			before, readBefore = meter.Heat(), meter.ReadHeat() // the first round makes what later ones only change
		}
		for d := range definitions {
			var results []dq.Result
			for i := range 50 {
				o := dq.Pass
				if (i+d+round)%25 == 0 {
					o = dq.Fail
				}
				results = append(results, result(fmt.Sprint("dataset", d), fmt.Sprint("check", i), o))
			}
			s := scanAt(fmt.Sprintf("scan%04d%d", d, round), fmt.Sprint("definition", d), round, results...)
			mustAccept(t, h, s)
			mustDigest(t, h, s.ID)
		}
	}
	heat := meter.Heat()
	for k := range heat {
		heat[k] = (heat[k] - before[k]) / definitions * rate // write units a second
	}
	hottest := slices.SortedFunc(maps.Keys(heat), func(a, b string) int { return cmp.Compare(heat[b], heat[a]) })
	for _, k := range hottest[:8] {
		t.Logf("%-40s %6.1f write units/s, at its limit with %6.0f scans a minute", k, heat[k], limit/heat[k]*10_000)
	}
	for _, k := range hottest {
		if heat[k] > limit/2 {
			t.Errorf("%s takes %.0f write units a second, want at most half of what DynamoDB allows", k, heat[k])
		}
		if strings.HasPrefix(k, "index ") && !strings.HasPrefix(k, "index SCANS#") && !strings.HasPrefix(k, "index DATASETS#") && k != "index DEFINITIONS" {
			t.Errorf("%s: an index partition that this test does not know", k)
		}
	}
	reads := meter.ReadHeat()
	for k := range reads {
		reads[k] = (reads[k] - readBefore[k]) / definitions * rate // read units a second, of digests
	}
	reportReads(t, "scans a minute", 10_000, reads, readLimit)

	before = meter.ReadHeat()
	cold := New(meter, c.now, Retention{}) // an instance of function dashboard that has seen nothing yet
	if _, err := cold.Checks(t.Context(), CheckFilter{}); err != nil {
		t.Fatal(err)
	}
	if _, err := cold.Scans(t.Context(), ScanFilter{}); err != nil {
		t.Fatal(err)
	}
	pages := meter.ReadHeat()
	for k := range pages {
		pages[k] -= before[k]
	}
	reportReads(t, "people a second who open both lists cold", 1, pages, readLimit)
}

// reportReads logs the partitions that are read most, and holds all to half a limit.
func reportReads(t *testing.T, what string, rate float64, reads map[string]float64, limit float64) {
	t.Helper()
	hottest := slices.SortedFunc(maps.Keys(reads), func(a, b string) int { return cmp.Compare(reads[b], reads[a]) })
	for _, k := range hottest[:4] {
		t.Logf("%-40s %6.1f read units, at %.0f a second with %.0f %s", k, reads[k], limit, limit/reads[k]*rate, what)
	}
	if k := hottest[0]; reads[k] > limit/2 {
		t.Errorf("%s takes %.0f read units, want at most half of %.0f", k, reads[k], limit)
	}
}
