package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// Checkpoint is the number of the last change that the named consumer is done with, 0 if it never saved one.
func (t *Table) Checkpoint(ctx context.Context, name string) (int64, error) {
	var seq int64
	err := t.reads.QueryRowContext(ctx, "SELECT seq FROM checkpoints WHERE name = ?", name).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return seq, failed(ctx, "read checkpoint", err)
}

// SaveCheckpoint remembers that the named consumer is done with all changes up to seq.
func (t *Table) SaveCheckpoint(ctx context.Context, name string, seq int64) error {
	err := t.do(ctx, func(w *writer) error {
		return failed(ctx, "put", w.exec(w.mark, context.Background(), name, seq))
	})
	if err != nil {
		return fmt.Errorf("save checkpoint: %w", err)
	}
	return nil
}

// SaveDeadLetter keeps d until it is deleted.
func (t *Table) SaveDeadLetter(ctx context.Context, d table.DeadLetter) error {
	if !json.Valid(d.Record) {
		return fmt.Errorf("save dead letter: %w: its record is not JSON", table.ErrInvalid)
	}
	err := t.do(ctx, func(w *writer) error {
		return failed(ctx, "put", w.exec(w.letter, context.Background(),
			d.Consumer, d.Seq, max(d.Seq, d.LastSeq), d.Record, d.Error, d.At.UnixMilli()))
	})
	if err != nil {
		return fmt.Errorf("save dead letter: %w", err)
	}
	return nil
}

// DeadLetters lists the newest, newest first, at most limit.
func (t *Table) DeadLetters(ctx context.Context, limit int) ([]table.DeadLetter, error) {
	rows, err := t.reads.QueryContext(ctx,
		"SELECT id, consumer, seq, last_seq, record, error, at FROM dead_letters ORDER BY id DESC LIMIT ?", limit)
	if err != nil {
		return nil, failed(ctx, "list dead letters", err)
	}
	defer rows.Close()
	var letters []table.DeadLetter
	for rows.Next() {
		var d table.DeadLetter
		var at int64
		if err := rows.Scan(&d.ID, &d.Consumer, &d.Seq, &d.LastSeq, &d.Record, &d.Error, &at); err != nil {
			return nil, failed(ctx, "list dead letters", err)
		}
		d.At = time.UnixMilli(at).UTC()
		letters = append(letters, d)
	}
	return letters, failed(ctx, "list dead letters", rows.Err())
}

// DeleteDeadLetter forgets one, by the ID that it was listed with. If it is gone already, nothing happens.
func (t *Table) DeleteDeadLetter(ctx context.Context, id int64) error {
	err := t.do(ctx, func(w *writer) error {
		return failed(ctx, "delete", w.exec(w.dropLetter, context.Background(), id))
	})
	if err != nil {
		return fmt.Errorf("delete dead letter: %w", err)
	}
	return nil
}
