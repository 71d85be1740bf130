package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// simple are the aggregates of one column: metric name to SQL function.
var simple = map[string]string{
	"avg": "AVG", "sum": "SUM", "min": "MIN", "max": "MAX",
	"avg_length": "AVG", "min_length": "MIN", "max_length": "MAX",
}

// deviations are those that not every database has. What comes first is the base of what comes later, see derive.go.
var deviations = []string{"variance", "var_samp", "stddev", "stddev_samp", "var_pop", "stddev_pop"}

// planMetric plans a numeric check: one metric, compared with a threshold, perhaps with its past.
func (r *run) planMetric(c *planned) error {
	m, err := r.metric(c)
	if err != nil {
		return err
	}
	r.compare(c, m)
	return nil
}

// metric gives the measure of the check's metric.
func (r *run) metric(c *planned) (*measure, error) {
	counts := []string{"row_count", "missing_count", "missing_percent", "invalid_count", "invalid_percent", "valid_count", "duplicate_count", "duplicate_percent"}
	switch {
	case c.Query != "":
		return r.ownQuery(c)
	case c.Expression != "" && !slices.Contains(counts, c.Metric):
		if c.Filter != "" {
			r.log(dq.LevelError, &c.At, "a filter has no effect on the expression of %s; write CASE WHEN into the expression", c.Metric)
		}
		m, err := r.aggregate(c, c.Metric, c.Column(), aggregate{sql: c.Expression}, r.identity(c, c.Column(), c.Metric, c.Filter))
		c.fails(c.Metric, m, failing{query: c.FailedRows})
		return m, err
	case c.Metric == "row_count":
		return r.rowCount(c, c.Filter)
	case len(c.Args) == 0:
		return nil, fmt.Errorf("metric %q is not known, or needs a column: %s(COLUMN). A metric of your own needs \"%s expression\" or \"%s query\" below the check", c.Metric, c.Metric, c.Metric, c.Metric)
	}
	switch c.Metric {
	case "missing_count", "invalid_count", "valid_count":
		return r.validityCount(c, c.Metric)
	case "missing_percent":
		return r.percent(c, "missing_count", r.validityCount)
	case "invalid_percent":
		return r.percent(c, "invalid_count", r.validityCount)
	case "duplicate_count":
		return r.duplicateCount(c, c.Metric)
	case "duplicate_percent":
		return r.percent(c, "duplicate_count", r.duplicateCount)
	}
	a, err := r.columnAggregate(c)
	if err != nil {
		return nil, err
	}
	return r.aggregate(c, c.Metric, c.Column(), a, r.identity(c, c.Column(), c.Metric, r.parts(c)...))
}

// columnAggregate is that of a numeric or length metric.
func (r *run) columnAggregate(c *planned) (a aggregate, err error) {
	v := c.validity(r)
	x := r.validOnly(c, v)
	d := c.source.Dialect
	function, isSimple := simple[c.Metric]
	switch {
	case strings.HasSuffix(c.Metric, "_length") && isSimple:
		x = "LENGTH(" + x + ")"
		return aggregate{sql: function + "(" + x + ")", state: d.mergeable(function, x)}, nil
	case c.Metric == "avg" && d.Average != nil:
		return aggregate{sql: d.Average(x)}, nil
	case isSimple:
		return aggregate{function + "(" + x + ")", d.derivations(c.Metric, x), d.mergeable(function, x)}, nil
	case slices.Contains(deviations, c.Metric) && d.Deviation:
		return aggregate{strings.ToUpper(c.Metric) + "(" + x + ")", d.derivations(c.Metric, x), d.mergeable(c.Metric, x)}, nil
	case (c.Metric == "percentile" || c.Metric == "percentile_disc") && d.Percentile != nil:
		if len(c.Args) < 2 {
			return a, fmt.Errorf("%s needs a fraction: %s(%s, 0.5)", c.Metric, c.Metric, c.Args[0])
		}
		return aggregate{sql: d.Percentile(x, c.Args[1])}, nil
	case slices.Contains(deviations, c.Metric), strings.HasPrefix(c.Metric, "percentile"):
		return a, fmt.Errorf("metric %q is not supported on %s", c.Metric, d.Name)
	}
	return a, fmt.Errorf("metric %q is not known", c.Metric)
}

