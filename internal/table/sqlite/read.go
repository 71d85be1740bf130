package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// readStatements are prepared once for all reading connections.
type readStatements struct {
	get                 *sql.Stmt
	query, queryDesc    *sql.Stmt
	index, indexDesc    *sql.Stmt
	changes, lastChange *sql.Stmt
}

const (
	columns      = "pk, sk, entity, version, expires, ipk, isk, head, body"
	indexColumns = "pk, sk, entity, version, expires, ipk, isk, head, NULL"
	live         = "(expires IS NULL OR expires > ?)"

	sqlGet = "SELECT " + columns + " FROM items WHERE pk = ? AND sk = ? AND " + live
	// Ranges are half open: from the first to before the second bound. A limit of -1 is none.
	sqlQuery     = "SELECT " + columns + " FROM items WHERE pk = ? AND sk >= ? AND sk < ? AND " + live + " ORDER BY sk LIMIT ?"
	sqlQueryDesc = "SELECT " + columns + " FROM items WHERE pk = ? AND sk >= ? AND sk < ? AND " + live + " ORDER BY sk DESC LIMIT ?"
	// In the index the bound that may be a token's is of all three columns, so that equal index sort keys are paged through
	// without reading any twice.
	sqlIndex = "SELECT " + indexColumns + " FROM items INDEXED BY items_index WHERE ipk = ? AND (isk, pk, sk) > (?, ?, ?) AND isk < ? AND " +
		live + " ORDER BY isk, pk, sk LIMIT ?"
	sqlIndexDesc = "SELECT " + indexColumns + " FROM items INDEXED BY items_index WHERE ipk = ? AND isk >= ? AND (isk, pk, sk) < (?, ?, ?) AND " +
		live + " ORDER BY isk DESC, pk DESC, sk DESC LIMIT ?"
	sqlChanges    = "SELECT seq, event, pk, sk, at FROM changes WHERE seq > ? ORDER BY seq LIMIT ?"
	sqlLastChange = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0)"
)

func (s *readStatements) prepare(db *sql.DB) error {
	for stmt, text := range map[**sql.Stmt]string{
		&s.get: sqlGet, &s.query: sqlQuery, &s.queryDesc: sqlQueryDesc, &s.index: sqlIndex, &s.indexDesc: sqlIndexDesc,
		&s.changes: sqlChanges, &s.lastChange: sqlLastChange,
	} {
		var err error
		if *stmt, err = db.Prepare(text); err != nil {
			return fmt.Errorf("prepare %q: %w", text, err)
		}
	}
	return nil
}

// Get reads one item, see [table.Table].
func (t *Table) Get(ctx context.Context, k table.Key) (table.Item, error) {
	if err := table.ValidateKey(k); err != nil {
		return table.Item{}, err
	}
	it, err := scanItem(t.stmts.get.QueryRowContext(ctx, k.PK, k.SK, t.now().Unix()))
	if errors.Is(err, sql.ErrNoRows) {
		return table.Item{}, fmt.Errorf("%w: %v", table.ErrNotFound, k)
	}
	return it, failed(ctx, "get", err)
}

// BatchGet reads many items, see [table.Table]. It reads them of one state of the store.
func (t *Table) BatchGet(ctx context.Context, keys []table.Key) ([]table.Item, error) {
	for _, k := range keys {
		if err := table.ValidateKey(k); err != nil {
			return nil, err
		}
	}
	items, err := t.batchGet(ctx, keys)
	return items, failed(ctx, "batch get", err)
}

