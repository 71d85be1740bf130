package tabletest

import (
	"context"
	"errors"
	"sync"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// ErrCrash is what a [Faulty] table answers from its chosen call on: as for a process that died, nothing works any more.
var ErrCrash = errors.New("crashed")

// Faulty lets calls through until a chosen one. At that one it crashes, before or after the call took effect, and stays
// down until [Faulty.Recover].
type Faulty struct {
	table.Table
	mu    sync.Mutex
	calls int
	at    int
	after bool
	down  bool
}

// NewFaulty wraps t. It does not crash until told to.
func NewFaulty(t table.Table) *Faulty { return &Faulty{Table: t} }

// CrashBefore crashes at the n-th call from now (1 is the next) without effect; CrashAfter once the call took effect.
func (f *Faulty) CrashBefore(n int) { f.set(n, false) }

// CrashAfter is like [Faulty.CrashBefore], but the call has taken effect and only its answer is lost.
func (f *Faulty) CrashAfter(n int) { f.set(n, true) }

// Recover ends the crash and the wait for one, and tells whether it had happened.
func (f *Faulty) Recover() (crashed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	crashed, f.down, f.at = f.down, false, 0
	return crashed
}

// Down tells whether the crash has happened and is not over.
func (f *Faulty) Down() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.down
}

func (f *Faulty) set(n int, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.at, f.after, f.down = 0, n, after, false
}

// step counts a call and tells whether to make it, and whether to lose its answer.
func (f *Faulty) step() (call, lose bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return false, false
	}
	f.calls++
	if f.at == 0 || f.calls != f.at {
		return true, false
	}
	f.down = true
	return f.after, true
}

func through[T any](f *Faulty, do func() (T, error)) (T, error) {
	var none T
	call, lose := f.step()
	if !call {
		return none, ErrCrash
	}
	v, err := do()
	if lose {
		return none, ErrCrash
	}
	return v, err
}

// Get implements [table.Table].
func (f *Faulty) Get(ctx context.Context, k table.Key) (table.Item, error) {
	return through(f, func() (table.Item, error) { return f.Table.Get(ctx, k) })
}

// BatchGet implements [table.Table].
func (f *Faulty) BatchGet(ctx context.Context, keys []table.Key) ([]table.Item, error) {
	return through(f, func() ([]table.Item, error) { return f.Table.BatchGet(ctx, keys) })
}

// Query implements [table.Table].
func (f *Faulty) Query(ctx context.Context, r table.Range) (table.Page, error) {
	return through(f, func() (table.Page, error) { return f.Table.Query(ctx, r) })
}

// QueryIndex implements [table.Table].
func (f *Faulty) QueryIndex(ctx context.Context, r table.Range) (table.Page, error) {
	return through(f, func() (table.Page, error) { return f.Table.QueryIndex(ctx, r) })
}

// Write implements [table.Table].
func (f *Faulty) Write(ctx context.Context, ops ...table.Op) error {
	_, err := through(f, func() (struct{}, error) { return struct{}{}, f.Table.Write(ctx, ops...) })
	return err
}
