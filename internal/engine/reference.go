package engine

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// planReference counts rows whose values have no (or, with not, have a) match in another table.
func (r *run) planReference(c *planned) error {
	ref := c.Reference
	var join, where []string
	for i, column := range ref.Columns {
		join = append(join, "SOURCE."+column+" = TARGET."+ref.TableColumns[i])
		if ref.Not {
			where = append(where, "TARGET."+ref.TableColumns[i]+" IS NOT NULL")
		} else {
			where = append(where, "(SOURCE."+column+" IS NOT NULL AND TARGET."+ref.TableColumns[i]+" IS NULL)")
		}
	}
	or := " OR "
	if ref.Not {
		or = " AND "
	}
	from := c.source.Qualified(c.table) + " SOURCE"
	if c.partition.Filter != "" { // in a query of its own, so that its names are not those of the other table
		from = "(SELECT *\nFROM " + from + "\nWHERE " + c.partition.Filter + ") SOURCE"
	}
	from += "\nLEFT JOIN " + c.source.Qualified(ref.Table) + " TARGET ON " + strings.Join(join, " AND ")
	sql := "SELECT COUNT(*)\nFROM " + from + "\nWHERE " + strings.Join(where, or)
	parts := append(slices.Clone(ref.Columns), append([]string{ref.Table}, ref.TableColumns...)...)
	m := &measure{table: c.table, partition: c.partition.Name, column: c.Column(), name: "reference", identity: r.identity(c, c.Column(), "reference", parts...)}
	m, err := r.statement(c, m, "reference["+strings.Join(ref.Columns, ",")+"]", sql, 1, first)
	if err != nil {
		return err
	}
	c.fails("reference", m, failing{from: from, where: []string{strings.Join(where, or)}, alias: "SOURCE."})
	c.judge = func(_ context.Context, result *dq.Result) error { return anyRowFails(m.value, result) }
	return nil
}

// anyRowFails fails the check if a count is not 0.
func anyRowFails(count any, result *dq.Result) error {
	n, ok := count.(int64)
	if !ok {
		return errors.New("the database gave no count")
	}
	result.Value = number(n)
	zero := 0.0
	result.Fail = zone{over: &zero}.threshold()
	result.Outcome = dq.Pass
	if n != 0 {
		result.Outcome = dq.Fail
	}
	return nil
}
