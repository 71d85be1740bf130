package sqlite

import (
	"context"
	"fmt"
)

// Check reads the whole database and looks for damage.
func (t *Table) Check(ctx context.Context) error {
	var says string
	if err := t.reads.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&says); err != nil {
		return fmt.Errorf("check database: %w", err)
	}
	if says != "ok" {
		return fmt.Errorf("check database: %s", says)
	}
	return nil
}
