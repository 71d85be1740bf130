package notify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/notify/notifytest"
	"github.com/sodalite-dq/sodalite/internal/table"
)

const scanID = "scan-1"

// world is a notifier with the destinations one, two and three, over a table in memory.
type world struct {
	*notify.Notifier
	table   *memory
	inboxes map[string]*inbox
	log     *bytes.Buffer
}

func newWorld() *world {
	w := &world{table: newMemory(), inboxes: map[string]*inbox{}, log: &bytes.Buffer{}}
	var destinations []notify.Destination
	for _, id := range []string{"one", "two", "three"} {
		w.inboxes[id] = &inbox{}
		destinations = append(destinations, notify.Destination{ID: id, Kind: "test", Sender: w.inboxes[id]})
	}
	w.Notifier = &notify.Notifier{
		Alerts:       alerts{scanID: notifytest.Alert(scanID, 3)},
		Table:        w.table,
		Router:       notify.ToAll(destinations),
		Destinations: destinations,
		PublicURL:    notifytest.PublicURL,
		Log:          slog.New(slog.NewTextHandler(w.log, nil)),
	}
	return w
}

func (w *world) mustNotify(t *testing.T) {
	t.Helper()
	if err := w.Notify(t.Context(), scanID); err != nil {
		t.Fatalf("Notify: %v", err)
	}
}

// expect compares the number of messages at each destination.
func (w *world) expect(t *testing.T, one, two, three int) {
	t.Helper()
	for id, want := range map[string]int{"one": one, "two": two, "three": three} {
		if got := len(w.inboxes[id].got()); got != want {
			t.Errorf("destination %s has %d messages, want %d", id, got, want)
		}
	}
}

func TestOneMessagePerScanAndDestination(t *testing.T) {
	w := newWorld()
	for range 3 {
		w.mustNotify(t)
	}
	w.expect(t, 1, 1, 1)
	ids := map[string]bool{}
	for id, d := range mustDeliveries(t, w.table) {
		if d.State != notify.Sent || d.Attempts != 1 || d.Checks != 3 || d.Receipt != "receipt" || d.Kind != "test" || d.ScanID != scanID {
			t.Errorf("delivery to %s: %+v", id, d)
		}
		ids[w.inboxes[id].got()[0]] = true
	}
	if len(ids) != 3 {
		t.Errorf("message ids %v are not of one destination each", ids)
	}
}

func TestLedgerItem(t *testing.T) {
	w := newWorld()
	now := time.Now().Truncate(time.Second)
	w.Now = func() time.Time { return now }
	w.mustNotify(t)
	it := w.table.items[table.Key{PK: "SCAN#scan-1", SK: "SENT#one"}]
	if it.Entity != "delivery" || it.Version != 2 || !it.Expires.Equal(now.AddDate(0, 0, 396)) || it.IndexPK != "" {
		t.Errorf("got item %+v", it)
	}
}

func TestNothingToSend(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		change func(*world)
		want   error
	}{
		{"no alert", func(w *world) { w.Alerts = alerts{} }, nil},
		{"an alert without failures", func(w *world) { w.Alerts = alerts{scanID: {ScanID: scanID}} }, nil},
		{"no destinations", func(w *world) { w.Router = notify.ToAll(nil) }, nil},
		{"alerts fail", func(w *world) { w.Alerts = brokenAlerts{broken} }, broken},
		{"router fails", func(w *world) { w.Router = routes(func(dq.Alert) ([]notify.Routed, error) { return nil, broken }) }, broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			c.change(w)
			if err := w.Notify(t.Context(), scanID); !errors.Is(err, c.want) {
				t.Errorf("Notify = %v, want %v", err, c.want)
			}
			w.expect(t, 0, 0, 0)
			if len(w.table.items) != 0 {
				t.Errorf("the ledger has %d entries", len(w.table.items))
			}
		})
	}
}

type brokenAlerts struct{ err error }

func (b brokenAlerts) Alert(context.Context, string) (dq.Alert, error) { return dq.Alert{}, b.err }

