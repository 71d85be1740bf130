// Function ingest is the door for scanners: login, queries, uploads, results. It answers once the results are stored.
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/sodalite-dq/sodalite/internal/gateway"
	"github.com/sodalite-dq/sodalite/internal/wiring"
)

func main() {
	ctx := context.Background()
	secret, err := wiring.SigningSecret(ctx)
	if err != nil {
		log.Fatalln("signing secret:", err)
	}
	s, err := wiring.Function(ctx, secret)
	if err != nil {
		log.Fatalln(err)
	}
	mux := http.NewServeMux()
	s.MountScanners(mux, min(s.Config.MaxBody, gateway.MaxRequestBody))
	lambda.Start(gateway.Handler(mux, s.Log))
}
