package notify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// memory is a table in memory, as far as the ledger uses one.
type memory struct {
	mu    sync.Mutex
	items map[table.Key]table.Item
}

func newMemory() *memory { return &memory{items: map[table.Key]table.Item{}} }

func (m *memory) Get(_ context.Context, k table.Key) (table.Item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	it, ok := m.items[k]
	if !ok || it.Expired(time.Now()) {
		return table.Item{}, table.ErrNotFound
	}
	return it, nil
}

func (m *memory) Query(_ context.Context, r table.Range) (table.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var page table.Page
	for k, it := range m.items {
		if k.PK == r.PK && strings.HasPrefix(k.SK, r.Prefix) && !it.Expired(time.Now()) {
			page.Items = append(page.Items, it)
		}
	}
	sort.Slice(page.Items, func(i, j int) bool { return page.Items[i].SK < page.Items[j].SK })
	return page, nil
}

func (m *memory) Write(_ context.Context, ops ...table.Op) error {
	if err := table.Validate(ops); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, op := range ops {
		stored := m.items[op.Item.Key].Version
		if want, ok := op.If.VersionIs(); ok && stored != want || op.If.Absent() && stored != 0 {
			return table.ErrCondition
		}
	}
	for _, op := range ops {
		m.items[op.Item.Key] = op.Item
	}
	return nil
}

func (m *memory) BatchGet(context.Context, []table.Key) ([]table.Item, error) {
	return nil, errors.ErrUnsupported
}

func (m *memory) QueryIndex(context.Context, table.Range) (table.Page, error) {
	return table.Page{}, errors.ErrUnsupported
}

// alerts is the alerts by scan.
type alerts map[string]dq.Alert

func (a alerts) Alert(_ context.Context, scanID string) (dq.Alert, error) {
	alert, ok := a[scanID]
	if !ok {
		return dq.Alert{}, fmt.Errorf("alert of %s: %w", scanID, table.ErrNotFound)
	}
	return alert, nil
}

// routes is a router of functions.
type routes func(dq.Alert) ([]notify.Routed, error)

func (r routes) Route(_ context.Context, a dq.Alert) ([]notify.Routed, error) { return r(a) }

// inbox is a destination that keeps the ids of the messages it accepts. Each attempt first asks answer, if there is one,
// with the number of the attempt from 1 on.
type inbox struct {
	mu       sync.Mutex
	accepted []string
	attempts int
	answer   func(ctx context.Context, attempt int) error
}

func (i *inbox) Send(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	i.mu.Lock()
	i.attempts++
	attempt := i.attempts
	i.mu.Unlock()
	if i.answer != nil {
		if err := i.answer(ctx, attempt); err != nil {
			return notify.Receipt{}, err
		}
	}
	i.accept(m)
	return notify.Receipt{ID: "receipt"}, nil
}

func (i *inbox) accept(m notify.Message) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.accepted = append(i.accepted, m.ID)
}

func (i *inbox) got() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.accepted)
}

// failing answers the first n attempts with err.
func failing(n int, err error) func(context.Context, int) error {
	return func(_ context.Context, attempt int) error {
		if attempt <= n {
			return err
		}
		return nil
	}
}

func retryable(after time.Duration) *notify.SendError {
	return &notify.SendError{Retryable: true, After: after, Reason: notify.Server, Err: errors.New("destination answered 503")}
}

func permanent() *notify.SendError {
	return &notify.SendError{Reason: notify.Gone, Err: errors.New("destination answered 404")}
}

// mustDeliveries is the ledger of the scan by destination.
func mustDeliveries(t *testing.T, tab table.Table) map[string]notify.Delivery {
	t.Helper()
	list, err := notify.Deliveries(t.Context(), tab, scanID)
	if err != nil {
		t.Fatalf("Deliveries: %v", err)
	}
	byDestination := map[string]notify.Delivery{}
	for _, d := range list {
		byDestination[d.Destination] = d
	}
	return byDestination
}
