package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// Changed is ready after writes of this process that changed something; several may be told as one. Changes by other
// processes are seen by looking.
func (t *Table) Changed() <-chan struct{} { return t.changed }

func (t *Table) wake() {
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// Changes lists changes after a sequence number in order, at most limit.
func (t *Table) Changes(ctx context.Context, after int64, limit int) ([]table.Change, error) {
	rows, err := t.readers.QueryContext(ctx, "SELECT seq, event, pk, sk, at FROM changes WHERE seq > ? ORDER BY seq LIMIT ?", after, limit)
	if err != nil {
		return nil, failed("read changes", err)
	}
	defer rows.Close()
	var out []table.Change
	for rows.Next() {
		var c table.Change
		var at int64
		if err := rows.Scan(&c.Seq, &c.EventName, &c.PK, &c.SK, &at); err != nil {
			return nil, failed("read changes", err)
		}
		c.At = time.UnixMilli(at).UTC()
		out = append(out, c)
	}
	return out, rows.Err()
}

// Checkpoint is the sequence number up to which a consumer has seen changes, 0 at first.
func (t *Table) Checkpoint(ctx context.Context, name string) (int64, error) {
	var seq int64
	err := t.readers.QueryRowContext(ctx, "SELECT seq FROM checkpoints WHERE name = ?", name).Scan(&seq)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, failed("read checkpoint", err)
	}
	return seq, nil
}

// SaveCheckpoint stores how far a consumer has come.
func (t *Table) SaveCheckpoint(ctx context.Context, name string, seq int64) error {
	_, err := t.writer.ExecContext(ctx, "INSERT INTO checkpoints (name, seq) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq", name, seq)
	if err != nil {
		return failed("save checkpoint", err)
	}
	return nil
}

// SaveDeadLetter stores a change that a consumer gave up on.
func (t *Table) SaveDeadLetter(ctx context.Context, d table.DeadLetter) error {
	_, err := t.writer.ExecContext(ctx, "INSERT INTO dead_letters (consumer, seq, record, error, at) VALUES (?, ?, ?, ?, ?)",
		d.Consumer, d.Seq, d.Record, d.Error, d.At.UnixMilli())
	if err != nil {
		return failed("save dead letter", err)
	}
	return nil
}

// DeadLetters lists the newest given-up changes, newest first, at most limit.
func (t *Table) DeadLetters(ctx context.Context, limit int) ([]table.DeadLetter, error) {
	rows, err := t.readers.QueryContext(ctx, "SELECT id, consumer, seq, record, error, at FROM dead_letters ORDER BY id DESC LIMIT ?", limit)
	if err != nil {
		return nil, failed("read dead letters", err)
	}
	defer rows.Close()
	var out []table.DeadLetter
	for rows.Next() {
		var d table.DeadLetter
		var at int64
		if err := rows.Scan(&d.ID, &d.Consumer, &d.Seq, &d.Record, &d.Error, &at); err != nil {
			return nil, failed("read dead letters", err)
		}
		d.At = time.UnixMilli(at).UTC()
		out = append(out, d)
	}
	return out, rows.Err()
}

// sweepBatch is how many rows one Sweep or Trim removes at most, so that writers never wait long.
const sweepBatch = 500

// Sweep deletes some expired items, as DynamoDB's time to live does, and says how many. Readers never saw them anyway.
func (t *Table) Sweep(ctx context.Context) (swept int, err error) {
	err = t.inTx(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "DELETE FROM items WHERE rowid IN (SELECT rowid FROM items WHERE expires > 0 AND expires <= ? LIMIT ?) RETURNING pk, sk", t.now().Unix(), sweepBatch)
		if err != nil {
			return err
		}
		defer rows.Close()
		var keys []table.Key
		for rows.Next() {
			var k table.Key
			if err := rows.Scan(&k.PK, &k.SK); err != nil {
				return err
			}
			keys = append(keys, k)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for _, k := range keys {
			if _, err := tx.ExecContext(ctx, "INSERT INTO changes (event, pk, sk, at) VALUES (?, ?, ?, ?)", table.Remove, k.PK, k.SK, t.now().UnixMilli()); err != nil {
				return err
			}
		}
		swept = len(keys)
		return nil
	})
	if err != nil {
		return 0, failed("sweep", err)
	}
	return swept, nil
}

// Trim deletes some changes from before a time that every consumer has seen, and says how many. Unlike a DynamoDB stream,
// which forgets after 24 hours, a laptop that slept for a week goes on where it was.
func (t *Table) Trim(ctx context.Context, before time.Time) (trimmed int, err error) {
	result, err := t.writer.ExecContext(ctx, `DELETE FROM changes WHERE seq IN (
		SELECT seq FROM changes WHERE at < ? AND seq <= coalesce((SELECT min(seq) FROM checkpoints), 0) ORDER BY seq LIMIT ?)`, before.UnixMilli(), sweepBatch)
	if err != nil {
		return 0, failed("trim changes", err)
	}
	n, err := result.RowsAffected()
	return int(n), err
}
