package notifytest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/notify"
)

// StandIn is what the suite needs of a stand-in.
type StandIn interface {
	Fail(...Failure)
	Count() int
	Requests() int
	Close()
}

// Row is one row of a retry table: what the destination does, and what the sender must say of it.
type Row struct {
	Name      string
	Failure   Failure
	Retryable bool
	Reason    notify.Reason
	After     time.Duration
}

// HTTPRows is the retry table of destinations that answer with plain HTTP.
func HTTPRows() []Row {
	return []Row{
		{"bad request", Failure{Status: 400}, false, notify.Refused, 0},
		{"unauthorized", Failure{Status: 401}, false, notify.Unauthorized, 0},
		{"forbidden", Failure{Status: 403}, false, notify.Unauthorized, 0},
		{"not found", Failure{Status: 404}, false, notify.Gone, 0},
		{"method not allowed", Failure{Status: 405}, false, notify.Refused, 0},
		{"request timeout", Failure{Status: 408}, true, notify.Server, 0},
		{"gone", Failure{Status: 410}, false, notify.Gone, 0},
		{"too large", Failure{Status: 413}, false, notify.TooLarge, 0},
		{"too early", Failure{Status: 425}, true, notify.Server, 0},
		{"slow down", SlowDown("7", ""), true, notify.RateLimited, 7 * time.Second},
		{"slow down without a time", Failure{Status: 429}, true, notify.RateLimited, 0},
		{"slow down, unreadable", SlowDown("soon", ""), true, notify.RateLimited, 0},
		{"slow down, negative", SlowDown("-5", ""), true, notify.RateLimited, 0},
		{"slow down, past date", SlowDown("Wed, 21 Oct 2015 07:28:00 GMT", ""), true, notify.RateLimited, 0},
		{"slow down, for ages", SlowDown("99999999999999999", ""), true, notify.RateLimited, 7 * 24 * time.Hour},
		{"internal error", Failure{Status: 500, Body: "<html>oops</html>"}, true, notify.Server, 0},
		{"bad gateway", Failure{Status: 502}, true, notify.Server, 0},
		{"unavailable, come back", Failure{Status: 503, Header: http.Header{"Retry-After": {"120"}}}, true, notify.Server, 2 * time.Minute},
		{"gateway timeout", Failure{Status: 504}, true, notify.Server, 0},
		{"endless answer", Failure{Status: 400, Body: strings.Repeat("x", 1<<20)}, false, notify.Refused, 0},
	}
}

// TestSender holds a sender to the contract of [notify.Sender]: accepted messages arrive once, the retry table, the
// context's deadline, and no secrets in errors. start gives a sender of a fresh stand-in; secrets must not appear.
func TestSender(t *testing.T, start func(t *testing.T) (notify.Sender, StandIn), rows []Row, secrets ...string) {
	t.Run("accepted", func(t *testing.T) {
		sender, standIn := start(t)
		receipt, err := sender.Send(t.Context(), Message(3))
		if err != nil || receipt.ID == "" || standIn.Count() != 1 || standIn.Requests() != 1 {
			t.Errorf("Send = %+v, %v with %d messages in %d requests, want a receipt and 1 in 1",
				receipt, err, standIn.Count(), standIn.Requests())
		}
	})
	t.Run("no checks listed", func(t *testing.T) {
		sender, standIn := start(t)
		m := Message(0)
		m.Omitted = 3
		if _, err := sender.Send(t.Context(), m); err != nil || standIn.Count() != 1 {
			t.Errorf("Send = %v with %d messages, want 1", err, standIn.Count())
		}
	})
	t.Run("500 checks make one message", func(t *testing.T) {
		sender, standIn := start(t)
		if _, err := sender.Send(t.Context(), Message(500)); err != nil || standIn.Count() != 1 || standIn.Requests() != 1 {
			t.Errorf("Send = %v with %d messages in %d requests, want 1 in 1", err, standIn.Count(), standIn.Requests())
		}
	})
	for _, row := range rows {
		t.Run("retry table/"+row.Name, func(t *testing.T) {
			sender, standIn := start(t)
			standIn.Fail(row.Failure)
			_, err := sender.Send(t.Context(), Message(1))
			got := mustSendError(t, err, secrets)
			if got.Retryable != row.Retryable || got.Reason != row.Reason || got.After != row.After {
				t.Errorf("got retryable %v, reason %q, after %v (%v), want %v, %q, %v",
					got.Retryable, got.Reason, got.After, err, row.Retryable, row.Reason, row.After)
			}
			if standIn.Count() != 0 {
				t.Errorf("got %d messages after a failure, want 0", standIn.Count())
			}
		})
	}
	testConnection(t, start, secrets)
}

func testConnection(t *testing.T, start func(t *testing.T) (notify.Sender, StandIn), secrets []string) {
	t.Run("deadline", func(t *testing.T) {
		sender, standIn := start(t)
		standIn.Fail(Failure{Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := sender.Send(ctx, Message(1))
		if got := mustSendError(t, err, secrets); !got.Retryable || got.Reason != notify.Timeout {
			t.Errorf("got %+v, want a retryable timeout", got)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("Send took %v beyond a deadline of 50ms", took)
		}
	})
	for name, failure := range map[string]Failure{"connection dropped": {Drop: true}, "answer lost": {Lost: true}} {
		t.Run(name, func(t *testing.T) {
			sender, standIn := start(t)
			standIn.Fail(failure)
			_, err := sender.Send(t.Context(), Message(1))
			if got := mustSendError(t, err, secrets); !got.Retryable || got.Reason != notify.Network {
				t.Errorf("got %+v, want a retryable network failure", got)
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		sender, standIn := start(t)
		standIn.Close()
		_, err := sender.Send(t.Context(), Message(1))
		if got := mustSendError(t, err, secrets); !got.Retryable || got.Reason != notify.Network {
			t.Errorf("got %+v, want a retryable network failure", got)
		}
	})
}

// mustSendError is the sender's error as its type, without secrets in its text or in that of any error within.
func mustSendError(t *testing.T, err error, secrets []string) *notify.SendError {
	t.Helper()
	var got *notify.SendError
	if !errors.As(err, &got) {
		t.Fatalf("got error %v of type %T, want a *notify.SendError", err, err)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, secret := range secrets {
			if strings.Contains(e.Error(), secret) {
				t.Errorf("error %q contains the secret %q", e, secret)
			}
		}
	}
	return got
}
