package demo

import (
	"fmt"
	"hash/fnv"
	"math"
	"time"
)

// definition is one scan definition of the company.
type definition struct {
	name, source        string
	firstRun, every     time.Duration // of day, and apart
	checks              []check
	broken              func(age time.Duration) bool // whether the scan itself failed so long ago
	profiling, metadata []any
}

// check is one check with the story of its values.
type check struct {
	table, column, metric string
	name                  string // as people gave it, or the check line
	line                  string // SodaCL
	owner, team, priority string
	value                 func(*scan) float64
	// The ranges in which the check warns and fails; NaN bounds are none. They are bad ranges, as on the wire.
	warnAbove, warnBelow, failAbove, failBelow float64
	diagnose                                   func(s *scan, value float64, diagnostics map[string]any)
	// expected is what an anomaly model predicts; the ranges then move with it. Nil for checks without a model.
	expected func(*scan) float64
}

// at is the check as it is judged in one scan.
func (c *check) at(s *scan) *check {
	if c.expected == nil {
		return c
	}
	moved, e := *c, c.expected(s)
	moved.warnAbove, moved.warnBelow, moved.failAbove, moved.failBelow = math.Round(e*1.18), math.Round(e*0.82), math.Round(e*1.3), math.Round(e*0.7)
	return &moved
}

var none = math.NaN()

func (c *check) verdict(v float64) string {
	switch {
	case v > c.failAbove || v < c.failBelow:
		return "fail"
	case v > c.warnAbove || v < c.warnBelow:
		return "warn"
	}
	return "pass"
}

// zones writes the thresholds the way the client does: strict bounds of the bad range.
func (c *check) zones(diagnostics map[string]any) {
	for name, bounds := range map[string][2]float64{"warn": {c.warnAbove, c.warnBelow}, "fail": {c.failAbove, c.failBelow}} {
		zone := map[string]any{}
		if !math.IsNaN(bounds[0]) {
			zone["greaterThan"] = bounds[0]
		}
		if !math.IsNaN(bounds[1]) {
			zone["lessThan"] = bounds[1]
		}
		if len(zone) > 0 {
			diagnostics[name] = zone
		}
	}
}

func (c *check) identity(d *definition) string {
	h := fnv.New32a()
	if d != nil {
		h.Write([]byte(d.source))
	}
	fmt.Fprint(h, c.table, "/", c.column, "/", c.line)
	return fmt.Sprintf("%08x", h.Sum32())
}

func (c *check) kind() string {
	if c.expected != nil {
		return "anomalyDetection"
	}
	return "generic"
}

func (c *check) source() string {
	text := fmt.Sprintf("checks for %s:\n  - %s:\n      name: %s\n", c.table, c.line, c.name)
	if c.owner != "" {
		text += fmt.Sprintf("      attributes:\n        owner: %s\n        team: %s\n", c.owner, c.team)
	}
	return text
}

func (c *check) attributes() []any {
	list := []any{}
	for _, a := range [][2]string{{"owner", c.owner}, {"team", c.team}, {"priority", c.priority}} {
		if a[1] != "" {
			list = append(list, map[string]any{"name": a[0], "value": a[1]})
		}
	}
	return list
}

func (c *check) sql() string {
	if c.column == "" {
		return "SELECT\n  COUNT(*)\nFROM " + c.table
	}
	return fmt.Sprintf("SELECT\n  COUNT(CASE WHEN %s IS NULL THEN 1 END),\n  COUNT(*)\nFROM %s", c.column, c.table)
}

// Stories of values.

// weekly goes up and down with the days of the week around a base that grows, with some noise.
func weekly(base, growth, noise float64) func(*scan) float64 {
	return func(s *scan) float64 {
		day := float64(s.at.Unix()) / 86400
		wave := 1 + 0.18*math.Sin(2*math.Pi*day/7)
		return math.Round(base * wave * (1 - growth*s.age.Hours()/24/days) * (1 + noise*(s.dice.Float64()-0.5)))
	}
}

// zeroBut is 0 except for the time between from and to ago, when it is around n.
func zeroBut(from, to time.Duration, n float64) func(*scan) float64 {
	return func(s *scan) float64 {
		if s.age <= from && s.age > to {
			return math.Round(n * (0.6 + 0.8*s.dice.Float64()))
		}
		return 0
	}
}

// around is a level with noise that changes to another so long ago.
func around(level, noise, then float64, ago time.Duration) func(*scan) float64 {
	return func(s *scan) float64 {
		v := level
		if s.age <= ago {
			v = then
		}
		return math.Round(100*v*(1+noise*(s.dice.Float64()-0.5))) / 100
	}
}

const day = 24 * time.Hour

func rows(table string, base float64, owner, team string) check {
	return check{table: table, metric: "row_count", line: "row_count > 0", name: "Table is not empty", owner: owner, team: team, priority: "high",
		value: weekly(base, 0.2, 0.05), warnAbove: none, warnBelow: none, failAbove: none, failBelow: 1}
}

