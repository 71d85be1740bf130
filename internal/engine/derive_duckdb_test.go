//go:build duckdb

package engine_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
)

// TestDerivedEqualsMeasured compares averages and deviations that are derived, because their base is asked for too, with
// the database's own, on data where sums and squares lose digits.
func TestDerivedEqualsMeasured(t *testing.T) {
	columns := map[string]string{
		"offset_double": "1e15 + (i % 7)", "tiny": "1e-300 * i", "mixed": "CASE i % 3 WHEN 0 THEN 1e12 WHEN 1 THEN -1e12 ELSE i / 7.0 END", "same": "0.1::double",
		"big": "9223372036854775807 - i", "negative": "-i::integer", "real": "(i / 3.0)::real", "decimal": "(i * 0.01)::decimal(38,10)", "small": "(i % 100)::utinyint",
		"single": "CASE WHEN i = 5 THEN 3.5::double END", "pair": "CASE WHEN i IN (5, 6) THEN 1e9 + i END", "nothing": "NULL::double",
	}
	var list []string
	for name, x := range columns {
		list = append(list, x+" AS "+name)
	}
	path := filepath.Join(t.TempDir(), "derive.duckdb")
	db, err := sql.Open("duckdb", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE t AS SELECT "+strings.Join(list, ", ")+" FROM range(10000) AS g(i); CREATE TABLE e AS FROM t LIMIT 0"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	settings := source.NewSettings("src", "duckdb", map[string]string{"path": path})
	families := [][]string{{"sum", "avg"}, {"variance", "stddev", "stddev_pop", "var_pop", "stddev_samp"}, {"stddev", "var_pop", "stddev_pop"}, {"var_pop", "stddev_pop"}}
	for _, table := range []string{"t", "e"} {
		for name := range columns {
			for _, family := range families {
				var lines []string
				for _, f := range family {
					lines = append(lines, fmt.Sprintf("  - %s(%s) >= 0\n", f, name))
				}
				together := run(t, settings, "checks for "+table+":\n"+strings.Join(lines, ""), nil)
				if engine.ExitCode(together) == 3 {
					t.Fatalf("%s of %s:\n%s", family, name, logText(together))
				}
				for i, line := range lines {
					alone := run(t, settings, "checks for "+table+":\n"+line, nil)
					got, want := together.Results[i], alone.Results[0]
					if got.Outcome != want.Outcome || (got.Value == "") != (want.Value == "") || want.Value != "" && !sameNumber(got.Value, []byte(want.Value)) {
						t.Errorf("%s of %s in %s, beside %v: %s %s, alone %s %s", family[i], name, table, family, got.Outcome, got.Value, want.Outcome, want.Value)
					}
				}
			}
		}
	}
}
