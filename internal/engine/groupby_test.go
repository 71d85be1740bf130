package engine_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/source"
)

// TestMistakesOfNestedChecks: a nested check that is wrong hurts none of those beside it, in no group.
func TestMistakesOfNestedChecks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.ExecContext(t.Context(), "CREATE TABLE orders (channel text, note text); INSERT INTO orders VALUES ('app', 'x'), ('web', 'y'), ('web', 'z')")
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	scan := run(t, source.NewSettings("src", "sqlite", map[string]string{"path": path}), `checks for orders:
  - group by:
      name: channels
      query: SELECT channel, COUNT(*) AS n, MIN(note) AS note FROM orders GROUP BY channel ORDER BY channel
      fields: [channel]
      checks:
        - gone > 1:
            name: gone
        - n > 1:
            name: enough
        - note > 1:
            name: words
        - n > ten:
            name: odd
`, nil)
	got := map[string]dq.Outcome{}
	why := map[string]string{}
	for _, r := range scan.Results {
		got[r.Name] = r.Outcome
		for _, reason := range r.Reasons {
			why[r.Name] = reason.Message
		}
	}
	for name, want := range map[string]struct {
		outcome dq.Outcome
		why     string
	}{
		"channels":     {dq.NotEvaluated, `the query gives no column "gone"`},
		"enough [app]": {dq.Fail, ""},
		"enough [web]": {dq.Pass, ""},
		"words [web]":  {dq.NotEvaluated, `the value "y" is not a number`},
		"odd [web]":    {dq.NotEvaluated, `threshold "ten" is not a number`},
	} {
		if got[name] != want.outcome || why[name] != want.why {
			t.Errorf("%s is %q, %q; want %q, %q", name, got[name], why[name], want.outcome, want.why)
		}
	}
}
