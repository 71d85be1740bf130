// Package contract reads data contracts as Soda Core 4 writes them: one YAML file that says of one dataset which columns it
// must have and which checks must hold.
//
// It owns the language: its keys, defaults and inheritance, variables, which checks a selection means, and the positions of
// mistakes. It knows no SQL and no data; package engine runs what is read here. A contract with mistakes is not run at all,
// and tells all its mistakes at once. The language is that of Soda Core 4 (protocol, section 10); docs/contracts.md lists
// where we knowingly differ.
package contract

import (
	"slices"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// The limits of what is read; a file over one is refused with a mistake that names the limit.
const (
	MaxFileSize = 1 << 20 // bytes
	MaxNodes    = 100_000 // YAML nodes with aliases followed
	MaxColumns  = 5_000
	MaxChecks   = 5_000
)

// The types of checks.
const (
	Schema     = "schema"
	RowCount   = "row_count"
	Freshness  = "freshness"
	Missing    = "missing"
	Invalid    = "invalid"
	Duplicate  = "duplicate"
	Aggregate  = "aggregate"
	Metric     = "metric"
	FailedRows = "failed_rows"
)

// Types lists the types of checks.
var Types = []string{Aggregate, Duplicate, FailedRows, Freshness, Invalid, Metric, Missing, RowCount, Schema}

// Contract is what a file says.
type Contract struct {
	File    string
	Dataset dq.DatasetRef
	// Filter is the SQL condition of the rows that are looked at, empty for all.
	Filter  string
	Columns []*Column
	// Checks are those of the dataset and of its columns, in the order in which they are reported.
	Checks []*Check
	// Variables are the values of the variables that the contract declares.
	Variables map[string]any
	// Mistakes are in order of lines.
	Mistakes []sodacl.Mistake
}

// Failed tells whether there is a mistake beyond warnings.
func (c *Contract) Failed() bool {
	return slices.ContainsFunc(c.Mistakes, func(m sodacl.Mistake) bool { return !m.Warning })
}

// Column is one column that the dataset must have.
type Column struct {
	Name string
	At   sodacl.Position
	// Type is the type it must have, empty for any; the numbers are its parameters, nil for any.
	Type                               string
	Length, Precision, Scale, Fraction *int64
	// Expression is SQL that stands for the column in its checks, empty for the column itself.
	Expression string
	// Values are what its checks inherit.
	Values Values
}

// TypeText is the type with its parameters, such as varchar(20); empty for any.
func (c *Column) TypeText() string {
	return typeText(c.Type, c.Length, c.Precision, c.Scale, c.Fraction)
}

// Check is one check.
type Check struct {
	Type string
	// At is the first key of the check's body, or the check's type if the body is empty.
	At sodacl.Position
	// Column is nil for a check of the dataset.
	Column *Column
	// Name is the one given, or the type's usual one.
	Name, Qualifier, Filter string
	Attributes              []dq.Attribute
	// Expression is SQL that stands for the column in this check.
	Expression string
	// Fail and Warn say what must hold for the value, lest the check fails or warns. Both are nil if the threshold makes no
	// sense; the check is then not evaluated.
	Fail, Warn *sodacl.Condition
	// Percent judges the share of rows in place of their number.
	Percent bool
	// Unit is that of a freshness threshold.
	Unit   time.Duration
	Values Values
	// Excluded says that the selection leaves this check out.
	Excluded bool
	// Definition is the check as a contract of its own, variables filled in.
	Definition string

	// AllowExtraColumns and AllowOtherOrder are of schema checks.
	AllowExtraColumns, AllowOtherOrder bool
	// Function is that of an aggregate: avg, sum, min, max, avg_length, min_length or max_length.
	Function string
	// Columns are those whose combinations must differ, of a duplicate check of the dataset.
	Columns []string
	// Timestamp is the column of a freshness check, Now the variable that stands for now, empty for the time of the data.
	Timestamp, Now string
	// SQL is an expression of a metric or failed rows check; Query a whole statement in its place; RowsTested a statement
	// that counts the rows which the query looked at.
	SQL, Query, RowsTested string
}

// Path is where the check stands in the contract (checkPath): columns.id.checks.missing.
func (c *Check) Path() string {
	parts := []string{"checks", c.Type}
	if c.Column != nil {
		parts = []string{"columns", c.Column.Name, "checks", c.Type}
	}
	if c.Qualifier != "" {
		parts = append(parts, c.Qualifier)
	}
	return strings.Join(parts, ".")
}

// names are what checks are called if people gave no name.
var names = map[string]string{
	Schema: "Schema matches expected structure", RowCount: "Row count meets expected threshold", Freshness: "Data is fresh",
	Missing: "No missing values", Invalid: "No invalid values", Duplicate: "No duplicate values",
	Aggregate: "Metric function meets threshold", Metric: "Metric meets threshold", FailedRows: "No rows violating the condition",
}

// Values say which values of a column are missing and which are valid. Lists are nil, and the rest is nil or empty, where
// nothing is said.
type Values struct {
	Missing                      []Literal
	MissingFormat                string
	Valid, Invalid               []Literal
	ValidFormat, InvalidFormat   string
	Min, Max                     *Literal
	Length, MinLength, MaxLength *int64
	Reference                    *Reference
}

// Reference is a column of another dataset of the same data source that has all valid values.
type Reference struct {
	Dataset dq.DatasetRef
	Column  string
}

func (v Values) saysMissing() bool { return v.Missing != nil || v.MissingFormat != "" }

// SaysValid tells whether anything says which values are valid.
func (v Values) SaysValid() bool {
	return v.Valid != nil || v.Invalid != nil || v.ValidFormat != "" || v.InvalidFormat != "" || v.Min != nil || v.Max != nil ||
		v.Length != nil || v.MinLength != nil || v.MaxLength != nil || v.Reference != nil
}

// inherit takes from the column what the check says nothing of: all that is missing, and all that is valid.
func (v Values) inherit(column Values) Values {
	if !v.saysMissing() {
		v.Missing, v.MissingFormat = column.Missing, column.MissingFormat
	}
	if !v.SaysValid() {
		missing, format := v.Missing, v.MissingFormat
		v = column
		v.Missing, v.MissingFormat = missing, format
	}
	return v
}

// Literal is a value in a list.
type Literal struct {
	Kind LiteralKind
	// Text is the text, the number's digits, true or false, 2026-03-01, or 2026-03-01T06:00:00+00:00.
	Text string
}

// LiteralKind is the kind of a literal.
type LiteralKind int

// The kinds of literals.
const (
	Null LiteralKind = iota
	Text
	Number
	Bool
	Date
	Time
)
