package source

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/engine"
)

// Sampling reads which rows may leave the data source: its sampler section, as Soda Core 3 has it. With a mistake in it, which
// is the error, none may.
func (s *Settings) Sampling() (engine.Sampling, error) {
	var p engine.Sampling
	if isTrue(cmp.Or(s.Text("sampler.disable_samples", ""), s.Text("disable_samples", ""))) {
		p.Off = "the configuration disables samples"
	}
	if kind := s.Text("sampler.storage.type", ""); kind != "" {
		p.Off = fmt.Sprintf("sampler storage of type %q is not supported", kind)
	}
	p.Exclude = map[string][]string{}
	for table := range s.Group("sampler.exclude_columns") {
		p.Exclude[table] = s.List("sampler.exclude_columns." + table)
	}
	var problem error
	if s.Text("sampler.exclude_columns", "") != "" || s.Text("sampler", "") != "" {
		problem = errors.New("sampler: exclude_columns must name datasets, each with a list of columns")
	}
	if text := s.Text("sampler.samples_limit", ""); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			problem = fmt.Errorf("sampler: samples_limit %q is not a whole number", text)
		}
		p.Limit = &n
	}
	if problem != nil {
		p.Off = problem.Error()
	}
	return p, problem
}

// isTrue reads a boolean of YAML 1.1, which the reference client speaks.
func isTrue(text string) bool {
	return slices.Contains([]string{"true", "yes", "on", "y"}, strings.ToLower(text))
}
