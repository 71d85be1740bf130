package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// reserve is kept back from a function's deadline: no record is begun after it, so that the answer still gets out.
const reserve = 2 * time.Second

var (
	errNoTime  = errors.New("no time left")
	errEarlier = errors.New("an earlier record of the scan failed")
)

// EachScan makes a handler that calls fn with the id of the scan whose partition each record is of. A record whose call
// fails (or panics) is named in the answer and does not stop the others, except later ones of the same scan, which would
// overtake it. fn may be called again for the same scan, also after it succeeded. log may be nil.
func EachScan(fn func(ctx context.Context, scanID string) error, log *slog.Logger) Handler {
	if log == nil {
		log = slog.Default()
	}
	return func(ctx context.Context, e events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
		answer := events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{}}
		failed := map[string]bool{}
		for _, r := range e.Records {
			id, err := scanID(r)
			if err == nil {
				err = errEarlier
				if !failed[id] {
					err = callInTime(ctx, fn, id)
				}
			}
			if err == nil {
				continue
			}
			failed[id] = true
			log.WarnContext(ctx, "stream record failed", "scan", id, "sequence", r.Change.SequenceNumber, "error", err)
			if r.Change.SequenceNumber == "" { // without a name only the whole batch can fail
				return answer, fmt.Errorf("record without sequence number: %w", err)
			}
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.DynamoDBBatchItemFailure{ItemIdentifier: r.Change.SequenceNumber})
		}
		return answer, nil
	}
}

// scanID takes the scan's id from the partition key SCAN#<id>.
func scanID(r events.DynamoDBEventRecord) (string, error) {
	pk := stringKey(r, "pk")
	id, ok := strings.CutPrefix(pk, "SCAN#")
	if !ok || id == "" {
		return "", fmt.Errorf("partition key %q is not of a scan", pk)
	}
	return id, nil
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
