//go:build duckdb

package sources

import "github.com/sodalite-dq/sodalite/internal/source/duckdb"

var openDuckDB = duckdb.New
