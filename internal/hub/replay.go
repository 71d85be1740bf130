package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// ReplayFilter chooses the scans that a replay is for: one, or those that arrived at a time or later, or all.
type ReplayFilter struct {
	ScanID string
	Since  time.Time
}

// Replayed says what a replay did.
type Replayed struct {
	Scans  []string // ids of the scans digested again, oldest arrival first
	Folded int      // datasets of scans that had not been folded in before
}

// Replay digests stored scans again, oldest arrival first. What was digested before does not change. progress may be nil.
// ErrNotFound if the filter names a scan that is not stored.
func (h *Hub) Replay(ctx context.Context, f ReplayFilter, progress func(done, of int)) (Replayed, error) {
	var done Replayed
	ids := []string{f.ScanID}
	if f.ScanID == "" {
		var err error
		if ids, err = h.scansSince(ctx, f.Since); err != nil {
			return done, err
		}
	}
	for _, id := range ids {
		s, err := h.Scan(ctx, id)
		if errors.Is(err, ErrNotFound) && f.ScanID == "" { // expired since it was listed
			continue
		}
		if err != nil {
			return done, err
		}
		fresh, err := h.digest(ctx, &s)
		if err != nil {
			return done, fmt.Errorf("scan %q: %w", id, err)
		}
		done.Scans = append(done.Scans, id)
		done.Folded += fresh
		if progress != nil {
			progress(len(done.Scans), len(ids))
		}
	}
	return done, nil
}

// scansSince lists the ids of scans by arrival.
func (h *Hub) scansSince(ctx context.Context, since time.Time) ([]string, error) {
	var heads []ScanHead
	for shard := range indexShards {
		items, err := table.All(ctx, h.table.QueryIndex, table.Range{PK: fmt.Sprintf("%s%d", indexScans, shard)})
		if err != nil {
			return nil, fmt.Errorf("list scans: %w", err)
		}
		for _, it := range items {
			head, err := scanHead(it)
			if err != nil {
				return nil, err
			}
			if !head.Received.Before(since) {
				heads = append(heads, head)
			}
		}
	}
	slices.SortFunc(heads, func(a, b ScanHead) int { return a.Received.Compare(b.Received) })
	ids := make([]string, len(heads))
	for i, head := range heads {
		ids[i] = head.ID
	}
	return ids, nil
}

// Realert stores the alert of a scan anew, so that the stream wakes the notifier again. What was sent is not sent again:
// the delivery ledger remembers. A crash in between leaves no alert, and the next replay makes it. ErrNotFound if the scan
// has no alert.
func (h *Hub) Realert(ctx context.Context, scanID string) error {
	item, err := h.get(ctx, alertKey(scanID))
	if err != nil {
		return fmt.Errorf("alert of scan %q: %w", scanID, err)
	}
	if err := h.table.Write(ctx, table.Delete(item.Key, table.Always())); err != nil {
		return fmt.Errorf("remove alert: %w", err)
	}
	if err := h.table.Write(ctx, table.Put(item, table.IfAbsent())); err != nil && !errors.Is(err, table.ErrCondition) {
		return fmt.Errorf("store alert: %w", err)
	}
	return nil
}
