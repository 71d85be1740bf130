package demo

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
)

// agreement is a dataset with a data contract, which the company verifies with Soda Core 4.
type agreement struct {
	dataset         string // qualified name
	path            string
	firstRun, every time.Duration
	rows            float64
	versions        []version // oldest first
	clauses         []clause
	broken          func(age time.Duration) bool
}

// version is a text of the contract, in force since so long ago.
type version struct {
	since time.Duration
	text  string
}

// clause is one check of a contract. Its definition is the check alone, as the client writes it.
type clause struct {
	kind, column, name, definition string
	value                          func(*scan) float64 // nil for the number of rows
	fail, warn                     map[string]any      // bad ranges as on the wire, {} where the definition says an equality
	percent                        bool
	since                          time.Duration // of the version that has it
	diagnose                       func(s *scan, value float64) map[string]any
}

func (c *clause) path() string {
	if c.column == "" {
		return "checks." + c.kind
	}
	return "columns." + c.column + ".checks." + c.kind
}

// publish uploads all versions, makes them the dataset's, and gives the ids of their texts.
func (a *agreement) publish(ctx context.Context, to Target, token string) (files []string, err error) {
	for _, v := range a.versions {
		var answer struct{ FileID string }
		if err := post(ctx, to, soda4, "/api/command", map[string]any{"type": "sodaCoreUploadContractFile", "token": token, "contents": v.text}, &answer); err != nil {
			return nil, err
		}
		publish := map[string]any{"type": "sodaCorePublishContract", "token": token, "contract": a.source(answer.FileID)}
		if err := post(ctx, to, soda4, "/api/command", publish, nil); err != nil {
			return nil, err
		}
		files = append(files, answer.FileID)
	}
	return files, nil
}

func (a *agreement) source(file string) map[string]any {
	return map[string]any{"fileId": file, "metadata": map[string]any{"source": map[string]any{"type": "local", "filePath": a.path}}}
}

// current is the place of the version that was in force so long ago.
func (a *agreement) current(age time.Duration) int {
	for i := len(a.versions) - 1; i > 0; i-- {
		if age <= a.versions[i].since {
			return i
		}
	}
	return 0
}

// payload makes up the results of one verification.
func (a *agreement) payload(files []string, at, now time.Time) map[string]any {
	s := &scan{at: at, age: now.Sub(at), dice: dice(a.dataset, at), counts: map[string]int{}}
	source, _, _ := strings.Cut(a.dataset, "/")
	s.log("info", "Verifying contract "+a.path)
	if a.broken != nil && a.broken(s.age) {
		s.fail(fmt.Sprintf("Could not connect to '%s': connection failed: connection to server at \"10.0.12.7\", port 5432 failed: timeout expired", source))
	} else {
		rows := weekly(a.rows, 0.2, 0.05)(s)
		for i := range a.clauses {
			a.evaluate(s, &a.clauses[i], rows)
		}
		s.log("info", fmt.Sprintf("Checks: %d, passed: %d, failed: %d, warned: %d", len(s.checks), s.counts["pass"], s.counts["fail"], s.counts["warn"]))
	}
	for _, l := range s.logs {
		l["thread"] = "soda-contract"
	}
	message := map[string]any{
		"definitionName": a.dataset, "defaultDataSource": source, "defaultDataSourceProperties": map[string]any{"type": "postgres"},
		"dataTimestamp": iso(at), "scanStartTimestamp": iso(at), "scanEndTimestamp": iso(at.Add(time.Duration(2+s.dice.IntN(9)) * time.Second)),
		"hasErrors": s.errors > 0, "hasWarnings": false, "hasFailures": s.errors == 0 && s.counts["fail"] > 0, "logs": s.logs, "sourceOwner": "soda-core",
		"contract": a.source(files[a.current(s.age)]), "postProcessingStages": []any{}, "resultsIngestionMode": "full", "tokenUsage": []any{}, "version": "4",
	}
	if len(s.checks) > 0 {
		message["checks"] = s.checks
	}
	return message
}

