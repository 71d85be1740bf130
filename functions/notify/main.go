// Function notify sends the messages of each new alert, woken by the table's stream.
package main

import (
	"context"
	"log"

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
	notifier := messages.Notifier(s, wiring.LoadAWS, loopback)
	lambda.Start(stream.EachScan(notifier.Notify, s.Log))
}
