package notify

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sodalite-dq/sodalite/internal/metrics"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// How often and how long recording is tried: what is sent and not recorded is sent again.
const (
	recordTries   = 5
	recordTimeout = 5 * time.Second
)

// record writes the result of an attempt to the ledger. It is tried even when the context has ended, for the time that
// [Limits.Reserve] holds back from the deadline. A record that can't be written is an error, so that the delivery is
// looked at again. If somebody else took the delivery over meanwhile, theirs stands.
func (n *Notifier) record(ctx context.Context, d *Delivery, receipt Receipt, sendErr error) error {
	pending := n.conclude(d, receipt, sendErr)
	recordCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	err := n.save(recordCtx, d)
	for try := 1; err != nil && !errors.Is(err, table.ErrCondition) && try < recordTries; try++ {
		if !pause(recordCtx, time.Duration(try)*100*time.Millisecond) {
			break
		}
		err = n.save(recordCtx, d)
	}
	if err != nil {
		n.log().WarnContext(ctx, "the result of an attempt could not be recorded", append(n.fields(*d), "cause", err)...)
		return lostRace(err)
	}
	n.report(ctx, *d)
	return pending
}

// conclude sets the state that follows from an attempt, and returns the error that asks for another one.
func (n *Notifier) conclude(d *Delivery, receipt Receipt, err error) error {
	d.Lease, d.NotBefore = time.Time{}, time.Time{}
	if err == nil {
		d.State, d.Receipt, d.Reason, d.Error = Sent, receipt.ID, "", ""
		return nil
	}
	failure := asSendError(err)
	d.Reason, d.Error = failure.Reason, failure.Error()
	if !failure.Retryable || n.exhausted(d) {
		d.State = Failed
		return nil
	}
	after := max(failure.After, backoff(d.Attempts))
	d.State, d.NotBefore = Retry, n.now().Add(after)
	return &PendingError{After: after, Err: failure}
}

// backoff is the pause after so many attempts: 5 s, doubled each time, at most 15 minutes.
func backoff(attempts int) time.Duration {
	const first, most = 5 * time.Second, 15 * time.Minute
	if attempts > 8 {
		return most
	}
	return min(first<<max(attempts-1, 0), most)
}

// report tells the operator what became of a delivery, in one line.
func (n *Notifier) report(ctx context.Context, d Delivery) {
	level, text := slog.LevelInfo, "message "+string(d.State)
	switch d.State {
	case Sent:
		n.Metrics.Record(ctx, "metrics of notify", metrics.Count(metrics.NotificationsSent, 1))
	case Failed:
		level, text = slog.LevelError, "message failed for good" // counted by template.yaml
	case Retry:
		level, text = slog.LevelWarn, "message failed, will be tried again"
		n.Metrics.Record(ctx, "metrics of notify", metrics.Count(metrics.NotificationsDeferred, 1))
	}
	n.log().Log(ctx, level, text, n.fields(d)...)
}

func (n *Notifier) fields(d Delivery) []any {
	fields := []any{
		"scan", d.ScanID, "destination", d.Destination, "kind", d.Kind, "state", d.State, "attempts", d.Attempts, "checks", d.Checks,
	}
	if d.Error != "" {
		fields = append(fields, "reason", d.Reason, "error", d.Error)
	}
	if d.State == Retry {
		fields = append(fields, "notBefore", d.NotBefore)
	}
	return fields
}
