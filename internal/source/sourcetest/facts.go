package sourcetest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// collector takes samples.
type collector struct {
	mu   sync.Mutex
	rows []string // the first cells of each sample
}

func (*collector) Wanted(context.Context) (bool, error) { return true, nil }

func (c *collector) SaveSample(_ context.Context, _ string, rows []byte) (string, error) {
	var first []string
	for line := range strings.Lines(string(rows)) {
		var cells []json.RawMessage
		if err := json.Unmarshal([]byte(line), &cells); err != nil {
			return "", err
		}
		first = append(first, string(cells[0]))
	}
	slices.Sort(first)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = append(c.rows, strings.Join(first, " "))
	return "sample", nil
}

// facts fetches the rows of each kind of check, and profiles columns. None of these statements may fail.
func (s *Subject) facts(t *testing.T, src *engine.Source) {
	limited := *src
	limited.Sampling.Exclude = map[string][]string{"orders": {"email", "seen_*"}}
	c := &collector{}
	program := sodacl.Parse([]sodacl.File{{Name: "checks.yml", Text: []byte(`filter orders [early]:
  where: id < 4
checks for orders:
  - missing_count(amount) = 0
  - invalid_count(status) = 0:
      valid values: [new, paid]
      filter: id > 1
  - duplicate_count(id) = 0
  - failed rows:
      fail condition: amount < 0
checks for orders [early]:
  - duplicate_count(status) = 0
  - values in (id) must not exist in customers (id)
profile columns:
  columns: [orders.id, orders.amount, orders.status, orders.absent]
`)}}, sodacl.Variables{Values: map[string]string{}})
	scan := engine.Run(t.Context(), program, engine.Options{
		Definition: "suite", Source: "src", Now: time.Now(), Parallel: 4, Samples: c, Sources: func(string) (*engine.Source, error) { return &limited, nil },
	})
	for _, l := range scan.Logs {
		if l.Level == dq.LevelError || l.Level == dq.LevelWarning {
			t.Errorf("%s: %s", l.Level, l.Message)
		}
	}
	slices.Sort(c.rows)
	if got, want := strings.Join(c.rows, " | "), "1 2 3 | 2 3 | 3 | 4 | 4 4 | 4 4"; got != want {
		t.Errorf("samples %s, want %s", got, want)
	}
	if len(scan.Reports) != 1 {
		t.Fatalf("%d reports", len(scan.Reports))
	}
	checkProfile(t, scan.Reports[0])
}

func checkProfile(t *testing.T, r dq.DatasetReport) {
	t.Helper()
	var columns []struct {
		ColumnName string
		Profile    struct {
			Min, Max  *float64
			Mins      []float64
			Distinct  int
			Missing   int                          `json:"missing_count"`
			Frequent  []struct{ Value string }     `json:"frequent_values"`
			Histogram *struct{ Frequencies []int } `json:"histogram"`
			MaxLength *int                         `json:"max_length"`
		}
	}
	if err := json.Unmarshal(r.Profile, &columns); err != nil {
		t.Fatal(err)
	}
	for _, c := range columns {
		p := c.Profile
		bins := 0
		if p.Histogram != nil {
			for _, n := range p.Histogram.Frequencies {
				bins += n
			}
		}
		ok := false
		switch c.ColumnName {
		case "id":
			ok = *p.Min == 1 && *p.Max == 4 && p.Distinct == 4 && bins == 5 && len(p.Histogram.Frequencies) == 4 && p.Frequent[0].Value == "4"
		case "amount":
			ok = *p.Min == -5 && *p.Max == 20.25 && p.Missing == 1 && bins == 4 && len(p.Mins) == 4 && p.Mins[0] == -5
		case "status":
			ok = p.Distinct == 4 && p.Frequent[0].Value == "paid" && *p.MaxLength == 4 && p.Histogram == nil
		case "absent":
			ok = p.Distinct == 0 && p.Missing == 5 && p.Frequent == nil && bins == 0
		}
		if !ok {
			t.Errorf("the profile of %s is not right: %s", c.ColumnName, r.Profile)
		}
	}
}
