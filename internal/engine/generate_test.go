package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// generator makes up tables and checks from a seed. The same seed gives the same, so that a difference can be looked at again.
type generator struct {
	*rand.Rand
	tables []*madeTable
	// history and partition tell what the scan at hand has: with a server, the reference client asks it which attributes there
	// are; in a partition, its reference checks are ambiguous.
	history, partition bool
	// clean: no check has a mistake, and no time a zone (which the reference client reads on DuckDB with one more library only).
	clean bool
}

type madeTable struct {
	name    string
	columns []madeColumn
	rows    [][]string // SQL literals
}

type madeColumn struct{ name, kind string }

// madeScan is a text of checks, and how many of them there are.
type madeScan struct {
	sodacl  string
	vars    map[string]string
	history []any
}

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

// chance is true in percent of cases.
func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

var columnKinds = map[string][]string{
	"int":              {"0", "1", "2", "3", "5", "-7", "100", "NULL"},
	"bigint":           {"0", "1", "4000000000", "-4000000000", "12", "NULL"},
	"numeric(12,2)":    {"0", "1.50", "2.25", "-3.75", "100.10", "NULL", "0.01"},
	"double precision": {"0", "0.5", "1.25", "-2.5", "1e6", "NULL"},
	"varchar": {"''", "' '", "'a'", "'b'", "'ab'", "'A'", "'N/A'", "'12'", "'-3'", "'1.5'", "'1,5'", "'x@y.com'", "'user@example.com'", "'2026-01-02'", "'12:30'", "'O''B'", "'ünal'",
		"'a_b'", "'50 %'", "'550e8400-e29b-41d4-a716-446655440000'", "NULL", "NULL"},
	"date":        {"DATE '2026-01-01'", "DATE '2026-01-02'", "DATE '2025-12-31'", "NULL"},
	"timestamp":   {"TIMESTAMP '2026-01-01 12:00:00'", "TIMESTAMP '2026-01-02 11:59:59.5'", "TIMESTAMP '2025-12-31 00:00:00'", "NULL"},
	"timestamptz": {"TIMESTAMPTZ '2026-01-01 12:00:00+02'", "TIMESTAMPTZ '2026-01-02 11:00:00+00'", "NULL"},
	"boolean":     {"true", "false", "NULL"},
}

var columnNames = []string{"amount", "qty", "status", "note", "created", "seen", "flag", "ratio", `"order"`, `"Two words"`, "code_1", "Kind", `"größe"`}

// newGenerator makes tables: some empty, some with columns that hold nothing but NULL, some with names that need quotes.
func newGenerator(seed uint64, clean bool) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 7)), clean: clean}
	for _, name := range []string{"one", "two", "three", `"Table four"`, "empty_one"} {
		t := &madeTable{name: name, columns: []madeColumn{{"id", "int"}}}
		names := slices.Clone(columnNames)
		g.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		kinds := []string{"int", "varchar", "varchar", "double precision", "numeric(12,2)", "timestamp"}
		for range 3 {
			kinds = append(kinds, pick(g, "bigint", "date", "timestamptz", "boolean", "varchar", "int"))
		}
		for i, kind := range kinds {
			if clean && kind == "timestamptz" {
				kind = "timestamp"
			}
			t.columns = append(t.columns, madeColumn{names[i], kind})
		}
		for r := range g.IntN(30) + 1 {
			if name == "empty_one" {
				break
			}
			row := []string{fmt.Sprint(r)}
			for i, c := range t.columns[1:] {
				value := pick(g, columnKinds[c.kind]...)
				if name == "three" && i%3 == 2 {
					value = "NULL"
				}
				row = append(row, value)
			}
			t.rows = append(t.rows, row)
		}
		g.tables = append(g.tables, t)
	}
	return g
}

// sql creates and fills the tables.
func (g *generator) sql() string {
	var out strings.Builder
	for _, t := range g.tables {
		var columns []string
		for _, c := range t.columns {
			columns = append(columns, c.name+" "+c.kind)
		}
		fmt.Fprintf(&out, "CREATE TABLE %s (%s);\n", t.name, strings.Join(columns, ", "))
		for _, row := range t.rows {
			fmt.Fprintf(&out, "INSERT INTO %s VALUES (%s);\n", t.name, strings.Join(row, ", "))
		}
	}
	return out.String()
}

