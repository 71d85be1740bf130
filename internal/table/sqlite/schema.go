package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// migrations bring the schema from version n (PRAGMA user_version) to n+1. A migration that was released never changes.
//
// Keys are TEXT, which SQLite compares by the bytes of its UTF-8. expires is in Unix seconds, times are in Unix
// milliseconds. items_index holds all that a query of the index answers, so that such a query never reads a body.
var migrations = []string{`
	CREATE TABLE items (
		pk TEXT NOT NULL, sk TEXT NOT NULL, entity TEXT NOT NULL, version INTEGER NOT NULL, expires INTEGER,
		ipk TEXT, isk TEXT, head TEXT, body BLOB,
		PRIMARY KEY (pk, sk)
	) WITHOUT ROWID;
	CREATE INDEX items_index ON items (ipk, isk, pk, sk, entity, version, expires, head) WHERE ipk IS NOT NULL;
	CREATE INDEX items_expires ON items (expires) WHERE expires IS NOT NULL;
	CREATE TABLE changes (
		seq INTEGER PRIMARY KEY AUTOINCREMENT, event INTEGER NOT NULL, pk TEXT NOT NULL, sk TEXT NOT NULL, at INTEGER NOT NULL
	);
	CREATE TABLE checkpoints (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
	CREATE TABLE dead_letters (
		id INTEGER PRIMARY KEY AUTOINCREMENT, consumer TEXT NOT NULL, seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
		record BLOB NOT NULL, error TEXT NOT NULL, at INTEGER NOT NULL
	);
`}

// prepareFile sets what belongs to the file and not to a connection: the write-ahead log, and the schema.
func prepareFile(db *sql.DB) error {
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := useWAL(ctx, conn); err != nil {
		return fmt.Errorf("write-ahead log: %w", err)
	}
	if err := migrate(ctx, conn); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	return nil
}

// useWAL switches a new file to write-ahead logging. SQLite does not wait for another process that does the same at the
// same moment, so this does.
func useWAL(ctx context.Context, conn *sql.Conn) error {
	var mode string
	for wait := time.Millisecond; ; wait *= 2 {
		err := conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
		if err == nil && mode != "wal" {
			err = conn.QueryRowContext(ctx, "PRAGMA journal_mode=WAL").Scan(&mode)
		}
		switch {
		case err == nil && mode == "wal":
			_, err := conn.ExecContext(ctx, "PRAGMA journal_size_limit=67108864")
			return err
		case err == nil:
			return fmt.Errorf("not available here, the journal mode stays %q", mode)
		case !isBusy(err) || wait > 2*time.Second:
			return err
		}
		time.Sleep(wait)
	}
}

func isBusy(err error) bool {
	var e *driver.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// migrate runs the migrations that the file has not seen, all in one transaction.
func migrate(ctx context.Context, conn *sql.Conn) error {
	version, err := schemaVersion(ctx, conn)
	if err != nil || version == len(migrations) {
		return err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	// Another process may have been here since.
	if version, err = schemaVersion(ctx, tx); err != nil {
		return err
	}
	for ; version < len(migrations); version++ {
		if _, err := tx.ExecContext(ctx, migrations[version]); err != nil {
			return fmt.Errorf("to version %d: %w", version+1, err)
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version=%d", version)); err != nil {
		return err
	}
	return tx.Commit()
}

type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func schemaVersion(ctx context.Context, q rowQuerier) (int, error) {
	var version int
	if err := q.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return 0, err
	}
	if version > len(migrations) {
		return 0, fmt.Errorf("version %d was made by a newer program, this one knows up to %d", version, len(migrations))
	}
	return version, nil
}
