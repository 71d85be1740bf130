package scan

import (
	"fmt"
	"strings"
)

// shape is a kind of scan: checks, and the tables that they need.
type shape struct {
	name   string
	checks string
	// tables are the statements that give each table's rows; large is how many rows the largest has.
	tables func(large int) map[string]string
}

var shapes = []shape{
	{"small", smallChecks, only("small", 1_000)},
	{"large", largeChecks(), func(large int) map[string]string { return map[string]string{"big": rows(large)} }},
	{"many tables", manyTables(), manySmall},
	{"duplicates and groups", groupChecks, only("middle", 500_000)},
	{"filters and partitions", filterChecks, only("middle", 500_000)},
	{"percentiles", percentileChecks, only("middle", 500_000)},
	{"schema and freshness", metadataChecks(), manySmall},
	{"one wrong column", wrongChecks(), only("middle", 500_000)},
}

// fileShapes are of a file, which is a table.
var fileShapes = []shape{
	{"a million rows", strings.ReplaceAll(smallChecks, "checks for small:", "checks for orders:"), only("orders", 1_000_000)},
	{"duplicates and groups", groupChecks, only("middle", 500_000)},
	{"filters and partitions", filterChecks, only("middle", 500_000)},
	{"percentiles", percentileChecks, only("middle", 500_000)},
}

func only(table string, n int) func(int) map[string]string {
	return func(int) map[string]string { return map[string]string{table: rows(n)} }
}

// rows is a table of 20 columns and n rows, alike on PostgreSQL and DuckDB: ten numbers of three types, seven texts, three times.
func rows(n int) string {
	return fmt.Sprintf(`SELECT i AS id,
  CAST((i * 7919) %% 100000 AS integer) AS customer_id,
  CASE WHEN i %% 50 <> 0 THEN CAST((i * 31) %% 100 AS integer) END AS quantity,
  CAST((i * 104729) %% 1000 AS integer) AS score,
  CAST((i * 7919) %% 100003 AS double precision) / 7 AS price,
  CASE WHEN i %% 33 <> 0 THEN CAST((i * 13) %% 1009 AS double precision) / 1009 END AS discount,
  CAST((i * 17) %% 5003 AS double precision) / 3 AS weight,
  CAST(CAST((i * 29) %% 1000003 AS integer) * 0.01 AS numeric(12,2)) AS amount,
  CASE WHEN i %% 40 <> 0 THEN CAST(CAST((i * 37) %% 10007 AS integer) * 0.01 AS numeric(12,2)) END AS tax,
  CAST(CAST((i * 41) %% 503 AS integer) * 0.01 AS numeric(12,2)) AS fee,
  CASE WHEN i %% 100 = 0 THEN 'broken' ELSE 'user' || CAST((i * 7) %% 100000 AS varchar) || '@example.com' END AS email,
  CASE i %% 5 WHEN 0 THEN 'NL' WHEN 1 THEN 'BE' WHEN 2 THEN 'DE' WHEN 3 THEN 'FR' ELSE 'xx' END AS country,
  CASE WHEN i %% 7 = 0 THEN 'open' WHEN i %% 11 = 0 THEN NULL ELSE 'closed' END AS status,
  '+1 202 555 0' || CAST(100 + i %% 900 AS varchar) AS phone,
  CAST(10000 + (i * 3) %% 90000 AS varchar) AS zip,
  'SKU-' || CAST((i * 7) %% 10000 AS varchar) AS code,
  CASE WHEN i %% 20 = 0 THEN 'N/A' WHEN i %% 21 = 0 THEN NULL ELSE 'a note of some length, number ' || CAST(i %% 1000 AS varchar) END AS note,
  TIMESTAMP '2024-01-01 00:00:00' + (i %% 1000000) * INTERVAL '1 minute' AS created,
  CASE WHEN i %% 60 <> 0 THEN TIMESTAMP '2025-01-01 00:00:00' + (i %% 500000) * INTERVAL '1 minute' END AS updated,
  DATE '2024-01-01' + CAST(i %% 700 AS integer) AS day
FROM generate_series(CAST(1 AS bigint), CAST(%d AS bigint)) AS g(i)`, n)
}

// tablesOfMany is how many tables the shapes of many tables have.
const tablesOfMany = 60

func manySmall(int) map[string]string {
	tables := map[string]string{}
	for i := range tablesOfMany {
		tables[fmt.Sprintf("t%02d", i)] = rows(500)
	}
	return tables
}

const smallChecks = `checks for small:
  - row_count > 0
  - missing_count(status) < 100
  - missing_percent(quantity) < 5
  - invalid_count(email) >= 10:
      valid format: email
  - invalid_percent(quantity) < 10:
      valid max: 95
  - duplicate_count(id) = 0
  - avg(amount) > 1
  - max(score) < 1000
  - min_length(code) > 2
  - freshness(created) < 100000d
`

