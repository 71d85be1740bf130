package contract

import (
	"fmt"
	"slices"
	"strings"
)

// typeText writes a type with its parameters, as the reference client does: varchar(20), numeric(10,2).
func typeText(name string, length, precision, scale, fraction *int64) string {
	name = strings.ToLower(name)
	switch {
	case name == "":
		return ""
	case length != nil:
		return fmt.Sprintf("%s(%d)", name, *length)
	case precision != nil && scale != nil:
		return fmt.Sprintf("%s(%d,%d)", name, *precision, *scale)
	case precision != nil:
		return fmt.Sprintf("%s(%d)", name, *precision)
	case fraction != nil:
		return fmt.Sprintf("%s(%d)", name, *fraction)
	}
	return name
}

// knownTypes are those whose parameters are known, and parameters the types that each may be given for.
var (
	knownTypes = []string{
		"char", "varchar", "text", "smallint", "integer", "bigint", "decimal", "numeric", "float", "double", "timestamp",
		"timestamp_tz", "date", "time", "boolean",
	}
	parameters = map[string][]string{
		"character_maximum_length": {"char", "varchar", "text"},
		"numeric_precision":        {"decimal", "numeric"},
		"numeric_scale":            {"decimal", "numeric"},
		"datetime_precision":       {"timestamp", "timestamp_tz", "time"},
	}
)

// takesParameter tells whether a type may have a parameter; of types that are not known, any.
func takesParameter(kind, parameter string) bool {
	base, _, _ := strings.Cut(strings.ToLower(kind), "(")
	base = strings.TrimSpace(base)
	return !slices.Contains(knownTypes, base) || slices.Contains(parameters[parameter], base)
}