// validOnly is the column, where it is valid and the filter holds.
func (r *run) validOnly(c *planned, v sodacl.Validity) string {
	column, d := c.Args[0], c.source.Dialect
	x := column
	if v.ValidFormat != nil && sodacl.NumericFormat(*v.ValidFormat) && !strings.HasSuffix(c.Metric, "_length") {
		x = d.number(column)
	}
	var conditions []string
	if configured(v) {
		if missing := d.missing(column, v); missing != column+" IS NULL" { // aggregates leave NULL out
			conditions = append(conditions, "NOT ("+missing+")")
		}
		if valid, invalid := d.valid(column, v), d.invalid(column, v); valid != "" {
			conditions = append(conditions, "("+valid+")")
		} else if invalid != "" {
			conditions = append(conditions, "NOT ("+invalid+")")
		}
	}
	if c.Filter != "" {
		conditions = append(conditions, "("+c.Filter+")")
	}
	if len(conditions) == 0 {
		return x
	}
	return "CASE WHEN " + strings.Join(conditions, " AND ") + " THEN " + x + " END"
}

func configured(v sodacl.Validity) bool {
	v.IncludeNull = false
	return len(v.MissingValues)+len(v.ValidValues)+len(v.InvalidValues) > 0 || v.MissingFormat != nil || v.MissingRegex != nil || v.ValidFormat != nil ||
		v.ValidRegex != nil || v.InvalidFormat != nil || v.InvalidRegex != nil || v.ValidLength != nil || v.ValidMinLength != nil || v.ValidMaxLength != nil ||
		v.ValidMin != nil || v.ValidMax != nil
}

// validity is the check's configuration with that of its column.
func (c *planned) validity(r *run) sodacl.Validity {
	return c.Validity.Merge(r.program.Columns[c.table][c.Args[0]])
}

// countIf counts rows of the partition for which both conditions hold.
func countIf(filter, condition string) string {
	if filter != "" {
		condition = "(" + filter + ") AND (" + condition + ")"
	}
	return "COUNT(CASE WHEN " + condition + " THEN 1 END)"
}

// rowCount counts the partition's rows, or those for which filter holds.
func (r *run) rowCount(c *planned, filter string) (*measure, error) {
	item, parts := "COUNT(*)", []string(nil)
	if filter != "" {
		item, parts = "COUNT(CASE WHEN "+filter+" THEN 1 END)", []string{filter}
	}
	return r.aggregate(c, "row_count", "", count(item), r.identity(c, "", "row_count", parts...))
}

