package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// Deliveries that are not final are in the index under one partition, by the time from when they may be tried. That makes
// the ledger the queue of what is still to do: a destination that is down holds up nothing but itself.
const pendingPartition = "PENDING"

// sortable is a time that sorts as text.
func sortable(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// due is from when a delivery may be tried (again); final ones never are.
func (d *Delivery) due() (time.Time, bool) {
	switch {
	case d.State.Final():
		return time.Time{}, false
	case d.State == Claimed:
		return d.Lease, true
	}
	return d.NotBefore, true
}

// Hear is [Notifier.Notify] for the stream's record of an alert. Once every delivery is in the ledger, what cannot be done
// now is left to [Notifier.Sweep], so that no record waits behind a destination that is down.
func (n *Notifier) Hear(ctx context.Context, scanID string) error {
	if err := n.Notify(ctx, scanID); err != nil && !onlyPending(err) {
		return err
	}
	return nil
}

// sweepReserve is kept back from the deadline: no scan is begun after it.
const sweepReserve = 40 * time.Second

// Sweep tries the deliveries that are due, oldest first, and returns of how many scans they were. It is to be called every
// minute or so, by any number of processes.
func (n *Notifier) Sweep(ctx context.Context) (scans int, err error) {
	due, err := n.due(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, id := range due {
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < sweepReserve || ctx.Err() != nil {
			break
		}
		scans++
		errs = append(errs, n.Hear(ctx, id))
	}
	return scans, errors.Join(errs...)
}

// due lists the scans with deliveries that are due.
func (n *Notifier) due(ctx context.Context) ([]string, error) {
	items, err := table.All(ctx, n.Table.QueryIndex, table.Range{PK: pendingPartition, To: sortable(n.now())})
	if err != nil {
		return nil, fmt.Errorf("list due deliveries: %w", err)
	}
	var ids []string
	seen := map[string]bool{}
	for _, it := range items {
		d, err := unpack(it)
		if err != nil {
			return nil, err
		}
		if !seen[d.ScanID] {
			seen[d.ScanID] = true
			ids = append(ids, d.ScanID)
		}
	}
	return ids, nil
}
