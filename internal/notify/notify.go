// Package notify is the only door for messages. It turns the alert of a scan, the list of its failed checks, into one
// message per destination, and keeps a ledger of what became of each.
//
// It owns the order of claim, send and record ([Notifier]), the delivery ledger ([Delivery]), which error may be tried
// again ([SendError]), and where messages may go ([CheckWebhookURL]). What a message looks like is left to the senders
// (packages slack, sns, webhook), which checks go where to the [Router], and waking up to package stream or AWS Lambda.
// A scan that failed, a warning or a pass never makes an alert, so none of them can come through here.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/metrics"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// Alerts finds the alert of a scan. It returns an error that matches [table.ErrNotFound] if there is none (any more).
type Alerts interface {
	Alert(ctx context.Context, scanID string) (dq.Alert, error)
}

// Router decides which destination gets which checks of an alert. It names each destination at most once and gives the
// same answer for the same alert and rules, since it is asked again for each retry.
type Router interface {
	Route(ctx context.Context, alert dq.Alert) ([]Routed, error)
}

// Routed is what one destination gets of an alert.
type Routed struct {
	// Destination is the id of a [Destination].
	Destination string
	// Checks are the failing checks to tell, Omitted the number of those that the alert could not hold.
	Checks  []dq.AlertCheck
	Omitted int
	// Suppress, if not empty, says why no message is sent: the ledger records it and nothing leaves.
	Suppress string
}

// Destination is one place that messages go to.
type Destination struct {
	// ID names the destination in the ledger: letters, digits, "-" and "_". A changed id is a new destination.
	ID string
	// Kind is the kind of sender for people and metrics: slack, sns, webhook.
	Kind   string
	Sender Sender
}

// Sender brings a message to one destination.
type Sender interface {
	// Send delivers the message, once, before the context's deadline. Its errors are a [*SendError] and contain no
	// secret, which includes the address of a webhook.
	Send(ctx context.Context, m Message) (Receipt, error)
}

// Receipt is what the destination said of an accepted message, for the ledger: an id or a status.
type Receipt struct {
	ID string
}

// Limits bound what one delivery may cost. Zero fields take the defaults.
type Limits struct {
	// Timeout of one attempt to send; default 10 s.
	Timeout time.Duration
	// Lease is how long a claim keeps others away; default 2 min. It must exceed Patience.
	Lease time.Duration
	// Patience is how long one call may spend on sending to one destination, all attempts and pauses; default 30 s. It
	// also ends [Limits.Reserve] before the context's deadline.
	Patience time.Duration
	// Pause is the longest Retry-After that is waited for within the call; default 5 s.
	Pause time.Duration
	// Reserve is kept back from the deadline for recording; default 3 s.
	Reserve time.Duration
	// MaxAttempts and MaxAge end the retries of one delivery; defaults 100 and 24 h since the first claim.
	MaxAttempts int
	MaxAge      time.Duration
	// Retention is how long ledger entries are kept; default 396 days (13 months).
	Retention time.Duration
	// Parallel is how many destinations are served at a time; default 8.
	Parallel int
}

// Notifier sends the messages of alerts. Its fields are set before use and not changed later; it is safe for concurrent
// use, also by several processes over one table.
type Notifier struct {
	Alerts       Alerts
	Table        table.Table
	Router       Router
	Destinations []Destination
	// PublicURL is the address of the pages that messages link to, without a slash at the end. Without it there are no links.
	PublicURL string
	Limits    Limits
	// Now is the clock; nil for the wall clock.
	Now func() time.Time
	// Log gets one line for each delivery that ended; nil for the default logger.
	Log *slog.Logger
	// Metrics hears of messages that were sent or have to wait; nil for none.
	Metrics *metrics.Recorder
}

// Notify brings the alert of a scan to every destination it is routed to. It may be called any number of times, also
// concurrently. A nil error means that there is nothing left to do: each delivery is sent, suppressed, or failed for
// good (logged, and to be seen in the ledger). Any other error asks for another call; a [PendingError] tells when.
func (n *Notifier) Notify(ctx context.Context, scanID string) error {
	alert, err := n.Alerts.Alert(ctx, scanID)
	if errors.Is(err, table.ErrNotFound) {
		n.log().WarnContext(ctx, "no alert to notify of, it may have expired", "scan", scanID)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read alert of scan %s: %w", scanID, err)
	}
	if alert.Failures() == 0 {
		return nil
	}
	routes, err := n.Router.Route(ctx, alert)
	if err != nil {
		return fmt.Errorf("route alert of scan %s: %w", scanID, err)
	}
	return n.fanOut(ctx, alert, routes)
}

// fanOut delivers to all destinations side by side, waits for each, and joins their errors.
func (n *Notifier) fanOut(ctx context.Context, alert dq.Alert, routes []Routed) error {
	errs := make([]error, len(routes))
	var group errgroup.Group
	group.SetLimit(n.limits().Parallel)
	for i, route := range routes {
		group.Go(func() error {
			if err := n.deliver(ctx, alert, route); err != nil {
				errs[i] = fmt.Errorf("deliver scan %s to %s: %w", alert.ScanID, route.Destination, err)
			}
			return nil
		})
	}
	_ = group.Wait() // the functions above return nil
	return errors.Join(errs...)
}

// deliver brings one alert to one destination: claim, send, record. A crash before the send leaves a claim, which the
// next attempt takes over when its lease has ended. A crash between the send and the record does the same, and that is
// the one window in which a message can arrive twice.
func (n *Notifier) deliver(ctx context.Context, alert dq.Alert, route Routed) error {
	d, err := n.claim(ctx, alert.ScanID, route)
	if d == nil || err != nil {
		return err
	}
	receipt, sendErr := n.send(ctx, d, n.message(alert, route))
	return n.record(ctx, d, receipt, sendErr)
}

func (n *Notifier) message(alert dq.Alert, route Routed) Message {
	return Message{
		ID:         messageID(alert.ScanID, route.Destination),
		ScanID:     alert.ScanID,
		Definition: alert.Definition,
		DataTime:   alert.DataTime,
		Checks:     route.Checks,
		Omitted:    route.Omitted,
		PublicURL:  n.PublicURL,
	}
}

func (n *Notifier) destination(id string) (Destination, bool) {
	for _, d := range n.Destinations {
		if d.ID == id {
			return d, true
		}
	}
	return Destination{}, false
}

func (n *Notifier) now() time.Time {
	if n.Now != nil {
		return n.Now().UTC()
	}
	return time.Now().UTC()
}

func (n *Notifier) log() *slog.Logger {
	if n.Log != nil {
		return n.Log
	}
	return slog.Default()
}

func (n *Notifier) limits() Limits {
	l := n.Limits
	orDefault(&l.Timeout, 10*time.Second)
	orDefault(&l.Lease, 2*time.Minute)
	orDefault(&l.Patience, 30*time.Second)
	orDefault(&l.Pause, 5*time.Second)
	orDefault(&l.Reserve, 3*time.Second)
	orDefault(&l.MaxAttempts, 100)
	orDefault(&l.MaxAge, 24*time.Hour)
	orDefault(&l.Retention, 396*24*time.Hour)
	orDefault(&l.Parallel, 8)
	l.Patience = min(l.Patience, l.Lease-l.Reserve)
	return l
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
