package quick_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/source/files/column"
	"github.com/sodalite-dq/sodalite/internal/source/files/quick"
)

const data = `id,amount,status,day,flag
1,1.5,new,2026-03-01,true
2,-2.25,paid,2026-03-02,false
2,,it's,,true
4,4,,2026-03-04,
`

func tables(t testing.TB) func(string) (*column.Table, error) {
	table, err := column.OpenCSV(t.Context(), strings.NewReader(data), int64(len(data)), column.CSV{})
	if err != nil {
		t.Fatal(err)
	}
	return func(name string) (*column.Table, error) {
		if name == "t" || name == "u" {
			return table, nil
		}
		return nil, nil
	}
}

func TestAnswers(t *testing.T) {
	for sql, want := range map[string]any{
		"SELECT COUNT(*) FROM t":                                                     int64(4),
		"SELECT COUNT(*) - COUNT(amount) FROM t":                                     int64(1),
		"SELECT SUM(id) FROM t":                                                      int64(9),
		"SELECT SUM(amount) FROM t WHERE id > 1":                                     1.75,
		"SELECT AVG(id) FROM t":                                                      2.25,
		"SELECT MIN(status) FROM t":                                                  "it's",
		"SELECT MAX(day) FROM t WHERE day < '2026-03-03'":                            "2026-03-02",
		"SELECT COUNT(DISTINCT id) FROM t":                                           int64(3),
		"SELECT PERCENTILE_DISC(id, 0.5) FROM t":                                     int64(2),
		"SELECT VAR_POP(id) FROM t":                                                  1.1875,
		"SELECT COUNT(*) FROM t WHERE NOT (amount > 0)":                              int64(1), // NULL is neither
		"SELECT COUNT(*) FROM t WHERE status NOT IN ('paid')":                        int64(2),
		"SELECT COUNT(*) FROM t WHERE amount BETWEEN 1 AND 4":                        int64(2),
		"SELECT COUNT(*) FROM t WHERE status LIKE '%a_d'":                            int64(1),
		"SELECT COUNT(CASE WHEN status REGEXP '^n' OR amount < 0 THEN 1 END) FROM t": int64(2),
		"SELECT MAX(LENGTH(status)) FROM t":                                          int64(4),
		"SELECT COUNT(*) FROM t WHERE flag":                                          int64(2),
		"SELECT MAX(amount) FROM t WHERE id > 9":                                     nil,
		"SELECT SUM(id) / COUNT(*) FROM t":                                           int64(2),
		"WITH f AS (SELECT COUNT(*) AS n FROM t WHERE id IS NOT NULL GROUP BY id) SELECT COUNT(*) FROM f WHERE n > 1":        int64(1),
		"SELECT COUNT(*) FROM (SELECT COUNT(*) AS n FROM t GROUP BY status, id) AS f":                                        int64(4),
		`SELECT COUNT("status") FROM "t" WHERE "status" = 'it''s'`:                                                           int64(1),
		"SELECT MIN(CASE WHEN NOT (amount IS NULL) AND NOT (status IS NULL) THEN amount END) FROM t":                         -2.25,
		"SELECT COUNT(CASE WHEN NOT (status IS NULL OR status IN ('paid')) AND NOT (LENGTH(status) >= 4) THEN 1 END) FROM t": int64(1),
		"SELECT COUNT(*) FROM t WHERE t.id > 1 AND flag":                                                                     int64(1),
		"SELECT COUNT(*) FROM t AS a LEFT JOIN u b ON a.id = b.id WHERE (a.id IS NOT NULL AND b.id IS NULL)":                 int64(0),
		"SELECT COUNT(*) FROM t a LEFT JOIN u b ON b.id = a.id WHERE b.id IS NOT NULL":                                       int64(6),
		"SELECT COUNT(*) FROM t LEFT JOIN u ON t.status = u.day WHERE t.status IS NOT NULL AND u.day IS NULL":                int64(3),
		"SELECT COUNT(*) FROM (SELECT * FROM t a WHERE id = 2 OR a.flag) a LEFT JOIN u b ON a.status = b.status AND a.amount = b.amount WHERE (a.status IS NOT NULL AND b.status IS NULL) OR (a.amount IS NOT NULL AND b.amount IS NULL)": int64(1),
	} {
		r, err := quick.Run(t.Context(), sql, tables(t))
		if err != nil || len(r.Rows) != 1 || len(r.Rows[0]) != 1 || r.Rows[0][0] != want {
			t.Errorf("%s: %v, %v; want %v", sql, r, err, want)
		}
	}
}

