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
	compareCorpus(t, "duckdb", source.NewSettings("src", "duckdb", map[string]string{"path": path}), map[string]string{
		"freshness/zones":        zones,
		"vectors/a184":           zones,
		"vectors/a185":           zones,
		"vectors/a195":           zones,
		"mistakes/unknown-table": "the reference's connection to DuckDB is unusable after a statement that failed",
	})
}

const zones = "on DuckDB the reference could not read times with a zone, nor without seconds; here they are read"
