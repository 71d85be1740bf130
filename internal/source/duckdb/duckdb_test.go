//go:build duckdb

package duckdb_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/source/duckdb"
	"github.com/sodalite-dq/sodalite/internal/source/sourcetest"
)

const slow = "SELECT COUNT(*) FROM range(100000000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 1"

func TestDuckDB(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "the suite's?.duckdb")
	db, err := sql.Open("duckdb", filepath.Join(folder, "plain.duckdb"))
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range sourcetest.Tables() {
		for _, statement := range table.SQL(map[sourcetest.Kind]string{
			sourcetest.Integer: "bigint", sourcetest.Decimal: "decimal(10,2)", sourcetest.Float: "double", sourcetest.Boolean: "boolean", sourcetest.String: "varchar",
			sourcetest.Day: "date", sourcetest.Timestamp: "timestamp", sourcetest.TimestampZone: "timestamp",
		}, `"`) {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(folder, "plain.duckdb"), path); err != nil {
		t.Fatal(err)
	}
	sourcetest.Run(t, sourcetest.Subject{
		New: duckdb.New, Kind: "duckdb", Settings: map[string]string{"path": path, "configuration.threads": "2"}, Slow: slow,
		Broken: map[string]sourcetest.Broken{
			"no path":             sourcetest.Says("path", "path", ""),
			"no file":             sourcetest.Says("no such file", "path", filepath.Join(folder, "none.duckdb")),
			"not a database":      sourcetest.Says("not a valid DuckDB database", "path", "duckdb_test.go"),
			"no schema":           sourcetest.Says("nowhere", "schema", "nowhere"),
			"an unknown setting":  sourcetest.Says("unrecognized", "configuration.no_such", "1"),
			"no files of pattern": sourcetest.Says("No files found", "path", filepath.Join(folder, "*.parquet")),
		},
	})
}

// TestDuckDBFiles reads files as tables that carry their names.
func TestDuckDBFiles(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"orders.csv": "id,amount\n1,10.5\n2,\n", "orders.jsonl": `{"id": 1, "amount": 10.5}` + "\n" + `{"id": 2, "amount": null}` + "\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "COPY (SELECT * FROM '"+folder+"/orders.csv') TO '"+folder+"/orders.parquet'"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"orders.csv", "orders.jsonl", "orders.parquet"} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Pass(t, duckdb.New, "duckdb", map[string]string{"path": filepath.Join(folder, name)}, "checks for orders:\n  - row_count = 2\n  - sum(amount) = 10.5\n  - missing_count(amount) = 1\n")
		})
	}
}
