// Package sqlite keeps a [table.Table] in one SQLite file, for one machine: the server and command-line programs may have
// it open at the same time.
//
// It owns the file's schema and its migrations, the durable commit, and the log of changes, which stands in for DynamoDB's
// stream: see [Table.Changes]. Who reads the log, and what a change means, is left to package stream. The driver is pure
// Go.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// Option changes how a table is opened.
type Option func(*options)

type options struct {
	busyTimeout time.Duration
	readers     int
}

// BusyTimeout is how long a write waits for another process's write before it gives up with table.ErrConflict. Without
// the option it is ten seconds.
func BusyTimeout(d time.Duration) Option { return func(o *options) { o.busyTimeout = d } }

// Readers bounds the reads that happen at the same time, each of which may hold 2 MB of page cache. Without the option
// they are four.
func Readers(n int) Option { return func(o *options) { o.readers = n } }

// Cache of one connection in KiB. SQLite takes it as it needs it and gives it back when the connection closes.
const (
	writerCache = 4096
	readerCache = 2048
)

// idleReader is how long a reading connection is kept with nothing to do. One stays open for good.
const idleReader = time.Minute

// Table is the store. It is a [table.Table]; Close it to release the file.
type Table struct {
	now     func() time.Time
	reads   *sql.DB
	writes  *sql.DB
	queue   chan *job
	changed chan struct{}

	closing  chan struct{} // closed by Close
	drained  chan struct{} // closed when the writer has answered its last job
	closeErr error
	close    sync.Once
	stmts    readStatements
}

var _ table.Table = (*Table)(nil)

// syncFast makes commits use fdatasync, which is as durable as fsync and does not wait for the file's times. Where the
// system has none, fsync stays.
var syncFast = sync.OnceFunc(func() {
	if _, err := driver.Fdatasync(true); err != nil && !errors.Is(err, driver.ErrFdatasyncUnavailable) {
		panic(err) // not documented to happen
	}
})

// Open opens the file, creating it (readable by its owner only) and bringing its schema up to date if need be. How long it
// takes does not depend on what is inside. The directory must exist. now is the clock that decides what is expired and
// dates the changes.
func Open(path string, now func() time.Time, opts ...Option) (*Table, error) {
	o := options{busyTimeout: 10 * time.Second, readers: 4}
	for _, opt := range opts {
		opt(&o)
	}
	t, err := open(path, now, o)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return t, nil
}

func open(path string, now func() time.Time, o options) (*Table, error) {
	if err := createFile(path); err != nil {
		return nil, err
	}
	syncFast()
	writes, err := connect(path, o, "_txlock=immediate", fmt.Sprintf("_pragma=cache_size(-%d)", writerCache))
	if err != nil {
		return nil, err
	}
	writes.SetMaxOpenConns(1)
	if err := prepareFile(writes); err != nil {
		return nil, errors.Join(err, writes.Close())
	}
	reads, err := connect(path, o, "_query_only=1", fmt.Sprintf("_pragma=cache_size(-%d)", readerCache))
	if err != nil {
		return nil, errors.Join(err, writes.Close())
	}
	reads.SetMaxOpenConns(o.readers)
	reads.SetMaxIdleConns(o.readers)
	reads.SetConnMaxIdleTime(idleReader)
	t := &Table{
		now: now, reads: reads, writes: writes,
		queue: make(chan *job), changed: make(chan struct{}, 1), closing: make(chan struct{}), drained: make(chan struct{}),
	}
	if err := t.stmts.prepare(reads); err != nil {
		return nil, errors.Join(err, reads.Close(), writes.Close())
	}
	w, err := newWriter(t)
	if err != nil {
		return nil, errors.Join(err, reads.Close(), writes.Close())
	}
	go w.run()
	return t, nil
}

// createFile makes an empty file with narrow permissions, which SQLite's side files inherit.
func createFile(path string) error {
	if path == "" {
		return errors.New("no path given")
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func connect(path string, o options, params ...string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	params = append(params,
		fmt.Sprintf("_busy_timeout=%d", o.busyTimeout.Milliseconds()),
		"_synchronous=FULL", "_defensive=1", "_dqs=0",
	)
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: strings.Join(params, "&")}
	return sql.Open("sqlite", name.String())
}

// Close waits for the write under way, refuses what comes later, and releases the file.
func (t *Table) Close() error {
	t.close.Do(func() {
		close(t.closing)
		<-t.drained
		t.closeErr = errors.Join(t.reads.Close(), t.writes.Close())
	})
	return t.closeErr
}

// errClosed is for uses after Close.
var errClosed = errors.New("database is closed")

// failed wraps err with the step that failed, and maps what SQLite says to the errors of package table.
func failed(ctx context.Context, step string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = errors.Join(ctx.Err(), err)
	}
	var e *driver.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return fmt.Errorf("%s: %w: %w", step, table.ErrConflict, err)
		case sqlite3.SQLITE_TOOBIG:
			return fmt.Errorf("%s: %w: %w", step, table.ErrTooLarge, err)
		}
	}
	return fmt.Errorf("%s: %w", step, err)
}
