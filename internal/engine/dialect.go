package engine

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// Dialect is how a kind of data source writes SQL.
type Dialect struct {
	Name string
	// Quote is the quotation mark of identifiers.
	Quote string
	// Regex gives the condition that expr matches pattern somewhere. EscapeRegex doubles backslashes in the pattern first.
	Regex       func(expr, literal string) string
	EscapeRegex bool
	// Formats are named formats that differ from package sodacl's.
	Formats map[string]string
	// Fold gives a bare name as the catalogue has it.
	Fold func(name string) string
	// Average is AVG(x), unless the database needs it otherwise.
	Average func(x string) string
	// Deviation: the family of STDDEV and VARIANCE. Percentile gives the discrete percentile, nil if there is none.
	Deviation  bool
	Percentile func(x, fraction string) string
	// Derive tells that an average is faster computed from a sum, and one deviation from another, to the same value. SortApart
	// tells that aggregates that sort keep the others of a statement from being computed in parallel.
	Derive, SortApart bool
	// NumberType is what text is cast to, RegexReplaceAll the further argument that makes REGEXP_REPLACE replace all.
	NumberType, RegexReplaceAll string
	// RoundsAverage tells that AVG of whole numbers is rounded.
	RoundsAverage bool
	// Slices gives conditions of which each row of a table fulfils one, so that the rows of each can be read without reading the others;
	// none if the table has too few rows. nil where tables cannot be cut.
	Slices func(context.Context, Connection, *Source, Sliceable) ([]string, error)
	// MaxItems is how many aggregates one statement may hold.
	MaxItems int
	// Columns lists name and type of a table's columns in order. Tables lists the names of tables and views that match LIKE
	// patterns, one that is included and none that is excluded.
	Columns func(s *Source, table string) string
	Tables  func(s *Source, include, exclude []string) string
	// Types lists name and whole type, such as varchar(20), of a table's columns in order; nil if Columns does. prefix are the
	// table's containers, outermost first, none for those of the connection.
	Types func(s *Source, prefix []string, table string) string
	// Synonyms of types in schema checks of SodaCL: what the catalogue says, and what may be written for it. SameTypes are the
	// names of one type each, in lower case, in schema checks of contracts.
	Synonyms  map[string][]string
	SameTypes [][]string
}

// Qualified is a table as statements name it. Its text is as written in the check, quotes included.
func (s *Source) Qualified(table string) string {
	if s.Schema == "" {
		return table
	}
	return s.Schema + "." + table
}

// quoted puts the name in quotes if it would not mean the same without.
func (d *Dialect) quoted(name string) string {
	if plainName.MatchString(name) && d.Fold(name) == name {
		return name
	}
	return d.Quote + strings.ReplaceAll(name, d.Quote, d.Quote+d.Quote) + d.Quote
}

var (
	plainName      = regexp.MustCompile(`^[A-Za-z_][A-Za-z_0-9]*$`)
	backslashPairs = regexp.MustCompile(`\\(.)`)
)

// literal writes a text of a list. Quotes are not doubled: people who need them double them themselves, as the reference
// client asks (its quirk 17); who writes checks can run any SQL anyway.
func literal(text string) string {
	return "'" + backslashPairs.ReplaceAllString(text, `\\$1`) + "'"
}

// Text writes a name of ours, or from a catalogue, as an SQL text.
func Text(name string) string { return "'" + strings.ReplaceAll(name, "'", "''") + "'" }

// regex is the condition that x matches the pattern.
func (d *Dialect) regex(x, pattern string) string {
	if d.EscapeRegex {
		pattern = strings.ReplaceAll(pattern, `\`, `\\`)
	}
	return d.Regex(x, "'"+pattern+"'")
}

func (d *Dialect) format(name string, formats map[string]string) string {
	if f, ok := d.Formats[name]; ok {
		return f
	}
	return formats[name]
}

// number casts text to a number: all but digits, sign, point and comma is taken out, commas become points.
func (d *Dialect) number(x string) string {
	return fmt.Sprintf(`CAST(NULLIF(REGEXP_REPLACE(REGEXP_REPLACE(%s, '[^-0-9\.\,]', ''%s), ',', '.'%s), '') AS %s)`, x, d.RegexReplaceAll, d.RegexReplaceAll, d.NumberType)
}

// Like joins LIKE conditions on a column of the catalogue: any of include (all, if there is none) and none of exclude.
func Like(column string, include, exclude []string) string {
	var parts, any []string
	for _, p := range include {
		any = append(any, column+" LIKE "+literal(p))
	}
	if len(any) > 0 {
		parts = append(parts, "("+strings.Join(any, " OR ")+")")
	}
	for _, p := range exclude {
		parts = append(parts, column+" NOT LIKE "+literal(p))
	}
	return strings.Join(parts, " AND ")
}

// InformationSchema makes the Columns and Tables of databases that have the standard's views. lower says that names are
// compared in lower case.
func InformationSchema(lower bool) (columns func(*Source, string) string, tables func(*Source, []string, []string) string) {
	equal := func(column, name string) string {
		if lower {
			return "lower(" + column + ") = " + Text(strings.ToLower(name))
		}
		return column + " = " + Text(name)
	}
	place := func(s *Source) []string {
		var conditions []string
		if s.Database != "" {
			conditions = append(conditions, equal("table_catalog", s.Database))
		}
		if s.Schema != "" {
			conditions = append(conditions, equal("table_schema", unquoted(s.Schema)))
		}
		return conditions
	}
	columns = func(s *Source, table string) string {
		conditions := append([]string{equal("table_name", unquoted(table))}, place(s)...)
		return "SELECT column_name, data_type\nFROM information_schema.columns\nWHERE " + strings.Join(conditions, " AND ") + "\nORDER BY ordinal_position"
	}
	tables = func(s *Source, include, exclude []string) string {
		conditions := place(s)
		if like := Like("table_name", include, exclude); like != "" {
			conditions = append([]string{like}, conditions...)
		}
		return "SELECT table_name\nFROM information_schema.tables\nWHERE " + strings.Join(append(conditions, "table_schema NOT IN ('pg_catalog', 'information_schema')"), " AND ") + "\nORDER BY table_name"
	}
	return columns, tables
}