func TestGroups(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT flag, COUNT(*) AS n, AVG(amount) AS mean FROM t GROUP BY flag":                               "[flag n mean] [boolean bigint double] [[<nil> 1 4] [0 1 -2.25] [1 2 1.5]]",
		"SELECT MAX(day) AS last, ID FROM t WHERE id > 1 GROUP BY id":                                        "[last id] [date bigint] [[2026-03-02 2] [2026-03-04 4]]",
		"SELECT x.status AS s, SUM(id) * 2 AS double_sum, x.id FROM t x GROUP BY id, status":                 "[s double_sum id] [varchar bigint bigint] [[new 2 1] [it's 4 2] [paid 4 2] [<nil> 8 4]]",
		"SELECT status, COUNT(DISTINCT day) AS days, MIN(amount) AS low FROM t WHERE id > 9 GROUP BY status": "[status days low] [varchar bigint double] []",
	} {
		r, err := quick.Run(t.Context(), sql, tables(t))
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			continue
		}
		if got := fmt.Sprint(r.Names, r.Types, r.Rows); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}

// TestRefusals are statements that only look as if they could be answered, or mean something else to each database.
func TestRefusals(t *testing.T) {
	for _, sql := range []string{
		"", "SELECT", "SELECT * FROM t", "SELECT id FROM t", "SELECT COUNT(*) FROM t; DROP TABLE t", "SELECT COUNT(*) FROM nowhere", "SELECT COUNT(nope) FROM t",
		"SELECT COUNT(*) FROM t -- comment", "SELECT COUNT(*) FROM t a JOIN t b ON a.id = b.id", "SELECT SUM(status) FROM t", "SELECT COUNT(*) FROM t WHERE id = '2'",
		"SELECT COUNT(*) FROM t WHERE status = 2", "SELECT COUNT(*) FROM t WHERE id IN (1, NULL)", "SELECT COUNT(*) FROM t WHERE 1 < id < 3", "SELECT COUNT(*) FROM t LIMIT 1",
		"SELECT COUNT(*) FROM t WHERE status REGEXP '('", "SELECT SUM(id * 9223372036854775807) FROM t", "SELECT COUNT(*) OVER () FROM t", "SELECT UPPER(status) FROM t",
		"SELECT COUNT(*) FROM t WHERE id = NULL", "SELECT COUNT(*) FROM t GROUP BY id", "SELECT status, COUNT(*) AS n FROM t GROUP BY id", "SELECT id AS i, COUNT(*) AS n FROM t GROUP BY i",
		"SELECT id, COUNT(*) AS n FROM t GROUP BY id HAVING COUNT(*) > 1", "SELECT id, COUNT(*) AS n FROM t GROUP BY id ORDER BY n", "SELECT id, COUNT(*) AS n FROM t GROUP BY 1", "SELECT id + 1 AS x, COUNT(*) AS n FROM t GROUP BY id",
		"SELECT t.id, COUNT(*) AS n FROM t LEFT JOIN u ON t.id = u.id WHERE u.id IS NULL GROUP BY id", "SELECT COUNT(*), * FROM t", "SELECT *, COUNT(*) FROM t", "SELECT COUNT(*) FROM t a WHERE t.id > 1",
		"SELECT COUNT(*) FROM t LEFT JOIN u ON t.id = u.id", "SELECT COUNT(*) FROM t LEFT JOIN u ON t.id = u.amount WHERE u.amount IS NULL", "SELECT COUNT(*) FROM t LEFT JOIN t ON t.id = t.id WHERE t.id IS NULL",
		"SELECT COUNT(*) FROM t LEFT JOIN u ON t.id = u.id WHERE u.day IS NULL", "SELECT COUNT(*) FROM t LEFT JOIN u ON t.id = u.id WHERE u.id > 1", "SELECT COUNT(*) FROM t LEFT JOIN u ON t.id = u.id WHERE id IS NULL",
		"SELECT COUNT(*) FROM t LEFT JOIN u ON t.id < u.id WHERE u.id IS NULL", "SELECT COUNT(*) FROM t LEFT JOIN u ON t.id = u.id AND 1 = 1 WHERE u.id IS NULL", "SELECT COUNT(*) FROM t LEFT JOIN u ON t.id = t.id WHERE u.id IS NULL",
		"SELECT COUNT(*) FROM (SELECT id FROM t a) a LEFT JOIN u ON a.id = u.id WHERE u.id IS NULL", "SELECT COUNT(*) FROM (SELECT * FROM t) a LEFT JOIN u ON a.id = u.id WHERE u.id IS NULL", "SELECT COUNT(*) FROM (SELECT * FROM t) AS t",
		"SELECT SUM(t.id) FROM t LEFT JOIN u ON t.id = u.id WHERE u.id IS NULL", "WITH f AS (SELECT COUNT(*) AS n FROM t LEFT JOIN u ON t.id = u.id WHERE u.id IS NULL GROUP BY id) SELECT COUNT(*) FROM f",
	} {
		if r, err := quick.Run(t.Context(), sql, tables(t)); err != quick.ErrUnsupported {
			t.Errorf("%s: %v, %v", sql, r, err)
		}
	}
}