// largeChecks are 200 checks, ten on each column.
func largeChecks() string {
	var out strings.Builder
	out.WriteString("checks for big:\n")
	for _, c := range []string{"id", "customer_id", "quantity", "score", "price", "discount", "weight", "amount", "tax", "fee"} {
		fmt.Fprintf(&out, `  - missing_count(%[1]s) >= 0
  - missing_percent(%[1]s) < 10
  - invalid_count(%[1]s) >= 0:
      valid min: 1
  - invalid_percent(%[1]s) < 100:
      valid max: 90
  - avg(%[1]s) > 0
  - sum(%[1]s) > 0
  - min(%[1]s) >= 0
  - max(%[1]s) > 0
  - stddev(%[1]s) > 0
  - avg(%[1]s) >= 0:
      filter: country = 'NL'
`, c)
	}
	for _, c := range []struct{ name, format, values string }{
		{"email", "valid format: email", "[broken]"}, {"country", "valid regex: '^[A-Z]{2}$'", "[NL, BE, DE, FR]"}, {"status", "valid min length: 5", "[open, closed]"},
		{"phone", "valid format: phone number", "['+1 202 555 0100']"}, {"zip", "valid format: integer", "['10000']"}, {"code", "valid regex: 'SKU-[0-9]+'", "[SKU-1, SKU-2]"},
		{"note", "valid max length: 33", "[N/A]"},
	} {
		fmt.Fprintf(&out, `  - missing_count(%[1]s) >= 0
  - missing_percent(%[1]s) < 50:
      missing values: [N/A, '']
  - invalid_count(%[1]s) >= 0:
      %[2]s
  - invalid_percent(%[1]s) <= 100:
      %[2]s
  - valid_count(%[1]s) >= 0:
      %[2]s
  - invalid_count(%[1]s) >= 0:
      valid values: %[3]s
  - invalid_percent(%[1]s) <= 100:
      valid values: %[3]s
  - min_length(%[1]s) >= 0
  - max_length(%[1]s) > 0
  - avg_length(%[1]s) > 0
`, c.name, c.format, c.values)
	}
	for _, c := range []string{"created", "updated", "day"} {
		fmt.Fprintf(&out, `  - freshness(%[1]s) < 100000d
  - freshness(%[1]s) < 100000d:
      filter: country = 'NL'
  - missing_count(%[1]s) >= 0
  - missing_percent(%[1]s) < 50
  - missing_count(%[1]s) >= 0:
      filter: country = 'NL'
  - missing_percent(%[1]s) < 50:
      filter: country = 'NL'
  - row_count > 0:
      filter: %[1]s >= '2024-06-01'
  - row_count > 0:
      filter: %[1]s < '2024-06-01'
  - failed rows:
      name: %[1]s is early
      fail condition: %[1]s < '2020-01-01'
  - %[1]s_days > 0:
      %[1]s_days expression: COUNT(CASE WHEN %[1]s IS NOT NULL THEN 1 END)
`, c)
	}
	return out.String()
}

func manyTables() string {
	var out strings.Builder
	for i := range tablesOfMany {
		fmt.Fprintf(&out, `checks for t%02d:
  - row_count > 0
  - missing_count(status) >= 0
  - invalid_count(country) >= 0:
      valid values: [NL, BE, DE, FR]
`, i)
	}
	return out.String()
}

const groupChecks = `checks for middle:
  - duplicate_count(id) = 0
  - duplicate_count(email) >= 0
  - duplicate_percent(customer_id) >= 0
  - duplicate_count(code) >= 0
  - duplicate_count(country, status) >= 0
  - duplicate_count(customer_id, score) >= 0
  - duplicate_count(zip) >= 0:
      filter: country = 'NL'
  - values in (customer_id) must exist in middle (customer_id)
  - values in (code) must exist in middle (code)
  - group by:
      query: SELECT country, count(*) AS n, avg(amount) AS mean FROM middle GROUP BY country
      fields: [country]
      checks:
        - n > 1:
            name: enough rows
        - mean > 1:
            name: mean amount
`

const filterChecks = `filter middle [dutch]:
  where: country = 'NL'
filter middle [late]:
  where: created >= '2024-09-01'
checks for middle [dutch]:
  - row_count > 0
  - missing_percent(status) < 50
  - avg(amount) > 0
  - invalid_count(email) >= 0:
      valid format: email
  - max(price) > 0
  - duplicate_count(id) = 0
checks for middle [late]:
  - row_count > 0
  - missing_percent(status) < 50
  - avg(amount) > 0
  - sum(quantity) > 0
  - freshness(updated) < 100000d
checks for middle:
  - row_count > 0:
      filter: status = 'open'
  - avg(amount) > 0:
      filter: status = 'open'
  - avg(amount) > 0:
      filter: status = 'closed'
  - missing_count(quantity) >= 0:
      filter: status = 'open'
  - missing_percent(quantity) < 50:
      filter: status = 'closed'
  - failed rows:
      name: negative amounts
      fail condition: amount < 0
  - failed rows:
      name: by query
      fail query: SELECT id, amount FROM middle WHERE amount > 9999
`

const percentileChecks = `checks for middle:
  - row_count > 0
  - percentile(price, 0.5) > 0
  - percentile(price, 0.95) > 0
  - percentile(amount, 0.5) > 0
  - percentile(quantity, 0.1) >= 0
  - avg(price) > 0
  - stddev(price) > 0
  - variance(price) > 0
  - stddev_pop(amount) > 0
  - var_pop(amount) > 0
  - avg(amount) > 0
  - missing_count(quantity) >= 0
`

func metadataChecks() string {
	var out strings.Builder
	for i := range tablesOfMany {
		fmt.Fprintf(&out, `checks for t%02d:
  - freshness(created) < 100000d
  - schema:
      fail:
        when required column missing: [id, email]
        when forbidden column present: ["pii_%%"]
`, i)
	}
	return out.String()
}

// wrongChecks have one column that is not there among many that are; the reference then evaluates none of them.
func wrongChecks() string {
	var out strings.Builder
	out.WriteString("checks for middle:\n  - avg(no_such_column) > 0\n")
	for _, c := range []string{"id", "customer_id", "quantity", "score", "price", "discount", "weight", "amount", "tax", "fee"} {
		fmt.Fprintf(&out, "  - avg(%[1]s) > 0\n  - max(%[1]s) > 0\n  - missing_count(%[1]s) >= 0\n", c)
	}
	return out.String()
}
