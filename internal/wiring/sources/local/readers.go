//go:build !scanner

package local

import (
	"github.com/sodalite-dq/sodalite/internal/source/files"
	"github.com/sodalite-dq/sodalite/internal/source/sqlite"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
)

// readers are the kinds whose data this program reads itself.
var readers = map[string]sources.Kind{"files": files.New, "sqlite": sqlite.New, "duckdb": openDuckDB}
