//go:build duckdb

package engine_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/source"
)

// TestDifferentialDuckDB compares on DuckDB, without mistakes: the reference's connection is of no use after the first.
func TestDifferentialDuckDB(t *testing.T) {
	client := startReference(t, "SODALITE_SODA_DUCKDB")
	dir := t.TempDir()
	differential(t, client, true, func(world int, tables string) *source.Settings {
		path := filepath.Join(dir, fmt.Sprintf("world%d.duckdb", world))
		db, err := sql.Open("duckdb", path)
		if err == nil {
			_, err = db.ExecContext(t.Context(), "SET TimeZone = 'UTC';\n"+tables)
		}
		if err == nil {
			err = db.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return source.NewSettings("src", "duckdb", map[string]string{"path": path, "read_only": "true"})
	})
}