// validityCount counts missing, invalid or valid values. Conditions are NULL for NULL, so NULL is not among invalid and valid
// values without being named.
func (r *run) validityCount(c *planned, name string) (*measure, error) {
	v, column, d := c.validity(r), c.Args[0], c.source.Dialect
	missing, valid, invalid := d.missing(column, v), d.valid(column, v), d.invalid(column, v)
	identity := r.identity(c, column, name, r.parts(c)...)
	if name == "missing_count" {
		sql := countIf(c.Filter, missing)
		if missing == column+" IS NULL" && c.Filter == "" {
			sql = "COUNT(*) - COUNT(" + column + ")"
		}
		m, err := r.aggregate(c, name, column, count(sql), identity)
		c.fails(name, m, c.rowsWhere(c.Filter, missing))
		return m, err
	}
	present := ""
	if missing != column+" IS NULL" {
		present = "NOT (" + missing + ")"
	}
	good, bad := valid, "NOT ("+valid+")"
	switch {
	case valid != "" && invalid != "":
		bad = "(NOT (" + valid + ") OR (" + invalid + "))"
	case invalid != "":
		good, bad = "NOT ("+invalid+")", invalid
	case valid == "" && name == "invalid_count":
		r.log(dq.LevelWarning, &c.At, "invalid values of %s are counted, but nothing says which are valid: the count is always 0", column)
		return r.aggregate(c, name, column, count("COUNT(CASE WHEN 1 = 0 THEN 1 END)"), identity)
	case valid == "":
		return r.aggregate(c, name, column, count(countPresent(c.Filter, column, present)), identity)
	}
	where := func(condition string) string {
		if present != "" {
			condition = present + " AND (" + condition + ")"
		}
		if v.IncludeNull {
			condition += " OR " + column + " IS NULL"
		}
		return condition
	}
	rows := func(condition string) aggregate { return count(countIf(c.Filter, where(condition))) }
	if name == "invalid_count" {
		m, err := r.aggregate(c, name, column, rows(bad), identity)
		c.fails(name, m, c.rowsWhere(c.Filter, where(bad)))
		return m, err
	}
	if v.IncludeNull || valid != "" && invalid != "" || v.ValidFormat != nil && (v.ValidMin != nil || v.ValidMax != nil) {
		return r.aggregate(c, name, column, rows(good), identity) // some values are neither, or both
	}
	valids := rows(good)
	valids.derivations = []derivation{{base: rows(bad).sql, with: []string{countPresent(c.Filter, column, present)}, of: without}}
	return r.aggregate(c, name, column, valids, identity)
}

// countPresent counts values that are not missing, where the filter holds.
func countPresent(filter, column, present string) string {
	switch {
	case present != "":
		return countIf(filter, present)
	case filter != "":
		return "COUNT(CASE WHEN " + filter + " THEN " + column + " END)"
	}
	return "COUNT(" + column + ")"
}

// missing, valid and invalid are the conditions of a column's configuration; valid and invalid are empty if there is none.
func (d *Dialect) missing(column string, v sodacl.Validity) string {
	parts := []string{column + " IS NULL"}
	if len(v.MissingValues) > 0 {
		parts = append(parts, in(column, v.MissingValues))
	}
	if v.MissingFormat != nil {
		parts = append(parts, d.regex(column, d.format(*v.MissingFormat, sodacl.Formats)))
	}
	if v.MissingRegex != nil {
		parts = append(parts, d.regex(column, *v.MissingRegex))
	}
	return strings.Join(parts, " OR ")
}

func (d *Dialect) valid(column string, v sodacl.Validity) string {
	var parts []string
	if len(v.ValidValues) > 0 {
		parts = append(parts, in(column, v.ValidValues))
	}
	if v.ValidFormat != nil {
		parts = append(parts, d.regex(column, d.format(*v.ValidFormat, sodacl.Formats)))
	}
	if v.ValidRegex != nil {
		parts = append(parts, d.regex(column, *v.ValidRegex))
	}
	for _, length := range []struct {
		op string
		n  *int
	}{{"=", v.ValidLength}, {">=", v.ValidMinLength}, {"<=", v.ValidMaxLength}} {
		if length.n != nil {
			parts = append(parts, fmt.Sprintf("LENGTH(%s) %s %d", column, length.op, *length.n))
		}
	}
	number := column
	if v.ValidFormat != nil {
		number = d.number(column)
	}
	for _, limit := range []struct {
		op string
		n  *float64
	}{{">=", v.ValidMin}, {"<=", v.ValidMax}} {
		if limit.n != nil {
			parts = append(parts, number+" "+limit.op+" "+pythonFloat(*limit.n))
		}
	}
	return strings.Join(parts, " AND ")
}

func (d *Dialect) invalid(column string, v sodacl.Validity) string {
	var parts []string
	if len(v.InvalidValues) > 0 {
		parts = append(parts, in(column, v.InvalidValues))
	}
	if v.InvalidFormat != nil {
		parts = append(parts, d.regex(column, d.format(*v.InvalidFormat, sodacl.Formats)))
	}
	if v.InvalidRegex != nil {
		parts = append(parts, d.regex(column, *v.InvalidRegex))
	}
	return strings.Join(parts, " OR ")
}

