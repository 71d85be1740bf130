package sourcetest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/engine"
)

// Kind is what a column holds.
type Kind int

// Kinds of columns.
const (
	Integer Kind = iota
	Decimal      // two digits after the point
	Float
	Boolean
	String
	Day
	Timestamp
	TimestampZone
)

// Column of a table.
type Column struct {
	Name string
	Kind Kind
}

// Table of the suite. Values are nil, int64, float64, bool, string, engine.Date and time.Time.
type Table struct {
	Name    string
	Columns []Column
	Rows    [][]any
}

func day(text string) engine.Date {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return engine.Date{Time: t}
}

func moment(text string) time.Time {
	t, err := time.Parse(time.DateTime, text)
	if err != nil {
		panic(err)
	}
	return t
}

// OddName and OddColumn need quotes wherever they are written.
const (
	OddName   = "Odd name's"
	OddColumn = "a column, it's"
)

// Tables that a source has to hold for the suite.
func Tables() []Table {
	return []Table{
		{
			Name: "orders",
			Columns: []Column{
				{"id", Integer}, {"amount", Decimal}, {"ratio", Float}, {"paid", Boolean}, {"status", String}, {"email", String},
				{"order_date", Day}, {"created_at", Timestamp}, {"seen_at", TimestampZone}, {"absent", Integer}, {"price", String},
			},
			Rows: [][]any{
				{int64(1), 10.50, 0.1, true, "new", "ann@example.org", day("2026-03-01"), moment("2026-03-01 10:00:00"), moment("2026-03-01 09:00:00"), nil, "1.5"},
				{int64(2), 20.25, 0.2, false, "paid", "bob@example.org", day("2026-03-02"), moment("2026-03-02 10:00:00"), moment("2026-03-02 09:00:00"), nil, "2,5"},
				{int64(3), nil, 0.3, true, "paid", "not an address", day("2026-03-03"), moment("2026-03-03 10:00:00"), moment("2026-03-03 09:00:00"), nil, "x"},
				{int64(4), 0.25, 0.4, nil, "it's", nil, day("2026-03-04"), moment("2026-03-04 10:00:00"), moment("2026-03-04 09:00:00"), nil, nil},
				{int64(4), -5.00, nil, true, "n/a", "éva@example.org", nil, moment("2026-03-05 12:30:00"), moment("2026-03-05 11:30:00"), nil, "4"},
			},
		},
		{Name: "customers", Columns: []Column{{"id", Integer}, {"name", String}}, Rows: [][]any{{int64(1), "Ann"}, {int64(2), "Bob"}, {int64(3), "Éva"}}},
		{Name: "empty_table", Columns: []Column{{"id", Integer}, {"name", String}}},
		{Name: OddName, Columns: []Column{{OddColumn, Integer}}, Rows: [][]any{{int64(1)}, {nil}}},
	}
}

// SQL gives the statements that make and fill the table in a database with these type names. quote is the quotation mark of
// identifiers.
func (t Table) SQL(types map[Kind]string, quote string) []string {
	name := quote + strings.ReplaceAll(t.Name, quote, quote+quote) + quote
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = quote + strings.ReplaceAll(c.Name, quote, quote+quote) + quote + " " + types[c.Kind]
	}
	out := []string{"CREATE TABLE " + name + " (" + strings.Join(columns, ", ") + ")"}
	for _, row := range t.Rows {
		values := make([]string, len(row))
		for i, v := range row {
			values[i] = literal(v, types[t.Columns[i].Kind])
		}
		out = append(out, "INSERT INTO "+name+" VALUES ("+strings.Join(values, ", ")+")")
	}
	return out
}

// Text writes a value as files of text have it; NULL is empty.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case engine.Date:
		return v.Format(time.DateOnly)
	case time.Time:
		return v.Format(time.DateTime)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

func literal(v any, kind string) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case int64, float64, bool:
		return Text(v)
	case time.Time, engine.Date:
		return "CAST('" + Text(v) + "' AS " + kind + ")"
	}
	return "'" + strings.ReplaceAll(fmt.Sprint(v), "'", "''") + "'"
}
