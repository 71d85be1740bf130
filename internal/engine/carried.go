package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SlicedTable is what was measured of the slices of a table, for [Options.Tables] of another part.
type SlicedTable struct {
	// Rows name the data source, the table and the filter of the partition.
	Rows   string  `json:"rows"`
	Slices []Slice `json:"slices"`
}

// Slice is a part of a table's rows: the condition that they fulfil, and the value of each aggregate that was measured of them.
type Slice struct {
	Condition string            `json:"condition"`
	Values    map[string]string `json:"values,omitempty"`
}

// Tables are those that the part has read in slices, all of them or as many as there was time for.
func (p *Part) Tables() (tables []SlicedTable) {
	for _, s := range p.run.sliced {
		table := SlicedTable{Rows: s.whole.rows()}
		for i, items := range s.items {
			slice := Slice{Condition: s.conditions[i], Values: map[string]string{}}
			for _, item := range items {
				if text, ok := written(item.value); ok && item.measured {
					slice.Values[item.sql] = text
				}
			}
			table.Slices = append(table.Slices, slice)
		}
		tables = append(tables, table)
	}
	return tables
}

// news tells whether the part measured any slice that was not known before.
func (s *sliced) news() bool {
	for _, items := range s.items {
		for _, item := range items {
			if item.measured && !item.carried {
				return true
			}
		}
	}
	return false
}

// rows names where a job's rows come from.
func (j *job) rows() string { return j.source.Name + "\x00" + j.extent.String() }

// written writes a value with its type, so that none of it is lost; false if its type is not one that merges.
func written(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "null", true
	case int64:
		return "int " + strconv.FormatInt(v, 10), true
	case float64:
		return "float " + strconv.FormatFloat(v, 'g', -1, 64), true
	case time.Time:
		return "time " + v.Format(time.RFC3339Nano), true
	case Date:
		return "date " + v.Format(time.DateOnly), true
	}
	return "", false
}

// read reads what was written.
func read(text string) (v any, err error) {
	kind, value, _ := strings.Cut(text, " ")
	switch kind {
	case "null":
		return nil, nil
	case "int":
		return strconv.ParseInt(value, 10, 64)
	case "float":
		return strconv.ParseFloat(value, 64)
	case "time":
		return time.Parse(time.RFC3339Nano, value)
	case "date":
		day, err := time.Parse(time.DateOnly, value)
		return Date{day}, err
	}
	return nil, fmt.Errorf("%q is no value that was carried over", text)
}
