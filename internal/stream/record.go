package stream

import (
	"crypto/md5"
	"encoding/hex"
	"strconv"

	"github.com/aws/aws-lambda-go/events"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// What records of an embedded store say of their origin.
const (
	eventSource    = "aws:dynamodb"
	eventVersion   = "1.1"
	embeddedRegion = "local"
	embeddedARN    = "arn:aws:dynamodb:local:000000000000:table/sodalite/stream/embedded"
)

// Record words a change as DynamoDB Streams does with the view type KEYS_ONLY. The sequence number is the change's Seq.
func Record(c table.Change) events.DynamoDBEventRecord {
	seq := strconv.FormatInt(c.Seq, 10)
	id := md5.Sum([]byte(seq)) // an opaque name with the length that AWS gives it
	record := events.DynamoDBEventRecord{
		AWSRegion:      embeddedRegion,
		EventID:        hex.EncodeToString(id[:]),
		EventName:      c.EventName,
		EventSource:    eventSource,
		EventVersion:   eventVersion,
		EventSourceArn: embeddedARN,
		Change: events.DynamoDBStreamRecord{
			ApproximateCreationDateTime: events.SecondsEpochTime{Time: c.At},
			Keys: map[string]events.DynamoDBAttributeValue{
				"pk": events.NewStringAttribute(c.PK),
				"sk": events.NewStringAttribute(c.SK),
			},
			SequenceNumber: seq,
			SizeBytes:      int64(len("pk") + len(c.PK) + len("sk") + len(c.SK)),
			StreamViewType: string(events.DynamoDBStreamViewTypeKeysOnly),
		},
	}
	if c.Expired {
		record.UserIdentity = &events.DynamoDBUserIdentity{Type: "Service", PrincipalID: "dynamodb.amazonaws.com"}
	}
	return record
}

// Key reads the item's key from a record. ok is false if the record has none of ours.
func Key(r events.DynamoDBEventRecord) (k table.Key, ok bool) {
	k.PK, k.SK = stringKey(r, "pk"), stringKey(r, "sk")
	return k, k.PK != "" && k.SK != ""
}

func stringKey(r events.DynamoDBEventRecord, name string) string {
	v, ok := r.Change.Keys[name]
	if !ok || v.DataType() != events.DataTypeString {
		return ""
	}
	return v.String()
}
