// Package table is the one seam to storage: a narrow contract, shaped like DynamoDB, limits included.
//
// It owns what an item is, which conditions a write can carry, and which errors a caller can tell apart. What is stored
// under which key belongs to the users (package hub, auth, notify). Implementations: table/dynamo, and table/sqlite for
// one machine. table/tabletest is this contract as tests, each sentence below has a case there.
package table

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// The limits, which are DynamoDB's (docs.aws.amazon.com/amazondynamodb, Service quotas). Both implementations refuse the
// same things with [ErrTooLarge], before anything is written.
const (
	MaxItemSize  = 400 << 10 // bytes of one item, names and values
	MaxWriteOps  = 100       // operations in one Write
	MaxWriteSize = 4 << 20   // bytes of all items of one Write
	MaxBatchGet  = 100       // keys in one BatchGet round; BatchGet accepts more and makes several
	MaxKeyPart   = 1024      // bytes of a sort key; partition keys are held to the same
	PageSize     = 1 << 20   // bytes after which a query page ends
)

// Key names an item: partition and sort key, neither empty. As all text of an item (Entity, Head, index keys), they are
// valid UTF-8.
type Key struct{ PK, SK string }

// Item is one stored item.
type Item struct {
	Key
	// Entity is the kind of item, for filters and for people who look into the table.
	Entity string
	// Version is counted by the user: see [IfVersion]. 0 is an item that does not exist.
	Version int64
	// Expires is when the item is gone, zero for never. It has the precision of seconds. An expired item is as absent as
	// a deleted one, for reads and conditions, whether or not the store has swept it yet.
	Expires time.Time
	// IndexPK and IndexSK put the item in the index, if both are set. The index is sparse and may lag behind.
	IndexPK, IndexSK string
	// Head is a small JSON text that the index carries too; at most a few hundred bytes where that matters for cost. An
	// empty Head or Body is stored as none, and is nil when read.
	Head []byte
	// Body is the rest, opaque bytes, often compressed. Not in the index.
	Body []byte
}

// Size is the item's size in bytes as DynamoDB counts it: attribute names plus values.
func (it *Item) Size() int {
	n := len("pk") + len(it.PK) + len("sk") + len(it.SK) + len("entity") + len(it.Entity) + len("version") + 10
	if !it.Expires.IsZero() {
		n += len("expires") + 7
	}
	if it.IndexPK != "" {
		n += len("ipk") + len(it.IndexPK) + len("isk") + len(it.IndexSK)
	}
	if len(it.Head) > 0 {
		n += len("head") + len(it.Head)
	}
	if len(it.Body) > 0 {
		n += len("body") + len(it.Body)
	}
	return n
}

// Expired tells whether the item is gone at the time now.
func (it *Item) Expired(now time.Time) bool {
	return !it.Expires.IsZero() && it.Expires.Unix() <= now.Unix()
}

// Condition is what must hold of the stored item for an operation to happen.
type Condition struct {
	kind    conditionKind
	version int64
}

type conditionKind int

const (
	always conditionKind = iota
	ifAbsent
	ifVersion
)

// Always writes unconditionally. It is the zero condition.
func Always() Condition { return Condition{} }

// IfAbsent holds if there is no live item under the key.
func IfAbsent() Condition { return Condition{kind: ifAbsent} }

// IfVersion holds if the live item under the key has version n. IfVersion(0) is [IfAbsent].
func IfVersion(n int64) Condition {
	if n == 0 {
		return IfAbsent()
	}
	return Condition{kind: ifVersion, version: n}
}

// Absent tells whether the condition is [IfAbsent].
func (c Condition) Absent() bool { return c.kind == ifAbsent }

// VersionIs gives the version that the condition asks for, and whether it asks for one.
func (c Condition) VersionIs() (int64, bool) { return c.version, c.kind == ifVersion }

// Op is one operation of a write: put the item, delete the key, or only check the condition.
type Op struct {
	kind OpKind
	Item Item // for deletes and checks only the key counts
	If   Condition
}

// OpKind tells what an Op does.
type OpKind int

// The kinds of operation.
const (
	OpPut OpKind = iota
	OpDelete
	OpCheck
)

// Kind tells what the operation does.
func (o Op) Kind() OpKind { return o.kind }

// Put stores the item whole, replacing what was there.
func Put(it Item, c Condition) Op { return Op{kind: OpPut, Item: it, If: c} }

// Delete removes the item under k. Deleting what is absent succeeds when the condition allows it.
func Delete(k Key, c Condition) Op { return Op{kind: OpDelete, Item: Item{Key: k}, If: c} }

// Check changes nothing, but makes the whole write depend on the condition. It needs a condition.
func Check(k Key, c Condition) Op { return Op{kind: OpCheck, Item: Item{Key: k}, If: c} }

// Range selects items of one partition by sort key. The zero values mean no bound.
type Range struct {
	PK string
	// Prefix limits to sort keys that begin with it. It must not be combined with From and To.
	Prefix string
	// From and To are inclusive bounds of the sort key. If From is after To, nothing is between them.
	From, To string
	// Desc gives the newest (greatest) sort keys first.
	Desc bool
	// Limit ends the page after so many live items; 0 for as many as fit [PageSize].
	Limit int
	// Token continues where a former page of the same range ended; only Limit may differ from then. What is not such a
	// token is refused with ErrInvalid.
	Token string
}

// Page is one page of a query. Token is empty on the last page. A page may be short or even empty and still have a token.
type Page struct {
	Items []Item
	Token string
}

