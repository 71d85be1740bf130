// Function digest folds each new scan into the views, woken by the table's stream.
package main

import (
	"context"
	"log"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/sodalite-dq/sodalite/internal/stream"
	"github.com/sodalite-dq/sodalite/internal/wiring"
)

func main() {
	s, err := wiring.Function(context.Background())
	if err != nil {
		log.Fatalln(err)
	}
	lambda.Start(stream.Each(s.Hub.Digesters(), s.Log))
}
