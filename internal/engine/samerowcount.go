package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// planSameRowCount compares the number of rows with that of another table, perhaps of another data source.
func (r *run) planSameRowCount(c *planned) error {
	own, err := r.rowCount(c, "")
	if err != nil {
		return err
	}
	other := c.source
	if c.SameAs.Source != "" {
		if other, err = r.source(c.SameAs.Source); err != nil {
			return fmt.Errorf("the other data source %q: %w", c.SameAs.Source, err)
		}
	}
	filter, err := c.vars.Resolve(c.SameAs.Filter)
	if err != nil {
		return err
	}
	table, err := c.vars.Resolve(c.SameAs.Table)
	if err != nil {
		return err
	}
	there := &planned{Check: c.Check, source: other, table: table, partition: &sodacl.Partition{Name: c.SameAs.Partition}, vars: c.vars}
	theirs := r.aggregateFrom(c, other, extent{other.Qualified(table), filter}, &measure{table: table, partition: c.SameAs.Partition, name: "row_count", aggregate: count("COUNT(*)"), identity: r.identity(there, "", "row_count")})
	c.judge = func(_ context.Context, result *dq.Result) error {
		a, ok1 := own.value.(int64)
		b, ok2 := theirs.value.(int64)
		if !ok1 || !ok2 {
			return errors.New("the rows could not be counted")
		}
		result.Value = number(a - b)
		result.Diagnostics, _ = json.Marshal(map[string]int64{"rowCount": a, "otherRowCount": b}) // numbers always marshal
		result.Outcome = dq.Pass
		if a != b {
			result.Outcome = dq.Fail
		}
		return nil
	}
	return nil
}
