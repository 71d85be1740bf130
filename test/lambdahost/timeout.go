package lambdahost

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite"
)

// Timeout is how long a function of this repository, named as its directory, may take for one event: what the template
// gives it on AWS.
func Timeout(function string) (time.Duration, error) {
	var template struct {
		Resources map[string]struct {
			Properties yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(sodalite.Template, &template); err != nil {
		return 0, err
	}
	var known []string
	for _, r := range template.Resources {
		var f struct {
			CodeURI string `yaml:"CodeUri"`
			Timeout int    `yaml:"Timeout"`
		}
		if r.Properties.Decode(&f) != nil || f.CodeURI == "" {
			continue
		}
		name := strings.Trim(strings.TrimPrefix(f.CodeURI, "functions/"), "/")
		if name == function {
			return time.Duration(f.Timeout) * time.Second, nil
		}
		known = append(known, name)
	}
	slices.Sort(known)
	return 0, fmt.Errorf("there is no function %q: use one of %s", function, strings.Join(known, ", "))
}
