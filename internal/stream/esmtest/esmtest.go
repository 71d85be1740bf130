// Package esmtest is a model of what AWS promises, and does not promise, between a DynamoDB table and a function that its
// stream wakes: shards that split, batches that come again, in part or in other sizes, records that are given up or
// trimmed away (docs.aws.amazon.com/lambda, "Process DynamoDB records with Lambda"; docs.aws.amazon.com/amazondynamodb,
// "Change data capture for DynamoDB Streams").
//
// It owns the order and number of calls; what a call does belongs to the handlers under test. Package stream is another
// thing: the mapping of the embedded store, which has one process and no shards.
package esmtest

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/sodalite-dq/sodalite/internal/stream"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// trimmedAfter is how long DynamoDB keeps the records of a stream.
const trimmedAfter = 24 * time.Hour

// Stream is a table's stream. Its shards share the partition keys by hash; one that splits is closed, and its children are
// read only when it is drained. Readers keep places of their own.
type Stream struct {
	rand   *rand.Rand
	shards []*shard
}

type shard struct {
	id      string
	parent  *shard
	low     uint32 // of the hashes, inclusive
	high    uint32
	closed  bool
	records []record
}

type record struct {
	events.DynamoDBEventRecord
	at time.Time
}

// NewStream makes a stream with a few shards.
func NewStream(r *rand.Rand) *Stream {
	s := &Stream{rand: r}
	s.add(nil, 0, 1<<31)
	s.add(nil, 1<<31, 1<<32-1)
	return s
}

func (s *Stream) add(parent *shard, low, high uint32) {
	s.shards = append(s.shards, &shard{id: fmt.Sprintf("shardId-%020d", len(s.shards)), parent: parent, low: low, high: high})
}

// Append adds changes of the table, in order.
func (s *Stream) Append(changes []table.Change) {
	for _, c := range changes {
		h := hash(c.PK)
		for _, sh := range s.shards {
			if !sh.closed && h >= sh.low && (h < sh.high || sh.high == 1<<32-1) {
				sh.records = append(sh.records, record{stream.Record(c), c.At})
				break
			}
		}
	}
}

// Split closes a shard and gives its keys to two children, as DynamoDB does every few hours and when it is busy.
func (s *Stream) Split() {
	open := slices.DeleteFunc(slices.Clone(s.shards), func(sh *shard) bool { return sh.closed || sh.high-sh.low < 4 })
	if len(open) == 0 {
		return
	}
	sh := open[s.rand.IntN(len(open))]
	sh.closed = true
	middle := sh.low + (sh.high-sh.low)/2
	s.add(sh, sh.low, middle)
	s.add(sh, middle, sh.high)
}

func hash(pk string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(pk))
	return h.Sum32()
}

// Faults are what can happen to one call, each with a chance from 0 to 1.
type Faults struct {
	DiesBefore float64 // the function dies before it did anything
	DiesAfter  float64 // it did everything, and its answer is lost
	Twice      float64 // a batch that succeeded is delivered again
}

// Mapping reads a stream for one function.
type Mapping struct {
	stream.Mapping
	Stream  *Stream
	Handler stream.Handler
	Now     func() time.Time
	Faults  Faults
	// DeadLetters are the messages to the failure destination, oldest first.
	DeadLetters []DeadLetter
	// Trimmed counts records that were too old to be read at all.
	Trimmed int

	rand   *rand.Rand
	places map[*shard]int
	lanes  map[lane][]*batch
}

// lane is one of the batches that may be under way at a time in a shard. A partition key is always in the same.
type lane struct {
	shard *shard
	n     uint32
}

type batch struct {
	records  []record
	attempts int
}

// DeadLetter is the message that Lambda sends about records it gave up: where they are in the stream, not what they are.
type DeadLetter struct {
	RequestContext struct {
		Condition string `json:"condition"` // RetryAttemptsExhausted or RecordAgeExceeded
	} `json:"requestContext"`
	DDBStreamBatchInfo struct {
		ShardID             string `json:"shardId"`
		StartSequenceNumber string `json:"startSequenceNumber"`
		EndSequenceNumber   string `json:"endSequenceNumber"`
		BatchSize           int    `json:"batchSize"`
	}
}

// NewMapping begins to read a stream at its oldest record.
func NewMapping(r *rand.Rand, m stream.Mapping, s *Stream, h stream.Handler, now func() time.Time) *Mapping {
	return &Mapping{Mapping: m, Stream: s, Handler: h, Now: now, rand: r, places: map[*shard]int{}, lanes: map[lane][]*batch{}}
}

// Step makes one call, of a lane chosen at random; false when there is nothing to do.
func (m *Mapping) Step(ctx context.Context) bool {
	m.fetch()
	var ready []lane
	for _, sh := range m.Stream.shards { // in order, so that a seed says everything
		for n := range uint32(m.ParallelizationFactor) {
			if l := (lane{sh, n}); len(m.lanes[l]) > 0 {
				ready = append(ready, l)
			}
		}
	}
	if len(ready) == 0 {
		return false
	}
	m.deliver(ctx, ready[m.rand.IntN(len(ready))])
	return true
}

