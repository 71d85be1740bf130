package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// planDistribution compares values of a column with a reference distribution: the first of them, or how often each occurs.
func (r *run) planDistribution(c *planned) error {
	d := c.Distribution
	rows := c.rowsWhere(c.Filter)
	where := ""
	if len(rows.where) > 0 {
		where = "\nWHERE " + strings.Join(rows.where, " AND ")
	}
	column, read := c.Args[0], readCounts
	sql := "SELECT " + column + ", COUNT(*)\nFROM " + rows.from + where + "\nGROUP BY " + column
	if d.Continuous {
		sql, read = "SELECT "+column+"\nFROM "+rows.from+" "+d.Sample+where, readValues
		if d.Sample == "" {
			sql = fmt.Sprintf("%s\nLIMIT %d", sql, maxRows)
		}
	}
	m := &measure{table: c.table, partition: c.partition.Name, column: column, name: c.Line, identity: r.identity(c, column, c.Line, "distribution")}
	m, err := r.statement(c, m, "get_values_for_distro_check["+c.Line+"]", sql, maxRows, func(rows *Rows) (any, error) { return read(d, rows) })
	if err == nil {
		r.compare(c, m)
	}
	return err
}

func readValues(d *sodacl.DistributionOf, rows *Rows) (any, error) {
	var values []float64
	for _, row := range rows.Rows {
		if row[0] == nil {
			continue
		}
		if !isNumber(row[0]) {
			return nil, fmt.Errorf("the value %s is not a number, as a continuous distribution needs", text(row[0]))
		}
		values = append(values, toFloat(row[0]))
	}
	if len(values) == 0 && len(rows.Rows) > 0 {
		return nil, quietly{"all values are NULL"}
	}
	return d.Values(d.Method, values, len(rows.Rows))
}

func readCounts(d *sodacl.DistributionOf, rows *Rows) (any, error) {
	if rows.Count > maxRows {
		return nil, fmt.Errorf("the column has %d values, at most %d are compared", rows.Count, maxRows)
	}
	counts := map[string]int64{}
	for _, row := range rows.Rows {
		n, ok := row[1].(int64)
		if !ok {
			return nil, errors.New("the database gave no counts")
		}
		counts[label(row[0])] += n
	}
	return d.Counts(d.Method, counts)
}

// label is a value as references have it.
func label(v any) string {
	switch v := v.(type) {
	case nil, bool, int64, float64, string:
		return sodacl.Label(v)
	}
	return pythonText(v)
}
