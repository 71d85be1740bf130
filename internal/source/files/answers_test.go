package files_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestReferencesAreCountedAlike compares reference checks, which are answered from columns where both are of a kind, with joins of
// the same meaning that only SQLite understands.
func TestReferencesAreCountedAlike(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	c := connect(t, map[string]string{"one.csv": awkwardTable(random), "two.csv": "id,whole,real,name,day,flag,other\n1,1,0.5,a,2026-01-01,,1\n2,1,-0.0,01,,true,2\n3,,,,,,3\n4,2,0.1,A,2026-01-01,true,4\n"})
	for _, filter := range []string{"", "\nWHERE whole > 0 OR SOURCE.flag"} {
		for i, a := range awkwardColumns {
			for j, b := range awkwardColumns {
				on := fmt.Sprintf("SOURCE.%s = TARGET.%s", a, b)
				missing, found := fmt.Sprintf("(SOURCE.%s IS NOT NULL AND TARGET.%s IS NULL)", a, b), fmt.Sprintf("TARGET.%s IS NOT NULL", b)
				a2, b2 := awkwardColumns[(i+1)%5], awkwardColumns[(j+1)%5]
				on2 := fmt.Sprintf("%s AND TARGET.%s = SOURCE.%s", on, b2, a2)
				missing2, found2 := fmt.Sprintf("%s OR (SOURCE.%s IS NOT NULL AND TARGET.%s IS NULL)", missing, a2, b2), fmt.Sprintf("%s AND TARGET.%s IS NOT NULL", found, b2)
				for _, q := range [][2]string{{on, missing}, {on, found}, {on2, missing2}, {on2, found2}, {on, "NOT (" + missing + ")"}} {
					source := "one SOURCE"
					if filter != "" {
						source = "(SELECT *\nFROM one SOURCE" + filter + ") SOURCE"
					}
					got := query(t, c, fmt.Sprintf("SELECT COUNT(*)\nFROM %s\nLEFT JOIN two TARGET ON %s\nWHERE %s", source, q[0], q[1]))
					want := query(t, c, fmt.Sprintf("SELECT COUNT(*) FROM (SELECT * FROM one SOURCE%s LIMIT -1) SOURCE LEFT JOIN (SELECT * FROM two LIMIT -1) TARGET ON %s WHERE %s", filter, q[0], q[1]))
					if got[0][0] != want[0][0] {
						t.Errorf("%s, where %s%s: %v, want %v", q[0], q[1], filter, got, want)
					}
				}
			}
		}
	}
}

// TestDividedStatements compares statements some of whose items SQLite answers with those that it answers whole.
func TestDividedStatements(t *testing.T) {
	c := connect(t, map[string]string{"one.csv": awkwardTable(rand.New(rand.NewPCG(5, 6)))})
	items := "COUNT(*), MIN(LENGTH(whole)), AVG(real), MAX(day), COUNT(CASE WHEN whole REGEXP '^1' THEN 1 END), MAX(UPPER(name)), MIN(name), COUNT(*) - COUNT(flag)"
	for _, where := range []string{"", " WHERE whole > 0", " WHERE whole > 0 AND flag", " WHERE id < 0"} {
		got, want := query(t, c, "SELECT "+items+" FROM one"+where), query(t, c, "SELECT "+items+" FROM (SELECT * FROM one LIMIT -1)"+where)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", where, got, want)
		}
	}
	if r, err := c.Query(t.Context(), "SELECT COUNT(*), MIN(LENGTH(whole)) FROM one", 0); err != nil || r.Count != 1 || len(r.Columns) != 2 || len(r.Rows) != 0 {
		t.Errorf("%v, %v", r, err)
	}
}

// TestGroupsAreAlike compares groups with those that SQLite makes: names, rows and their order.
func TestGroupsAreAlike(t *testing.T) {
	c := connect(t, map[string]string{"one.csv": awkwardTable(rand.New(rand.NewPCG(7, 8)))})
	for _, q := range []string{
		"SELECT flag, COUNT(*) AS n, AVG(real) AS mean, MIN(day) AS first FROM %s GROUP BY flag", "SELECT COUNT(name) AS n, Name, day AS d FROM %s WHERE whole >= 0 GROUP BY day, name",
		"SELECT real, COUNT(DISTINCT name) AS n FROM %s GROUP BY real", "SELECT name, SUM(whole) AS s FROM %s WHERE id < 0 GROUP BY name", "SELECT whole, MAX(id) - MIN(id) AS span, MAX(flag) AS any FROM %s GROUP BY whole",
	} {
		var answers []string
		for _, from := range []string{"one", "(SELECT * FROM one LIMIT -1)"} {
			r, err := c.Query(t.Context(), fmt.Sprintf(q, from), 1<<20)
			if err != nil {
				t.Fatalf("%s: %v", q, err)
			}
			answer := fmt.Sprint(r.Count, len(r.Columns))
			for i, c := range r.Columns {
				answer += " " + c.Name
				for _, row := range r.Rows {
					answer += fmt.Sprintf(" %T %v", row[i], row[i])
				}
			}
			answers = append(answers, answer)
		}
		if answers[0] != answers[1] {
			t.Errorf("%s: %s\nwant %s", q, answers[0], answers[1])
		}
	}
}