func in(column string, values []sodacl.Literal) string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = v.Text
		if !v.Number {
			list[i] = literal(v.Text)
		}
	}
	return column + " IN (" + strings.Join(list, ",") + ")"
}

// duplicateCount counts values (or tuples) that occur more than once; rows with a NULL among them do not count.
func (r *run) duplicateCount(c *planned, name string) (*measure, error) {
	var conditions []string
	for _, column := range c.Args {
		conditions = append(conditions, column+" IS NOT NULL")
	}
	rows := c.rowsWhere(c.Filter)
	from := "FROM " + c.source.Qualified(c.table) + "\n  WHERE " + strings.Join(append(conditions, rows.where...), " AND ") + "\n  GROUP BY " + strings.Join(c.Args, ", ")
	sql := "WITH frequencies AS (\n  SELECT COUNT(*) AS frequency\n  " + from + ")\nSELECT COUNT(*)\nFROM frequencies\nWHERE frequency > 1"
	m := &measure{table: c.table, partition: c.partition.Name, column: c.Column(), name: name, identity: r.identity(c, c.Column(), name, r.parts(c)...)}
	m, err := r.statement(c, m, name, sql, 1, first)
	c.fails(name, m, rows.repeated(c.Args, from))
	return m, err
}

// first is the only value of an answer.
func first(rows *Rows) (any, error) {
	if len(rows.Rows) != 1 || len(rows.Rows[0]) != 1 {
		return nil, fmt.Errorf("the database answered %d rows where one is expected", len(rows.Rows))
	}
	return rows.Rows[0][0], nil
}

// percent is a count in percent of the rows, rounded to two digits; 0 of no rows.
func (r *run) percent(c *planned, count string, plan func(*planned, string) (*measure, error)) (*measure, error) {
	part, err := plan(c, count)
	if err != nil {
		return nil, err
	}
	rows, err := r.rowCount(c, c.Filter)
	if err != nil {
		return nil, err
	}
	m := &measure{source: c.source, table: c.table, partition: c.partition.Name, column: c.Column(), name: c.Metric, identity: r.identity(c, c.Args[0], c.Metric, r.parts(c)...)}
	m, known := r.remember(c.source.Name+"\x00percent\x00"+part.identity+"\x00"+rows.identity+"\x00"+m.identity, m)
	if !known {
		m.derive = func() (any, error) {
			n, ok1 := part.value.(int64)
			of, ok2 := rows.value.(int64)
			if !ok1 || !ok2 {
				return nil, errors.Join(part.err, rows.err)
			}
			if of == 0 {
				return 0.0, nil
			}
			return strconv.ParseFloat(strconv.FormatFloat(float64(n*100)/float64(of), 'f', 2, 64), 64)
		}
	}
	c.measures = append(c.measures, m)
	c.details = []detail{{"row_count", rows}, {count, part}}
	return m, nil
}

// ownQuery is a metric that the user wrote a whole statement for: its first row's last value that is not NULL.
func (r *run) ownQuery(c *planned) (*measure, error) {
	query, err := c.vars.Resolve(c.Query)
	if err != nil {
		return nil, err
	}
	m := &measure{table: c.table, partition: c.partition.Name, column: c.Column(), name: c.Line, identity: r.placeless(c, c.Line, query)}
	m = r.ask(c, m, "user_defined_query["+c.Line+"]", query, 1, func(rows *Rows) (any, error) {
		if len(rows.Rows) == 0 {
			return nil, errors.New("the query gave no rows")
		}
		for _, v := range slices.Backward(rows.Rows[0]) {
			switch v := v.(type) {
			case nil:
			case int64:
				return float64(v), nil
			case string:
				f, err := strconv.ParseFloat(v, 64)
				if err != nil {
					return nil, fmt.Errorf("the query gave the text %q where a number is needed", dq.Truncate(v, 100))
				}
				return f, nil
			default:
				return v, nil
			}
		}
		return nil, errors.New("the query gave NULL")
	})
	c.fails(c.Metric, m, failing{query: c.FailedRows})
	return m, nil
}

