package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// reserve is kept back from a function's deadline: no record is begun after it, so that the answer still gets out.
const reserve = 2 * time.Second

var (
	errNoTime  = errors.New("no time left")
	errEarlier = errors.New("an earlier record of the same partition failed")
)

// EachScan makes a handler that calls fn with the id of the scan whose partition each record is of, see [Each].
func EachScan(fn func(ctx context.Context, scanID string) error, log *slog.Logger) Handler {
	return Each(map[string]func(context.Context, string) error{"SCAN#": fn}, log)
}

// Each makes a handler that calls, for each record, the function of its partition key's prefix with the rest of that key: an
// id. A record whose call fails (or panics) is named in the answer and does not stop the others, except later ones of the same
// partition, which would overtake it. A function may be called again for the same id, also after it succeeded. log may be nil.
func Each(fns map[string]func(ctx context.Context, id string) error, log *slog.Logger) Handler {
	if log == nil {
		log = slog.Default()
	}
	return func(ctx context.Context, e events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
		answer := events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{}}
		failed := map[string]bool{}
		for _, r := range e.Records {
			pk := stringKey(r, "pk")
			fn, id, err := pick(fns, pk)
			if err == nil {
				err = errEarlier
				if !failed[pk] {
					err = callInTime(ctx, fn, id)
				}
			}
			if err == nil {
				continue
			}
			failed[pk] = true
			log.WarnContext(ctx, "stream record failed", "scan", id, "sequence", r.Change.SequenceNumber, "error", err)
			if r.Change.SequenceNumber == "" { // without a name only the whole batch can fail
				return answer, fmt.Errorf("record without sequence number: %w", err)
			}
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.DynamoDBBatchItemFailure{ItemIdentifier: r.Change.SequenceNumber})
		}
		return answer, nil
	}
}

// pick finds the function for a partition key, and the id in it.
func pick(fns map[string]func(context.Context, string) error, pk string) (func(context.Context, string) error, string, error) {
	for prefix, fn := range fns {
		if id, ok := strings.CutPrefix(pk, prefix); ok && id != "" {
			return fn, id, nil
		}
	}
	return nil, "", fmt.Errorf("partition key %q is of none of %q", pk, slices.Sorted(maps.Keys(fns)))
}

func callInTime(ctx context.Context, fn func(context.Context, string) error, id string) (err error) {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < reserve || ctx.Err() != nil {
		return errNoTime
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(ctx, id)
}
