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
	if engine.ExitCode(scan) != 0 || len(scan.Reports) != 2 || len(scan.Queries) != 8 {
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
	want := `[{"columnName":"id","profile":{"avg":3.0,"avg_length":null,"distinct":3,"frequent_values":[{"frequency":1,"value":"1"},{"frequency":1,"value":"3"},{"frequency":1,"value":"5"}],` +
		`"histogram":{"boundaries":[1,3,5],"frequencies":[1,1,1]},"max":5,"max_length":null,"maxs":[5,3,1],"min":1,"min_length":null,"mins":[1,3,5],"missing_count":0,"stddev":2.0,"sum":9,"variance":4.0}},` +
		`{"columnName":"status","profile":{"avg":null,"avg_length":3,"distinct":2,"frequent_values":[{"frequency":1,"value":"new"},{"frequency":1,"value":"paid"}],"histogram":null,"max":null,"max_length":4,` +
		`"maxs":null,"min":null,"min_length":3,"mins":null,"missing_count":1,"stddev":null,"sum":null,"variance":null}}]`
	if profile != want {
		t.Errorf("profile\n%s, want\n%s", profile, want)
	}
	if !strings.Contains(logText(scan), "nobody takes them here") {
		t.Error("nothing is said of samples")
	}
}
