package contract

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// SchemaDiff is how the columns of a dataset differ from those that a schema check expects. The words are those of Soda
// Core 3; the reference client does not send the differences (protocol, section 4.4).
type SchemaDiff struct {
	Missing    []string                     `json:"missing_column_names,omitempty"`
	Unexpected []string                     `json:"unexpected_column_names,omitempty"`
	Types      map[string]map[string]string `json:"column_type_mismatches,omitempty"`
	Order      map[string]map[string]int    `json:"column_index_mismatches,omitempty"`
}

// Events is the number of differences as the reference client counts them: a wrong order fails the check and counts nothing.
func (d *SchemaDiff) Events() int { return len(d.Missing) + len(d.Unexpected) + len(d.Types) }

// Label tells the number of differences in words.
func (d *SchemaDiff) Label() string {
	switch n := d.Events(); {
	case n == 0 && len(d.Order) > 0:
		return "columns in another order"
	case n == 1:
		return "1 schema difference"
	default:
		return fmt.Sprintf("%d schema differences", n)
	}
}

// CompareSchemas finds the differences. same tells whether a column has the type that is expected; one without a type may
// have any.
func CompareSchemas(expected, actual []dq.Column, same func(expected dq.Column, actual string) bool, extraAllowed, orderAllowed bool) SchemaDiff {
	d := SchemaDiff{Types: map[string]map[string]string{}, Order: map[string]map[string]int{}}
	at := make(map[string]int, len(actual))
	for i, c := range actual {
		at[c.Name] = i
	}
	wanted := make(map[string]bool, len(expected))
	last := -1 // the place farthest to the right so far
	for i, e := range expected {
		wanted[e.Name] = true
		place, ok := at[e.Name]
		if !ok {
			d.Missing = append(d.Missing, e.Name)
			continue
		}
		if a := actual[place]; e.Type != "" && !same(e, a.Type) {
			d.Types[e.Name] = map[string]string{"expected_type": e.Type, "actual_type": a.Type}
		}
		if place < last && !orderAllowed {
			d.Order[e.Name] = map[string]int{"expected_index": i, "actual_index": place}
		}
		last = max(last, place)
	}
	for _, a := range actual {
		if !wanted[a.Name] && !extraAllowed {
			d.Unexpected = append(d.Unexpected, a.Name)
		}
	}
	return d
}

// SplitType takes the parameters out of a type, in lower case: "numeric(10, 2)" is numeric and 10,2, and
// "timestamp(6) without time zone" is "timestamp without time zone" and 6.
func SplitType(t string) (name, parameters string) {
	t = strings.ToLower(strings.TrimSpace(t))
	before, rest, ok := strings.Cut(t, "(")
	if !ok {
		return t, ""
	}
	parameters, after, _ := strings.Cut(rest, ")")
	return strings.TrimSpace(strings.TrimSpace(before) + " " + strings.TrimSpace(after)), strings.ReplaceAll(parameters, " ", "")
}

// typeSynonyms are names of one type in the databases that the reference client knows, each by the one it is compared under.
var typeSynonyms = map[string]string{
	"character varying": "varchar", "nvarchar": "varchar", "character": "char", "bpchar": "char", "nchar": "char", "string": "text",
	"int": "integer", "int4": "integer", "int8": "bigint", "int2": "smallint", "decimal": "numeric", "number": "numeric",
	"double precision": "double", "float8": "double", "float4": "real", "bool": "boolean",
	"timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz", "timestamp_ntz": "timestamp", "timestamp_tz": "timestamptz",
	"time without time zone": "time", "time with time zone": "timetz",
}

// SameType compares types of a database that is not known, by all synonyms there are. Parameters count only where the expected
// type has some.
func SameType(expected, actual string) bool {
	want, wantParameters := SplitType(expected)
	have, haveParameters := SplitType(actual)
	return synonym(want) == synonym(have) && (wantParameters == "" || wantParameters == haveParameters)
}

func synonym(name string) string {
	if s, ok := typeSynonyms[name]; ok {
		return s
	}
	return name
}

// Is tells whether a column of the catalogue's type has the type that the contract asks for, and the parameters that it names.
// synonyms are the names of one type each.
func (c *Column) Is(actual string, synonyms [][]string) bool {
	if c.Type == "" {
		return true
	}
	name, text := SplitType(actual)
	if strings.HasSuffix(name, "[]") {
		name = "array"
	}
	want := strings.ToLower(c.Type)
	if want != name && !slices.ContainsFunc(synonyms, func(s []string) bool { return slices.Contains(s, want) && slices.Contains(s, name) }) {
		return false
	}
	parameters := append(strings.Split(text, ","), "")
	for _, p := range []struct {
		want *int64
		got  string
	}{{c.Length, parameters[0]}, {c.Precision, parameters[0]}, {c.Scale, parameters[1]}, {c.Fraction, parameters[0]}} {
		if p.want != nil && fmt.Sprint(*p.want) != p.got {
			return false
		}
	}
	return true
}
