// Package stream brings changes of the table to the handlers that wait for them.
//
// It owns what Lambda's event source mapping does on AWS: which change wakes which function, batches, order, answers that
// name failed records, bisecting, retries, and dead letters. [ReadMappings] takes the mappings from the CloudFormation
// template, [Runner] carries them out over an embedded change log, and [EachScan] is the shape of a handler on both sides.
// What a handler does with a scan belongs to packages hub and notify, the change log itself to table/sqlite.
//
// Where the embedded runner differs from AWS, on purpose:
//   - A record is never dropped by age before it was tried once, so that a machine may be switched off for a week.
//   - If a batch fails at its first record and the mapping bisects, it is halved even if the answer named records. So only
//     what fails alone becomes a dead letter.
//   - A dead letter holds the record, where a queue on AWS gets a pointer into the stream.
package stream

import (
	"context"

	"github.com/aws/aws-lambda-go/events"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// Handler takes a batch of records, as a Lambda function for a DynamoDB stream does. An error or a panic means that the
// whole batch failed. Records may come again, but those of one partition key come in order.
type Handler func(context.Context, events.DynamoDBEvent) (events.DynamoDBEventResponse, error)

// Log is a store's change log. It is safe for concurrent use.
type Log interface {
	// Changes gives up to limit changes with a Seq greater than after, in order of Seq. A change that is not visible yet
	// must not have a lower Seq than one that is.
	Changes(ctx context.Context, after int64, limit int) ([]table.Change, error)
	// Checkpoint gives what SaveCheckpoint stored last under the name, or 0.
	Checkpoint(ctx context.Context, name string) (int64, error)
	// SaveCheckpoint remembers, beyond a restart, that the named consumer is done with all changes up to seq.
	SaveCheckpoint(ctx context.Context, name string, seq int64) error
	// SaveDeadLetter keeps a record that a consumer gave up on. The same record may be saved twice after a crash.
	SaveDeadLetter(ctx context.Context, d table.DeadLetter) error
	// Changed gets a value after writes by this process; several writes may make one. It is always the same channel.
	Changed() <-chan struct{}
}
