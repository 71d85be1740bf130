package notify

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Reason is the kind of a failure, for people and as a label of metrics.
type Reason string

// The reasons.
const (
	// Timeout: no answer in time. The message may have arrived.
	Timeout Reason = "timeout"
	// Network: no connection, or it broke. The message may have arrived.
	Network Reason = "network"
	// RateLimited: the destination asks to slow down.
	RateLimited Reason = "rateLimited"
	// Server: the destination has a fault of its own.
	Server Reason = "server"
	// Refused: the destination does not take this message, now or later.
	Refused Reason = "refused"
	// Unauthorized: the credentials or permissions do not suffice.
	Unauthorized Reason = "unauthorized"
	// Gone: there is no such destination (any more).
	Gone Reason = "gone"
	// TooLarge: the destination finds the message too large.
	TooLarge Reason = "tooLarge"
	// Misconfigured: the settings can't work, such as an address that is not allowed.
	Misconfigured Reason = "misconfigured"
	// Crashed: attempts ended without anybody recording how.
	Crashed Reason = "crashed"
	// Unknown: none of these.
	Unknown Reason = "unknown"
)

// SendError is a sender's answer to a failure: may the message be tried again, when, and why. Its text holds no secrets.
type SendError struct {
	Retryable bool
	// After is how long the destination asked to wait, 0 if it did not.
	After  time.Duration
	Reason Reason
	Err    error
}

// Error is the text of the cause.
func (e *SendError) Error() string {
	if e.Err == nil {
		return string(e.Reason)
	}
	return e.Err.Error()
}

// Unwrap is the cause.
func (e *SendError) Unwrap() error { return e.Err }

// FromStatus is the one place that decides by an HTTP status that is not a success. err says what happened, without
// secrets. now is needed for a Retry-After that is a date.
func FromStatus(status int, header http.Header, now time.Time, err error) *SendError {
	e := &SendError{Err: err, After: ParseRetryAfter(header.Get("Retry-After"), now)}
	switch {
	case status == http.StatusTooManyRequests:
		e.Retryable, e.Reason = true, RateLimited
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
		e.Retryable, e.Reason = true, Server
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.Reason = Unauthorized
	case status == http.StatusNotFound, status == http.StatusGone:
		e.Reason = Gone
	case status == http.StatusRequestEntityTooLarge:
		e.Reason = TooLarge
	default:
		e.Reason = Refused
	}
	return e
}

// FromNetwork is the one place that decides by an error without an answer. All are worth another attempt, but for an
// address that is not allowed.
func FromNetwork(err error) *SendError {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, ErrAddress):
		return &SendError{Reason: Misconfigured, Err: err}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &SendError{Retryable: true, Reason: Timeout, Err: err}
	}
	return &SendError{Retryable: true, Reason: Network, Err: err}
}

// maxRetryAfter is more than any delivery lives.
const maxRetryAfter = 7 * 24 * time.Hour

// ParseRetryAfter reads the header's seconds or date, as a duration from now. What it cannot read, and the past, is 0.
func ParseRetryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		if seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return max(0, time.Duration(seconds)*time.Second)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), maxRetryAfter)
}

// PendingError asks for another call of [Notifier.Notify], after a while.
type PendingError struct {
	After time.Duration
	Err   error
}

// Error is the text of the cause.
func (e *PendingError) Error() string { return e.Err.Error() }

// Unwrap is the cause.
func (e *PendingError) Unwrap() error { return e.Err }

// onlyPending tells whether every error joined in err is a [PendingError].
func onlyPending(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(joined.Unwrap(), func(e error) bool { return !onlyPending(e) })
	}
	var p *PendingError
	return errors.As(err, &p)
}
