package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/cenkalti/backoff/v5"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// lane handles the records of some partition keys, one batch after another.
type lane struct {
	*consumer
	queue  <-chan table.Change
	pauses *backoff.ExponentialBackOff
}

func (l *lane) run(ctx context.Context) {
	for {
		batch, ok := l.collect(ctx)
		if !ok {
			return
		}
		l.process(ctx, batch)
	}
}

// collect waits for a record and takes those that are there too, or come within the batching window.
func (l *lane) collect(ctx context.Context) ([]table.Change, bool) {
	var batch []table.Change
	select {
	case change := <-l.queue:
		batch = append(batch, change)
	case <-ctx.Done():
		return nil, false
	}
	var full <-chan time.Time
	if l.mapping.MaximumBatchingWindow > 0 {
		timer := time.NewTimer(l.mapping.MaximumBatchingWindow)
		defer timer.Stop()
		full = timer.C
	}
	for len(batch) < l.mapping.BatchSize {
		change, ok := l.more(ctx, full)
		if !ok {
			break
		}
		batch = append(batch, change)
	}
	return batch, ctx.Err() == nil
}

// more takes a record that is there, or waits for one until full, if not nil, fires.
func (l *lane) more(ctx context.Context, full <-chan time.Time) (table.Change, bool) {
	if full == nil {
		select {
		case change := <-l.queue:
			return change, true
		default:
			return table.Change{}, false
		}
	}
	select {
	case change := <-l.queue:
		return change, true
	case <-full:
	case <-ctx.Done():
	}
	return table.Change{}, false
}

// process goes on until each record of the batch was handled or became a dead letter, or the context ends.
func (l *lane) process(ctx context.Context, batch []table.Change) {
	failures := 0
	for ctx.Err() == nil {
		done, err := l.call(batch)
		l.finish(batch[:done])
		batch = batch[done:]
		if len(batch) == 0 {
			l.pauses.Reset()
			return
		}
		if ctx.Err() != nil {
			return // the call may have failed because we stop: it comes again
		}
		failures++
		if done > 0 {
			failures = 1
		}
		l.log.WarnContext(ctx, "stream batch failed", "records", len(batch), "first", batch[0].Seq, "failures", failures, "error", err)
		if done == 0 && l.mapping.Bisect && len(batch) > 1 {
			l.bisect(ctx, batch)
			return
		}
		batch = l.giveUp(ctx, batch, failures, err)
		if len(batch) == 0 || !pause(ctx, l.pauses) {
			return
		}
	}
}

// bisect handles the halves of a batch one after the other. It is no retry.
func (l *lane) bisect(ctx context.Context, batch []table.Change) {
	if pause(ctx, l.pauses) {
		half := (len(batch) + 1) / 2
		l.process(ctx, batch[:half])
		l.process(ctx, batch[half:])
	}
}

// giveUp makes dead letters of those that had all retries or are too old, and returns the others.
func (l *lane) giveUp(ctx context.Context, batch []table.Change, failures int, cause error) []table.Change {
	m, now := l.mapping, l.now()
	exhausted := m.MaximumRetryAttempts >= 0 && failures > m.MaximumRetryAttempts
	var rest []table.Change
	for _, change := range batch {
		old := m.MaximumRecordAge >= 0 && now.Sub(change.At) > m.MaximumRecordAge
		if !exhausted && !old {
			rest = append(rest, change)
			continue
		}
		if !l.bury(ctx, change, cause) {
			return nil
		}
		l.finish([]table.Change{change})
	}
	return rest
}

// maxErrorText bounds what a dead letter says of the last error.
const maxErrorText = 2_000

// bury saves a dead letter, however long that takes; it is false if the context ended first.
func (l *lane) bury(ctx context.Context, change table.Change, cause error) bool {
	record, err := json.Marshal(Record(change))
	if err != nil {
		record = fmt.Appendf(nil, "%q", err) // cannot be: the record is of texts and a time
	}
	letter := table.DeadLetter{
		Consumer: l.mapping.Function, Seq: change.Seq, Record: record, Error: dq.Truncate(cause.Error(), maxErrorText), At: l.now().UTC(),
	}
	for pauses := newPauses(); ; {
		if err = l.changes.SaveDeadLetter(l.work, letter); err == nil {
			l.log.ErrorContext(ctx, "stream record given up", "pk", change.PK, "sk", change.SK, "sequence", change.Seq, "error", cause)
			return true
		}
		l.complain(ctx, "save dead letter", err)
		if !pause(ctx, pauses) {
			return false
		}
	}
}

// call gives a batch to the handler and returns how many records, from the first on, are done. An error tells why it is
// not all.
func (l *lane) call(batch []table.Change) (done int, err error) {
	event := events.DynamoDBEvent{Records: make([]events.DynamoDBEventRecord, len(batch))}
	for i, change := range batch {
		event.Records[i] = Record(change)
	}
	answer, err := l.invoke(event)
	if err != nil {
		return 0, err
	}
	if !l.mapping.ReportBatchItemFailures || len(answer.BatchItemFailures) == 0 {
		return len(batch), nil
	}
	return firstFailed(batch, answer.BatchItemFailures)
}

// invoke calls the handler with the time that the function has. A panic is an error.
func (l *lane) invoke(event events.DynamoDBEvent) (answer events.DynamoDBEventResponse, err error) {
	ctx, cancel := context.WithTimeout(l.work, l.mapping.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return l.handler(ctx, event)
}

var errReported = errors.New("the answer names failed records, see the function's log")

// firstFailed is the place of the first record that the answer names. If it names one that is not in the batch, the whole
// batch failed, as on Lambda.
func firstFailed(batch []table.Change, failed []events.DynamoDBBatchItemFailure) (int, error) {
	place := make(map[string]int, len(batch))
	for i, change := range batch {
		place[strconv.FormatInt(change.Seq, 10)] = i
	}
	first := len(batch)
	for _, f := range failed {
		i, ok := place[f.ItemIdentifier]
		if !ok {
			return 0, fmt.Errorf("the answer names %q, which is not in the batch", f.ItemIdentifier)
		}
		first = min(first, i)
	}
	return first, errReported
}
