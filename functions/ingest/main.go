// Function ingest is the door for scanners: login, queries, uploads, results. It answers once the results are stored.
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/sodalite-dq/sodalite/internal/gateway"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/invoker"
	"github.com/sodalite-dq/sodalite/internal/wiring/scanners"
)

func main() {
	s, err := wiring.Function(context.Background())
	if err != nil {
		log.Fatalln(err)
	}
	mux := http.NewServeMux()
	scanners.Mount(mux, s, min(s.Config.MaxBody, gateway.MaxRequestBody), invoker.Runs(s))
	lambda.Start(gateway.Handler(mux, s.Log))
}