func TestRoutes(t *testing.T) {
	w := newWorld()
	w.Router = routes(func(a dq.Alert) ([]notify.Routed, error) {
		return []notify.Routed{
			{Destination: "one", Checks: a.Checks[:1]},
			{Destination: "two", Checks: a.Checks, Suppress: "muted by rule night"},
			{Destination: "unknown", Checks: a.Checks},
		}, nil
	})
	for range 2 {
		w.mustNotify(t)
	}
	w.expect(t, 1, 0, 0)
	got := mustDeliveries(t, w.table)
	if d := got["one"]; d.State != notify.Sent || d.Checks != 1 {
		t.Errorf("one: %+v", d)
	}
	if d := got["two"]; d.State != notify.Suppressed || d.Error != "muted by rule night" || d.Attempts != 0 {
		t.Errorf("two: %+v", d)
	}
	if d := got["unknown"]; d.State != notify.Failed || d.Reason != notify.Misconfigured {
		t.Errorf("unknown: %+v", d)
	}
}

func TestRetryable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.inboxes["two"].answer = failing(2, retryable(0))
		err := w.Notify(t.Context(), scanID)
		if err == nil || !strings.Contains(err.Error(), "deliver scan scan-1 to two: destination answered 503") {
			t.Fatalf("Notify = %v, want the failure of two", err)
		}
		if got := notify.RetryAfter(err); got != 5*time.Second {
			t.Errorf("RetryAfter = %v, want 5s", got)
		}
		w.expect(t, 1, 0, 1)
		if d := mustDeliveries(t, w.table)["two"]; d.State != notify.Retry || d.Attempts != 1 || d.Reason != notify.Server || d.Error != "destination answered 503" {
			t.Errorf("two: %+v", d)
		}
		if err := w.Notify(t.Context(), scanID); !errors.Is(err, notify.ErrWaiting) || w.inboxes["two"].attempts != 1 {
			t.Errorf("Notify = %v after %d attempts, want ErrWaiting after 1", err, w.inboxes["two"].attempts)
		}
		time.Sleep(5 * time.Second)
		if err := w.Notify(t.Context(), scanID); notify.RetryAfter(err) != 10*time.Second {
			t.Errorf("Notify = %v, want a wait of 10s", err)
		}
		time.Sleep(10 * time.Second)
		w.mustNotify(t)
		w.expect(t, 1, 1, 1)
		if d := mustDeliveries(t, w.table)["two"]; d.State != notify.Sent || d.Attempts != 3 || d.Error != "" || d.Reason != "" || !d.NotBefore.IsZero() {
			t.Errorf("two: %+v", d)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		name     string
		after    time.Duration
		deadline time.Duration
		attempts int
		wait     time.Duration // 0: sent within the call
	}{
		{"short, waited for", 3 * time.Second, 0, 2, 0},
		{"longer than patience", 90 * time.Second, 0, 1, 90 * time.Second},
		{"longer than the pause", 6 * time.Second, 0, 1, 6 * time.Second},
		{"short, but the deadline is near", 3 * time.Second, 5 * time.Second, 1, 5 * time.Second},
		{"short, deadline allows", 3 * time.Second, 20 * time.Second, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.inboxes["one"].answer = failing(1, retryable(c.after))
				ctx := t.Context()
				if c.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
				}
				err := w.Notify(ctx, scanID)
				if (err == nil) != (c.wait == 0) || notify.RetryAfter(err) != c.wait || w.inboxes["one"].attempts != c.attempts {
					t.Errorf("Notify = %v (wait %v) after %d attempts, want wait %v after %d",
						err, notify.RetryAfter(err), w.inboxes["one"].attempts, c.wait, c.attempts)
				}
				if d := mustDeliveries(t, w.table)["one"]; d.Attempts != c.attempts {
					t.Errorf("ledger has %d attempts, want %d", d.Attempts, c.attempts)
				}
			})
		})
	}
}

