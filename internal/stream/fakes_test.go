package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// memoryLog is a change log in memory. fail, if set, makes the named method fail.
type memoryLog struct {
	mu          sync.Mutex
	changes     []table.Change
	checkpoints map[string]int64
	saves       int
	letters     []table.DeadLetter
	reads       int
	changed     chan struct{}
	fail        func(method string) error
}

func newMemoryLog() *memoryLog {
	return &memoryLog{checkpoints: map[string]int64{}, changed: make(chan struct{}, 1)}
}

// quietly adds changes without telling, as another process does.
func (m *memoryLog) quietly(changes ...table.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range changes {
		if c.Seq == 0 {
			c.Seq = int64(len(m.changes) + 1)
		}
		if c.At.IsZero() {
			c.At = time.Now()
		}
		m.changes = append(m.changes, c)
	}
}

func (m *memoryLog) add(changes ...table.Change) {
	m.quietly(changes...)
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

func (m *memoryLog) failing(method string) error {
	if m.fail == nil {
		return nil
	}
	return m.fail(method)
}

func (m *memoryLog) Changes(ctx context.Context, after int64, limit int) ([]table.Change, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if err := errors.Join(ctx.Err(), m.failing("Changes")); err != nil {
		return nil, err
	}
	var list []table.Change
	for _, c := range m.changes {
		if c.Seq > after && len(list) < limit {
			list = append(list, c)
		}
	}
	return list, nil
}

func (m *memoryLog) Checkpoint(ctx context.Context, name string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.checkpoints[name], errors.Join(ctx.Err(), m.failing("Checkpoint"))
}

func (m *memoryLog) SaveCheckpoint(ctx context.Context, name string, seq int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := errors.Join(ctx.Err(), m.failing("SaveCheckpoint")); err != nil {
		return err
	}
	if seq < m.checkpoints[name] {
		return fmt.Errorf("checkpoint of %s goes back from %d to %d", name, m.checkpoints[name], seq)
	}
	m.checkpoints[name] = seq
	m.saves++
	return nil
}

func (m *memoryLog) SaveDeadLetter(ctx context.Context, d table.DeadLetter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := errors.Join(ctx.Err(), m.failing("SaveDeadLetter")); err != nil {
		return err
	}
	m.letters = append(m.letters, d)
	return nil
}

func (m *memoryLog) Changed() <-chan struct{} { return m.changed }

func (m *memoryLog) checkpoint(name string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.checkpoints[name]
}

// buried are the sequence numbers of dead letters, in the order in which they were saved.
func (m *memoryLog) buried() []int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []int64
	for _, d := range m.letters {
		list = append(list, d.Seq)
	}
	return list
}

func scanChange(id string) table.Change {
	return table.Change{EventName: table.Insert, Key: table.Key{PK: "SCAN#" + id, SK: "DOC"}}
}

func scans(from, to int) []table.Change {
	var list []table.Change
	for i := from; i <= to; i++ {
		list = append(list, scanChange(strconv.Itoa(i)))
	}
	return list
}

// recorder is a handler that remembers the scans of each batch, and answers what decide says (nil for success).
type recorder struct {
	mu      sync.Mutex
	batches [][]string
	decide  func(ctx context.Context, ids []string, e events.DynamoDBEvent) (events.DynamoDBEventResponse, error)
}

func (h *recorder) handle(ctx context.Context, e events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
	var ids []string
	for _, r := range e.Records {
		id, ok := strings.CutPrefix(stringKey(r, "pk"), "SCAN#")
		if !ok {
			return events.DynamoDBEventResponse{}, fmt.Errorf("record of %q", stringKey(r, "pk"))
		}
		ids = append(ids, id)
	}
	h.mu.Lock()
	h.batches = append(h.batches, ids)
	h.mu.Unlock()
	if h.decide == nil {
		return events.DynamoDBEventResponse{}, nil
	}
	return h.decide(ctx, ids, e)
}

// seen are the scans of all batches, one after the other.
func (h *recorder) seen() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Concat(h.batches...)
}

func (h *recorder) calls() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.batches)
}

// digest is a mapping as the tests want it, changed by edit.
func digest(edit ...func(*Mapping)) Mapping {
	m := Mapping{
		Function: "digest", BatchSize: 10, ParallelizationFactor: 1, MaximumRetryAttempts: 3, MaximumRecordAge: -1,
		Bisect: true, ReportBatchItemFailures: true, Timeout: time.Minute,
	}
	for _, e := range edit {
		e(&m)
	}
	return m
}

// startRunner runs r until stop is called or the test ends.
func startRunner(t *testing.T, r *Runner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}
