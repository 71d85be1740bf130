package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// groupLimit bounds how many jobs share one commit.
const groupLimit = 64

// job is one piece of work for the writer: it happens whole or not at all.
type job struct {
	ctx  context.Context
	work func(w *writer) error
	done chan error // has room for the one answer
	// changes counts what the work added to the log.
	changes int
}

// writer is the one goroutine that writes. Jobs that wait while a commit is under way go into the next commit together,
// each in its own savepoint.
type writer struct {
	table *Table
	conn  *sql.Conn
	job   *job // the one at work

	begin, commit, rollback, savepoint, release, undo     *sql.Stmt
	stored, put, remove, log, expired, trim, oldest, mark *sql.Stmt
	letter, dropLetter                                    *sql.Stmt
}

func newWriter(t *Table) (*writer, error) {
	ctx := context.Background()
	conn, err := t.writes.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{table: t, conn: conn}
	for stmt, text := range map[**sql.Stmt]string{
		&w.begin: "BEGIN IMMEDIATE", &w.commit: "COMMIT", &w.rollback: "ROLLBACK",
		&w.savepoint: "SAVEPOINT job", &w.release: "RELEASE job", &w.undo: "ROLLBACK TO job",
		// Equal sizes before equal bytes: most replacements differ in size, and then no body is read.
		&w.stored: `SELECT version, expires,
			version = ?3 AND expires IS ?4 AND entity = ?5 AND ipk IS ?6 AND isk IS ?7 AND head IS ?8
			AND length(body) IS length(?9) AND body IS ?9
			FROM items WHERE pk = ?1 AND sk = ?2`,
		&w.put: `INSERT INTO items (pk, sk, version, expires, entity, ipk, isk, head, body) VALUES (?,?,?,?,?,?,?,?,?)
			ON CONFLICT (pk, sk) DO UPDATE SET version = excluded.version, expires = excluded.expires, entity = excluded.entity,
			ipk = excluded.ipk, isk = excluded.isk, head = excluded.head, body = excluded.body`,
		&w.remove:     "DELETE FROM items WHERE pk = ? AND sk = ?",
		&w.log:        "INSERT INTO changes (event, pk, sk, at) VALUES (?, ?, ?, ?)",
		&w.expired:    "SELECT pk, sk FROM items WHERE expires <= ? ORDER BY expires LIMIT ?",
		&w.oldest:     `SELECT seq, at FROM changes WHERE seq <= coalesce((SELECT min(seq) FROM checkpoints), 0) ORDER BY seq LIMIT ?`,
		&w.trim:       "DELETE FROM changes WHERE seq <= ?",
		&w.mark:       "INSERT INTO checkpoints (name, seq) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq",
		&w.letter:     "INSERT INTO dead_letters (consumer, seq, last_seq, record, error, at) VALUES (?, ?, ?, ?, ?, ?)",
		&w.dropLetter: "DELETE FROM dead_letters WHERE id = ?",
	} {
		if *stmt, err = conn.PrepareContext(ctx, text); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return w, nil
}

// do hands work to the writer and waits for its commit, or for the context: then the work may still happen.
func (t *Table) do(ctx context.Context, work func(w *writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{ctx: ctx, work: work, done: make(chan error, 1)}
	select {
	case t.queue <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-t.closing:
		return errClosed
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run is the writer's life. It ends when the table closes.
func (w *writer) run() {
	defer close(w.table.drained)
	defer w.conn.Close()
	for {
		select {
		case j := <-w.table.queue:
			w.commitGroup(w.gather(j))
		case <-w.table.closing:
			return
		}
	}
}

// gather takes the jobs that are waiting already.
func (w *writer) gather(first *job) []*job {
	jobs := []*job{first}
	for len(jobs) < groupLimit {
		select {
		case j := <-w.table.queue:
			jobs = append(jobs, j)
		default:
			return jobs
		}
	}
	return jobs
}

// commitGroup does the jobs in one transaction and answers each.
func (w *writer) commitGroup(jobs []*job) {
	errs, err := w.transact(jobs)
	changes := 0
	for i, j := range jobs {
		if err != nil {
			errs[i] = err
		}
		if errs[i] == nil {
			changes += j.changes
		}
		j.done <- errs[i]
	}
	if changes > 0 {
		w.table.signal()
	}
}

// transact gives an error for each job, and one for all of them if the transaction itself failed.
func (w *writer) transact(jobs []*job) ([]error, error) {
	errs := make([]error, len(jobs))
	ctx, cancel := groupContext(jobs)
	defer cancel()
	if err := w.exec(w.begin, ctx); err != nil {
		return errs, failed(ctx, "begin", err)
	}
	// From here the statements are short: what has begun is not cut off half-way, so that no caller's deadline spoils
	// another's work.
	ctx = context.WithoutCancel(ctx)
	done := 0
	for i, j := range jobs {
		if errs[i] = j.ctx.Err(); errs[i] != nil {
			continue
		}
		var broken error
		if errs[i], broken = w.attempt(j, len(jobs) == 1); broken != nil {
			return errs, failed(ctx, "undo", errors.Join(broken, w.exec(w.rollback, ctx)))
		}
		if errs[i] == nil {
			done++
		}
	}
	if done == 0 {
		return errs, failed(ctx, "roll back", w.exec(w.rollback, ctx))
	}
	if err := w.exec(w.commit, ctx); err != nil {
		return errs, failed(ctx, "commit", errors.Join(err, w.exec(w.rollback, ctx)))
	}
	return errs, nil
}

// groupContext ends when the last of the jobs' contexts has: it bounds the wait for another process's lock.
func groupContext(jobs []*job) (context.Context, context.CancelFunc) {
	if len(jobs) == 1 {
		return jobs[0].ctx, func() {}
	}
	var last time.Time
	for _, j := range jobs {
		deadline, ok := j.ctx.Deadline()
		if !ok {
			return context.Background(), func() {}
		}
		if deadline.After(last) {
			last = deadline
		}
	}
	return context.WithDeadline(context.Background(), last)
}

// attempt does one job and takes it back if it fails. A job that is alone needs no savepoint: the whole transaction is
// taken back. broken is set if taking back failed.
func (w *writer) attempt(j *job, alone bool) (err, broken error) {
	w.job = j
	defer func() { w.job = nil }()
	if alone {
		return j.work(w), nil
	}
	ctx := context.Background()
	if err := w.exec(w.savepoint, ctx); err != nil {
		return err, err
	}
	if err = j.work(w); err != nil {
		broken = w.exec(w.undo, ctx)
	}
	return err, errors.Join(broken, w.exec(w.release, ctx))
}

func (w *writer) exec(stmt *sql.Stmt, ctx context.Context, args ...any) error {
	_, err := stmt.ExecContext(ctx, args...)
	return err
}

// Write does all operations or none, see [table.Table]. When it returns nil, the write is on disk. If the context ends
// while the commit is under way, the write may have happened.
func (t *Table) Write(ctx context.Context, ops ...table.Op) error {
	if err := table.Validate(ops); err != nil {
		return err
	}
	err := t.do(ctx, func(w *writer) error {
		now := t.now()
		// Conditions are about what was stored before the write, and each key appears once: one by one is as good as all
		// at once.
		for i := range ops {
			if err := w.apply(&ops[i], now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

func (w *writer) apply(op *table.Op, now time.Time) error {
	ctx, it := context.Background(), &op.Item
	row := newRow(it)
	var version int64
	var expires sql.NullInt64
	var same bool
	err := w.stored.QueryRowContext(ctx, row...).Scan(&version, &expires, &same)
	exists := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return failed(ctx, "read what is stored", err)
	}
	live := exists && (!expires.Valid || expires.Int64 > now.Unix())
	if want, ok := op.If.VersionIs(); ok && (!live || version != want) || op.If.Absent() && live {
		return fmt.Errorf("%w: %v", table.ErrCondition, it.Key)
	}
	switch {
	case op.Kind() == table.OpPut && !same:
		return w.store(row, exists, it.Key, now)
	case op.Kind() == table.OpDelete && exists:
		return w.delete(it.Key, removed, now)
	}
	return nil
}

func (w *writer) store(row []any, exists bool, k table.Key, now time.Time) error {
	ctx := context.Background()
	if err := w.exec(w.put, ctx, row...); err != nil {
		return failed(ctx, "put", err)
	}
	what := inserted
	if exists {
		what = modified
	}
	return w.record(what, k, now)
}

func (w *writer) delete(k table.Key, what event, now time.Time) error {
	ctx := context.Background()
	if err := w.exec(w.remove, ctx, k.PK, k.SK); err != nil {
		return failed(ctx, "delete", err)
	}
	return w.record(what, k, now)
}

func (w *writer) record(what event, k table.Key, now time.Time) error {
	ctx := context.Background()
	w.job.changes++
	return failed(ctx, "log the change", w.exec(w.log, ctx, int(what), k.PK, k.SK, now.UnixMilli()))
}

// newRow is the item as the parameters of the statements stored and put. What is none is NULL.
func newRow(it *table.Item) []any {
	row := []any{it.PK, it.SK, it.Version, nil, it.Entity, nil, nil, nil, nil}
	if !it.Expires.IsZero() {
		row[3] = it.Expires.Unix()
	}
	if it.IndexPK != "" {
		row[5], row[6] = it.IndexPK, it.IndexSK
	}
	if len(it.Head) > 0 {
		row[7] = string(it.Head)
	}
	if len(it.Body) > 0 {
		row[8] = it.Body
	}
	return row
}
