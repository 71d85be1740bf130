package notify

import (
	"context"
	"errors"
	"time"
)

// send gives the message to the sender, again after a short Retry-After as long as the call's patience and the context's
// deadline allow. It leaves enough of the deadline to record what happened.
func (n *Notifier) send(ctx context.Context, d *Delivery, m Message) (Receipt, error) {
	dest, _ := n.destination(d.Destination) // claim made sure of it
	l := n.limits()
	ctx, cancel := n.sendingContext(ctx)
	defer cancel()
	for {
		receipt, err := attempt(ctx, dest.Sender, m, l.Timeout)
		failure := asSendError(err)
		if err == nil || !failure.Retryable || failure.After <= 0 || failure.After > l.Pause || d.Attempts >= l.MaxAttempts {
			return receipt, err
		}
		if !pause(ctx, failure.After) {
			return receipt, err
		}
		d.Attempts++
	}
}

func attempt(ctx context.Context, s Sender, m Message, timeout time.Duration) (Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return s.Send(ctx, m)
}

// sendingContext ends after the call's patience, and before ctx does, by the time reserved for recording.
func (n *Notifier) sendingContext(ctx context.Context) (context.Context, context.CancelFunc) {
	l := n.limits()
	patience := l.Patience
	if deadline, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(deadline)-l.Reserve)
	}
	return context.WithTimeout(ctx, patience)
}

// pause waits for d, or returns false at once if the context would end before.
func pause(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// asSendError is the sender's answer to "retry?". An error of another type is tried again: losing a message is worse
// than one more attempt.
func asSendError(err error) *SendError {
	var failure *SendError
	if errors.As(err, &failure) {
		return failure
	}
	return &SendError{Retryable: true, Reason: Unknown, Err: err}
}
