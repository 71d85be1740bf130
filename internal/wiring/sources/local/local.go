// Package local adds the data sources that are files of this machine to those of package sources. Commands import it;
// function scan has no such files.
package local

import (
	"github.com/sodalite-dq/sodalite/internal/source/sqlite"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
)

func init() {
	sources.Add("sqlite", sqlite.New)
	sources.Add("duckdb", openDuckDB)
}