// Table is a store of items. Implementations are safe for concurrent use, honour the context, and return errors that
// match the sentinels below with errors.Is; anything else is an operator's problem.
type Table interface {
	// Get reads one item, strongly consistent. ErrNotFound if there is none.
	Get(ctx context.Context, k Key) (Item, error)
	// BatchGet reads many items, strongly consistent each, in any order; what is absent is left out. Keys may repeat, their
	// item does not.
	BatchGet(ctx context.Context, keys []Key) ([]Item, error)
	// Query reads one page of a partition in order of the sort key's bytes, strongly consistent.
	Query(ctx context.Context, r Range) (Page, error)
	// QueryIndex reads one page of an index partition: PK is compared with IndexPK, Prefix, From and To with IndexSK. Items
	// come without Body and may lag behind writes. Order among equal IndexSK is undefined but stable over pages.
	QueryIndex(ctx context.Context, r Range) (Page, error)
	// Write does all operations or none. Each key appears at most once. ErrCondition if a condition did not hold,
	// ErrConflict if another write was in the way and the same write may be tried again, ErrTooLarge for the limits,
	// ErrInvalid for empty keys and the like.
	Write(ctx context.Context, ops ...Op) error
}

// The errors that callers can act on.
var (
	ErrNotFound  = errors.New("item not found")
	ErrCondition = errors.New("condition not met")
	ErrConflict  = errors.New("conflicting write, try again")
	ErrTooLarge  = errors.New("over a storage limit")
	ErrInvalid   = errors.New("not a valid request")
	ErrThrottled = errors.New("storage throttled the request")
)

// Validate refuses what no implementation may accept: see the limits and [Table.Write].
func Validate(ops []Op) error {
	if len(ops) == 0 {
		return fmt.Errorf("%w: a write needs an operation", ErrInvalid)
	}
	if len(ops) > MaxWriteOps {
		return fmt.Errorf("%w: %d operations in one write, at most %d", ErrTooLarge, len(ops), MaxWriteOps)
	}
	total, seen := 0, make(map[Key]bool, len(ops))
	for i := range ops {
		it := &ops[i].Item
		if err := ValidateKey(it.Key); err != nil {
			return err
		}
		if seen[it.Key] {
			return fmt.Errorf("%w: %v twice in one write", ErrInvalid, it.Key)
		}
		seen[it.Key] = true
		if ops[i].kind == OpCheck && ops[i].If == Always() {
			return fmt.Errorf("%w: a check of %v without a condition", ErrInvalid, it.Key)
		}
		if ops[i].kind != OpPut {
			continue
		}
		if (it.IndexPK == "") != (it.IndexSK == "") {
			return fmt.Errorf("%w: %v has half an index key", ErrInvalid, it.Key)
		}
		if !utf8.ValidString(it.IndexPK) || !utf8.ValidString(it.IndexSK) || !utf8.ValidString(it.Entity) || !utf8.Valid(it.Head) {
			return fmt.Errorf("%w: %v has text that is not UTF-8", ErrInvalid, it.Key)
		}
		if len(it.IndexPK) > MaxKeyPart || len(it.IndexSK) > MaxKeyPart {
			return fmt.Errorf("%w: index key of %v over %d bytes", ErrTooLarge, it.Key, MaxKeyPart)
		}
		size := it.Size()
		if size > MaxItemSize {
			return fmt.Errorf("%w: item %v has %d bytes, at most %d", ErrTooLarge, it.Key, size, MaxItemSize)
		}
		total += size
	}
	if total > MaxWriteSize {
		return fmt.Errorf("%w: %d bytes in one write, at most %d", ErrTooLarge, total, MaxWriteSize)
	}
	return nil
}

// ValidateKey refuses empty and over-long keys.
func ValidateKey(k Key) error {
	if k.PK == "" || k.SK == "" {
		return fmt.Errorf("%w: empty key %q, %q", ErrInvalid, k.PK, k.SK)
	}
	if len(k.PK) > MaxKeyPart || len(k.SK) > MaxKeyPart {
		return fmt.Errorf("%w: key part over %d bytes", ErrTooLarge, MaxKeyPart)
	}
	if !utf8.ValidString(k.PK) || !utf8.ValidString(k.SK) {
		return fmt.Errorf("%w: key %q, %q is not UTF-8", ErrInvalid, k.PK, k.SK)
	}
	return nil
}

// ValidateRange refuses ranges that mean nothing, without looking at the token, see [ReadToken].
func ValidateRange(r Range) error {
	if r.PK == "" {
		return fmt.Errorf("%w: a range needs a partition", ErrInvalid)
	}
	if r.Prefix != "" && (r.From != "" || r.To != "") {
		return fmt.Errorf("%w: a range by prefix cannot have bounds too", ErrInvalid)
	}
	if r.Limit < 0 {
		return fmt.Errorf("%w: limit %d", ErrInvalid, r.Limit)
	}
	for _, part := range []string{r.PK, r.Prefix, r.From, r.To} {
		if len(part) > MaxKeyPart {
			return fmt.Errorf("%w: key part over %d bytes", ErrTooLarge, MaxKeyPart)
		}
		if !utf8.ValidString(part) {
			return fmt.Errorf("%w: key part %q is not UTF-8", ErrInvalid, part)
		}
	}
	return nil
}

// All reads every page of a range through query, which is a Table's Query or QueryIndex, up to r.Limit items in all (0 for
// no limit).
func All(ctx context.Context, query func(context.Context, Range) (Page, error), r Range) ([]Item, error) {
	var items []Item
	limit := r.Limit
	for {
		page, err := query(ctx, r)
		if err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if page.Token == "" || limit > 0 && len(items) >= limit {
			return items, nil
		}
		r.Token = page.Token
		if limit > 0 {
			r.Limit = limit - len(items)
		}
	}
}
