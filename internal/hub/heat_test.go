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
// partition that DynamoDB would throttle first: one takes 1,000 write units a second
// (docs.aws.amazon.com/amazondynamodb, "Designing partition keys to distribute your workload").
func TestHeat(t *testing.T) {
	const (
		definitions = 200
		rounds      = 2
		limit       = 1000.0
		rate        = 10_000.0 / 60 // scans a second
	)
	c := &clock{start.Add(24 * time.Hour)}
	meter := tabletest.NewMeter(mustOpen(t, c.now))
	h := New(meter, c.now, Retention{})
	before := map[string]float64{}
	for round := range rounds {
		if round == rounds-1 {
			before = meter.Heat() // the first round makes what later ones only change
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
}
