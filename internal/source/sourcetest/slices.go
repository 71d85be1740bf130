package sourcetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/engine"
)

// Readings are statements that make the table readings, of 10,000 rows with a key. seconds writes a time so many seconds later,
// double is the type of floating point numbers.
func Readings(double string, seconds func(n string) string) []string {
	digit := "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	return []string{
		"CREATE TABLE readings (id INTEGER PRIMARY KEY, amount INTEGER, ratio " + double + ", label VARCHAR(20), seen TIMESTAMP NULL)",
		"INSERT INTO readings SELECT i, CASE WHEN i % 7 <> 0 THEN i % 101 - 50 END, CASE WHEN i % 11 <> 0 THEN 1000000 + (i * 37 % 1009) * 0.125 END, " +
			"CASE WHEN i % 3 = 0 THEN 'odd' WHEN i % 5 <> 0 THEN 'good' END, " + seconds("i") +
			" FROM (SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n AS i FROM " + digit + " a, " + digit + " b, " + digit + " c, " + digit + " d) g",
	}
}

// Slices runs checks on [Readings], of all rows at once and in slices, and holds the values to be the same.
func Slices(t *testing.T, s Subject) {
	text := `filter readings [late]:
  where: id >= 4000 -- not from the beginning
checks for readings:
  - row_count = 10000
  - row_count > 100:
      filter: amount > 10
  - missing_count(amount) > 0
  - missing_percent(ratio) > 0
  - invalid_count(label) > 0:
      valid values: [good]
  - valid_count(label) > 0:
      valid values: [good]
  - avg(ratio) > 0
  - sum(amount) > 0
  - min(amount) < 0
  - max(ratio) > 0
  - avg_length(label) > 0
  - duplicate_count(label) = 2
  - freshness(seen) < 100000d
  - failed rows:
      name: too high
      fail condition: amount > 40
  - own > 0:
      own expression: SUM(ratio) / COUNT(ratio)
checks for readings [late]:
  - row_count = 6000
  - avg(ratio) > 0:
      name: average of late ones
`
	if !s.lacks(Deviations) {
		text += "  - stddev(ratio) > 0\n  - variance(ratio) > 0\n  - stddev_pop(ratio) > 0\n  - var_samp(ratio) > 0\n"
	}
	if !s.lacks(Percentiles) {
		text += "  - percentile(ratio, 0.9) > 0\n"
	}
	src := s.source(t, s.Settings)
	atOnce := s.run(t, src, text)
	src.Slicing = engine.Slicing{Count: 4}
	inSlices := s.run(t, src, text)
	if len(atOnce.Results) != len(inSlices.Results) || inSlices.Errored {
		t.Fatalf("%d checks at once, %d in slices: %+v", len(atOnce.Results), len(inSlices.Results), inSlices.Logs)
	}
	for i, want := range atOnce.Results {
		got := inSlices.Results[i]
		same := got.Value == want.Value || near(got.Value, want.Value)
		if src.Dialect.RoundsAverage && want.Name == "avg_length(label) > 0" {
			same = strings.HasPrefix(string(got.Value), string(want.Value))
		}
		if got.Outcome != want.Outcome || !same {
			t.Errorf("%s: %s %s in slices, %s %s at once", want.Name, got.Outcome, got.Value, want.Outcome, want.Value)
		}
	}
	for slice := 1; slice <= 4; slice++ {
		n := 0
		for _, q := range inSlices.Queries {
			if strings.HasSuffix(q.Name, fmt.Sprintf("slice %d of 4", slice)) {
				n++
			}
		}
		if n != 2 {
			t.Errorf("slice %d of the two partitions is read %d times", slice, n)
		}
	}
}
