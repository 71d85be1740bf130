package engine

import "testing"

// TestColumnsOfStatements: what a statement selects is found wherever it stands, and what it only compares with is not.
func TestColumnsOfStatements(t *testing.T) {
	p := (&Sampling{Exclude: map[string][]string{"people": {"email", "pii_*", "e.*x"}}}).excluded("Shop.People")
	for _, tc := range []struct{ sql, want string }{
		{"SELECT id FROM people WHERE email IS NULL AND pii_a = 'x'", ""},
		{"SELECT id, 'email' AS note -- email\n FROM people", ""},
		{"SELECT count(*) FROM people", ""},
		{"SELECT price * quantity FROM people", ""},
		{"SELECT * FROM people", "*"},
		{"SELECT DISTINCT * FROM people", "*"},
		{"SELECT id, p.* FROM people p", "*"},
		{`SELECT id, P."EMAIL" AS e FROM people p`, "EMAIL"},
		{"SELECT lower(email) FROM people", "email"},
		{"SELECT CASE WHEN id > 1 THEN PII_name END FROM people", "PII_name"},
		{"WITH x AS (SELECT email AS a FROM people) SELECT a FROM x", "email"},
		{"SELECT a FROM (SELECT id, e1x AS a FROM people) q", "e1x"},
		{"SELECT id, (SELECT max(u.email) FROM u WHERE u.id = p.id) FROM people p", "email"},
		{"SELECT EXTRACT(year FROM pii_birth) FROM people", "pii_birth"},
		{"SELECT id FROM people UNION SELECT email FROM people", "email"},
		{"SELECT ')', email FROM people", "email"},
		{")))) SELECT [email] FROM people", "email"},
	} {
		if got := p.matchSelected(tc.sql); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.sql, got, tc.want)
		}
	}
	if (&Sampling{Exclude: map[string][]string{"people": {"("}}}).excluded("people").match("x") {
		t.Error("a pattern that is no regular expression matches what it is not")
	}
}

func FuzzColumnsOfStatements(f *testing.F) {
	f.Add("SELECT a, (b) FROM c", "a*")
	f.Fuzz(func(t *testing.T, sql, pattern string) {
		p := (&Sampling{Exclude: map[string][]string{"t": {pattern}}}).excluded("t")
		p.matchSelected(sql)
	})
}
