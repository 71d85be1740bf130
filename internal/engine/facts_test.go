package engine_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
)

// TestFacts: what is learned of datasets beyond checks, in one statement per table; rows are sampled if somebody takes them (sample_test.go).
func TestFacts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.ExecContext(t.Context(), "CREATE TABLE orders (id integer, status text, paid blob); INSERT INTO orders VALUES (1, 'new', NULL), (3, 'paid', NULL), (5, NULL, NULL); CREATE TABLE other (x integer)")
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	scan := run(t, source.NewSettings("src", "sqlite", map[string]string{"path": path}), `discover datasets:
  datasets: [include o%, exclude other]
profile columns:
  columns: ["orders.%", exclude orders.paid]
sample datasets:
  datasets: [orders]
`, nil)
	if engine.ExitCode(scan) != 0 || len(scan.Reports) != 2 || len(scan.Queries) != 5 {
		t.Fatalf("exit code %d, %d reports, %d statements\n%s", engine.ExitCode(scan), len(scan.Reports), len(scan.Queries), logText(scan))
	}
	var schema, profile string
	for _, r := range scan.Reports {
		if r.Dataset.Name != "orders" {
			t.Errorf("report of %v", r.Dataset)
		}
		for _, c := range r.Schema {
			schema += c.Name + " " + c.Type + ","
		}
		if r.RowCount != nil {
			profile = string(r.Profile)
			if *r.RowCount != 3 {
				t.Errorf("%d rows", *r.RowCount)
			}
		}
	}
	if schema != "id integer,status text,paid blob," {
		t.Errorf("schema %s", schema)
	}
	if want := `[{"columnName":"id","profile":{"distinct":3,"missing_count":0,"min":1,"max":5,"avg":3.0}},{"columnName":"status","profile":{"distinct":2,"missing_count":1,"min_length":3,"max_length":4,"avg_length":3.5}}]`; profile != want {
		t.Errorf("profile\n%s, want\n%s", profile, want)
	}
	if !strings.Contains(logText(scan), "nobody takes them here") {
		t.Error("nothing is said of samples")
	}
}
