package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

var someRows = []resultRow{
	{outcome: "pass", place: "orders [daily]", check: "row_count > 0", value: "12,003"},
	{outcome: "WARN", place: "größen", check: "invalid_percent(email) warn when > 0.5 fail when > 5", value: "2.35"},
	{outcome: "not evaluated", place: "returns", check: "avg(order_id) > 0", value: "there are no rows to measure, the value is NULL", long: true},
}

// TestTable sees the table as wide as it wants to be, on a terminal of 80 columns, and on one that is far too narrow.
func TestTable(t *testing.T) {
	for width, want := range map[int]string{
		0: `OUTCOME        DATASET         CHECK                                                 VALUE
pass           orders [daily]  row_count > 0                                         12,003
WARN           größen          invalid_percent(email) warn when > 0.5 fail when > 5  2.35
not evaluated  returns         avg(order_id) > 0                                     there are no rows to measure, the value is NULL
`,
		80: `OUTCOME        DATASET         CHECK                                      VALUE
pass           orders [daily]  row_count > 0                              12,003
WARN           größen          invalid_percent(email) warn when > 0.5     2.35
                               fail when > 5
not evaluated  returns         avg(order_id) > 0
                 there are no rows to measure, the value is NULL
`,
		30: `OUTCOME        DATASET         CHECK                 VALUE
pass           orders [daily]  row_count > 0         12,003
WARN           größen          invalid_percent(emai  2.35
                               l) warn when > 0.5
                               fail when > 5
not evaluated  returns         avg(order_id) > 0
                 there are no rows to
                 measure, the value
                 is NULL
`,
	} {
		var out strings.Builder
		(&resultTable{out: &out, width: width}).print(someRows)
		if out.String() != want {
			t.Errorf("%d columns:\n%s\nwant\n%s", width, out.String(), want)
		}
	}
}

func TestFold(t *testing.T) {
	for _, s := range []string{"", "a", "aa bb cc", strings.Repeat("ü", 25), "a  b", "one " + strings.Repeat("x", 30) + " two"} {
		for width := 1; width < 40; width++ {
			lines := fold(s, width)
			for _, line := range lines {
				if utf8.RuneCountInString(line) > width {
					t.Errorf("%q in %d: %q", s, width, line)
				}
			}
			if got := strings.ReplaceAll(strings.Join(lines, ""), " ", ""); got != strings.ReplaceAll(s, " ", "") {
				t.Errorf("%q in %d: %q", s, width, lines)
			}
		}
	}
}

func TestPlaceOfAPartition(t *testing.T) {
	for source, want := range map[string]string{
		"checks for orders [daily]:\n  row_count > 0":          "orders [daily]",
		"checks for orders:\n  - failed rows:\n      x: a [b]": "orders",
		"checks for orders:\n  row_count > 0":                  "orders",
	} {
		if got := shownPlace(&dq.Result{Check: dq.Check{Dataset: dq.DatasetRef{Name: "orders"}, Source: source}}); got != want {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
}
