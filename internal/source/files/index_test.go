package files_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/source/files"
)

// connect makes files of texts, and connects to them.
func connect(t *testing.T, texts map[string]string) engine.Connection {
	t.Helper()
	folder := t.TempDir()
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src, err := files.New(source.NewSettings("lake", "files", map[string]string{"path": folder}))
	if err != nil {
		t.Fatal(err)
	}
	c, err := src.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func query(t *testing.T, c engine.Connection, sql string) [][]any {
	t.Helper()
	r, err := c.Query(t.Context(), sql, 1<<20)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return r.Rows
}

// awkward are values, by column, that SQLite holds equal in spite of their types, case and spaces, or may.
var awkward = map[string][]string{
	"whole": {"0", "1", "2", "-1", "9007199254740993", ""},
	"real":  {"0.5", "1.0", "-0.0", "0.1", "0.30000000000000004", "1e300", ""},
	"name":  {"a", "A", "a ", "1", "1.0", "01", " 1", "0.3", "1e300", "0.1", "inf", "nan", "x", ""},
	"day":   {"2026-01-01", "2026-01-02", ""},
	"flag":  {"true", "false", ""},
}

var awkwardColumns = []string{"whole", "real", "name", "day", "flag"}

func awkwardTable(random *rand.Rand) string {
	lines := []string{"id," + strings.Join(awkwardColumns, ",")}
	for row := range 200 {
		fields := []string{fmt.Sprint(row)}
		for _, name := range awkwardColumns {
			fields = append(fields, awkward[name][random.IntN(len(awkward[name]))])
		}
		lines = append(lines, strings.Join(fields, ","))
	}
	return strings.Join(lines, "\n")
}

// TestJoinsFindTheSameRows compares joins, which find rows by an index, with those whose condition no index serves.
func TestJoinsFindTheSameRows(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	c := connect(t, map[string]string{"one.csv": awkwardTable(random), "two.csv": awkwardTable(random)})
	pairs := 0
	for _, a := range append([]string{"real + 0", "whole + 0", "name || ''"}, awkwardColumns...) { // calculated ones have no affinity
		for _, b := range awkwardColumns {
			for _, collation := range []string{"", " COLLATE NOCASE", " COLLATE RTRIM"} {
				// The order of a CROSS JOIN is kept: two is looked up. With a LIMIT a condition stays outside, where no index serves it.
				got := query(t, c, fmt.Sprintf("SELECT one.id, two.id FROM one CROSS JOIN two ON one.%s = two.%s%s ORDER BY 1, 2", a, b, collation))
				plain := query(t, c, fmt.Sprintf("SELECT o.id, w.id FROM (SELECT * FROM one LIMIT -1) o, (SELECT * FROM two LIMIT -1) w WHERE o.%s = w.%s%s ORDER BY 1, 2", a, b, collation))
				if !slices.EqualFunc(got, plain, slices.Equal) {
					t.Errorf("%s = %s%s: %d rows by an index, %d without", a, b, collation, len(got), len(plain))
				}
				pairs += len(plain)
			}
		}
	}
	if pairs < 100_000 {
		t.Errorf("only %d pairs of rows compared", pairs)
	}
	for condition, want := range map[string]int{"two.id = one.id": 200, "two.id = one.id AND two.id = one.id + 0": 200, "two.id = 7": 200, "two.id IN (3, 4, 3, NULL)": 400, "two.id = NULL": 0} {
		if n := len(query(t, c, "SELECT 1 FROM one JOIN two ON "+condition)); n != want {
			t.Errorf("%s: %d rows, want %d", condition, n, want)
		}
	}
}

// TestJoinsReadNoTableAgain sees the plan of a reference check: the other table is not read once for every row.
func TestJoinsReadNoTableAgain(t *testing.T) {
	c := connect(t, map[string]string{"orders.csv": "customer,day\n1,2026-01-01\n9,2026-01-01\n", "customers.csv": "id,day\n1,2026-01-01\n2,2026-01-01\n"})
	plan := fmt.Sprint(query(t, c, "EXPLAIN QUERY PLAN SELECT COUNT(*) FROM orders SOURCE LEFT JOIN customers TARGET ON SOURCE.customer = TARGET.id AND SOURCE.day = TARGET.day WHERE SOURCE.customer IS NOT NULL AND TARGET.id IS NULL"))
	if !regexp.MustCompile(`TARGET VIRTUAL TABLE INDEX 0:(0,1|1,0) `).MatchString(plan) {
		t.Errorf("the plan is %s", plan)
	}
}
