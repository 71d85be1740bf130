// Package sodacl reads SodaCL, the check language of Soda Core 3: YAML files whose keys are sections such as "checks for
// orders" and whose list entries are check lines such as "row_count > 0".
//
// It owns the grammar, the positions of mistakes, and variables (${…}). It knows no SQL and no data: what a metric means is
// the engine's business (package engine). A file with mistakes still gives all checks that can be understood, and all its
// mistakes at once. The language is that of Soda Core 3.5.6; docs/sodacl.md lists where we knowingly differ.
package sodacl

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// The limits of what is read; a file over one is refused as a whole, with a mistake that names the limit.
const (
	MaxFileSize = 4 << 20 // bytes of one file
	MaxNodes    = 300_000 // YAML nodes of one file with aliases followed
	MaxChecks   = 10_000  // checks of one program, before "for each" multiplies them
)

// File is one file of checks. Name is used in positions, and to find files that the checks name beside it.
type File struct {
	Name string
	Text []byte
}

// Position is a place in a file. Line and Column count from 1; 0 is unknown.
type Position struct {
	File         string
	Line, Column int
}

func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Mistake is something in a file that is wrong (it makes the scan's exit code 3) or, as a Warning, only suspicious.
type Mistake struct {
	Position
	Message string
	Warning bool
}

func (m Mistake) Error() string { return m.Position.String() + ": " + m.Message }

// Program is what all files of a scan ask for.
type Program struct {
	// Checks are those of the data source as a whole (section "checks").
	Checks []*Check
	// Tables are the datasets in order of their first mention.
	Tables []*Table
	// ForEach are the sections that stand for many datasets.
	ForEach []*ForEach
	// Columns is what "configurations for" says of columns: table, column as written in checks.
	Columns map[string]map[string]Validity
	// Discover, Profile, Sample and Monitor are the sections of these names, patterns as written.
	Discover, Profile, Sample, Monitor []Selection
	// Variables are those of the caller and of the "variables" sections.
	Variables Variables
	// Mistakes are in order of files and lines.
	Mistakes []Mistake
}

// Failed tells whether there is a mistake beyond warnings.
func (p *Program) Failed() bool {
	return slices.ContainsFunc(p.Mistakes, func(m Mistake) bool { return !m.Warning })
}

// Table is one dataset as written, with its quotes, and its checks.
type Table struct {
	Name       string
	Partitions []*Partition
}

// Partition is the whole of a table (no name) or the part of it that a filter section selects.
type Partition struct {
	Name string
	// Filter is an SQL condition, unresolved; empty for all rows.
	Filter string
	Checks []*Check
}

// Selection is one section of dataset or column patterns.
type Selection struct {
	At       Position
	Patterns []Pattern
}

// Pattern includes or excludes datasets by an SQL LIKE pattern. Column is set in "profile columns" only.
type Pattern struct {
	Exclude bool
	Source  string // data source that the pattern names, "" for the scan's own
	Table   string
	Column  string
	At      Position
}

// ForEach is a section of checks for every dataset that matches.
type ForEach struct {
	Alias  string
	Select Selection
	Checks []*Check
}

// Kind tells what sort of check it is, and so which members of [Check] count.
type Kind int

// The kinds of check. Anomaly is read, and reported as not evaluated.
const (
	Metric Kind = iota
	Freshness
	Schema
	Reference
	SameRowCount
	FailedRows
	GroupBy
	GroupEvolution
	Distribution
	Anomaly
)

// Check is one entry of a list of checks.
type Check struct {
	Kind Kind
	// Header is the section it stands in, Line the check line, both as written; Config its nested configuration.
	Header, Line string
	line         *yaml.Node
	Config       *yaml.Node
	At           Position
	// Name is what people called it, unresolved; empty for none. Identity likewise.
	Name, Identity string
	Attributes     []Attribute
	// Problem is why the check cannot be evaluated; it is among the mistakes too. Empty for nothing.
	Problem string
	// Incomparable is why the check's metric, which is a number, cannot be compared with its threshold; it is among the mistakes
	// too. Empty for nothing that is known without the values of variables.
	Incomparable string
	// SamplesLimit is how many failed rows may be kept, -1 if not given. SamplesColumns are the columns kept of them, nil for
	// all. FailedRows is the user's own statement for them, beside a metric of the user's own.
	SamplesLimit   int
	SamplesColumns []string
	FailedRows     string

	// Metric, Args: "avg(amount)" is avg of amount, "percentile(a, 0.5)" has two arguments. For Freshness, Args has the
	// column and perhaps the variable that stands for now.
	Metric string
	Args   []string
	// Expression or Query, if one is given, is the user's own definition of the metric.
	Expression, Query string
	Change            *Change
	Filter            string
	Validity          Validity
	// Line threshold: what must hold to pass. Warn and Fail: what is bad.
	Pass, Warn, Fail *Condition

	SchemaWarn, SchemaFail *SchemaRules
	Reference              *ReferenceTo
	SameAs                 *OtherTable
	// Condition is the SQL condition of failing rows; FailedRows without it use Query.
	Condition string
	Groups    *Groups
	// Distribution is what a column's values are compared with; nil, with a Problem, if that is not given.
	Distribution *DistributionOf
}

// Column is the column that the check is about, "" if it is about none or several.
func (c *Check) Column() string {
	switch {
	case c.Kind == Reference && len(c.Reference.Columns) == 1:
		return c.Reference.Columns[0]
	case c.Kind == Reference || len(c.Args) == 0:
		return ""
	case len(c.Args) > 1 && c.Metric == "duplicate_count":
		return ""
	}
	return c.Args[0]
}

// DefaultName is the check's name if people gave none, unresolved.
func (c *Check) DefaultName() string {
	name := c.Line
	switch c.Kind {
	case Schema:
		return "Schema Check"
	case GroupEvolution:
		return "Group Evolution Check"
	}
	for _, side := range []struct {
		word string
		text string
	}{{"warn", written(c.Warn)}, {"fail", written(c.Fail)}} {
		if side.text != "" {
			name += " " + side.word + " " + side.text
		}
	}
	return name
}

func written(c *Condition) string {
	if c == nil {
		return ""
	}
	return c.Text
}

// Attribute is a name and value from "attributes", both unresolved. Value is a string, bool, int64, float64, time.Time or a
// list of these.
type Attribute struct {
	Name  string
	Value any
}

// Change compares the metric with its own past.
type Change struct {
	// Percent asks for the difference in percent of the past value.
	Percent bool
	// Aggregate is avg, min or max over the Last measurements; empty for the one before.
	Aggregate string
	Last      int
	// SameDayLastWeek takes the measurement of seven days ago.
	SameDayLastWeek bool
}

// Condition is a comparison with one value (Low), or a range.
type Condition struct {
	// Op is one of < <= = >= > != between and "not between".
	Op        string
	Low, High Value
	// LowOpen and HighOpen: the end is not part of the range.
	LowOpen, HighOpen bool
	// Text is the condition as written.
	Text string
}

// Value is a number, a duration (IsDuration), or text that has to be resolved before it can be read (Text).
type Value struct {
	Number     float64
	Duration   time.Duration
	IsDuration bool
	Text       string
}

// Literal is a text or a number (as written) in a list of values.
type Literal struct {
	Text   string
	Number bool
}

// Validity says which values of a column are missing and which are valid. Pointers are nil for what is not given.
type Validity struct {
	MissingValues, ValidValues, InvalidValues   []Literal
	MissingFormat, ValidFormat, InvalidFormat   *string
	MissingRegex, ValidRegex, InvalidRegex      *string
	ValidLength, ValidMinLength, ValidMaxLength *int
	ValidMin, ValidMax                          *float64
	IncludeNull                                 bool
}

// Merge adds what the column's own configuration says: lists are joined, of single values the check's own win. Invalid keys
// of a column are left out, as the reference client does.
func (v Validity) Merge(column Validity) Validity {
	v.MissingValues = joined(v.MissingValues, column.MissingValues)
	v.ValidValues = joined(v.ValidValues, column.ValidValues)
	v.MissingFormat = cmp.Or(v.MissingFormat, column.MissingFormat)
	v.MissingRegex = cmp.Or(v.MissingRegex, column.MissingRegex)
	v.ValidFormat = cmp.Or(v.ValidFormat, column.ValidFormat)
	v.ValidRegex = cmp.Or(v.ValidRegex, column.ValidRegex)
	v.ValidLength = cmp.Or(v.ValidLength, column.ValidLength)
	v.ValidMinLength = cmp.Or(v.ValidMinLength, column.ValidMinLength)
	v.ValidMaxLength = cmp.Or(v.ValidMaxLength, column.ValidMaxLength)
	v.ValidMin = cmp.Or(v.ValidMin, column.ValidMin)
	v.ValidMax = cmp.Or(v.ValidMax, column.ValidMax)
	v.IncludeNull = v.IncludeNull || column.IncludeNull
	return v
}

// joined keeps apart a list that was not given (nil) and one without anything in it.
func joined(a, b []Literal) []Literal {
	if a == nil && b == nil {
		return nil
	}
	return append(slices.Clone(a), b...)
}

// SchemaRules are the rules of one side (warn or fail) of a schema check.
type SchemaRules struct {
	Required  []string
	Forbidden []string
	// Types are columns that must have a type; an empty type asks for the column only. Exact means that no other columns may
	// exist, apart from Optional ones that may be absent.
	Types    []ColumnType
	Exact    bool
	Optional []string
	Indexes  []ColumnIndex
	// Changes are the changes that are bad: add, delete, type, index.
	Changes map[string]bool
}

// ColumnType is a column and the type it must have.
type ColumnType struct{ Name, Type string }

// ColumnIndex is a column and the place it must have, from 0.
type ColumnIndex struct {
	Name  string
	Index int
}

// ReferenceTo is "values in (Columns) must [not] exist in Table (TableColumns)".
type ReferenceTo struct {
	Columns      []string
	Not          bool
	Table        string
	TableColumns []string
}

// OtherTable is "row_count same as Table [Partition] in Source"; Filter is what the partition selects.
type OtherTable struct{ Table, Partition, Filter, Source string }

// Groups is a group by (Fields, Limit, Checks) or a group evolution (Warn and Fail).
type Groups struct {
	Fields     []string
	Limit      int
	Checks     []*Check
	Warn, Fail GroupRules
}

// GroupRules are the rules of one side of a group evolution.
type GroupRules struct {
	Required, Forbidden []string
	// Added and Deleted: a group that was, or was not, there in the former scan is bad.
	Added, Deleted bool
}

// Changes tells whether the rules are about the former scan.
func (r GroupRules) Changes() bool { return r.Added || r.Deleted }

// InGroup is a nested check of a group by, for one group; the reference client tells such checks apart by a key
// "group_value" of their configuration.
func (c *Check) InGroup(label string) *Check {
	one := *c
	key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "group_value"}
	value := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "[" + label + "]", Style: yaml.SingleQuotedStyle}
	one.Config = &yaml.Node{Kind: yaml.MappingNode}
	if c.Config != nil {
		one.Config.Content = slices.Clone(c.Config.Content)
	}
	one.Config.Content = append(one.Config.Content, key, value)
	return &one
}
