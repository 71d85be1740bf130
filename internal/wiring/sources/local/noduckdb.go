//go:build !duckdb && !scanner

package local

import (
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/source/files"
)

// openDuckDB reads data files without DuckDB.
func openDuckDB(s *source.Settings) (*engine.Source, error) {
	if files.Reads(s.Text("path", "")) {
		return files.New(s)
	}
	return nil, s.Errorf("data source %s is a DuckDB database, which needs a library that this program is built without. Data files (CSV, Parquet, JSON) are read; for a database build it with CGO_ENABLED=1 go build -tags duckdb ./cmd/sodalite", s.Name)
}
