package table

import "time"

// Change is one record of an embedded store's change log: what a DynamoDB stream of view type KEYS_ONLY carries. Replacing
// an item by an equal one is no change.
type Change struct {
	Seq       int64  // grows by at least 1; the order of commits
	EventName string // INSERT, MODIFY or REMOVE
	Key
	At time.Time
	// Expired tells a removal by the store's own sweep of expired items from one that somebody asked for.
	Expired bool
}

// The names of changes, which are DynamoDB's.
const (
	Insert = "INSERT"
	Modify = "MODIFY"
	Remove = "REMOVE"
)

// DeadLetter is a change, or some in a row, that a consumer gave up on, with what is needed to try again by hand.
type DeadLetter struct {
	ID       int64 // set by the store
	Consumer string
	Seq      int64
	LastSeq  int64  // of several in a row; read as Seq if it was not set
	Record   []byte // the record as JSON
	Error    string
	At       time.Time
}
