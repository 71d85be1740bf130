package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// Write implements [table.Table]. When it returns without error the operations are on disk.
func (t *Table) Write(ctx context.Context, ops ...table.Op) error {
	if err := table.Validate(ops); err != nil {
		return err
	}
	logged := 0
	err := t.inTx(ctx, func(tx *sql.Tx) error {
		for i := range ops {
			event, err := t.apply(ctx, tx, &ops[i])
			if err != nil {
				return err
			}
			if event == "" {
				continue
			}
			k := ops[i].Item.Key
			if _, err := tx.ExecContext(ctx, "INSERT INTO changes (event, pk, sk, at) VALUES (?, ?, ?, ?)", event, k.PK, k.SK, t.now().UnixMilli()); err != nil {
				return err
			}
			logged++
		}
		return nil
	})
	if errors.Is(err, table.ErrCondition) {
		return err
	}
	if err != nil {
		return failed("write", err)
	}
	if logged > 0 {
		t.wake()
	}
	return nil
}

// apply does one operation and names the change it made, "" for none.
func (t *Table) apply(ctx context.Context, tx *sql.Tx, op *table.Op) (event string, err error) {
	it := &op.Item
	old, err := t.current(ctx, tx, it)
	if err != nil {
		return "", err
	}
	if !t.holds(op.If, old) {
		return "", fmt.Errorf("%v: %w", it.Key, table.ErrCondition)
	}
	switch op.Kind() {
	case table.OpPut:
		return put(ctx, tx, it, old)
	case table.OpDelete:
		if !old.exists {
			return "", nil
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM items WHERE pk = ? AND sk = ?", it.PK, it.SK)
		return table.Remove, err
	}
	return "", nil
}

// stored is what matters of the item that is there now.
type stored struct {
	exists, equal bool
	version       int64
	expires       int64
}

func (t *Table) current(ctx context.Context, tx *sql.Tx, it *table.Item) (stored, error) {
	s := stored{exists: true}
	err := tx.QueryRowContext(ctx, `SELECT version, expires, entity = ? AND version = ? AND expires = ? AND ipk IS ? AND isk IS ? AND head IS ? AND body IS ?
		FROM items WHERE pk = ? AND sk = ?`,
		it.Entity, it.Version, seconds(it.Expires), null(it.IndexPK), null(it.IndexSK), blob(it.Head), blob(it.Body), it.PK, it.SK).
		Scan(&s.version, &s.expires, &s.equal)
	if errors.Is(err, sql.ErrNoRows) {
		return stored{}, nil
	}
	return s, err
}

func (t *Table) holds(c table.Condition, s stored) bool {
	live := s.exists && (s.expires == 0 || s.expires > t.now().Unix())
	if version, asked := c.VersionIs(); asked {
		return live && s.version == version
	}
	return !c.Absent() || !live
}

func put(ctx context.Context, tx *sql.Tx, it *table.Item, old stored) (string, error) {
	if old.exists && old.equal {
		return "", nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO items (pk, sk, entity, version, expires, ipk, isk, head, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (pk, sk) DO UPDATE SET entity = excluded.entity, version = excluded.version, expires = excluded.expires,
		ipk = excluded.ipk, isk = excluded.isk, head = excluded.head, body = excluded.body`,
		it.PK, it.SK, it.Entity, it.Version, seconds(it.Expires), null(it.IndexPK), null(it.IndexSK), blob(it.Head), blob(it.Body))
	if old.exists {
		return table.Modify, err
	}
	return table.Insert, err
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func blob(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}
