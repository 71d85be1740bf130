package e2e

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
	"github.com/sodalite-dq/sodalite/test/component"
)

// TestSodaCore4OnDuckDB verifies contracts of datasets with one container and with none, and with names that are no ASCII.
func TestSodaCore4OnDuckDB(t *testing.T) {
	for version, variable := range soda4Clients {
		t.Run(version, func(t *testing.T) {
			client := component.Path(t, variable)
			s := startSodalite(t)
			const body = "\ncolumns:\n  - name: größe\n    checks:\n      - duplicate:\n          name: Größen sind eindeutig 🚨 <b>\nchecks:\n  - row_count:\n"
			soda := newScanner(t, client, map[string]string{
				"cloud.yml": s.snippet(), "lake.yml": "type: duckdb\nname: lake\nconnection:\n  database: lake.duckdb\n",
				"one.yml": "dataset: lake/main/Bestellungen ä" + body, "none.yml": "dataset: lake/Bestellungen ä" + body,
			})
			prepare := exec.Command(strings.TrimSuffix(client, "soda")+"python", "-c", `import duckdb; duckdb.connect('lake.duckdb').execute('CREATE TABLE "Bestellungen ä" AS SELECT 1 AS "größe" FROM range(2)')`)
			prepare.Dir = soda.dir
			if out, err := prepare.CombinedOutput(); err != nil {
				t.Fatalf("duckdb: %v\n%s", err, out)
			}
			for _, contract := range []string{"one.yml", "none.yml"} {
				soda.must(1, "contract", "verify", "-c", contract, "-ds", "lake.yml", "-sc", "cloud.yml", "-p")
			}
			waitFor(t, "digested", 10*time.Second, func() bool { return s.outcomes()["Größen sind eindeutig 🚨 <b>"] == "fail" })
			for _, name := range []string{"lake/main/Bestellungen ä", "lake/Bestellungen ä"} {
				if got := s.scansOf(name)["completedWithFailures"]; got != 1 {
					t.Errorf("%s has %d scans", name, got)
				}
			}
		})
	}
}

// TestBothGenerationsOnOneTable scans one table with Soda Core 3 and 4: on the page of either name the checks of both stand
// together, each with its language.
func TestBothGenerationsOnOneTable(t *testing.T) {
	newest, older := component.Path(t, "SODALITE_SODA4"), component.Path(t, "SODALITE_SODA_POSTGRES")
	database := postgrestest.Start(t)
	database.Exec(t, orders)
	s := startSodalite(t)
	soda := newScanner4(t, newest, s, database.Port)
	soda.must(1, "contract", "verify", "-c", "fail.yml", "-ds", "source.yml", "-sc", "cloud.yml", "-p")
	newScanner(t, older, map[string]string{
		"configuration.yml": configuration(database.Port) + s.snippet(), "checks.yml": "checks for orders:\n  - row_count > 0:\n      name: Rows by SodaCL\n",
	}).scan("-d", "shop", "-s", "nightly", "-c", "configuration.yml", "checks.yml")
	waitFor(t, "both digested", 10*time.Second, func() bool {
		o := s.outcomes()
		return o["Rows by SodaCL"] == "pass" && o["No negative amounts"] == "fail"
	})

	var page struct {
		Content []struct {
			ID, QualifiedName string
			SameAs            *struct{ QualifiedName string }
		}
	}
	s.get("/api/v1/datasets", &page)
	if len(page.Content) != 2 {
		t.Fatalf("datasets %+v", page.Content)
	}
	visitor := s.signIn()
	for i, d := range page.Content {
		if other := page.Content[1-i]; d.SameAs == nil || d.SameAs.QualifiedName != other.QualifiedName {
			t.Errorf("%s is the same as %+v", d.QualifiedName, d.SameAs)
		}
		checks := visitor.get("/datasets/" + d.ID).Find("table.checks").Text()
		for _, want := range []string{"Rows by SodaCL", "SodaCL", "No negative amounts", "contract"} {
			if !strings.Contains(checks, want) {
				t.Errorf("the page of %s lacks %q: %s", d.QualifiedName, want, checks)
			}
		}
	}
}