// column is a column of one of the kinds, "" if there is none.
func (t *madeTable) column(g *generator, kinds ...string) string {
	var fit []string
	for _, c := range t.columns {
		if len(kinds) == 0 || slices.Contains(kinds, c.kind) {
			fit = append(fit, c.name)
		}
	}
	if len(fit) == 0 {
		return "id"
	}
	return pick(g, fit...)
}

var numericKinds = []string{"int", "bigint", "numeric(12,2)", "double precision"}

// scan makes one text of checks. A scan with a check that goes wrong has only that one, because the reference client loses
// others with it, which is a known deviation and not what is looked for.
func (g *generator) scan() madeScan {
	s := madeScan{vars: map[string]string{"TH": pick(g, "1", "2.5", " 3 ", "1e1"), "NOW": "2026-01-02 12:00:00", "MY_NOW": "2026-01-02T13:00:00+01:00", "AGE": "12h", "WORD": "a"}}
	var out strings.Builder
	t := pick(g, g.tables...)
	if !g.clean && g.chance(15) {
		fmt.Fprintf(&out, "checks for %s:\n%s", t.name, g.wrong(t))
		s.sodacl = out.String()
		return s
	}
	if g.history = g.chance(30); g.history {
		s.history = [][]any{{3}, {0}, {2.5}, {}, {nil}, {-4, 8}}[g.IntN(6)]
	}
	header := t.name
	if g.partition = g.chance(25); g.partition {
		header += " [" + pick(g, "part", "some-day", "p2") + "]"
		fmt.Fprintf(&out, "filter %s:\n  where: %s\n", header, g.condition(t, false))
	}
	if g.chance(25) {
		c := t.column(g, "varchar")
		fmt.Fprintf(&out, "configurations for %s:\n  %s for %s: %s\n", t.name, pick(g, "missing values", "valid values"), c, pick(g, "[N/A]", "['', a]"))
	}
	if g.chance(10) {
		fmt.Fprintf(&out, "for each dataset D:\n  datasets: [%s]\n  checks:\n    - row_count %s:\n        name: rows of ${D}\n    - missing_count(id) %s\n", pick(g, "one", "t%", "%o%, exclude tw%"), g.threshold(), g.threshold())
	}
	fmt.Fprintf(&out, "checks for %s:\n", header)
	known := map[string]string{}
	for range 3 + g.IntN(14) {
		key, text := g.check(t)
		if before, ok := known[key]; ok && before != text {
			continue // the reference client would share one metric between the two
		}
		known[key] = text
		out.WriteString(text)
	}
	s.sodacl = out.String()
	return s
}

// number is the number of a threshold.
func (g *generator) number() string {
	return pick(g, "0", "1", "2", "3", "5", "10", "20", "33.33", "50", "100", "-1", "0.5", "4.", ".5", "+2", "1e1", "1_0", "${TH}", "2 %", "50%")
}

func (g *generator) comparison() string {
	if g.chance(25) {
		a, b := g.IntN(10), g.IntN(20)
		return pick(g, "", "not ") + fmt.Sprintf("between %s%d and %d%s", pick(g, "", "(", "["), a, a+b, pick(g, "", ")", "]"))
	}
	return pick(g, "<", "<=", "=", ">=", ">", "!=", "<>") + " " + g.number()
}

// threshold is one behind a metric.
func (g *generator) threshold() string { return g.comparison() }

// condition is an SQL condition on the table. With or, it may have an OR on its outside, which not all of the reference
// client's statements put in parentheses.
func (g *generator) condition(t *madeTable, or bool) string {
	simple := func() string {
		switch g.IntN(4) {
		case 0:
			return fmt.Sprintf("id %s %d", pick(g, "<", ">", "<>", "="), g.IntN(20))
		case 1:
			return fmt.Sprintf("%s %s", t.column(g, numericKinds...), pick(g, "> 0", "<= 2", "is not null", "between 0 and 3"))
		case 2:
			return fmt.Sprintf("%s %s", t.column(g, "varchar"), pick(g, "= 'a'", "<> ''", "is null", "= '${WORD}'", "like 'a%'"))
		}
		return fmt.Sprintf("%s < TIMESTAMP '2026-01-02 00:00:00'", t.column(g, "timestamp"))
	}
	text := simple()
	if g.chance(20) {
		text += " and " + simple()
	}
	if g.chance(10) {
		text += " and id in (" + strings.TrimSuffix(strings.Repeat("1, 2, 3, 5, 8, 13,  21, ", 4), ", ") + ")"
	}
	if or && g.chance(20) {
		text += " or " + simple()
	}
	if !strings.ContainsAny(text, "#'\"") && g.chance(50) {
		return text
	}
	return yamlText(text)
}