func (a *agreement) evaluate(s *scan, c *clause, rows float64) {
	if c.since > 0 && s.age > c.since {
		return
	}
	value := rows
	if c.value != nil {
		value = c.value(s)
	}
	outcome := "pass"
	switch {
	case violates(c.fail, value):
		outcome = "fail"
	case violates(c.warn, value):
		outcome = "warn"
	}
	s.counts[outcome]++
	v4 := map[string]any{"type": c.kind, "datasetRowsTested": rows, "checkRowsTested": rows}
	diagnostics := map[string]any{"value": value, "v4": v4}
	switch {
	case c.diagnose != nil:
		diagnostics["v4"] = c.diagnose(s, value)
	case c.percent:
		v4["failedRowsPercent"], v4["failedRowsCount"] = value, math.Round(value*rows/100)
	case c.kind != "row_count":
		v4["failedRowsCount"], v4["failedRowsPercent"] = value, math.Round(value/rows*10000)/100
	}
	if c.kind == "freshness" {
		diagnostics["measure"] = "time"
	}
	for level, bounds := range map[string]map[string]any{"fail": c.fail, "warn": c.warn} {
		if bounds != nil {
			diagnostics[level] = bounds
		}
	}
	names := strings.Split(a.dataset, "/")
	check := map[string]any{
		"identities": map[string]any{"vc1": (&check{table: a.dataset, column: c.column, line: c.kind}).identity(nil)}, "checkPath": c.path(), "name": c.name, "type": "generic", "checkType": c.kind,
		"definition": c.definition, "resourceAttributes": []any{map[string]any{"name": "owner", "value": "Chidi Alba"}, map[string]any{"name": "team", "value": "finance"}},
		"location":   map[string]any{"filePath": a.path, "line": 4, "col": 6},
		"dataSource": names[0], "datasetPrefix": names[1 : len(names)-1], "table": names[len(names)-1], "outcome": outcome, "source": "soda-contract", "diagnostics": diagnostics,
	}
	if c.column != "" {
		check["column"] = c.column
	}
	s.checks = append(s.checks, check)
}

// violates tells whether a value is in a bad range. An empty one stands for a value that must be 0.
func violates(bounds map[string]any, v float64) bool {
	if bounds == nil {
		return false
	}
	bad := len(bounds) == 0 && v != 0
	for name, bound := range bounds {
		limit := bound.(float64)
		switch name {
		case "greaterThan":
			bad = bad || v > limit
		case "greaterThanOrEqual":
			bad = bad || v >= limit
		case "lessThanOrEqual":
			bad = bad || v <= limit
		}
	}
	return bad
}

// ofColumn and ofDataset write the body of a check as the client does: without its type, {} if it is empty.
func ofColumn(column, body string) string {
	return "columns:\n- name: " + column + "\n  checks:\n  - " + strings.ReplaceAll(body, "\n", "\n    ") + "\n"
}

func ofDataset(body string) string {
	return "checks:\n- " + strings.ReplaceAll(body, "\n", "\n  ") + "\n"
}

const (
	ordersContract1 = `dataset: warehouse/shop/sales/orders
columns:
  - name: order_id
    data_type: bigint
    checks:
      - duplicate:
  - name: customer_id
  - name: total_amount
  - name: status
  - name: created_at
checks:
  - row_count:
`
	ordersContract2 = `dataset: warehouse/shop/sales/orders
check_attributes:
  owner: Chidi Alba
  team: finance
columns:
  - name: order_id
    data_type: bigint
    checks:
      - duplicate:
          name: Order ids are unique
  - name: customer_id
    checks:
      - missing:
          name: Orders have a customer
          threshold:
            metric: percent
            must_be_less_than: 1
  - name: total_amount
  - name: status
  - name: created_at
checks:
  - schema:
  - row_count:
`
	ordersContract3 = `dataset: warehouse/shop/sales/orders
check_attributes:
  owner: Chidi Alba
  team: finance
columns:
  - name: order_id
    data_type: bigint
    checks:
      - duplicate:
          name: Order ids are unique
  - name: customer_id
    checks:
      - missing:
          name: Orders have a customer
          threshold:
            metric: percent
            must_be_less_than: 1
            additional:
              must_be_less_than: 0.5
              level: warn
  - name: total_amount
    checks:
      - invalid:
          name: Totals are not negative
          valid_min: 0
  - name: status
    checks:
      - invalid:
          name: Status is known
          valid_values: [new, paid, shipped, returned]
  - name: created_at
checks:
  - schema:
  - row_count:
  - freshness:
      name: Orders come in
      column: created_at
      threshold:
        must_be_less_than: 6
`
	invoicesContract = `dataset: warehouse/shop/finance/invoices
check_attributes:
  owner: Chidi Alba
  team: finance
columns:
  - name: invoice_id
    checks:
      - missing:
      - duplicate:
  - name: order_id
checks:
  - row_count:
  - failed_rows:
      name: Invoices equal their orders
      query: |
        SELECT i.* FROM finance.invoices i JOIN sales.orders o USING (order_id) WHERE i.total <> o.total_amount
`
)

