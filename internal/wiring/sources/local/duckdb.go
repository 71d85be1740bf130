//go:build duckdb && !scanner

package local

import "github.com/sodalite-dq/sodalite/internal/source/duckdb"

var openDuckDB = duckdb.New
