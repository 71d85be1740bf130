package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// event is how the log stores what happened to an item.
type event int

const (
	inserted event = iota + 1
	modified
	removed
	expired // removed by Sweep
)

var eventNames = map[event]string{inserted: table.Insert, modified: table.Modify, removed: table.Remove, expired: table.Remove}

// Changes reads up to limit entries of the log that come after the number after, oldest first. Every write appends one
// for each item that it changed, in the same commit; a put of an item that is stored just so changes nothing. What was
// trimmed is left out.
func (t *Table) Changes(ctx context.Context, after int64, limit int) ([]table.Change, error) {
	if limit <= 0 {
		return nil, fmt.Errorf("%w: limit %d", table.ErrInvalid, limit)
	}
	rows, err := t.stmts.changes.QueryContext(ctx, after, limit)
	if err != nil {
		return nil, failed(ctx, "changes", err)
	}
	defer rows.Close()
	var changes []table.Change
	for rows.Next() {
		var c table.Change
		var what event
		var at int64
		if err := rows.Scan(&c.Seq, &what, &c.PK, &c.SK, &at); err != nil {
			return nil, failed(ctx, "changes", err)
		}
		c.EventName, c.Expired, c.At = eventNames[what], what == expired, time.UnixMilli(at).UTC()
		changes = append(changes, c)
	}
	return changes, failed(ctx, "changes", rows.Err())
}

// LastChange is the number of the newest change that there ever was, 0 for none.
func (t *Table) LastChange(ctx context.Context) (int64, error) {
	var seq int64
	err := t.stmts.lastChange.QueryRowContext(ctx).Scan(&seq)
	return seq, failed(ctx, "last change", err)
}

// Changed is a channel that receives after this process appended to the log. Signals that nobody took are one signal, so it
// serves one reader; and writes of other processes give none, so the reader also looks from time to time.
func (t *Table) Changed() <-chan struct{} { return t.changed }

func (t *Table) signal() {
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// The sizes of background work, which is done in pieces so that writers in between wait for a few milliseconds only.
const (
	sweepBatch = 100
	sweepLimit = 5000
	trimBatch  = 1000
)

// Trim removes the log's entries from before the given time that every consumer with a checkpoint is done with, and tells
// how many. Unlike DynamoDB's stream, which forgets after 24 hours whatever was read, a laptop that slept for a week goes
// on where it was.
func (t *Table) Trim(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		read, old := 0, 0
		err := t.do(ctx, func(w *writer) (err error) {
			read, old, err = w.trimSome(before)
			return err
		})
		if err != nil {
			return total, fmt.Errorf("trim: %w", err)
		}
		total += old
		if read < trimBatch || old < read {
			return total, nil
		}
	}
}

// trimSome looks at the oldest entries only: the log is in order of time.
func (w *writer) trimSome(before time.Time) (read, old int, err error) {
	ctx := context.Background()
	rows, err := w.oldest.QueryContext(ctx, trimBatch)
	if err != nil {
		return 0, 0, failed(ctx, "read the log", err)
	}
	defer rows.Close()
	var last int64
	for rows.Next() {
		var seq, at int64
		if err := rows.Scan(&seq, &at); err != nil {
			return 0, 0, failed(ctx, "read the log", err)
		}
		read++
		if at < before.UnixMilli() && old == read-1 {
			old, last = read, seq
		}
	}
	if err := rows.Err(); err != nil || old == 0 {
		return read, 0, failed(ctx, "read the log", err)
	}
	if err := rows.Close(); err != nil {
		return 0, 0, failed(ctx, "read the log", err)
	}
	return read, old, failed(ctx, "shorten the log", w.exec(w.trim, ctx, last))
}

// Sweep deletes expired items, at most 5,000 of them so that it ends, and tells how many. The log tells
// them from other removals, as DynamoDB's stream does.
func (t *Table) Sweep(ctx context.Context) (int, error) {
	total := 0
	for total < sweepLimit {
		n := 0
		err := t.do(ctx, func(w *writer) (err error) {
			n, err = w.sweepSome(t.now())
			return err
		})
		if err != nil {
			return total, fmt.Errorf("sweep: %w", err)
		}
		total += n
		if n < sweepBatch {
			break
		}
	}
	return total, nil
}

func (w *writer) sweepSome(now time.Time) (int, error) {
	ctx := context.Background()
	rows, err := w.expired.QueryContext(ctx, now.Unix(), sweepBatch)
	if err != nil {
		return 0, failed(ctx, "find expired items", err)
	}
	defer rows.Close()
	var keys []table.Key
	for rows.Next() {
		var k table.Key
		if err := rows.Scan(&k.PK, &k.SK); err != nil {
			return 0, failed(ctx, "find expired items", err)
		}
		keys = append(keys, k)
	}
	if err := rows.Err(); err != nil {
		return 0, failed(ctx, "find expired items", err)
	}
	for _, k := range keys {
		if err := w.delete(k, expired, now); err != nil {
			return 0, err
		}
	}
	return len(keys), nil
}
