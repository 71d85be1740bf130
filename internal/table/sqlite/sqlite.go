// Package sqlite is the embedded implementation of package table, for one machine: a pure Go SQLite database in one file,
// shared by the server and by command-line calls beside it.
//
// It owns the file's schema and the change log that stands in for a DynamoDB stream: each write appends its changes in the
// same transaction. Reading the log and waking handlers is package stream's.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// Table is a [table.Table] in a SQLite file, with a change log beside the items. Close it when done.
type Table struct {
	now     func() time.Time
	writer  *sql.DB // one connection: SQLite has one writer, waiting is cheaper here than at the file's lock
	readers *sql.DB
	changed chan struct{}
}

var _ table.Table = (*Table)(nil)

// migrations bring a file from each PRAGMA user_version to the next.
var migrations = []string{`
CREATE TABLE items (
  pk TEXT NOT NULL, sk TEXT NOT NULL, entity TEXT NOT NULL, version INTEGER NOT NULL, expires INTEGER NOT NULL,
  ipk TEXT, isk TEXT, head BLOB, body BLOB
);
CREATE UNIQUE INDEX items_key ON items (pk, sk);
-- Covers index queries, so that they never read bodies.
CREATE INDEX items_index ON items (ipk, isk, pk, sk, entity, version, expires, head) WHERE ipk IS NOT NULL;
CREATE INDEX items_expires ON items (expires) WHERE expires > 0;
CREATE TABLE changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, pk TEXT NOT NULL, sk TEXT NOT NULL, at INTEGER NOT NULL);
CREATE TABLE checkpoints (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE dead_letters (
  id INTEGER PRIMARY KEY AUTOINCREMENT, consumer TEXT NOT NULL, seq INTEGER NOT NULL, record BLOB NOT NULL, error TEXT NOT NULL, at INTEGER NOT NULL
);`}

// Open opens or creates the file at path. now is the clock by which items expire.
func Open(path string, now func() time.Time) (*Table, error) {
	pragmas := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-4000)", "temp_store(MEMORY)", "foreign_keys(0)",
	}}
	dsn := (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: pragmas.Encode()}).String()
	writer, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	writer.SetMaxOpenConns(1)
	if err := migrate(writer); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), writer.Close())
	}
	readers, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), writer.Close())
	}
	readers.SetMaxOpenConns(4)
	readers.SetMaxIdleConns(4)
	return &Table{now: now, writer: writer, readers: readers, changed: make(chan struct{}, 1)}, nil
}

func migrate(db *sql.DB) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var version int
	if err := tx.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("the file was written by a newer version (schema %d, known is %d)", version, len(migrations))
	}
	if version == len(migrations) {
		return nil
	}
	for _, statements := range migrations[version:] {
		if _, err := tx.Exec(statements); err != nil {
			return fmt.Errorf("schema: %w", err)
		}
	}
	if _, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", len(migrations))); err != nil {
		return err
	}
	return tx.Commit()
}

// Close closes the file.
func (t *Table) Close() error { return errors.Join(t.readers.Close(), t.writer.Close()) }

// failed adds what was tried to an error, and says which errors may be tried again.
func failed(what string, err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED:
			return fmt.Errorf("%s: %w: %w", what, table.ErrConflict, err)
		case sqlitelib.SQLITE_FULL:
			return fmt.Errorf("%s: the disk is full: %w", what, err)
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// inTx runs do in a write transaction.
func (t *Table) inTx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := t.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}
