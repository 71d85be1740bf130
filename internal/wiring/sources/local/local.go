// Package local adds the data sources that read files themselves to those of package sources. Commands import it; function
// scan has no such files, and is half as large without: files in S3 are read by Athena there.
package local

import (
	"github.com/sodalite-dq/sodalite/internal/source/files"
	"github.com/sodalite-dq/sodalite/internal/source/sqlite"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
)

func init() {
	sources.Add("files", files.New)
	sources.Add("sqlite", sqlite.New)
	sources.Add("duckdb", openDuckDB)
}
