package sodalite_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestFunctionsLinkNoDatabase: cold starts pay for what is linked. The embedded store and drivers of data sources are for
// the command line, and for the function that scans.
func TestFunctionsLinkNoDatabase(t *testing.T) {
	unwanted := regexp.MustCompile(`^(database/sql|modernc\.org/|.*(sqlite|duckdb|pgx|mysql|trino)).*`)
	for _, name := range []string{"ingest", "digest", "notify", "dashboard"} {
		list := exec.Command("go", "list", "-deps", "./functions/"+name)
		list.Env = append(list.Environ(), "CGO_ENABLED=0")
		out, err := list.Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, dependency := range strings.Fields(string(out)) {
			if unwanted.MatchString(dependency) {
				t.Errorf("function %s links %s", name, dependency)
			}
		}
	}
}
