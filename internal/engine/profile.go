package engine

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// Sizes of a profile, those of the protocol of Soda Core 3 (its section 8.12).
const (
	profileFrequent = 10
	profileExtremes = 5
	profileBins     = 20
)

// tableProfile is what is learned of a table's columns. Each statement fills members of its own, so that they may run side by side.
type tableProfile struct {
	dataset dq.DatasetRef
	rows    *int64 // nil if they could not be counted
	columns []*columnProfile
}

// columnProfile is that of one column: what statements give, nil for what is not there.
type columnProfile struct {
	dq.Column
	numeric bool
	// shut columns are excluded from samples, so that none of their values are told.
	shut bool
	// items is what was measured, by name.
	items           map[string]any
	frequent        []map[string]any
	least, greatest []any
	bins            map[int]int64
}

// profileTable asks for all numbers of a table's columns in one statement, and for values of each in others.
func (r *run) profileTable(source *Source, table string, columns []dq.Column) {
	p := &tableProfile{dataset: dq.DatasetRef{DataSource: source.Name, Name: table}}
	excluded := source.Sampling.excluded(table)
	for _, c := range columns {
		if numeric := isNumeric(c.Type); numeric || isText(c.Type) {
			p.columns = append(p.columns, &columnProfile{Column: c, numeric: numeric, shut: source.Sampling.Off != "" || excluded.match(c.Name), items: map[string]any{}})
		}
	}
	r.profiles = append(r.profiles, p)
	from := source.Qualified(source.Dialect.quoted(table))
	r.profileJob(p, source, "", "SELECT\n  "+strings.Join(p.sql(source.Dialect), ",\n  ")+"\nFROM "+from, 1, func(rows *Rows) { p.take(source.Dialect, rows) })
	for _, c := range p.columns {
		if c.shut {
			continue
		}
		name := source.Dialect.quoted(c.Name)
		r.profileJob(p, source, c.Name, valuesSQL(name, from, c.numeric), profileFrequent+2*profileExtremes, c.takeValues)
		if c.numeric {
			r.profileJob(p, source, c.Name, binsSQL(name, from), profileBins, c.takeBins)
		}
	}
}

func (r *run) profileJob(p *tableProfile, source *Source, column, sql string, keep int, take func(*Rows)) {
	r.jobs = append(r.jobs, &job{
		source: source, table: p.dataset.Name, column: column, name: r.queryName(source, p.dataset.Name, "", column, "profile_columns"), statement: sql, keep: keep,
		read: func(rows *Rows, err error) {
			if err == nil {
				take(rows)
			}
		},
	})
}

// profileItem is a number about a column: the name that profiles have for it, and its aggregate.
type profileItem struct{ name, sql string }

func (c *columnProfile) asked(d *Dialect) []profileItem {
	x := d.quoted(c.Name)
	list := []profileItem{{"present", "COUNT(" + x + ")"}, {"distinct", "COUNT(DISTINCT " + x + ")"}}
	if !c.numeric {
		return append(list, profileItem{"min_length", "MIN(LENGTH(" + x + "))"}, profileItem{"max_length", "MAX(LENGTH(" + x + "))"}, profileItem{"avg_length", "AVG(LENGTH(" + x + "))"})
	}
	if !c.shut {
		list = append(list, profileItem{"min", "MIN(" + x + ")"}, profileItem{"max", "MAX(" + x + ")"})
	}
	list = append(list, profileItem{"avg", "AVG(" + x + ")"}, profileItem{"sum", "SUM(" + x + ")"})
	if d.Deviation {
		list = append(list, profileItem{"stddev", "STDDEV_SAMP(" + x + ")"}, profileItem{"variance", "VAR_SAMP(" + x + ")"})
	}
	return list
}

func (p *tableProfile) sql(d *Dialect) []string {
	items := []string{"COUNT(*)"}
	for _, c := range p.columns {
		for _, i := range c.asked(d) {
			items = append(items, i.sql)
		}
	}
	return items
}

func (p *tableProfile) take(d *Dialect, rows *Rows) {
	if len(rows.Rows) != 1 {
		return
	}
	values := rows.Rows[0]
	count, ok := values[0].(int64)
	if !ok {
		return
	}
	p.rows, values = &count, values[1:]
	for _, c := range p.columns {
		for _, i := range c.asked(d) {
			c.items[i.name], values = values[0], values[1:]
		}
	}
}

