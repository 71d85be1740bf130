package sqlite

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

const itemColumns = "pk, sk, entity, version, expires, coalesce(ipk, ''), coalesce(isk, ''), head, body"

func scanItem(row interface{ Scan(...any) error }) (table.Item, error) {
	var it table.Item
	var expires int64
	err := row.Scan(&it.PK, &it.SK, &it.Entity, &it.Version, &expires, &it.IndexPK, &it.IndexSK, &it.Head, &it.Body)
	if expires != 0 {
		it.Expires = time.Unix(expires, 0).UTC()
	}
	return it, err
}

// Get implements [table.Table].
func (t *Table) Get(ctx context.Context, k table.Key) (table.Item, error) {
	if err := table.ValidateKey(k); err != nil {
		return table.Item{}, err
	}
	row := t.readers.QueryRowContext(ctx, "SELECT "+itemColumns+" FROM items WHERE pk = ? AND sk = ? AND (expires = 0 OR expires > ?)", k.PK, k.SK, t.now().Unix())
	it, err := scanItem(row)
	if errors.Is(err, sql.ErrNoRows) {
		return it, fmt.Errorf("%v: %w", k, table.ErrNotFound)
	}
	if err != nil {
		return it, failed("get", err)
	}
	return it, nil
}

// BatchGet implements [table.Table].
func (t *Table) BatchGet(ctx context.Context, keys []table.Key) ([]table.Item, error) {
	seen := make(map[table.Key]bool, len(keys))
	var distinct []table.Key
	for _, k := range keys {
		if err := table.ValidateKey(k); err != nil {
			return nil, err
		}
		if !seen[k] {
			seen[k] = true
			distinct = append(distinct, k)
		}
	}
	var items []table.Item
	for len(distinct) > 0 {
		n := min(len(distinct), table.MaxBatchGet)
		got, err := t.getSome(ctx, distinct[:n])
		if err != nil {
			return nil, failed("batch get", err)
		}
		items = append(items, got...)
		distinct = distinct[n:]
	}
	return items, nil
}

func (t *Table) getSome(ctx context.Context, keys []table.Key) ([]table.Item, error) {
	args := make([]any, 0, 2*len(keys)+1)
	for _, k := range keys {
		args = append(args, k.PK, k.SK)
	}
	rows, err := t.readers.QueryContext(ctx, "SELECT "+itemColumns+" FROM items WHERE (pk, sk) IN (VALUES "+
		strings.TrimSuffix(strings.Repeat("(?,?),", len(keys)), ",")+") AND (expires = 0 OR expires > ?)", append(args, t.now().Unix())...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var items []table.Item
	for rows.Next() {
		it, err := scanItem(rows)
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return items, rows.Err()
}

// place is where a page ended.
type place struct {
	Sort string `json:"s"`
	PK   string `json:"p,omitempty"` // index queries only: equal sort keys are told apart by the item's key
	SK   string `json:"k,omitempty"`
}

func (p place) token() string {
	data, _ := json.Marshal(p) // strings cannot fail
	return base64.RawURLEncoding.EncodeToString(data)
}

func readToken(token string) (p place, err error) {
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err != nil {
		return p, fmt.Errorf("%w: page token", table.ErrInvalid)
	}
	return p, nil
}

// Query implements [table.Table].
func (t *Table) Query(ctx context.Context, r table.Range) (table.Page, error) {
	return t.page(ctx, r, query{partition: "pk", sort: "sk", columns: itemColumns, order: []string{"sk"},
		place: func(it *table.Item) place { return place{Sort: it.SK} },
		after: func(p place) []any { return []any{p.Sort} }})
}

// QueryIndex implements [table.Table].
func (t *Table) QueryIndex(ctx context.Context, r table.Range) (table.Page, error) {
	return t.page(ctx, r, query{partition: "ipk", sort: "isk", columns: strings.Replace(itemColumns, ", body", ", NULL", 1), order: []string{"isk", "pk", "sk"},
		place: func(it *table.Item) place { return place{Sort: it.IndexSK, PK: it.PK, SK: it.SK} },
		after: func(p place) []any { return []any{p.Sort, p.PK, p.SK} }})
}

// query is what tells the two kinds of queries apart.
type query struct {
	partition, sort, columns string
	order                    []string // columns that make the order total
	place                    func(*table.Item) place
	after                    func(place) []any
}

func (t *Table) page(ctx context.Context, r table.Range, q query) (table.Page, error) {
	if r.PK == "" {
		return table.Page{}, fmt.Errorf("%w: query of an empty partition key", table.ErrInvalid)
	}
	if r.Prefix != "" && (r.From != "" || r.To != "") {
		return table.Page{}, fmt.Errorf("%w: prefix together with bounds", table.ErrInvalid)
	}
	where, args, err := q.where(r, t.now())
	if err != nil {
		return table.Page{}, err
	}
	direction := " ASC"
	if r.Desc {
		direction = " DESC"
	}
	limit := -1
	if r.Limit > 0 {
		limit = r.Limit + 1 // one more tells whether there is a next page
	}
	rows, err := t.readers.QueryContext(ctx, "SELECT "+q.columns+" FROM items WHERE "+where+
		" ORDER BY "+strings.Join(q.order, direction+", ")+direction+" LIMIT ?", append(args, limit)...)
	if err != nil {
		return table.Page{}, failed("query", err)
	}
	defer rows.Close()
	var page table.Page
	size := 0
	for rows.Next() {
		if n := len(page.Items); n > 0 && (n == r.Limit || size >= table.PageSize) {
			page.Token = q.place(&page.Items[n-1]).token()
			break
		}
		it, err := scanItem(rows)
		if err != nil {
			return table.Page{}, failed("query", err)
		}
		size += it.Size()
		page.Items = append(page.Items, it)
	}
	if err := rows.Err(); err != nil {
		return table.Page{}, failed("query", err)
	}
	return page, nil
}

func (q query) where(r table.Range, now time.Time) (string, []any, error) {
	terms := []string{q.partition + " = ?", "(expires = 0 OR expires > ?)"}
	args := []any{r.PK, now.Unix()}
	add := func(term string, values ...any) {
		terms, args = append(terms, term), append(args, values...)
	}
	if r.Prefix != "" {
		add(q.sort+" >= ?", r.Prefix)
		add("substr(CAST("+q.sort+" AS BLOB), 1, ?) = CAST(? AS BLOB)", len(r.Prefix), r.Prefix)
		if end, ok := afterPrefix(r.Prefix); ok {
			add(q.sort+" < CAST(? AS TEXT)", []byte(end))
		}
	}
	if r.From != "" {
		add(q.sort+" >= ?", r.From)
	}
	if r.To != "" {
		add(q.sort+" <= ?", r.To)
	}
	if r.Token != "" {
		p, err := readToken(r.Token)
		if err != nil {
			return "", nil, err
		}
		compare := " > "
		if r.Desc {
			compare = " < "
		}
		add("("+strings.Join(q.order, ", ")+")"+compare+"("+strings.TrimSuffix(strings.Repeat("?, ", len(q.order)), ", ")+")", q.after(p)...)
	}
	return strings.Join(terms, " AND "), args, nil
}

// afterPrefix is the smallest text above all that begin with prefix, if there is one.
func afterPrefix(prefix string) (string, bool) {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1}), true
		}
	}
	return "", false
}
