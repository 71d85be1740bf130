package notify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// ErrBusy means that another attempt at the same delivery is under way, or crashed and its lease has not ended.
var ErrBusy = errors.New("another attempt is under way")

// ErrWaiting means that a retry is due later.
var ErrWaiting = errors.New("waiting before the next attempt")

// claim takes the delivery for this attempt. It returns nil without an error if there is nothing to do: the delivery is
// in a final state, or got one here because its retries are used up or its route says so.
func (n *Notifier) claim(ctx context.Context, scanID string, route Routed) (*Delivery, error) {
	d, err := n.load(ctx, scanID, route.Destination)
	if err != nil {
		return nil, err
	}
	d.Writer = rand.Text()
	now := n.now()
	switch {
	case d.State.Final():
		return nil, nil
	case d.State == Claimed && now.Before(d.Lease):
		return nil, &PendingError{After: d.Lease.Sub(now), Err: ErrBusy}
	case d.State == Retry && now.Before(d.NotBefore):
		return nil, &PendingError{After: d.NotBefore.Sub(now), Err: ErrWaiting}
	case d.State == Claimed:
		n.log().WarnContext(ctx, "taking over a delivery that crashed: the message may arrive twice", n.fields(d)...)
	case d.State == "":
		d.Since, d.Checks = now, len(route.Checks)+route.Omitted
	}
	if done, err := n.close(ctx, &d, route); done || err != nil {
		return nil, err
	}
	d.State, d.Attempts, d.Lease = Claimed, d.Attempts+1, now.Add(n.limits().Lease)
	if err := n.save(ctx, &d); err != nil {
		return nil, lostRace(err)
	}
	return &d, nil
}

// Reopen lets the deliveries of a scan that failed for good or wait be tried again at once, with a fresh count of attempts;
// it returns how many. What was sent or suppressed stays so, and what is under way is left alone. The next call of
// [Notifier.Notify] for the scan sends them.
func (n *Notifier) Reopen(ctx context.Context, scanID string) (int, error) {
	all, err := Deliveries(ctx, n.Table, scanID)
	if err != nil {
		return 0, err
	}
	reopened := 0
	for _, d := range all {
		now := n.now()
		if d.State == Sent || d.State == Suppressed || d.State == Claimed && now.Before(d.Lease) {
			continue
		}
		d.State, d.Attempts, d.Since, d.NotBefore, d.Lease, d.Writer = Retry, 0, now, time.Time{}, time.Time{}, rand.Text()
		if err := n.save(ctx, &d); err != nil {
			return reopened, err
		}
		reopened++
	}
	return reopened, nil
}

// close ends a delivery that must not be sent (any more), and tells whether it did.
func (n *Notifier) close(ctx context.Context, d *Delivery, route Routed) (bool, error) {
	dest, known := n.destination(route.Destination)
	d.Kind, d.Lease, d.NotBefore = dest.Kind, time.Time{}, time.Time{}
	switch {
	case route.Suppress != "":
		d.State, d.Reason, d.Error = Suppressed, "", route.Suppress
	case !known:
		d.State, d.Reason, d.Error = Failed, Misconfigured, "no such destination in the settings"
	case n.exhausted(d):
		d.State = Failed
		if d.Error == "" {
			d.Reason, d.Error = Crashed, "every attempt ended without an answer"
		}
	default:
		return false, nil
	}
	if err := n.save(ctx, d); err != nil {
		return false, lostRace(err)
	}
	n.report(ctx, *d)
	return true, nil
}

// exhausted tells whether the delivery had all the attempts and time that it may have.
func (n *Notifier) exhausted(d *Delivery) bool {
	l := n.limits()
	return d.Attempts >= l.MaxAttempts || n.now().Sub(d.Since) >= l.MaxAge
}

// lostRace makes it a reason to come back later, when the winner is done, that somebody else wrote first.
func lostRace(err error) error {
	if errors.Is(err, table.ErrCondition) {
		return &PendingError{Err: fmt.Errorf("%w: %w", ErrBusy, err)}
	}
	return err
}
