// Function notify sends the messages of each new alert, woken by the table's stream, and by a schedule those that had to wait.
package main

import (
	"context"
	"log"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/sodalite-dq/sodalite/internal/stream"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/messages"
)

func main() {
	s, err := wiring.Function(context.Background())
	if err != nil {
		log.Fatalln(err)
	}
	notifier := messages.Notifier(s, s.Cloud, loopback)
	hear := stream.EachScan(notifier.Hear, s.Log)
	lambda.Start(func(ctx context.Context, event struct {
		events.DynamoDBEvent
		Sweep bool `json:"sweep"` // sent by the schedule
	}) (events.DynamoDBEventResponse, error) {
		if event.Sweep {
			_, err := notifier.Sweep(ctx)
			return events.DynamoDBEventResponse{}, err
		}
		return hear(ctx, event.DynamoDBEvent)
	})
}