// valuesSQL asks for the most frequent values of a column, and for the least and greatest.
func valuesSQL(column, from string, extremes bool) string {
	sql := "WITH counted AS (\n  SELECT " + column + " AS v, COUNT(*) AS n\n  FROM " + from + "\n  WHERE " + column + " IS NOT NULL\n  GROUP BY " + column + ")\n"
	part := func(kind, order string, limit int) string {
		return fmt.Sprintf("SELECT '%s', v, n FROM (SELECT v, n FROM counted ORDER BY %s LIMIT %d) AS %s_values", kind, order, limit, kind)
	}
	sql += part("frequent", "n DESC, v", profileFrequent)
	if extremes {
		sql += "\nUNION ALL\n" + part("least", "v", profileExtremes) + "\nUNION ALL\n" + part("greatest", "v DESC", profileExtremes)
	}
	return sql
}

func (c *columnProfile) takeValues(rows *Rows) {
	for _, row := range rows.Rows {
		switch row[0] {
		case "frequent":
			c.frequent = append(c.frequent, map[string]any{"value": dq.Truncate(pythonText(row[1]), 500), "frequency": jsonValue(row[2])})
		case "least":
			c.least = append(c.least, jsonValue(row[1]))
		case "greatest":
			c.greatest = append(c.greatest, jsonValue(row[1]))
		}
	}
}

// binsSQL counts the values of a column by equal steps from the least to the greatest value, which has a step of its own.
func binsSQL(column, from string) string {
	return fmt.Sprintf(`WITH extent AS (
  SELECT MIN(%[1]s) AS low, MAX(%[1]s) AS high, COUNT(DISTINCT %[1]s) AS many
  FROM %[2]s)
SELECT FLOOR(1e0 * (%[1]s - low) * (CASE WHEN many < %[3]d THEN many ELSE %[3]d END - 1) / (high - low)) AS bin, COUNT(*)
FROM %[2]s, extent
WHERE %[1]s IS NOT NULL AND high > low
GROUP BY 1`, column, from, profileBins)
}

func (c *columnProfile) takeBins(rows *Rows) {
	c.bins = map[int]int64{}
	for _, row := range rows.Rows {
		if n, ok := row[1].(int64); ok && isNumber(row[0]) {
			c.bins[int(toFloat(row[0]))] += n
		}
	}
}

// histogram words the bins by their lower edges, nil if there are none.
func (c *columnProfile) histogram() any {
	low, high := c.items["min"], c.items["max"]
	distinct, ok := c.items["distinct"].(int64)
	if len(c.bins) == 0 || !ok || !isNumber(low) || !isNumber(high) {
		return nil
	}
	size := int(max(1, min(distinct, profileBins)))
	edges, counts := make([]float64, size), make([]int64, size)
	for bin, n := range c.bins {
		counts[min(max(bin, 0), size-1)] += n
	}
	step := (toFloat(high) - toFloat(low)) / float64(max(size-1, 1))
	for i := range edges {
		edges[i] = math.Round((toFloat(low)+float64(i)*step)*100) / 100
	}
	return map[string]any{"boundaries": edges, "frequencies": counts}
}

// told is the profile as the protocol has it: each member, null for what does not apply.
func (c *columnProfile) told(rows int64) map[string]any {
	profile := map[string]any{}
	for _, name := range strings.Fields("min max avg sum stddev variance distinct avg_length min_length max_length") {
		profile[name] = jsonValue(c.items[name])
	}
	if f, ok := c.items["avg_length"].(float64); ok {
		profile["avg_length"] = int64(f)
	}
	profile["missing_count"] = nil
	if present, ok := c.items["present"].(int64); ok {
		profile["missing_count"] = rows - present
	}
	profile["mins"], profile["maxs"], profile["frequent_values"], profile["histogram"] = c.least, c.greatest, c.frequent, c.histogram()
	return map[string]any{"columnName": c.Name, "profile": profile}
}

// reportProfiles keeps what was learned of tables whose rows could be counted.
func (r *run) reportProfiles() {
	for _, p := range r.profiles {
		if p.rows == nil {
			continue
		}
		list := make([]any, len(p.columns))
		for i, c := range p.columns {
			list[i] = c.told(*p.rows)
		}
		if body, err := json.Marshal(list); err == nil {
			r.report(dq.DatasetReport{Dataset: p.dataset, RowCount: p.rows, Profile: body})
		}
	}
}

func isNumeric(kind string) bool {
	kind = strings.ToLower(kind)
	return slices.ContainsFunc([]string{"int", "bigint", "smallint", "tinyint", "numeric", "decimal", "double", "float", "real", "hugeint", "number"}, func(p string) bool { return strings.HasPrefix(kind, p) })
}

func isText(kind string) bool {
	kind = strings.ToLower(kind)
	return slices.ContainsFunc([]string{"char", "varchar", "text", "string"}, func(p string) bool { return strings.HasPrefix(kind, p) })
}