func TestDivide(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT COUNT(*), MIN(LENGTH(id)), AVG(amount) FROM t WHERE id > 1":                                            "SELECT COUNT(*), AVG(amount) FROM t WHERE id > 1; SELECT MIN(LENGTH(id)) FROM t WHERE id > 1; [true false true] [0 0 1]",
		"select sum(upper(status)),\n  COUNT(CASE WHEN id IN (1, 2) THEN 1 END), COUNT(DISTINCT UPPER(status)) from t": "SELECT COUNT(CASE WHEN id IN (1, 2) THEN 1 END) from t; SELECT sum(upper(status)), COUNT(DISTINCT UPPER(status)) from t; [false true false] [0 0 1]",
		"SELECT COUNT(*), AVG(amount) FROM t":                                                                          "", "SELECT MIN(LENGTH(id)) FROM t": "", "SELECT MIN(LENGTH(id)), MAX(LENGTH(id)) FROM t": "", // nothing to divide
		"SELECT MAX(id), status FROM t": "", "SELECT COUNT(*), MAX(LENGTH(id), 2) FROM t": "", "SELECT COUNT(*), LENGTH(id) FROM t": "", "SELECT COUNT(*), MAX(LENGTH(id)) + id FROM t": "", "SELECT COUNT(*), * FROM t": "",
		"SELECT COUNT(*), MIN(LENGTH(id)) FROM t GROUP BY id": "", "SELECT COUNT(*), MIN(LENGTH(id)) FROM t LIMIT 0": "", "SELECT COUNT(*), MIN(LENGTH(id)) FROM nowhere": "", "SELECT COUNT(*), MIN(LENGTH(id)) FROM t HAVING COUNT(*) > 9": "",
		"SELECT COUNT(*), , COUNT(*) FROM t": "", "SELECT COUNT(*)": "", "": "", "SELECT COUNT(*), MIN(LENGTH(id)) FROM t WHERE UPPER(status) = 'A'": "",
	} {
		d, err := quick.Divide(sql, tables(t))
		got := ""
		if err == nil {
			got = fmt.Sprintf("%s; %s; %v %v", d.Own, d.Other, d.IsOwn, d.Places)
		}
		if got != want || (want == "") != (err == quick.ErrUnsupported) {
			t.Errorf("%s: %s, %v; want %s", sql, got, err, want)
		}
	}
}

func FuzzRun(f *testing.F) {
	f.Add("SELECT COUNT(*), AVG(amount) FROM t WHERE NOT (status IN ('a', 'b') OR id BETWEEN 1 AND -2.5)")
	f.Add("SELECT COUNT(*) FROM (SELECT * FROM t a WHERE id = 2) a LEFT JOIN u AS b ON a.id = b.id WHERE a.id IS NOT NULL AND NOT (b.id IS NULL)")
	f.Add("SELECT a.flag, COUNT(*) AS n, AVG(amount) AS mean, MIN(day) AS first FROM t AS a WHERE id > 1 GROUP BY flag, status")
	f.Add("WITH f AS (SELECT COUNT(*) AS n FROM t GROUP BY id) SELECT COUNT(*) FROM f WHERE n > 1")
	lookup := tables(f)
	f.Fuzz(func(t *testing.T, sql string) {
		_, _ = quick.Run(t.Context(), sql, lookup) // it must not panic, nor run for ever
		_, _ = quick.Divide(sql, lookup)
	})
}
