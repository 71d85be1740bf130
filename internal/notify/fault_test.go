package notify_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/table"
)

var (
	errFault = errors.New("storage failed")
	errCrash = errors.New("the process is gone")
)

// fault is what goes wrong at a step.
type fault string

const (
	failBefore  fault = "fails before"
	failAfter   fault = "fails after"
	crashBefore fault = "crash before"
	crashAfter  fault = "crash after"
)

var faults = []fault{failBefore, failAfter, crashBefore, crashAfter}

// faulty is one process's connection to the table. Its calls are counted, together with the sends of the process, and one
// of them goes wrong. After a crash nothing works any more.
type faulty struct {
	table.Table
	mu    sync.Mutex
	step  int
	at    int // the step that goes wrong, 0 for none
	fault fault
	names []string
	dead  bool
}

func (f *faulty) crash() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
}

// do runs a step, or not, as the plan says.
func (f *faulty) do(name string, run func() error) error {
	f.mu.Lock()
	if f.dead {
		f.mu.Unlock()
		return errCrash
	}
	f.step++
	f.names = append(f.names, name)
	now := fault("")
	if f.step == f.at {
		now = f.fault
	}
	f.dead = now == crashBefore || now == crashAfter
	f.mu.Unlock()
	switch now {
	case failBefore:
		return errFault
	case crashBefore:
		return errCrash
	}
	err := run()
	switch now {
	case failAfter:
		return errFault
	case crashAfter:
		return errCrash
	}
	return err
}

func (f *faulty) Get(ctx context.Context, k table.Key) (it table.Item, err error) {
	err = f.do("get "+k.SK, func() error { it, err = f.Table.Get(ctx, k); return err })
	return it, err
}

func (f *faulty) Write(ctx context.Context, ops ...table.Op) error {
	return f.do("write "+ops[0].Item.SK, func() error { return f.Table.Write(ctx, ops...) })
}

// process is a notifier whose steps go through f: table calls and sends.
func (w *world) process(f *faulty) *notify.Notifier {
	n := *w.Notifier
	n.Table = f
	n.Limits.Parallel = 1 // so that steps have an order
	n.Destinations = nil
	for _, d := range w.Destinations {
		box := w.inboxes[d.ID]
		d.Sender = senderFunc(func(_ context.Context, m notify.Message) (notify.Receipt, error) {
			err := f.do("send "+d.ID, func() error { box.accept(m); return nil })
			if err != nil {
				return notify.Receipt{}, notify.FromNetwork(err)
			}
			return notify.Receipt{ID: "receipt"}, nil
		})
		n.Destinations = append(n.Destinations, d)
	}
	return &n
}

// TestEveryFault lets every step of a notification go wrong in every way, then lets the stream call again until there is
// no error. Each destination then has exactly one message. The one exception is the documented window: the destination
// accepted the message, and the process could not record that, because the answer was lost or the process ended.
func TestEveryFault(t *testing.T) {
	steps := stepsWithoutFaults(t)
	if want := 3 * 4; len(steps) != want { // get, write, send, write for each destination
		t.Fatalf("a notification takes the steps %q, want %d", steps, want)
	}
	windows := 0
	for i, name := range steps {
		for _, f := range faults {
			t.Run(fmt.Sprintf("%d %s/%s", i+1, name, f), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					if walk(t, i+1, f) > 3 {
						windows++
						if !inWindow(i%4, f) {
							t.Error("a message came twice outside the window")
						}
					} else if inWindow(i%4, f) {
						t.Error("the window has closed: the documentation can say so")
					}
				})
			})
		}
	}
	if want := 3 * 3; windows != want {
		t.Errorf("the window was open %d times, want %d", windows, want)
	}
}

// inWindow tells whether a fault at a destination's step (get, write, send, write) is between sent and recorded.
func inWindow(step int, f fault) bool {
	const send, record = 2, 3
	return step == send && (f == failAfter || f == crashAfter) || step == record && f == crashBefore
}

// walk notifies with one fault and recovers. It returns the number of messages in all, and checks that every destination
// has one, or two at the fault, and that the ledger says sent.
func walk(t *testing.T, step int, f fault) int {
	t.Helper()
	w := newWorld()
	err := w.process(&faulty{Table: w.table, at: step, fault: f}).Notify(t.Context(), scanID)
	for calls := 0; err != nil; calls++ {
		if calls > 5 {
			t.Fatalf("no recovery: %v", err)
		}
		time.Sleep(max(notify.RetryAfter(err), time.Second))
		err = w.process(&faulty{Table: w.table}).Notify(t.Context(), scanID)
	}
	total := 0
	for id, d := range mustDeliveries(t, w.table) {
		if d.State != notify.Sent {
			t.Errorf("%s: %+v, want it sent", id, d)
		}
	}
	for id, box := range w.inboxes {
		n := len(box.got())
		total += n
		if n < 1 || n > 2 {
			t.Errorf("%s has %d messages", id, n)
		}
	}
	return total
}

func stepsWithoutFaults(t *testing.T) []string {
	t.Helper()
	w := newWorld()
	f := &faulty{Table: w.table}
	if err := w.process(f).Notify(t.Context(), scanID); err != nil {
		t.Fatalf("Notify: %v", err)
	}
	return f.names
}

// TestTwoFaults lets two steps of the first process go wrong, so that also the read-back after an error and the retries
// of the record are hit. No message may be lost.
func TestTwoFaults(t *testing.T) {
	for first := 1; first <= 14; first++ {
		for second := first + 1; second <= 16; second++ {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				inner := &faulty{Table: w.table, at: first, fault: failAfter}
				outer := &faulty{Table: inner, at: second, fault: failBefore}
				err := w.process(outer).Notify(t.Context(), scanID)
				for calls := 0; err != nil && calls < 6; calls++ {
					time.Sleep(max(notify.RetryAfter(err), time.Second))
					err = w.Notify(t.Context(), scanID)
				}
				if err != nil {
					t.Fatalf("faults at %d and %d: no recovery: %v", first, second, err)
				}
				for id, box := range w.inboxes {
					if n := len(box.got()); n < 1 || n > 2 {
						t.Errorf("faults at %d and %d: %s has %d messages", first, second, id, n)
					}
				}
			})
		}
	}
}
