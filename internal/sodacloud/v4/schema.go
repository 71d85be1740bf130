package v4

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

type wireColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// schemaDiff is what a schema check found. The client sends expected and actual columns and the number of differences, not
// the differences (Soda Core 4 protocol, diagnostics per check type). The words are those of Soda Core 3.
type schemaDiff struct {
	Missing    []string                     `json:"missing_column_names,omitempty"`
	Unexpected []string                     `json:"unexpected_column_names,omitempty"`
	Types      map[string]map[string]string `json:"column_type_mismatches,omitempty"`
	Order      map[string]map[string]int    `json:"column_index_mismatches,omitempty"`
}

// events is the number of differences as the client counts them: a wrong order fails the check and counts nothing.
func (d *schemaDiff) events() int { return len(d.Missing) + len(d.Unexpected) + len(d.Types) }

// readSchema computes the differences of a schema check that does not pass, and adds them to its diagnostics.
func readSchema(r *dq.Result, rest map[string]json.RawMessage, written definition) {
	var v4 struct {
		Expected []wireColumn `json:"expected"`
		Actual   []wireColumn `json:"actual"`
	}
	if json.Unmarshal(rest["v4"], &v4) != nil || r.Outcome != dq.Fail && r.Outcome != dq.Warn {
		return
	}
	diff := compareSchemas(v4.Expected, v4.Actual, written.flag("allow_extra_columns"), written.flag("allow_other_column_order"))
	raw, err := json.Marshal(diff)
	var members map[string]json.RawMessage
	if err != nil || json.Unmarshal(raw, &members) != nil {
		return
	}
	for name, value := range members {
		rest[name] = value
	}
	switch n := string(r.Value); {
	case n == "0" && len(diff.Order) > 0:
		r.ValueLabel = "columns in another order"
	case n == "1":
		r.ValueLabel = "1 schema difference"
	case n != "":
		r.ValueLabel = n + " schema differences"
	}
}

func compareSchemas(expected, actual []wireColumn, extraAllowed, orderAllowed bool) schemaDiff {
	var d schemaDiff
	at := make(map[string]int, len(actual))
	for i, c := range actual {
		at[c.Name] = i
	}
	wanted := make(map[string]bool, len(expected))
	var places []int // of the expected columns that are there
	for i, e := range expected {
		wanted[e.Name] = true
		place, ok := at[e.Name]
		if !ok {
			d.Missing = append(d.Missing, e.Name)
			continue
		}
		if a := actual[place]; e.Type != "" && !sameType(e.Type, a.Type) {
			d.Types = put(d.Types, e.Name, map[string]string{"expected_type": e.Type, "actual_type": a.Type})
		}
		places = append(places, place)
		if !orderAllowed && len(places) > 1 && place < slices.Max(places[:len(places)-1]) {
			d.Order = put(d.Order, e.Name, map[string]int{"expected_index": i, "actual_index": place})
		}
	}
	for _, a := range actual {
		if !wanted[a.Name] && !extraAllowed {
			d.Unexpected = append(d.Unexpected, a.Name)
		}
	}
	return d
}

func put[V any](m map[string]V, key string, v V) map[string]V {
	if m == nil {
		m = map[string]V{}
	}
	m[key] = v
	return m
}

// synonyms are names of one type in the databases that the client knows, each by the one it is compared under.
var synonyms = map[string]string{
	"character varying": "varchar", "nvarchar": "varchar", "character": "char", "bpchar": "char", "nchar": "char", "string": "text",
	"int": "integer", "int4": "integer", "int8": "bigint", "int2": "smallint", "decimal": "numeric", "number": "numeric",
	"double precision": "double", "float8": "double", "float4": "real", "bool": "boolean",
	"timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz", "timestamp_ntz": "timestamp", "timestamp_tz": "timestamptz",
	"time without time zone": "time", "time with time zone": "timetz",
}

// sameType compares names of types by their synonyms. Parameters count only where the expected type has some.
func sameType(expected, actual string) bool {
	want, wantParameters := splitType(expected)
	have, haveParameters := splitType(actual)
	return want == have && (wantParameters == "" || wantParameters == haveParameters)
}

// splitType takes the parameters out of a type: "numeric(10,2)", "timestamp(6) without time zone".
func splitType(t string) (name, parameters string) {
	t = strings.ToLower(strings.TrimSpace(t))
	before, rest, ok := strings.Cut(t, "(")
	if ok {
		var after string
		parameters, after, _ = strings.Cut(rest, ")")
		t = strings.TrimSpace(strings.TrimSpace(before) + " " + strings.TrimSpace(after))
		parameters = strings.ReplaceAll(parameters, " ", "")
	}
	if s, ok := synonyms[t]; ok {
		t = s
	}
	return t, parameters
}