// compare judges a measure, or its change, by the check's thresholds.
func (r *run) compare(c *planned, m *measure) {
	zones, err := zonesOf(c.Check, c.vars)
	c.judge = func(ctx context.Context, result *dq.Result) error {
		result.Warn, result.Fail = zones.warn.threshold(), zones.fail.threshold()
		c.explain(result)
		value := m.value
		if c.Change != nil {
			var reason error
			if value, reason = r.change(ctx, c, m, result); reason != nil {
				return reason
			}
		}
		if isNumber(value) {
			result.Value = number(value)
		}
		switch {
		case value == nil:
			return quietly{"there are no rows to measure, the value is NULL"}
		case !isNumber(value):
			return fmt.Errorf("the value %v is not a number", text(value))
		case c.Incomparable != "":
			return told{errors.New(c.Incomparable)}
		case err != nil:
			return err
		case c.Pass == nil && c.Warn == nil && c.Fail == nil:
			return errors.New("it has no threshold")
		}
		result.Outcome = zones.outcome(value)
		return nil
	}
}

// detail is a measure that a value was computed from, by the name it is shown under.
type detail struct {
	name string
	*measure
}

// explain shows the measures that the value was computed from.
func (c *planned) explain(result *dq.Result) {
	if len(c.details) == 0 {
		return
	}
	shown := map[string]any{}
	for _, d := range c.details {
		shown[d.name] = jsonValue(d.value)
	}
	if body, err := json.Marshal(shown); err == nil {
		result.Diagnostics = body
	}
}

// change is the difference between the measure and its past.
func (r *run) change(ctx context.Context, c *planned, m *measure, result *dq.Result) (any, error) {
	if r.History == nil {
		return nil, errors.New("a check of change needs the history of former scans, and there is none here; push results to a server (soda_cloud: in the configuration)")
	}
	if m.value == nil || !isNumber(m.value) {
		return m.value, nil
	}
	past, err := r.past(ctx, c.Change, m.identity)
	if err != nil {
		return nil, err
	}
	shown := map[string]any{"diagnostics": map[string]any{"historic_value": jsonValue(past), "metric_value": jsonValue(m.value)}}
	if body, err := json.Marshal(shown); err == nil {
		result.Diagnostics = body
	}
	now, then := toFloat(m.value), toFloat(past)
	if c.Change.Percent {
		if then == 0 {
			if now == 0 {
				return int64(0), nil
			}
			return nil, quietly{"the past value is 0, so the change in percent is not defined"}
		}
		return (now - then) / then * 100, nil // in this order, as the reference client: 107 after 100 is 7.000000000000001
	}
	if a, ok := m.value.(int64); ok {
		if b, ok := past.(int64); ok {
			return a - b, nil
		}
	}
	return now - then, nil
}

// past is the value to compare with: the one before, an aggregate of the last, or that of a week ago.
func (r *run) past(ctx context.Context, change *sodacl.Change, identity string) (any, error) {
	from, to := time.Time{}, r.DataTime
	limit := max(change.Last, 1)
	if change.SameDayLastWeek {
		day := r.DataTime.UTC().AddDate(0, 0, -7).Truncate(24 * time.Hour)
		from, to = day, day.Add(24*time.Hour-time.Second)
	}
	list, err := r.History.Measurements(ctx, identity, from, to, limit)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	var values []any
	for _, m := range list {
		if v := fromJSON(m.Value); v != nil {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return nil, quietly{"there is no former measurement to compare with yet"}
	}
	if change.Aggregate == "" {
		return values[0], nil
	}
	low, high, sum := toFloat(values[0]), toFloat(values[0]), 0.0
	for _, v := range values {
		f := toFloat(v)
		low, high, sum = min(low, f), max(high, f), sum+f
	}
	switch change.Aggregate {
	case "min":
		return low, nil
	case "max":
		return high, nil
	}
	return sum / float64(len(values)), nil
}

// fromJSON reads a number, nil for anything else.
func fromJSON(raw json.RawMessage) any {
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(string(raw), 64); err == nil {
		return f
	}
	return nil
}