func missing(table, column, owner, team string, value func(*scan) float64) check {
	return check{table: table, column: column, metric: "missing_count", line: fmt.Sprintf("missing_count(%s) = 0", column), name: "Every row has " + column,
		owner: owner, team: team, value: value, warnAbove: none, warnBelow: none, failAbove: 0, failBelow: none}
}

func missingPercent(table, column, owner, team string, value func(*scan) float64) check {
	return check{table: table, column: column, metric: "missing_percent", line: fmt.Sprintf("missing_percent(%s)", column), name: column + " is mostly filled",
		owner: owner, team: team, value: value, warnAbove: 2, warnBelow: none, failAbove: 5, failBelow: none}
}

func unique(table, column, owner, team string) check {
	return check{table: table, column: column, metric: "duplicate_count", line: fmt.Sprintf("duplicate_count(%s) = 0", column), name: column + " is unique",
		owner: owner, team: team, value: zeroBut(0, 0, 0), warnAbove: none, warnBelow: none, failAbove: 0, failBelow: none}
}

func fresh(table, column string, limit time.Duration, owner, team string, hours func(*scan) float64) check {
	return check{table: table, column: column, metric: "max", line: fmt.Sprintf("freshness(%s) < %dh", column, int(limit.Hours())), name: "Loaded recently", owner: owner, team: team,
		value:     func(s *scan) float64 { return math.Round(hours(s) * float64(time.Hour/time.Millisecond)) },
		warnAbove: none, warnBelow: none, failAbove: float64(limit / time.Millisecond), failBelow: none, diagnose: freshness}
}

func freshness(s *scan, value float64, d map[string]any) {
	newest := s.at.Add(-time.Duration(value) * time.Millisecond)
	const layout = "2006-01-02 15:04:05"
	delete(d, "fail") // the client sends no threshold for freshness
	d["measure"], d["nowVariableName"], d["nowTimestamp"] = "time", "NOW", iso(s.at)
	d["maxColumnTimestamp"], d["maxColumnTimestampUtc"] = newest.Format(layout), newest.Format(layout)+"+00:00"
	d["freshness"] = time.Duration(value * float64(time.Millisecond)).String()
}

func schema(table string, changed time.Duration, owner, team string) check {
	return check{table: table, metric: "schema", line: "schema", name: "Schema is as agreed", owner: owner, team: team,
		value:     func(s *scan) float64 { return map[bool]float64{true: 2, false: 0}[s.age <= changed] },
		warnAbove: none, warnBelow: none, failAbove: 0, failBelow: none,
		diagnose: func(_ *scan, events float64, d map[string]any) {
			delete(d, "value")
			delete(d, "fail")
			d["missing_column_names"], d["column_type_mismatches"] = []string{}, map[string]any{}
			d["present_column_names"], d["column_additions"], d["column_deletions"] = []string{}, []string{}, []string{}
			d["valueLabel"], d["preferredChart"] = fmt.Sprintf("%.0f schema event(s)", events), "bars"
			if events > 0 {
				d["missing_column_names"] = []string{"weight_grams"}
				d["column_type_mismatches"] = map[string]any{"price": map[string]string{"expected_type": "numeric", "actual_type": "character varying"}}
			}
		}}
}

func anomaly(table string, base float64, dip time.Duration, owner, team string) check {
	usual, expected := weekly(base, 0.1, 0.06), weekly(base, 0.1, 0)
	return check{table: table, metric: "row_count", line: "anomaly detection for row_count", name: "Row count is as usual", owner: owner, team: team, expected: expected,
		value: func(s *scan) float64 {
			if s.age <= dip && s.age > dip-2*day {
				return math.Round(usual(s) * 0.42)
			}
			return usual(s)
		},
		diagnose: func(s *scan, _ float64, d map[string]any) {
			d["anomalyPredictedValue"], d["anomalyProbability"] = expected(s), nil
			d["anomalyErrorSeverity"], d["anomalyErrorCode"], d["anomalyErrorMessage"] = "info", "", "Native frequency is detected successfully"
		}}
}

func average(table, column string, level, low, high float64, owner, team string, value func(*scan) float64) check {
	return check{table: table, column: column, metric: "avg", line: fmt.Sprintf("avg(%s) between %g and %g", column, low, high), name: "Average " + column + " is plausible",
		owner: owner, team: team, value: value, warnAbove: none, warnBelow: none, failAbove: high, failBelow: low}
}