// fetch reads records of shards whose parents are drained into batches of random size.
func (m *Mapping) fetch() {
	for _, sh := range m.Stream.shards {
		if sh.parent != nil && !m.drained(sh.parent) {
			continue
		}
		open := map[lane]*batch{}
		for ; m.places[sh] < len(sh.records); m.places[sh]++ {
			r := sh.records[m.places[sh]]
			if m.Now().Sub(r.at) > trimmedAfter {
				m.Trimmed++
				continue
			}
			if !m.Matches(r.DynamoDBEventRecord) {
				continue
			}
			k, _ := stream.Key(r.DynamoDBEventRecord)
			l := lane{sh, hash(k.PK) / 7 % uint32(m.ParallelizationFactor)}
			if b := open[l]; b != nil && len(b.records) < m.BatchSize && m.rand.IntN(4) > 0 {
				b.records = append(b.records, r)
				continue
			}
			open[l] = &batch{records: []record{r}}
			m.lanes[l] = append(m.lanes[l], open[l])
		}
	}
}

func (m *Mapping) drained(sh *shard) bool {
	if sh.parent != nil && !m.drained(sh.parent) || m.places[sh] < len(sh.records) {
		return false
	}
	for n := range uint32(m.ParallelizationFactor) {
		if len(m.lanes[lane{sh, n}]) > 0 {
			return false
		}
	}
	return true
}

// deliver tries the oldest batch of a lane once.
func (m *Mapping) deliver(ctx context.Context, l lane) {
	b := m.lanes[l][0]
	rest := m.lanes[l][1:]
	if condition := m.givenUp(b); condition != "" {
		if len(b.records) > 1 { // an old record must not take younger ones with it
			m.lanes[l] = append([]*batch{{b.records[:1], b.attempts}, {b.records[1:], 0}}, rest...)
			return
		}
		m.DeadLetters = append(m.DeadLetters, letter(l.shard.id, condition, b))
		m.lanes[l] = rest
		return
	}
	b.attempts++
	failed := m.call(ctx, b.records)
	switch {
	case failed == len(b.records):
		m.lanes[l] = rest
		if m.chance(m.Faults.Twice) {
			m.call(ctx, b.records)
		}
	case failed > 0: // everything from the first failure on comes again
		m.lanes[l] = append([]*batch{{b.records[failed:], b.attempts}}, rest...)
	case m.Bisect && len(b.records) > 1:
		middle := len(b.records) / 2
		m.lanes[l] = append([]*batch{{b.records[:middle], b.attempts - 1}, {b.records[middle:], b.attempts - 1}}, rest...)
	}
}

func (m *Mapping) givenUp(b *batch) (condition string) {
	if m.MaximumRetryAttempts >= 0 && b.attempts > m.MaximumRetryAttempts {
		return "RetryAttemptsExhausted"
	}
	if m.MaximumRecordAge >= 0 && m.Now().Sub(b.records[0].at) > m.MaximumRecordAge {
		return "RecordAgeExceeded"
	}
	return ""
}

// call hands records to the function as JSON and returns how many of them, from the first, need not come again.
func (m *Mapping) call(ctx context.Context, records []record) (done int) {
	if m.chance(m.Faults.DiesBefore) {
		return 0
	}
	var event, sent events.DynamoDBEvent
	for _, r := range records {
		event.Records = append(event.Records, r.DynamoDBEventRecord)
	}
	data, err := json.Marshal(event)
	if err == nil {
		err = json.Unmarshal(data, &sent)
	}
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	answer, err := m.Handler(ctx, sent)
	if err != nil || m.chance(m.Faults.DiesAfter) {
		return 0
	}
	done = len(records)
	for _, f := range answer.BatchItemFailures {
		i := slices.IndexFunc(records, func(r record) bool { return r.Change.SequenceNumber == f.ItemIdentifier })
		done = min(done, max(i, 0)) // an answer that makes no sense fails the batch
	}
	return done
}

func (m *Mapping) chance(p float64) bool { return m.rand.Float64() < p }

func letter(shard, condition string, b *batch) DeadLetter {
	var d DeadLetter
	d.RequestContext.Condition = condition
	d.DDBStreamBatchInfo.ShardID = shard
	d.DDBStreamBatchInfo.StartSequenceNumber = b.records[0].Change.SequenceNumber
	d.DDBStreamBatchInfo.EndSequenceNumber = b.records[len(b.records)-1].Change.SequenceNumber
	d.DDBStreamBatchInfo.BatchSize = len(b.records)
	return d
}

// Sequence is the number that a letter names, which is also in the function's log beside the scan.
func (d DeadLetter) Sequence() int64 {
	n, err := strconv.ParseInt(d.DDBStreamBatchInfo.StartSequenceNumber, 10, 64)
	if err != nil {
		return -1
	}
	return n
}
