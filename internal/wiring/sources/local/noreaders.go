//go:build scanner

package local

import (
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
)

// readers tell of the kinds that a program without them cannot read.
var readers = map[string]sources.Kind{"files": refuse, "sqlite": refuse, "duckdb": refuse}

func refuse(s *source.Settings) (*engine.Source, error) {
	return nil, s.Errorf("data source %s is of type %s, but this program is built with -tags scanner, which reaches databases by network only. Build it without: go build ./cmd/sodalite", s.Name, s.Type)
}