var (
	equality  = map[string]any{}
	notEmpty  = map[string]any{"lessThanOrEqual": 0.0}
	orderCols = []map[string]any{{"name": "order_id", "type": "bigint"}, {"name": "customer_id"}, {"name": "total_amount"}, {"name": "status"}, {"name": "created_at"}}
)

// agreements are the company's contracts: that of the orders, which SodaCL looks at too, has grown; the invoices could not be
// read last night.
var agreements = []agreement{
	{
		dataset: "warehouse/shop/sales/orders", path: "contracts/orders.yml", firstRun: 3 * time.Hour, every: day, rows: 48210,
		versions: []version{{days * day, ordersContract1}, {20 * day, ordersContract2}, {6 * day, ordersContract3}},
		clauses: []clause{
			{kind: "duplicate", column: "order_id", name: "Order ids are unique", definition: ofColumn("order_id", "name: Order ids are unique"), value: zeroBut(0, 0, 0), fail: equality},
			{kind: "missing", column: "customer_id", name: "Orders have a customer", since: 20 * day, percent: true, value: around(0.2, 0.4, 0.7, 3*day),
				definition: ofColumn("customer_id", "name: Orders have a customer\nthreshold:\n  metric: percent\n  must_be_less_than: 1\n  additional:\n    must_be_less_than: 0.5\n    level: warn"),
				fail:       map[string]any{"greaterThanOrEqual": 1.0}, warn: map[string]any{"greaterThanOrEqual": 0.5}},
			{kind: "invalid", column: "total_amount", name: "Totals are not negative", since: 6 * day, definition: ofColumn("total_amount", "name: Totals are not negative\nvalid_min: 0"), value: zeroBut(0, 0, 0), fail: equality},
			{kind: "invalid", column: "status", name: "Status is known", since: 6 * day, value: zeroBut(2*day, 0, 77), fail: equality,
				definition: ofColumn("status", "name: Status is known\nvalid_values: [new, paid, shipped, returned]")},
			{kind: "schema", name: "Schema matches expected structure", since: 20 * day, definition: ofDataset("{}"), value: zeroBut(0, 0, 0), fail: map[string]any{"greaterThan": 0.0},
				diagnose: func(*scan, float64) map[string]any {
					return map[string]any{"type": "schema", "expected": orderCols, "actual": orderCols}
				}},
			{kind: "row_count", name: "Row count meets expected threshold", definition: ofDataset("{}"), fail: notEmpty},
			{kind: "freshness", name: "Orders come in", since: 6 * day, definition: ofDataset("name: Orders come in\ncolumn: created_at\nthreshold:\n  must_be_less_than: 6"),
				value: func(s *scan) float64 {
					return math.Round((0.4 + 0.6*s.dice.Float64()) * float64(time.Hour/time.Millisecond))
				},
				fail: map[string]any{"greaterThanOrEqual": float64(6 * time.Hour / time.Millisecond)},
				diagnose: func(s *scan, value float64) map[string]any {
					newest := iso(s.at.Add(-time.Duration(value) * time.Millisecond))
					return map[string]any{"type": "freshness", "actualTimestamp": newest, "actualTimestampUtc": newest, "expectedTimestamp": iso(s.at), "expectedTimestampUtc": iso(s.at)}
				}},
		},
	},
	{
		dataset: "warehouse/shop/finance/invoices", path: "contracts/invoices.yml", firstRun: 4 * time.Hour, every: day, rows: 44120,
		versions: []version{{days * day, invoicesContract}}, broken: func(age time.Duration) bool { return age < 24*time.Hour },
		clauses: []clause{
			{kind: "missing", column: "invoice_id", name: "No missing values", definition: ofColumn("invoice_id", "{}"), value: zeroBut(0, 0, 0), fail: equality},
			{kind: "duplicate", column: "invoice_id", name: "No duplicate values", definition: ofColumn("invoice_id", "{}"), value: zeroBut(11*day, 9*day, 14), fail: equality},
			{kind: "row_count", name: "Row count meets expected threshold", definition: ofDataset("{}"), fail: notEmpty},
			{kind: "failed_rows", name: "Invoices equal their orders", value: zeroBut(4*day, 0, 3), fail: equality,
				definition: ofDataset("name: Invoices equal their orders\nquery: SELECT i.* FROM finance.invoices i JOIN sales.orders o USING (order_id) WHERE i.total <> o.total_amount")},
		},
	},
}
