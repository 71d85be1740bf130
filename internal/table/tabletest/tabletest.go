// Package tabletest is the contract of [table.Table] as tests, and what tests of its users need.
//
// [Run] is the suite that every implementation passes: each sentence of package table has a case here, and a test of random
// operations compares the store with a plain map. [Model] is that map, a table in memory. [Faulty] crashes and fails at a
// chosen call, [Meter] counts calls and DynamoDB's units, [Shy] gives the short pages that the contract allows.
package tabletest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// Open gives an empty store that reads the time from now, and cleans up after itself.
type Open func(tb testing.TB, now func() time.Time) table.Table

// Run holds the store to the contract. Each case gets a fresh one.
func Run(t *testing.T, open Open) {
	for _, c := range slices.Concat(itemCases, conditionCases, transactionCases, limitCases, queryCases, batchCases, indexCases, expiryCases, concurrencyCases, randomCases) {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			clock := NewClock()
			c.run(&suite{T: t, Table: open(t, clock.Now), clock: clock})
		})
	}
}

type testCase struct {
	name string
	run  func(*suite)
}

// Clock is a clock that moves when told. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock starts tomorrow, at a full second: a real store's own sweep goes by the real time, and must not take away what
// is alive by this clock.
func NewClock() *Clock {
	return &Clock{now: time.Now().Add(24 * time.Hour).Truncate(time.Second).UTC()}
}

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// suite is one case at work.
type suite struct {
	*testing.T
	table.Table
	clock *Clock
}

// sub runs a part of the case as a test of its own, on the same store.
func (s *suite) sub(name string, run func(*suite)) {
	s.Helper()
	s.T.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
		run(&suite{T: t, Table: s.Table, clock: s.clock})
	})
}

// mustWrite writes what has to succeed. A conflict is tried again, as the contract says.
func (s *suite) mustWrite(ops ...table.Op) {
	s.Helper()
	if err := write(s.Context(), s.Table, ops...); err != nil {
		s.Fatalf("write of %d operations, the first on %q: %v", len(ops), ops[0].Item.Key, err)
	}
}

func (s *suite) mustPut(items ...table.Item) {
	s.Helper()
	for _, it := range items {
		s.mustWrite(table.Put(it, table.Always()))
	}
}

// refused checks that the write fails with the error.
func (s *suite) refused(want error, ops ...table.Op) {
	s.Helper()
	if err := write(s.Context(), s.Table, ops...); !errors.Is(err, want) {
		s.Errorf("write of %d operations: got %v, want %v", len(ops), err, want)
	}
}

// write tries again while others are in the way.
func write(ctx context.Context, t table.Table, ops ...table.Op) error {
	for {
		err := t.Write(ctx, ops...)
		if !errors.Is(err, table.ErrConflict) || ctx.Err() != nil {
			return err
		}
	}
}

// has checks what Get finds under the item's key.
func (s *suite) has(want table.Item) {
	s.Helper()
	got, err := s.Get(s.Context(), want.Key)
	if err != nil {
		s.Errorf("get %q: %v", want.Key, err)
		return
	}
	if d := diff(stored(want), got); d != "" {
		s.Errorf("get %q (-want +got):\n%s", want.Key, clip(d))
	}
}

// lacks checks that Get finds nothing.
func (s *suite) lacks(keys ...table.Key) {
	s.Helper()
	for _, k := range keys {
		if it, err := s.Get(s.Context(), k); !errors.Is(err, table.ErrNotFound) {
			s.Errorf("get %q: got %v, %v, want %v", k, it.Version, err, table.ErrNotFound)
		}
	}
}

// stored is the item as a store gives it back.
func stored(it table.Item) table.Item {
	if len(it.Head) == 0 {
		it.Head = nil
	}
	if len(it.Body) == 0 {
		it.Body = nil
	}
	if !it.Expires.IsZero() {
		it.Expires = time.Unix(it.Expires.Unix(), 0).UTC()
	}
	return it
}

// eventually repeats a look at the index, which may lag, until it finds no difference.
func (s *suite) eventually(look func() string) {
	s.Helper()
	const patience = 10 * time.Second
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		d := look()
		if d == "" {
			return
		}
		if time.Since(start) > patience {
			s.Errorf("after %v (-want +got):\n%s", patience, clip(d))
			return
		}
	}
}

// diff is cmp.Diff, which takes long over large bodies, for what differs.
func diff[T any](want, got T) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

func clip(s string) string {
	const most = 4000
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// sortKeys are those of the items, in their order.
func sortKeys(items []table.Item) []string {
	keys := make([]string, len(items))
	for i := range items {
		keys[i] = items[i].SK
	}
	return keys
}

// item is a small item with everything in it.
func item(pk, sk string) table.Item {
	return table.Item{Key: table.Key{PK: pk, SK: sk}, Entity: "thing", Version: 1, Head: []byte(`{"of":"` + "h" + `"}`), Body: []byte("body of " + sk)}
}

// items are small items of one partition.
func items(pk string, sks ...string) []table.Item {
	list := make([]table.Item, len(sks))
	for i, sk := range sks {
		list[i] = item(pk, sk)
	}
	return list
}

func numbered(format string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return list
}