// company is what the demo company checks: a shop with a warehouse, an event lake and a marketing team whose database has
// been unreachable since yesterday.
var company = []definition{
	{
		name: "warehouse_nightly", source: "warehouse", firstRun: 2 * time.Hour, every: day,
		checks: []check{
			rows("orders", 48210, "Ada Park", "commerce"), unique("orders", "order_id", "Ada Park", "commerce"),
			missing("orders", "customer_id", "Ada Park", "commerce", zeroBut(12*day, 10*day, 40)),
			average("orders", "total_amount", 64, 40, 90, "Ada Park", "commerce", around(63.5, 0.12, 66, 9*day)),
			anomaly("orders", 48210, 17*day, "Ada Park", "commerce"),
			rows("order_lines", 131400, "Ada Park", "commerce"), missing("order_lines", "product_id", "Ada Park", "commerce", zeroBut(0, 0, 0)),
			rows("customers", 18904, "Ben Osei", "crm"), unique("customers", "email", "Ben Osei", "crm"),
			missingPercent("customers", "phone", "Ben Osei", "crm", around(1.4, 0.3, 3.1, 6*day)),
			missingPercent("customers", "country", "Ben Osei", "crm", around(0.2, 0.5, 0.2, 0)),
			rows("payments", 46012, "Chidi Alba", "finance"),
			missing("payments", "transaction_id", "Chidi Alba", "finance", zeroBut(3*day, 0, 212)),
			average("payments", "fee_percent", 1.9, 1, 3, "Chidi Alba", "finance", around(1.92, 0.08, 3.4, 2*day)),
			rows("products", 2140, "Dana Ruiz", "catalog"), schema("products", 5*day, "Dana Ruiz", "catalog"),
			unique("products", "sku", "Dana Ruiz", "catalog"),
			rows("shipments", 44871, "", ""), missing("shipments", "carrier", "", "", zeroBut(20*day, 18*day, 9)),
		},
		metadata: []any{map[string]any{"table": "orders", "dataSource": "warehouse", "schema": []map[string]string{
			{"columnName": "order_id", "sourceDataType": "bigint"}, {"columnName": "customer_id", "sourceDataType": "bigint"},
			{"columnName": "total_amount", "sourceDataType": "numeric"}, {"columnName": "status", "sourceDataType": "character varying"},
			{"columnName": "created_at", "sourceDataType": "timestamp with time zone"},
		}}},
		profiling: []any{map[string]any{"table": "orders", "dataSource": "warehouse", "rowCount": 48210, "columnProfiles": []any{
			map[string]any{"columnName": "total_amount", "profile": map[string]any{
				"min": 3.5, "max": 2140.0, "avg": 63.8, "sum": 3075798.0, "stddev": 41.2, "variance": 1697.4, "distinct": 9120, "missing_count": 0,
				"mins": []float64{3.5, 3.9, 4.0}, "maxs": []float64{2140, 1980.5, 1804}, "frequent_values": []map[string]any{{"value": "29.9", "frequency": 812}, {"value": "49.0", "frequency": 640}},
				"histogram":  map[string]any{"boundaries": []float64{0, 25, 50, 75, 100, 150, 250}, "frequencies": []int{6120, 14830, 12400, 8010, 4900, 1550, 400}},
				"avg_length": nil, "min_length": nil, "max_length": nil,
			}},
			map[string]any{"columnName": "status", "profile": map[string]any{
				"distinct": 5, "missing_count": 0, "frequent_values": []map[string]any{{"value": "paid", "frequency": 39120}, {"value": "shipped", "frequency": 6010}, {"value": "lost", "frequency": 77}},
				"avg_length": 5, "min_length": 3, "max_length": 9, "min": nil, "max": nil, "avg": nil, "sum": nil, "stddev": nil, "variance": nil, "mins": nil, "maxs": nil, "histogram": nil,
			}},
		}}},
	},
	{
		name: "orders_every_4_hours", source: "warehouse", firstRun: time.Hour, every: 4 * time.Hour,
		checks: []check{
			fresh("orders", "created_at", 2*time.Hour, "Ada Park", "commerce", around(0.4, 0.8, 0.4, 0)),
			rows("orders", 48210, "Ada Park", "commerce"),
			fresh("payments", "booked_at", 6*time.Hour, "Chidi Alba", "finance", around(1.1, 0.9, 3.2, 2*day)),
		},
	},
	{
		name: "events_daily", source: "lake", firstRun: 5 * time.Hour, every: day,
		checks: []check{
			anomaly("web_events", 910400, 4*day, "Eli Vance", "platform"),
			missingPercent("web_events", "session_id", "Eli Vance", "platform", around(0.6, 0.6, 0.7, 0)),
			fresh("web_events", "received_at", 3*time.Hour, "Eli Vance", "platform", around(0.7, 0.5, 0.7, 0)),
			rows("app_events", 402110, "Eli Vance", "platform"), missing("app_events", "device_id", "Eli Vance", "platform", zeroBut(8*day, 7*day, 1300)),
		},
	},
	{
		name: "marketing_daily", source: "marketing", firstRun: 6 * time.Hour, every: day, broken: func(age time.Duration) bool { return age < 36*time.Hour },
		checks: []check{
			rows("campaigns", 312, "Fay Lin", "marketing"), missing("campaigns", "channel", "Fay Lin", "marketing", zeroBut(0, 0, 0)),
			average("ad_spend", "cost", 120, 60, 260, "Fay Lin", "marketing", around(128, 0.3, 128, 0)),
			missing("ad_spend", "campaign_id", "Fay Lin", "marketing", zeroBut(15*day, 13*day, 3)),
		},
	},
}
