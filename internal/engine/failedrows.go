package engine

import (
	"context"
	"fmt"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// planFailedRows counts rows that a condition or a query finds.
func (r *run) planFailedRows(c *planned) error {
	var m *measure
	var err error
	if c.Condition != "" {
		m, err = r.aggregate(c, "row_count", "", count("COUNT(CASE WHEN "+c.Condition+" THEN 1 END)"), r.identity(c, "", "row_count", c.Condition))
		c.fails("failed rows", m, c.rowsWhere(c.Condition))
	} else {
		var query string
		if query, err = c.vars.Resolve(c.Query); err != nil {
			return err
		}
		keep := 0
		if r.Samples != nil {
			keep = c.sampleLimit()
		}
		m = &measure{table: c.table, partition: c.partition.Name, name: "failed rows", identity: r.identity(c, "", "failed rows", query)}
		m = r.ask(c, m, "user_defined_failed_rows_query["+c.Line+"]", query, keep, func(rows *Rows) (any, error) {
			m.rows = rows
			return rows.Count, nil
		})
		c.fails("failed rows", m, failing{query: c.Query})
	}
	if err != nil {
		return err
	}
	z, zoneErr := zonesOf(c.Check, sodacl.Variables{})
	c.judge = func(_ context.Context, result *dq.Result) error {
		if c.Warn == nil && c.Fail == nil {
			return anyRowFails(m.value, result)
		}
		result.Value, result.Warn, result.Fail = number(m.value), z.warn.threshold(), z.fail.threshold()
		if zoneErr != nil {
			return fmt.Errorf("%w; thresholds of failed rows take no variables", zoneErr)
		}
		result.Outcome = z.outcome(m.value)
		return nil
	}
	return nil
}
