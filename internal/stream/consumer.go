package stream

import (
	"context"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/sodalite-dq/sodalite/internal/table"
)

const (
	readSize  = 256   // changes read at a time
	laneQueue = 1_000 // records that wait in a lane before reading pauses

	firstPause = 100 * time.Millisecond
	maxPause   = 30 * time.Second
)

// consumer serves one mapping: it reads the log, chooses what the filters let through, and spreads it over lanes by
// partition key, so that records of one key stay in order.
type consumer struct {
	mapping  Mapping
	handler  Handler
	changes  Log
	now      func() time.Time
	log      *slog.Logger
	poll     time.Duration
	work     context.Context // of calls and of what they leave behind; outlives Run's context by the grace
	wake     chan struct{}
	lanes    []chan table.Change
	progress *progress

	saving sync.Mutex // of the two below, and keeps saves in order
	saved  int64
	when   time.Time
}

func (r *Runner) consumer(work context.Context, m Mapping) *consumer {
	c := &consumer{
		mapping: m,
		handler: r.Handlers[m.Function],
		changes: r.Changes,
		now:     r.now,
		log:     r.log().With("function", m.Function),
		poll:    r.poll(),
		work:    work,
		wake:    make(chan struct{}, 1),
	}
	for range m.ParallelizationFactor {
		c.lanes = append(c.lanes, make(chan table.Change, laneQueue))
	}
	return c
}

func (c *consumer) run(ctx context.Context) {
	after, ok := c.start(ctx)
	if !ok {
		return
	}
	c.progress, c.saved, c.when = newProgress(after), after, c.now()
	var lanes sync.WaitGroup
	for _, queue := range c.lanes {
		l := &lane{consumer: c, queue: queue, pauses: newPauses()}
		lanes.Go(func() { l.run(ctx) })
	}
	c.read(ctx, after)
	lanes.Wait()
	c.save()
}

// start finds where to go on.
func (c *consumer) start(ctx context.Context) (after int64, ok bool) {
	pauses := newPauses()
	for {
		after, err := c.changes.Checkpoint(ctx, c.mapping.Function)
		if err == nil {
			return after, true
		}
		c.complain(ctx, "read checkpoint", err)
		if !pause(ctx, pauses) {
			return 0, false
		}
	}
}

// read brings changes to the lanes until the context ends.
func (c *consumer) read(ctx context.Context, after int64) {
	pauses := newPauses()
	for ctx.Err() == nil {
		changes, err := c.changes.Changes(ctx, after, readSize)
		if err != nil {
			c.complain(ctx, "read changes", err)
			pause(ctx, pauses)
			continue
		}
		pauses.Reset()
		for _, change := range changes {
			if !c.dispatch(ctx, change) {
				return
			}
			after = change.Seq
		}
		if len(changes) < readSize {
			c.rest(ctx)
		}
	}
}

// dispatch puts a change into its lane, or passes it over. It waits if the lane is full, and is false if the context ends.
func (c *consumer) dispatch(ctx context.Context, change table.Change) bool {
	if !c.mapping.Matches(Record(change)) {
		c.progress.skip(change.Seq)
		return true
	}
	c.progress.begin(change.Seq)
	hash := fnv.New32a()
	hash.Write([]byte(change.PK))
	select {
	case c.lanes[int(hash.Sum32()%uint32(len(c.lanes)))] <- change:
		return true
	case <-ctx.Done():
		return false
	}
}

// rest waits for more. Passing over what is for others is not worth a write each time, so that is saved now and then.
func (c *consumer) rest(ctx context.Context) {
	c.saving.Lock()
	due := c.now().Sub(c.when) >= c.poll
	c.saving.Unlock()
	if due {
		c.save()
	}
	select {
	case <-c.wake:
	case <-ctx.Done():
	}
}

// finish notes that records are done with.
func (c *consumer) finish(batch []table.Change) {
	if len(batch) == 0 {
		return
	}
	for _, change := range batch {
		c.progress.finish(change.Seq)
	}
	c.save()
}

// save stores the checkpoint if it moved. If that fails, records may come again after a restart.
func (c *consumer) save() {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.when = c.now()
	seq := c.progress.checkpoint()
	if seq == c.saved {
		return
	}
	if err := c.changes.SaveCheckpoint(c.work, c.mapping.Function, seq); err != nil {
		c.complain(c.work, "save checkpoint", err)
		return
	}
	c.saved = seq
}

// complain logs a failure of the storage, unless it is only that we stop.
func (c *consumer) complain(ctx context.Context, step string, err error) {
	if ctx.Err() == nil {
		c.log.ErrorContext(ctx, "change stream: cannot "+step, "error", err)
	}
}

func newPauses() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier = firstPause, maxPause, 2
	b.Reset()
	return b
}

// pause waits for the next pause to pass, and is false if the context ended first.
func pause(ctx context.Context, pauses *backoff.ExponentialBackOff) bool {
	timer := time.NewTimer(pauses.NextBackOff())
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
