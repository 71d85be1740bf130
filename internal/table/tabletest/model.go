package tabletest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// Model is a table in memory: a plain map, and the contract word by word. Its index never lags and it keeps expired items.
type Model struct {
	now   func() time.Time
	mu    sync.Mutex
	items map[table.Key]table.Item
}

// NewModel is an empty table that reads the time from now.
func NewModel(now func() time.Time) *Model {
	return &Model{now: now, items: map[table.Key]table.Item{}}
}

var _ table.Table = (*Model)(nil)

// live finds an item that is neither absent nor expired. The caller holds the lock.
func (m *Model) live(k table.Key) (table.Item, bool) {
	it, ok := m.items[k]
	if !ok || it.Expired(m.now()) {
		return table.Item{}, false
	}
	it.Head, it.Body = bytes.Clone(it.Head), bytes.Clone(it.Body)
	return it, true
}

// Get implements [table.Table].
func (m *Model) Get(ctx context.Context, k table.Key) (table.Item, error) {
	if err := cmp.Or(ctx.Err(), table.ValidateKey(k)); err != nil {
		return table.Item{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	it, ok := m.live(k)
	if !ok {
		return table.Item{}, fmt.Errorf("%w: %v", table.ErrNotFound, k)
	}
	return it, nil
}

// BatchGet implements [table.Table].
func (m *Model) BatchGet(ctx context.Context, keys []table.Key) ([]table.Item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[table.Key]table.Item{}
	for _, k := range keys {
		if err := cmp.Or(ctx.Err(), table.ValidateKey(k)); err != nil {
			return nil, err
		}
		if it, ok := m.live(k); ok {
			found[k] = it
		}
	}
	var list []table.Item
	for _, it := range found {
		list = append(list, it)
	}
	return list, nil
}

// Query implements [table.Table].
func (m *Model) Query(ctx context.Context, r table.Range) (table.Page, error) {
	return m.query(ctx, r, false)
}

// QueryIndex implements [table.Table].
func (m *Model) QueryIndex(ctx context.Context, r table.Range) (table.Page, error) {
	return m.query(ctx, r, true)
}

func (m *Model) query(ctx context.Context, r table.Range, index bool) (table.Page, error) {
	after, more, err := table.ReadToken(r, index)
	if err := cmp.Or(ctx.Err(), table.ValidateRange(r), err); err != nil {
		return table.Page{}, err
	}
	var page table.Page
	size := 0
	for _, it := range m.selected(r, index) {
		if more && compare(position(it, index), after, r.Desc) <= 0 {
			continue
		}
		if size >= table.PageSize || r.Limit > 0 && len(page.Items) == r.Limit {
			page.Token = table.NewToken(r, index, position(page.Items[len(page.Items)-1], index))
			break
		}
		size += it.Size()
		page.Items = append(page.Items, it)
	}
	return page, nil
}

// position is the item's place in the table, where the index sort key does not count, or in the index.
func position(it table.Item, index bool) table.Position {
	if !index {
		return table.Position{Key: it.Key}
	}
	return table.Position{Key: it.Key, IndexSK: it.IndexSK}
}

// compare orders positions of one partition.
func compare(a, b table.Position, desc bool) int {
	n := cmp.Or(cmp.Compare(a.IndexSK, b.IndexSK), cmp.Compare(a.PK, b.PK), cmp.Compare(a.SK, b.SK))
	if desc {
		return -n
	}
	return n
}

// selected are all live items of the range in its order, as the table or the index gives them.
func (m *Model) selected(r table.Range, index bool) []table.Item {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []table.Item
	for k := range m.items {
		it, ok := m.live(k)
		pk, sk := it.PK, it.SK
		if index {
			pk, sk, it.Body = it.IndexPK, it.IndexSK, nil
		}
		if ok && pk == r.PK && r.Holds(sk) {
			list = append(list, it)
		}
	}
	slices.SortFunc(list, func(a, b table.Item) int {
		return compare(position(a, index), position(b, index), r.Desc)
	})
	return list
}

// Write implements [table.Table].
func (m *Model) Write(ctx context.Context, ops ...table.Op) error {
	if err := cmp.Or(ctx.Err(), table.Validate(ops)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, op := range ops {
		it, live := m.live(op.Item.Key)
		want, asked := op.If.VersionIs()
		if op.If.Absent() && live || asked && (!live || it.Version != want) {
			return fmt.Errorf("%w: %v", table.ErrCondition, op.Item.Key)
		}
	}
	for _, op := range ops {
		switch op.Kind() {
		case table.OpPut:
			it := stored(op.Item)
			it.Head, it.Body = bytes.Clone(it.Head), bytes.Clone(it.Body)
			m.items[it.Key] = it
		case table.OpDelete:
			delete(m.items, op.Item.Key)
		}
	}
	return nil
}
