// Function dashboard shows pages to people and answers the public API.
package main

import (
	"context"
	"log"
	"net/http"
	_ "time/tzdata" // schedules are in time zones, and the runtime has no database of them

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/sodalite-dq/sodalite/internal/gateway"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/invoker"
	"github.com/sodalite-dq/sodalite/internal/wiring/pages"
)

func main() {
	s, err := wiring.Function(context.Background())
	if err != nil {
		log.Fatalln(err)
	}
	mux := http.NewServeMux()
	pages.Mount(mux, s, invoker.Runs(s))
	lambda.Start(gateway.Handler(pages.Compressed(mux), s.Log))
}