func (t *Table) batchGet(ctx context.Context, keys []table.Key) ([]table.Item, error) {
	tx, err := t.reads.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	get, now := tx.StmtContext(ctx, t.stmts.get), t.now().Unix()
	items, seen := make([]table.Item, 0, len(keys)), make(map[table.Key]bool, len(keys))
	for _, k := range keys {
		if seen[k] {
			continue
		}
		seen[k] = true
		it, err := scanItem(get.QueryRowContext(ctx, k.PK, k.SK, now))
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return items, nil
}

// Query reads one page of a partition, see [table.Table].
func (t *Table) Query(ctx context.Context, r table.Range) (table.Page, error) {
	if err := table.ValidateRange(r); err != nil {
		return table.Page{}, err
	}
	after, more, err := table.ReadToken(r, false)
	if err != nil {
		return table.Page{}, err
	}
	from, before := bounds(r)
	stmt := t.stmts.query
	switch {
	case r.Desc:
		stmt = t.stmts.queryDesc
		if more {
			before = after.SK
		}
	case more:
		from = next(after.SK)
	}
	page, err := t.page(ctx, r, false, stmt, r.PK, from, before, t.now().Unix(), limitOf(r))
	return page, failed(ctx, "query", err)
}

// QueryIndex reads one page of an index partition, see [table.Table]. The index never lags.
func (t *Table) QueryIndex(ctx context.Context, r table.Range) (table.Page, error) {
	if err := table.ValidateRange(r); err != nil {
		return table.Page{}, err
	}
	after, more, err := table.ReadToken(r, true)
	if err != nil {
		return table.Page{}, err
	}
	from, before := bounds(r)
	stmt, args := t.stmts.index, []any{r.PK, from, "", "", before}
	switch {
	case r.Desc && more:
		stmt, args = t.stmts.indexDesc, []any{r.PK, from, after.IndexSK, after.PK, after.SK}
	case r.Desc:
		stmt, args = t.stmts.indexDesc, []any{r.PK, from, before, "", ""}
	case more:
		args = []any{r.PK, after.IndexSK, after.PK, after.SK, before}
	}
	page, err := t.page(ctx, r, true, stmt, append(args, t.now().Unix(), limitOf(r))...)
	return page, failed(ctx, "query index", err)
}

// bounds are the range's first sort key, and the first one after it.
func bounds(r table.Range) (from, before string) {
	switch {
	case r.Prefix != "":
		return r.Prefix, successor(r.Prefix)
	case r.To != "":
		return r.From, next(r.To)
	}
	return r.From, afterAll
}

// afterAll sorts after every UTF-8 text.
const afterAll = "\xff"

// next is the smallest text greater than s.
func next(s string) string { return s + "\x00" }

// successor is the smallest text greater than all that begin with prefix. UTF-8 has no byte 0xff, so the last one can be
// counted up.
func successor(prefix string) string {
	last := len(prefix) - 1
	return prefix[:last] + string([]byte{prefix[last] + 1})
}

// limitOf is one item more than the page may have, which tells whether there is another page.
func limitOf(r table.Range) int {
	if r.Limit == 0 {
		return -1
	}
	return r.Limit + 1
}

// page reads rows up to the range's limit or [table.PageSize].
func (t *Table) page(ctx context.Context, r table.Range, index bool, stmt *sql.Stmt, args ...any) (table.Page, error) {
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return table.Page{}, err
	}
	defer rows.Close()
	var page table.Page
	for size := 0; rows.Next(); {
		if size >= table.PageSize || r.Limit > 0 && len(page.Items) == r.Limit {
			last := &page.Items[len(page.Items)-1]
			page.Token = table.NewToken(r, index, table.Position{Key: last.Key, IndexSK: last.IndexSK})
			break
		}
		it, err := scanItem(rows)
		if err != nil {
			return table.Page{}, err
		}
		size += it.Size()
		page.Items = append(page.Items, it)
	}
	return page, rows.Err()
}

type scanner interface{ Scan(dest ...any) error }

func scanItem(row scanner) (table.Item, error) {
	var it table.Item
	var expires sql.NullInt64
	var ipk, isk sql.NullString
	err := row.Scan(&it.PK, &it.SK, &it.Entity, &it.Version, &expires, &ipk, &isk, &it.Head, &it.Body)
	if expires.Valid {
		it.Expires = time.Unix(expires.Int64, 0).UTC()
	}
	it.IndexPK, it.IndexSK = ipk.String, isk.String
	return it, err
}
