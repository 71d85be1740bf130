//go:build duckdb

package engine_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/sodalite-dq/sodalite/internal/source"
)

// TestCorpusDuckDB is TestCorpusPostgres on DuckDB.
func TestCorpusDuckDB(t *testing.T) {
	tables, err := os.ReadFile("testdata/tables.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "corpus.duckdb")
	db, err := sql.Open("duckdb", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "SET TimeZone = 'UTC';\n"+string(tables)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	compareCorpus(t, "duckdb", opened(t, source.NewSettings("src", "duckdb", map[string]string{"path": path})), map[deviation]string{
		{"failed_rows/condition-and-query", "By query|orders"}:                  unusable,
		{"failed_rows/condition-and-query", "Limited|orders"}:                   unusable,
		{"failed_rows/condition-and-query", "Empty table|v_e"}:                  unusable,
		{"freshness/zones", ""}:                                                 zones,
		{"freshness/zones", "freshness(ts) < 1d|v_fr"}:                          zones,
		{"freshness/zones", "freshness(ts, MY) < 30m|v_fr"}:                     zones,
		{"freshness/zones", "freshness(ts, LATE) < 2d|v_fr"}:                    zones,
		{"freshness/zones", "freshness(ts) < 24h1m|v_fr"}:                       zones,
		{"freshness/zones", "freshness(ts) < 1d12h30m|v_fr"}:                    zones,
		{"freshness/zones", "freshness(tz) < 26h|v_fr"}:                         zones,
		{"freshness/zones", "freshness(tz, MY) < 4h|v_fr"}:                      zones,
		{"freshness/zones", "freshness(dt) < 13h|v_fr"}:                         zones,
		{"mistakes/bad-filter-sql", "row_count > 1|customers"}:                  unusable,
		{"mistakes/unknown-column", "duplicate_count(id) = 0|orders"}:           unusable,
		{"mistakes/unknown-column", "row_count > 0|customers"}:                  unusable,
		{"mistakes/unknown-table", "row_count > 0|orders"}:                      unusable,
		{"types/dates-and-booleans", "duplicate_count(paid) = 2|orders"}:        unusable,
		{"types/dates-and-booleans", "duplicate_count(order_date) = 25|orders"}: unusable,
		{"vectors/a184", ""}:                                   zones,
		{"vectors/a184", "freshness(tz) < 1d|v_fr"}:            zones,
		{"vectors/a185", ""}:                                   zones,
		{"vectors/a185", "freshness(tz) < 26h|v_fr"}:           zones,
		{"vectors/a195", ""}:                                   zones,
		{"vectors/a195", "freshness(tx::timestamp) < 1d|v_fr"}: zones,
	})
}

const (
	zones    = "on DuckDB the reference could not read times with a zone, nor without seconds; here they are read"
	unusable = "the reference's connection to DuckDB is unusable after a statement that failed"
)