// yamlText quotes a text where YAML would read something else.
func yamlText(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// plainText is the text that YAML reads.
func plainText(s string) string {
	if !strings.HasPrefix(s, "'") {
		return s
	}
	return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
}

// validity gives lines of validity configuration for a column, which may be none.
func (g *generator) validity(kind string, invalidToo bool) []string {
	var lines []string
	add := func(percent int, format string, args ...any) {
		if g.chance(percent) {
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	text := []string{"[a, b]", "['', N/A]", "[ab]", "[a, \"O''B\"]", "[x@y.com, '12']"}
	numbers := []string{"[0, 1]", "[2, 3, 5]", "[-7]", "[1.5, 2.25]"}
	format := func() string {
		return pick(g, "integer", "positive integer", "decimal", "decimal point", "percentage", "email", "uuid", "date iso 8601", "time 24h", "negative decimal comma", "phone number", "money")
	}
	if kind == "varchar" {
		add(25, "missing values: %s", pick(g, text...))
		add(10, "missing regex: %s", pick(g, "^N.A$", "'^ *$'"))
		add(5, "missing format: %s", format())
		add(30, "valid values: %s", pick(g, text...))
		add(20, "valid format: %s", format())
		add(15, "valid regex: %s", pick(g, "^[a-z]$", "'[0-9]+'", "'^\\d+$'", "a_b"))
		add(10, "valid length: %d", g.IntN(4))
		add(15, "valid min length: %d", g.IntN(3))
		add(15, "valid max length: %d", g.IntN(5))
		if invalidToo {
			add(15, "invalid values: %s", pick(g, text...))
			add(10, "invalid format: %s", format())
			add(10, "invalid regex: %s", pick(g, "^[a-z]$", "'[0-9]+'"))
		}
	} else {
		add(20, "missing values: %s", pick(g, numbers...))
		add(30, "valid min: %s", pick(g, "0", "1", "-2.5", "'2'"))
		add(30, "valid max: %s", pick(g, "1", "3.5", "100"))
		add(15, "valid values: %s", pick(g, numbers...))
		if invalidToo {
			add(10, "invalid values: %s", pick(g, numbers...))
		}
	}
	if invalidToo {
		add(10, "include null: true")
	}
	return lines
}

// lengthValidity has no format, because the reference client would take the length of numbers where the format is one of
// numbers, and no "include null", which it joins to the filter without parentheses.
func (g *generator) lengthValidity() []string {
	return slices.DeleteFunc(g.validity("varchar", true), func(s string) bool { return strings.HasPrefix(s, "valid format") || s == "include null: true" })
}

// entry writes a check line with its configuration.
func (g *generator) entry(line string, config ...string) string {
	if g.chance(10) {
		config = append(config, "name: "+pick(g, "a name", "with ${WORD}", "'a: b'"))
	}
	if g.chance(5) {
		config = append(config, "identity: own-"+fmt.Sprint(g.IntN(1000)))
	}
	if g.chance(5) && !g.history {
		config = append(config, "attributes: {team: "+pick(g, "a", "${WORD}", "7", "true")+", tags: [x, y]}")
	}
	if g.chance(5) {
		config = append(config, fmt.Sprintf("samples limit: %d", g.IntN(5)))
	}
	if len(config) == 0 {
		return "  - " + quotedKey(line, false) + "\n"
	}
	return "  - " + quotedKey(line, true) + ":\n      " + strings.Join(config, "\n      ") + "\n"
}

// quotedKey puts a line in quotes if YAML asks for it.
func quotedKey(line string, key bool) string {
	if strings.ContainsAny(line, "#\"") || strings.Contains(line, ": ") {
		return yamlText(line)
	}
	return line
}

// alerts gives warn and fail lines.
func (g *generator) alerts() []string {
	var lines []string
	if g.chance(70) {
		lines = append(lines, "warn: when "+g.comparison())
	}
	if len(lines) == 0 || g.chance(70) {
		lines = append(lines, "fail: when "+g.comparison())
	}
	return lines
}

// judged is an entry with a threshold on the line or below it.
func (g *generator) judged(metric string, config ...string) string {
	if g.chance(75) {
		return g.entry(metric+" "+g.threshold(), config...)
	}
	return g.entry(metric, append(g.alerts(), config...)...)
}

// check makes one check that should work, with a key by which the reference client tells its metric apart.
func (g *generator) check(t *madeTable) (key, text string) {
	filter := func(or bool) []string {
		if g.chance(25) {
			return []string{"filter: " + g.condition(t, or)}
		}
		return nil
	}
	prefix := ""
	if g.history && g.chance(40) {
		prefix = pick(g, "change for ", "change percent for ", "change same day last week for ", "change same day last week percent for ")
	}
	switch g.IntN(16) {
	case 0, 1:
		config := filter(true)
		return "row_count" + fmt.Sprint(config), g.judged(prefix+"row_count", config...)
	case 2, 3:
		c := t.column(g, numericKinds...)
		metric := pick(g, "avg", "sum", "min", "max", "stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp")
		config := append(slices.DeleteFunc(g.validity("int", true), func(s string) bool { return s == "include null: true" }), filter(false)...)
		return metric + c, g.judged(prefix+metric+"("+c+")", config...)
	case 4:
		c := t.column(g, numericKinds...)
		return "percentile" + c, g.judged(prefix+"percentile("+c+", "+pick(g, "0.5", ".9", "0", "1")+")", filter(false)...)
	case 5:
		c := t.column(g, "varchar")
		metric := pick(g, "avg_length", "min_length", "max_length")
		return metric + c, g.judged(prefix+metric+"("+c+")", append(g.lengthValidity(), filter(false)...)...)
	case 6, 7:
		kind := pick(g, "varchar", "int", "double precision", "timestamp")
		c := t.column(g, kind)
		metric := pick(g, "missing_count", "missing_percent")
		var config []string
		if kind != "timestamp" && c != "id" {
			config = slices.DeleteFunc(g.validity(kind, false), func(s string) bool { return strings.HasPrefix(s, "valid") })
		}
		return "missing" + c, g.judged(prefix+metric+"("+c+")", append(config, filter(true)...)...)
	case 8, 9, 10:
		kind := pick(g, "varchar", "varchar", "int", "numeric(12,2)")
		c := t.column(g, kind)
		if c == "id" {
			kind = "int"
		}
		metric := pick(g, "invalid_count", "invalid_percent", "valid_count")
		return strings.TrimSuffix(strings.TrimSuffix(metric, "_count"), "_percent") + c, g.judged(prefix+metric+"("+c+")", append(g.validity(kind, true), filter(true)...)...)
	case 11:
		columns := []string{t.column(g)}
		for g.chance(40) && len(columns) < 3 {
			columns = append(columns, t.column(g))
		}
		list := strings.Join(columns, ", ")
		return "duplicate" + strings.Join(columns[min(1, len(columns)-1):], ","), g.judged(prefix+pick(g, "duplicate_count", "duplicate_percent")+"("+list+")", filter(false)...)
	case 12:
		return g.freshness(t)
	case 13:
		return g.comparisonCheck(t)
	case 14:
		return g.schemaCheck(t)
	}
	return g.rowsCheck(t)
}

func (g *generator) freshness(t *madeTable) (key, text string) {
	c := t.column(g, "timestamp", "date", "timestamptz")
	if c == "id" {
		c = t.column(g, "timestamp")
	}
	line := "freshness(" + c + pick(g, ")", ", MY_NOW)")
	if g.chance(60) {
		text = g.entry(line + " " + pick(g, "<", "<=", "=", ">", "!=") + " " + pick(g, "1d", "12h", "30h", "1d6h30m", "90d", "${AGE}", "5", "1D"))
	} else {
		text = g.entry(line, pick(g, "warn: when > 6h", "fail: when > 12h", "warn: when between 1h and 2d", "warn: when < 23h", "fail: when not between 1h and 2d"), "name: age of "+strings.ReplaceAll(c, `"`, ""))
	}
	return "freshness" + line, text
}

// comparisonCheck looks at another table.
func (g *generator) comparisonCheck(t *madeTable) (key, text string) {
	other := pick(g, g.tables...)
	if g.partition || g.chance(40) {
		line := "row_count same as " + other.name
		return line, g.entry(line)
	}
	a, b := t.column(g, "int"), other.column(g, "int")
	line := fmt.Sprintf("values in (%s) must %sexist in %s (%s)", a, pick(g, "", "not "), other.name, b)
	if g.chance(30) {
		line = fmt.Sprintf("values in (%s, %s) must %sexist in %s (%s, %s)", a, t.column(g, "varchar"), pick(g, "", "not "), other.name, b, other.column(g, "varchar"))
	}
	if strings.Count(line, "id") != strings.Count(line, "id,")+strings.Count(line, "id)") {
		return line, g.entry(line)
	}
	return strings.ReplaceAll(line, "not ", ""), g.entry(line)
}

func (g *generator) schemaCheck(t *madeTable) (key, text string) {
	name := func() string { return strings.Trim(t.column(g), `"`) }
	kind := func() string {
		return pick(g, "integer", "INTEGER", "int", "bigint", "varchar", "text", "numeric", "double precision", "timestamp", "date", "decimal")
	}
	rule := func() string {
		switch g.IntN(5) {
		case 0:
			return fmt.Sprintf("when required column missing: [%s, %s]", name(), pick(g, name(), "gone"))
		case 1:
			return fmt.Sprintf("when forbidden column present: ['%s']", pick(g, name(), "q%", "*e", "nope", "%s%", "[aq].*"))
		case 2:
			return fmt.Sprintf("when wrong column type: {%s: %s, id: %s}", name(), kind(), kind())
		case 3:
			return fmt.Sprintf("when wrong column index: {%s: %d}", name(), g.IntN(5))
		}
		var columns []string
		for _, c := range t.columns {
			if g.chance(95) {
				columns = append(columns, strings.Trim(c.name, `"`)+": ")
			}
		}
		return "when mismatching columns: {" + strings.Join(columns, ", ") + "}"
	}
	lines := []string{pick(g, "warn:", "fail:"), "  " + rule()}
	if g.chance(40) {
		lines = []string{"warn:", "  " + rule(), "fail:", "  " + rule()}
	}
	return "schema" + fmt.Sprint(lines), "  - schema:\n      " + strings.Join(lines, "\n      ") + "\n"
}

// rowsCheck has SQL of its own.
func (g *generator) rowsCheck(t *madeTable) (key, text string) {
	condition := plainText(g.condition(t, false))
	n := t.column(g, numericKinds...)
	switch g.IntN(6) {
	case 0:
		return "condition" + condition, g.plainEntry("failed rows", append(g.maybeAlerts(), "fail condition: "+yamlText(condition))...)
	case 1:
		query := "SELECT * FROM " + t.name + " WHERE " + condition
		return query, g.plainEntry("failed rows", append(g.maybeAlerts(), "fail query: "+yamlText(query))...)
	case 2:
		return "own", g.judged("own_metric", "own_metric expression: "+yamlText(pick(g, "AVG("+n+")", "COUNT(*)", "SUM("+n+" * 2)", "COUNT(DISTINCT "+n+")")))
	case 3:
		query := "SELECT " + pick(g, "COUNT(*)", "AVG("+n+")", "MIN("+n+"), MAX("+n+")", "COUNT(*), NULL") + " FROM " + t.name
		return query, g.judged(pick(g, "own_query", "my-query"), "own_query query: "+yamlText(query))
	case 4:
		group := t.column(g, "varchar", "int", "boolean")
		query := fmt.Sprintf("SELECT %s AS k, COUNT(*) AS cnt, AVG(%s) AS mean FROM %s GROUP BY 1 ORDER BY 1", group, n, t.name)
		return "group by", fmt.Sprintf("  - group by:\n      name: groups\n      query: %s\n      fields: [k]\n      checks:\n        - cnt %s:\n            name: size\n        - mean:\n            name: mean\n            warn: when %s\n", yamlText(query), g.threshold(), g.comparison())
	}
	query := fmt.Sprintf("SELECT DISTINCT %s FROM %s ORDER BY 1", t.column(g, "varchar"), t.name)
	return "group evolution", fmt.Sprintf("  - group evolution:\n      query: %s\n      %s:\n        %s\n", yamlText(query), pick(g, "warn", "fail"), pick(g, "when required group missing: [a]", "when forbidden group present: ['a%']", "when required group missing: [nope, b]"))
}

func (g *generator) maybeAlerts() []string {
	if !g.chance(40) {
		return nil
	}
	return []string{pick(g, "warn: when ", "fail: when ") + pick(g, "> 2", "between 1 and 5", "> 0", ">= 3")}
}

// plainEntry is an entry without identity and the like.
func (g *generator) plainEntry(line string, config ...string) string {
	return "  - " + line + ":\n      " + strings.Join(config, "\n      ") + "\n"
}

// wrong makes one check with a mistake in it.
func (g *generator) wrong(t *madeTable) string {
	n, s := t.column(g, numericKinds...), t.column(g, "varchar")
	lines := []string{
		"row_count>0", "row_count  > 0", "row_count > 0 extra", "row_count == 5", "row_count => 5", "rowcount > 1", "row_count > ten", "row_count > 1d", "row_count",
		"row_count between 10 and 1", "row_count between 1 AND 2", "row_count between ( 1 and 2)", "avg > 1", "avg(" + n + ", 1) > 0", "foo(" + n + ") > 1", "missing_count(gone) = 0",
		"missing_percent(gone) = 1", "avg(" + s + ") > 0", "min(" + s + ") > 0", "percentile(" + n + ") = 1", "percentile(" + n + ", 1.5) = 1", "invalid_count(" + s + ") = 0",
		"duplicate_count(gone) = 0", "duplicate_count(" + n + "," + s + ") = 0", "duplicate_count = 1", "freshness(" + s + ") < 1d", "freshness(" + t.column(g, "timestamp") + ", NOPE) < 1d", "freshness < 1d",
		"values in (gone) must exist in one (id)", "values in (id) must exist in gone (id)", "values in (id, " + n + ") must exist in one (id)", "values in (id,id) must exist in one (id, id)",
		"row_count same as gone", "row_count same as one in nowhere", "schema", "my metric > 1", "row_count > 1,000", "row_count > - 5", "missing_count(d) = 0", "change for row_count > 1",
		"anomaly detection for row_count", "row_count < default", "missing_count( id) = 0", "missing_count() = 0", "avg (id) > 1", "max(" + t.column(g, "timestamp") + ") > 0",
	}
	if g.chance(60) {
		return "  - " + quotedKey(pick(g, lines...), false) + "\n"
	}
	row := func(config ...string) string {
		return "  - row_count >= 0:\n      " + strings.Join(config, "\n      ") + "\n"
	}
	of := func(metric, column string, config ...string) string {
		return "  - " + quotedKey(metric+"("+column+") >= 0", true) + ":\n      " + strings.Join(config, "\n      ") + "\n"
	}
	return pick(g,
		row("foo: bar"), row("name: 5"), row("samples limit: many"), row("filter: gone > 1"), row("filter: '('"), row("samples columns: [id]"), row("filter: 5"),
		of("missing_count", s, "missing values: [N/A, 0]"), of("missing_count", s, "missing values: [null]"), of("missing_count", s, "missing values: ab"), of("missing_count", s, "missing values:"),
		of("invalid_count", s, "valid format: nosuch"), of("invalid_count", n, "valid format: integer"), of("invalid_count", s, "valid values: []"), of("invalid_count", s, `valid values: ["O'B"]`),
		of("invalid_count", s, "valid min length: long"), of("invalid_count", n, "valid min: low"), of("invalid_count", s, "valid values: [a]", "include null: yes"), of("invalid_count", s, "valid regex: '['"),
		of("invalid_count", s, "valid length: 2.9"), of("invalid_count", s, "valid length: '2'"),
		"  - row_count:\n      fail: '> 3'\n", "  - row_count:\n      fail: 5\n", "  - row_count:\n      warn: when > 3 and < 4\n", "  - row_count > 0: foo\n", "  - row_count > 0:\n", "  - 5\n", "  - [row_count > 0]\n",
		"  - failed rows:\n      name: x\n", "  - failed rows:\n      fail condition: gone > 1\n", "  - failed rows:\n      fail query: SELECT 1\n", "  - failed rows:\n      fail query: SELEC\n",
		"  - failed rows:\n      identity: x\n      fail condition: id > 1000\n", "  - failed rows:\n      fail condition: id > 1\n      warn: when > ${TH}\n",
		"  - mm = 0:\n      mm query: SELECT id FROM empty_one\n", "  - mm = 0:\n      mm query: SELECT 'x'\n", "  - mm = 3:\n      expression: COUNT(*)\n", "  - mm > 0:\n      mm expression: COUNT(*)\n      filter: id > 3\n",
		"  - schema:\n      fail:\n        when forbidden column present: [2]\n", "  - schema:\n      warn:\n        when required columns missing: [zz]\n", "  - schema:\n      fail:\n        when schema changes: any\n",
		"  - schema:\n      fail:\n        when forbidden column present: ['[']\n", "  - schema:\n      fail:\n        when wrong column type: {id: 5}\n",
		"  - group by:\n      name: g\n      query: SELECT id, gone FROM "+strings.ReplaceAll(t.name, `"`, `\"`)+"\n      fields: [id]\n      checks:\n        - gone > 1:\n            name: c\n",
	)
}
