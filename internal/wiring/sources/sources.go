// Package sources knows which kinds of data sources this program is built with: those that are reached by network, and what
// packages below it add.
package sources

import (
	"maps"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/source/mysql"
	"github.com/sodalite-dq/sodalite/internal/source/postgres"
	"github.com/sodalite-dq/sodalite/internal/source/trino"
)

// Kind makes a data source of its settings.
type Kind = func(*source.Settings) (*engine.Source, error)

var kinds = map[string]Kind{
	"postgres": postgres.New,
	"redshift": postgres.NewRedshift,
	"mysql":    mysql.New,
	"trino":    trino.New,
}

// Add adds a kind under the name of its type, while the program starts.
func Add(name string, k Kind) { kinds[name] = k }

// Open makes a data source of its settings; it connects when the first statement is to run.
func Open(s *source.Settings) (*engine.Source, error) {
	if open, ok := kinds[s.Type]; ok {
		source, err := open(s)
		if err != nil {
			return nil, err
		}
		source.Sampling, _ = s.Sampling() // with a mistake in it, it lets no rows out and says why
		source.Slicing, err = s.Slicing()
		return source, err
	}
	hint := ""
	if s.Type == "postgresql" {
		hint = "; did you mean postgres?"
	}
	return nil, s.Errorf("data source %s has the type %q, this program is built with %s%s", s.Name, s.Type, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "), hint)
}

// Of gives the data sources of a configuration by name.
func Of(c *source.Config) func(name string) (*engine.Source, error) {
	return func(name string) (*engine.Source, error) {
		settings, err := c.Source(name)
		if err != nil {
			return nil, err
		}
		return Open(settings)
	}
}
