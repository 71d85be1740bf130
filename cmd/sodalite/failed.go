//go:build !scanner

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/sodalite-dq/sodalite/internal/awsenv/machine"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/invoker"
	"github.com/sodalite-dq/sodalite/internal/wiring/scanners"
)

// failedRecords is the queue of what Lambda gave up, and the table's stream, where records still are for a day.
type failedRecords struct {
	url    string
	queue  *sqs.Client
	stream *dynamodbstreams.Client
}

// letter is Lambda's message about what it gave up. Of records it tells where they are in the stream, not what they are
// (docs.aws.amazon.com/lambda, "Retain discarded records from a DynamoDB event source"); of an event it has all ("Capturing
// records of asynchronous invocations").
type letter struct {
	DDBStreamBatchInfo struct {
		ShardID             string    `json:"shardId"`
		StartSequenceNumber string    `json:"startSequenceNumber"`
		EndSequenceNumber   string    `json:"endSequenceNumber"`
		First               time.Time `json:"approximateArrivalOfFirstRecord"`
		StreamARN           string    `json:"streamArn"`
	}
	RequestContext struct {
		RequestID string `json:"requestId"`
	} `json:"requestContext"`
	RequestPayload *invoker.Event `json:"requestPayload"`

	id, receipt string
	// odd is what is wrong with the message.
	odd error
}

// maxEmpty is how many empty answers in a row are taken for the end of a shard; a single one may just be an answer.
const maxEmpty = 5

// errTrimmed is a record that the stream does not have any more.
var errTrimmed = errors.New("the stream has trimmed the records away, as it does after 24 hours")

func openFailedRecords(ctx context.Context, url string) (*failedRecords, error) {
	settings, err := machine.Load(ctx)
	if err != nil {
		return nil, err
	}
	return &failedRecords{url: url, queue: sqs.NewFromConfig(settings), stream: dynamodbstreams.NewFromConfig(settings)}, nil
}

// next takes up to ten letters, which nobody sees for a while; none when the queue is empty.
func (f *failedRecords) next(ctx context.Context) ([]letter, error) {
	out, err := f.queue.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &f.url, MaxNumberOfMessages: 10, WaitTimeSeconds: 2, VisibilityTimeout: 900})
	if err != nil {
		return nil, fmt.Errorf("read queue %s: %w", f.url, err)
	}
	letters := make([]letter, len(out.Messages))
	for i, m := range out.Messages {
		l := &letters[i]
		err := json.Unmarshal([]byte(aws.ToString(m.Body)), l)
		if err != nil || l.DDBStreamBatchInfo.ShardID == "" && l.RequestPayload == nil {
			l.odd = fmt.Errorf("is not about what Lambda gave up: is %s the output FailedRecordsUrl?", f.url)
		}
		l.id, l.receipt = aws.ToString(m.MessageId), aws.ToString(m.ReceiptHandle)
	}
	return letters, nil
}

func (f *failedRecords) remove(ctx context.Context, l letter) error {
	if _, err := f.queue.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &f.url, ReceiptHandle: &l.receipt}); err != nil {
		return fmt.Errorf("remove message %s: %w", l.id, err)
	}
	return nil
}

// putBack lets others see letters again at once.
func (f *failedRecords) putBack(ctx context.Context, letters []letter) error {
	for _, l := range letters {
		if _, err := f.queue.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &f.url, ReceiptHandle: &l.receipt, VisibilityTimeout: 0}); err != nil {
			return fmt.Errorf("put message %s back: %w", l.id, err)
		}
	}
	return nil
}

// keys reads the records of a letter: their keys, oldest first, whatever they are of. errTrimmed if they are gone.
func (f *failedRecords) keys(ctx context.Context, l letter) ([][2]string, error) {
	at := l.DDBStreamBatchInfo
	begin, err := f.stream.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
		StreamArn: &at.StreamARN, ShardId: &at.ShardID, ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: &at.StartSequenceNumber,
	})
	if err != nil {
		return nil, gone(err)
	}
	var keys [][2]string
	for next, empty := begin.ShardIterator, 0; next != nil && empty < maxEmpty; {
		out, err := f.stream.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: next, Limit: aws.Int32(1000)})
		if err != nil {
			return nil, gone(err)
		}
		for _, r := range out.Records {
			keys = append(keys, [2]string{keyText(r, "pk"), keyText(r, "sk")})
			if aws.ToString(r.Dynamodb.SequenceNumber) == at.EndSequenceNumber {
				return keys, nil
			}
		}
		next = out.NextShardIterator
		if empty++; len(out.Records) > 0 {
			empty = 0
		}
	}
	return nil, errTrimmed
}

// gone makes errTrimmed of the errors that mean it.
func gone(err error) error {
	var trimmed *types.TrimmedDataAccessException
	var noShard *types.ResourceNotFoundException
	if errors.As(err, &trimmed) || errors.As(err, &noShard) {
		return errTrimmed
	}
	return fmt.Errorf("read the table's stream: %w", err)
}

