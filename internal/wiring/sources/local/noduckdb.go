//go:build !duckdb

package local

import (
	"fmt"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
)

func openDuckDB(s *source.Settings) (*engine.Source, error) {
	return nil, fmt.Errorf("%s: data source %s needs DuckDB, which this program is built without; build it with CGO_ENABLED=1 go build -tags duckdb ./cmd/sodalite", s.At, s.Name)
}
