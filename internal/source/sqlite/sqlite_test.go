package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/source/sourcetest"
	"github.com/sodalite-dq/sodalite/internal/source/sqlite"
)

func TestSuite(t *testing.T) {
	folder := t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(folder, "suite.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range sourcetest.Tables() {
		for _, statement := range table.SQL(map[sourcetest.Kind]string{
			sourcetest.Integer: "integer", sourcetest.Decimal: "numeric", sourcetest.Float: "real", sourcetest.Boolean: "boolean", sourcetest.String: "text",
			sourcetest.Day: "text", sourcetest.Timestamp: "text", sourcetest.TimestampZone: "text",
		}, `"`) {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	sourcetest.Run(t, sourcetest.Subject{
		New: sqlite.New, Kind: "sqlite", Settings: map[string]string{"path": filepath.Join(folder, "suite.db")}, Numbers: true,
		Slow: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000000) SELECT MAX(i) FROM n",
		Broken: map[string]sourcetest.Broken{
			"no path":        sourcetest.Says("path", "path", ""),
			"no file":        sourcetest.Says("no such file", "path", filepath.Join(folder, "none.db")),
			"not a database": sourcetest.Says("not a database", "path", "sqlite_test.go"),
			"a folder":       sourcetest.Says("folder", "path", folder),
		},
	})
}

func TestSlices(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slices.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range sourcetest.Readings("REAL", func(n string) string { return "datetime('2026-03-01', '+' || " + n + " || ' seconds')" }) {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	sourcetest.Slices(t, sourcetest.Subject{New: sqlite.New, Kind: "sqlite", Settings: map[string]string{"path": path}})
}