func keyText(r types.Record, name string) string {
	if v, ok := r.Dynamodb.Keys[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

// failedReplay is one pass through the queue.
type failedReplay struct {
	*failedRecords
	system  *wiring.System
	done    replayed
	trimmed []letter // about records that are gone and not made up for
	left    []letter // that could not be replayed
	errs    []error
}

// replayFailed replays what each message of the queue is about, and removes it once that is done. What cannot be replayed
// stays in the queue and keeps nothing else from it. What records the stream has trimmed away were about is made up for by
// replaying all scans since then, if since says how long ago that is at least.
func (p *program) replayFailed(ctx context.Context, s *wiring.System, url string, since time.Duration) (replayed, error) {
	failed, err := openFailedRecords(ctx, url)
	if err != nil {
		return replayed{}, err
	}
	r := &failedReplay{failedRecords: failed, system: s}
	err = r.all(ctx)
	if err == nil {
		err = r.makeUp(ctx, since)
	}
	left := slices.Concat(r.left, r.trimmed)
	r.done.Left = len(left)
	return r.done, errors.Join(err, r.problems(), r.putBack(context.WithoutCancel(ctx), left))
}

func (r *failedReplay) all(ctx context.Context) error {
	for {
		letters, err := r.next(ctx)
		if err != nil || len(letters) == 0 {
			return err
		}
		for _, l := range letters {
			switch err := r.replay(ctx, l); {
			case errors.Is(err, errTrimmed):
				r.trimmed = append(r.trimmed, l)
			case err != nil:
				r.left = append(r.left, l)
				r.errs = append(r.errs, fmt.Errorf("message %s: %w", l.id, err))
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (r *failedReplay) replay(ctx context.Context, l letter) (err error) {
	switch {
	case l.odd != nil:
		return l.odd
	case l.RequestPayload != nil:
		err = r.startAgain(ctx, l)
	default:
		err = r.replayRecords(ctx, l)
	}
	if err != nil {
		return err
	}
	return r.remove(ctx, l)
}

// startAgain queues the run of a scan definition that an event asked for, for the next tick of function scan. A run that is
// there already is executed by ticks, as are those of other events; a tick itself has long been followed by others.
func (r *failedReplay) startAgain(ctx context.Context, l letter) error {
	if l.RequestPayload.Definition == "" {
		return nil
	}
	if _, err := scanners.Runs(r.system, nil).Start(ctx, l.RequestPayload.Request(l.RequestContext.RequestID)); err != nil {
		return err
	}
	r.done.Runs++
	return nil
}

func (r *failedReplay) replayRecords(ctx context.Context, l letter) error {
	keys, err := r.keys(ctx, l)
	if err != nil {
		return err
	}
	for _, k := range keys {
		id, ok := strings.CutPrefix(k[0], "SCAN#")
		dataset, contract := strings.CutPrefix(k[0], "CONTRACT#")
		switch {
		case contract:
			err = r.system.Hub.DigestContract(ctx, dataset)
		case ok && k[1] == "DOC":
			err = r.replayScan(ctx, id)
		case ok && k[1] == "ALERT":
			var n int
			n, err = notifyAgain(ctx, r.system, []string{id})
			r.done.Notified += n
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *failedReplay) replayScan(ctx context.Context, id string) error {
	done, err := r.system.Hub.Replay(ctx, hub.ReplayFilter{ScanID: id}, nil)
	if errors.Is(err, hub.ErrNotFound) {
		return nil // expired since: nothing is left to be shown
	}
	if err != nil {
		return err
	}
	r.done.Scans += len(done.Scans)
	r.done.Folded += done.Folded
	return nil
}

// makeUp replays all scans that records which are gone may have been about, and removes the letters about them.
func (r *failedReplay) makeUp(ctx context.Context, since time.Duration) error {
	if len(r.trimmed) == 0 {
		return nil
	}
	if needed := sinceTrimmed(r.trimmed, time.Now()); since < needed {
		r.errs = append(r.errs, fmt.Errorf("%d messages: %w; say it again with --since %dh, which replays all scans since then", len(r.trimmed), errTrimmed, int(needed.Hours())))
		return nil
	}
	done, err := replaySince(ctx, r.system, hub.ReplayFilter{Since: time.Now().Add(-since)}, true, nil)
	r.done.add(done)
	if err != nil {
		return err
	}
	for len(r.trimmed) > 0 {
		if err := r.remove(ctx, r.trimmed[0]); err != nil {
			return err
		}
		r.trimmed = r.trimmed[1:]
	}
	return nil
}

// sinceTrimmed is how long ago the oldest scan arrived that the records may be about: they may have waited for a day.
func sinceTrimmed(letters []letter, now time.Time) time.Duration {
	var oldest time.Duration
	for _, l := range letters {
		oldest = max(oldest, now.Sub(l.DDBStreamBatchInfo.First))
	}
	return oldest.Truncate(time.Hour) + 25*time.Hour
}

// maxProblems is how many problems are told one by one.
const maxProblems = 10

func (r *failedReplay) problems() error {
	errs := r.errs
	if more := len(errs) - maxProblems; more > 0 {
		errs = append(errs[:maxProblems:maxProblems], fmt.Errorf("and %d more messages like these", more))
	}
	return errors.Join(errs...)
}
