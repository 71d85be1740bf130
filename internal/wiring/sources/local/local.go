// Package local adds what commands have and function scan does without to the data sources of package sources: those that
// read files themselves, without which the function is half as large (files in S3 are read by Athena there), and AWS profiles.
package local

import (
	"github.com/sodalite-dq/sodalite/internal/awsenv/machine"
	"github.com/sodalite-dq/sodalite/internal/source/athena"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
)

func init() {
	sources.Add("athena", athena.New(machine.Profile))
	for name, kind := range readers {
		sources.Add(name, kind)
	}
}
