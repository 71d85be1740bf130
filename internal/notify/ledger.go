package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// State is the life of a delivery. Sent, failed and suppressed are final.
type State string

// The states of a delivery.
const (
	// Claimed: an attempt is under way, or crashed; see Delivery.Lease.
	Claimed State = "claimed"
	// Retry: the last attempt failed and another follows, not before Delivery.NotBefore.
	Retry State = "retry"
	// Sent: the destination accepted the message.
	Sent State = "sent"
	// Failed: given up, see Delivery.Reason and Delivery.Error.
	Failed State = "failed"
	// Suppressed: a rule said not to send.
	Suppressed State = "suppressed"
)

// Final tells whether nothing more will happen to the delivery.
func (s State) Final() bool { return s == Sent || s == Failed || s == Suppressed }

// Delivery is one entry of the ledger: what became of one scan's message to one destination.
type Delivery struct {
	ScanID      string `json:"scanId"`
	Destination string `json:"destination"`
	Kind        string `json:"kind,omitempty"`
	State       State  `json:"state"`
	// Attempts is the number of times that the message was given to the sender.
	Attempts int `json:"attempts"`
	// Checks is the number of failing checks that the message tells of.
	Checks int `json:"checks"`
	// Since is the first claim, Updated the last change.
	Since   time.Time `json:"since"`
	Updated time.Time `json:"updated"`
	// Lease is when a claim may be taken over.
	Lease time.Time `json:"lease,omitzero"`
	// NotBefore is when a retry may happen.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// Reason and Error tell of the last failure, or why it was suppressed. They hold no secrets.
	Reason Reason `json:"reason,omitempty"`
	Error  string `json:"error,omitempty"`
	// Receipt is what the destination said of the accepted message.
	Receipt string `json:"receipt,omitempty"`
	// Writer identifies the call that wrote the entry last.
	Writer string `json:"writer"`

	version int64
}

const (
	entityDelivery = "delivery"
	skSent         = "SENT#"
	maxErrorText   = 500
)

func deliveryKey(scanID, destination string) table.Key {
	return table.Key{PK: "SCAN#" + scanID, SK: skSent + destination}
}

// Deliveries lists the ledger entries of a scan, ordered by destination.
func Deliveries(ctx context.Context, t table.Table, scanID string) ([]Delivery, error) {
	items, err := table.All(ctx, t.Query, table.Range{PK: "SCAN#" + scanID, Prefix: skSent})
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	list := make([]Delivery, len(items))
	for i, it := range items {
		if list[i], err = unpack(it); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func unpack(it table.Item) (Delivery, error) {
	var d Delivery
	if err := json.Unmarshal(it.Head, &d); err != nil {
		return Delivery{}, fmt.Errorf("read delivery %s of %s: %w", it.SK, it.PK, err)
	}
	d.version = it.Version
	return d, nil
}

// load reads a ledger entry; one that does not exist has version 0 and no state.
func (n *Notifier) load(ctx context.Context, scanID, destination string) (Delivery, error) {
	it, err := n.Table.Get(ctx, deliveryKey(scanID, destination))
	if errors.Is(err, table.ErrNotFound) {
		return Delivery{ScanID: scanID, Destination: destination}, nil
	}
	if err != nil {
		return Delivery{}, fmt.Errorf("read delivery: %w", err)
	}
	return unpack(it)
}

// save writes the entry if nobody else wrote since it was loaded, and counts its version up. A write can take place
// though its answer is lost, so after an error the entry is read back: if it is what this call meant to write, it is
// saved. The error matches [table.ErrCondition] if somebody else wrote. d.Writer must be set.
func (n *Notifier) save(ctx context.Context, d *Delivery) error {
	next := *d
	next.Updated = n.now()
	next.Error = dq.Truncate(strings.ToValidUTF8(next.Error, "�"), maxErrorText)
	next.version++
	head, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("write delivery: %w", err)
	}
	item := table.Item{
		Key:     deliveryKey(d.ScanID, d.Destination),
		Entity:  entityDelivery,
		Version: next.version,
		Expires: d.Since.Add(n.limits().Retention),
		Head:    head,
	}
	if at, ok := next.due(); ok {
		item.IndexPK, item.IndexSK = pendingPartition, sortable(at)+"#"+d.ScanID+"#"+d.Destination
	}
	err = n.Table.Write(ctx, table.Put(item, table.IfVersion(d.version)))
	if err != nil && !n.isWritten(ctx, next) {
		return fmt.Errorf("write delivery: %w", err)
	}
	*d = next
	return nil
}

func (n *Notifier) isWritten(ctx context.Context, d Delivery) bool {
	stored, err := n.load(ctx, d.ScanID, d.Destination)
	return err == nil && stored.version == d.version && stored.Writer == d.Writer
}