func TestPermanent(t *testing.T) {
	w := newWorld()
	w.inboxes["two"].answer = failing(99, permanent())
	for range 2 {
		w.mustNotify(t)
	}
	w.expect(t, 1, 0, 1)
	if d := mustDeliveries(t, w.table)["two"]; d.State != notify.Failed || d.Attempts != 1 || d.Reason != notify.Gone {
		t.Errorf("two: %+v", d)
	}
	if got := w.log.String(); strings.Count(got, "level=ERROR") != 1 || !strings.Contains(got, "destination=two") {
		t.Errorf("log:\n%s", got)
	}
}

func TestUnknownErrorsAreTriedAgain(t *testing.T) {
	w := newWorld()
	w.inboxes["one"].answer = failing(1, errors.New("odd"))
	if err := w.Notify(t.Context(), scanID); err == nil {
		t.Error("Notify = nil, want an error")
	}
	if d := mustDeliveries(t, w.table)["one"]; d.State != notify.Retry || d.Reason != notify.Unknown {
		t.Errorf("one: %+v", d)
	}
}

func TestGivingUp(t *testing.T) {
	for _, c := range []struct {
		name     string
		limits   notify.Limits
		attempts int
	}{
		{"by attempts", notify.Limits{MaxAttempts: 4}, 4},
		{"by age", notify.Limits{MaxAge: 30 * time.Second}, 3}, // at 0, 5 and 15 s; 35 s is too late
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.Limits = c.limits
				w.inboxes["one"].answer = failing(99, retryable(0))
				calls := 0
				for err := errors.New("first"); err != nil && calls < 20; calls++ {
					err = w.Notify(t.Context(), scanID)
					time.Sleep(notify.RetryAfter(err))
				}
				if d := mustDeliveries(t, w.table)["one"]; d.State != notify.Failed || d.Attempts != c.attempts || d.Error != "destination answered 503" {
					t.Errorf("after %d calls: %+v", calls, d)
				}
				w.expect(t, 0, 1, 1)
			})
		})
	}
	t.Run("by crashes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.Limits.MaxAttempts, w.Limits.Parallel = 2, 1
			for range 2 {
				w.crashWhileSending(t)
				time.Sleep(3 * time.Minute)
			}
			w.mustNotify(t)
			if d := mustDeliveries(t, w.table)["one"]; d.State != notify.Failed || d.Reason != notify.Crashed {
				t.Errorf("one: %+v", d)
			}
		})
	})
}

// crashWhileSending leaves claims that nobody records.
func (w *world) crashWhileSending(t *testing.T) {
	t.Helper()
	process := &faulty{Table: w.table}
	n := *w.Notifier
	n.Table, n.Destinations = process, nil
	for _, d := range w.Destinations {
		d.Sender = &inbox{answer: func(context.Context, int) error {
			process.crash()
			return errCrash
		}}
		n.Destinations = append(n.Destinations, d)
	}
	if err := n.Notify(t.Context(), scanID); err == nil {
		t.Fatal("Notify = nil after a crash")
	}
}

func TestClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.Limits.Parallel = 1
		w.crashWhileSending(t) // at the first destination, with the claim written
		time.Sleep(time.Minute)
		err := w.Notify(t.Context(), scanID)
		if !errors.Is(err, notify.ErrBusy) || notify.RetryAfter(err) > time.Minute {
			t.Errorf("Notify = %v (wait %v), want ErrBusy for a minute at most", err, notify.RetryAfter(err))
		}
		w.expect(t, 0, 1, 1)
		time.Sleep(2 * time.Minute)
		w.mustNotify(t)
		w.expect(t, 1, 1, 1)
		if !strings.Contains(w.log.String(), "taking over") {
			t.Errorf("log does not tell of the take-over:\n%s", w.log)
		}
	})
}

func TestConcurrentNotifiers(t *testing.T) {
	w := newWorld()
	w.Log = slog.New(slog.DiscardHandler)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if err := w.Notify(t.Context(), scanID); err != nil && !errors.Is(err, notify.ErrBusy) {
				t.Errorf("Notify = %v, want nil or ErrBusy", err)
			}
		})
	}
	group.Wait()
	w.expect(t, 1, 1, 1)
}

func TestDeadDestinationDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.inboxes["one"].answer = func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return notify.FromNetwork(ctx.Err())
		}
		began := time.Now()
		err := w.Notify(t.Context(), scanID)
		if took := time.Since(began); err == nil || took != 10*time.Second {
			t.Errorf("Notify = %v after %v, want an error after the time-out of 10s", err, took)
		}
		got := mustDeliveries(t, w.table)
		if d := got["one"]; d.State != notify.Retry || d.Reason != notify.Timeout {
			t.Errorf("one: %+v", d)
		}
		for _, id := range []string{"two", "three"} {
			if d := got[id]; d.State != notify.Sent || !d.Updated.Equal(began) {
				t.Errorf("%s: %+v, want it sent at once", id, d)
			}
		}
	})
}

// A call with a near deadline stops sending early enough to record, and one that is canceled records too.
func TestRecordsBeforeTheEnd(t *testing.T) {
	hang := func(ctx context.Context, _ int) error {
		<-ctx.Done()
		return notify.FromNetwork(ctx.Err())
	}
	t.Run("deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.inboxes["one"].answer = hang
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			began := time.Now()
			_ = w.Notify(ctx, scanID)
			if took := time.Since(began); took != 5*time.Second {
				t.Errorf("Notify took %v of 8s, want 5s", took)
			}
			if d := mustDeliveries(t, w.table)["one"]; d.State != notify.Retry {
				t.Errorf("one: %+v", d)
			}
		})
	})
	t.Run("canceled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			ctx, cancel := context.WithCancel(t.Context())
			w.inboxes["one"].answer = func(context.Context, int) error { cancel(); return nil }
			w.Limits.Parallel = 1
			_ = w.Notify(ctx, scanID)
			if d := mustDeliveries(t, w.table)["one"]; d.State != notify.Sent {
				t.Errorf("one: %+v", d)
			}
		})
	})
}

func TestErrorTextIsBounded(t *testing.T) {
	w := newWorld()
	w.inboxes["one"].answer = failing(1, errors.New(strings.Repeat("é", 5000)+"\xff"))
	_ = w.Notify(t.Context(), scanID)
	if d := mustDeliveries(t, w.table)["one"]; len([]rune(d.Error)) != 500 {
		t.Errorf("error text has %d characters, want 500", len([]rune(d.Error)))
	}
}

func TestMessage(t *testing.T) {
	w := newWorld()
	a := notifytest.Alert(scanID, 25)
	a.Omitted = 5
	w.Alerts = alerts{scanID: a}
	var got notify.Message
	w.Destinations[0].Sender = senderFunc(func(_ context.Context, m notify.Message) (notify.Receipt, error) {
		got = m
		return notify.Receipt{}, nil
	})
	w.mustNotify(t)
	if got.Failures() != 30 || got.Headline() != "30 checks failed on at least 3 datasets" || len(got.Groups()) != 3 || len(got.Groups()[2].Checks) != 5 {
		t.Errorf("got %d failures, %q, %d groups", got.Failures(), got.Headline(), len(got.Groups()))
	}
	for got, want := range map[string]string{
		got.ScanURL():       "https://dq.example.com/scans/scan-1",
		got.CheckURL("a/b"): "https://dq.example.com/checks/a%2Fb",
		got.DatasetURL("d"): "https://dq.example.com/datasets/d",
	} {
		if got != want {
			t.Errorf("got link %s, want %s", got, want)
		}
	}
}

type senderFunc func(context.Context, notify.Message) (notify.Receipt, error)

func (f senderFunc) Send(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	return f(ctx, m)
}

func TestClip(t *testing.T) {
	for _, c := range []struct{ checks, room, want int }{{0, 50, 0}, {3, 50, 3}, {5, 50, 5}, {9, 59, 5}, {9, 0, 0}, {9, -1, 0}} {
		t.Run(fmt.Sprintf("%d in %d bytes", c.checks, c.room), func(t *testing.T) {
			m, err := notify.Clip(notifytest.Message(c.checks), c.room, func(dq.AlertCheck) (int, error) { return 10, nil })
			if err != nil || len(m.Checks) != c.want || m.Failures() != c.checks {
				t.Errorf("got %d checks of %d, %v, want %d of %d", len(m.Checks), m.Failures(), err, c.want, c.checks)
			}
		})
	}
}
