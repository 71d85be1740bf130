package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/wiring"
)

// failedRecords is the queue of stream records that Lambda gave up, and the stream where they still are for a day.
type failedRecords struct {
	url    string
	queue  *sqs.Client
	stream *dynamodbstreams.Client
}

// letter is Lambda's message about records that it gave up: where they are in the stream, not what they are
// (docs.aws.amazon.com/lambda, "Retain discarded records from a DynamoDB event source").
type letter struct {
	DDBStreamBatchInfo struct {
		ShardID             string    `json:"shardId"`
		StartSequenceNumber string    `json:"startSequenceNumber"`
		EndSequenceNumber   string    `json:"endSequenceNumber"`
		First               time.Time `json:"approximateArrivalOfFirstRecord"`
		BatchSize           int32     `json:"batchSize"`
		StreamARN           string    `json:"streamArn"`
	}
	receipt string
}

// maxEmpty is how many empty answers in a row are taken for the end of a shard; a single one may just be an answer.
const maxEmpty = 5

// errTrimmed is a record that the stream does not have any more.
var errTrimmed = errors.New("the stream has trimmed the records away, as it does after 24 hours")

func openFailedRecords(ctx context.Context, url string) (*failedRecords, error) {
	settings, err := wiring.LoadAWS(ctx)
	if err != nil {
		return nil, err
	}
	return &failedRecords{url: url, queue: sqs.NewFromConfig(settings), stream: dynamodbstreams.NewFromConfig(settings)}, nil
}

// next takes up to ten letters, which others do not see for a while; none when the queue is empty.
func (f *failedRecords) next(ctx context.Context) ([]letter, error) {
	out, err := f.queue.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &f.url, MaxNumberOfMessages: 10, WaitTimeSeconds: 2, VisibilityTimeout: 300})
	if err != nil {
		return nil, fmt.Errorf("read queue %s: %w", f.url, err)
	}
	var letters []letter
	for _, m := range out.Messages {
		l := letter{receipt: aws.ToString(m.ReceiptHandle)}
		if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &l); err != nil || l.DDBStreamBatchInfo.ShardID == "" {
			return nil, fmt.Errorf("message %s in the queue is not about records of a table's stream: is %s the output FailedRecordsUrl?", aws.ToString(m.MessageId), f.url)
		}
		letters = append(letters, l)
	}
	return letters, nil
}

func (f *failedRecords) remove(ctx context.Context, l letter) error {
	if _, err := f.queue.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &f.url, ReceiptHandle: &l.receipt}); err != nil {
		return fmt.Errorf("remove message: %w", err)
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

// replayFailed replays what each message of the queue is about, and removes it once that is done. What cannot be replayed
// stays in the queue.
func (p *program) replayFailed(ctx context.Context, s *wiring.System, url string) (out replayed, err error) {
	failed, err := openFailedRecords(ctx, url)
	if err != nil {
		return out, err
	}
	for {
		letters, err := failed.next(ctx)
		if err != nil || len(letters) == 0 {
			return out, err
		}
		for _, l := range letters {
			if err := p.replayLetter(ctx, s, failed, l, &out); err != nil {
				return out, err
			}
		}
	}
}

func (p *program) replayLetter(ctx context.Context, s *wiring.System, failed *failedRecords, l letter, out *replayed) error {
	keys, err := failed.keys(ctx, l)
	if errors.Is(err, errTrimmed) {
		since := time.Since(l.DDBStreamBatchInfo.First).Truncate(time.Hour) + 25*time.Hour // a record may have waited for a day
		return fmt.Errorf("%w: say `sodalite replay --since %s --notify`, and then remove the message from the queue", err, since)
	}
	if err != nil {
		return err
	}
	for _, k := range keys {
		id, ok := strings.CutPrefix(k[0], "SCAN#")
		dataset, contract := strings.CutPrefix(k[0], "CONTRACT#")
		switch {
		case contract:
			err = s.Hub.DigestContract(ctx, dataset)
		case ok && k[1] == "DOC":
			err = p.replayScan(ctx, s, id, out)
		case ok && k[1] == "ALERT":
			var n int
			n, err = notifyAgain(ctx, s, []string{id})
			out.Notified += n
		}
		if err != nil {
			return err
		}
	}
	return failed.remove(ctx, l)
}

func (p *program) replayScan(ctx context.Context, s *wiring.System, id string, out *replayed) error {
	done, err := s.Hub.Replay(ctx, hub.ReplayFilter{ScanID: id}, nil)
	if errors.Is(err, hub.ErrNotFound) {
		return nil // expired since: nothing is left to be shown
	}
	if err != nil {
		return err
	}
	out.Scans += len(done.Scans)
	out.Folded += done.Folded
	return nil
}
