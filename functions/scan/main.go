// Function scan runs checks itself: every minute it looks for runs that are due and starts each as an invocation of its own;
// a run may also be asked for by the name of its scan definition, by a rule of EventBridge or a person (docs/scans.md).
package main

import (
	"context"
	"errors"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/sodalite-dq/sodalite/internal/awsenv"
	"github.com/sodalite-dq/sodalite/internal/source/athena"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/invoker"
	"github.com/sodalite-dq/sodalite/internal/wiring/runner"
	"github.com/sodalite-dq/sodalite/internal/wiring/scanners"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
)

func main() {
	s, err := wiring.Function(context.Background())
	if err != nil {
		log.Fatalln(err)
	}
	sources.Add("athena", athena.New(awsenv.FunctionProfile))
	store := scanners.Runs(s, func(ctx context.Context, runID string) error {
		self := os.Getenv("AWS_LAMBDA_FUNCTION_NAME")
		if c, ok := lambdacontext.FromContext(ctx); ok && c.InvokedFunctionArn != "" {
			self = c.InvokedFunctionArn // with the alias
		}
		return invoker.New(s.Cloud, self)(ctx, runID)
	})
	executor := runner.Executor(s, store, s.Cloud, os.LookupEnv)
	lambda.Start(func(ctx context.Context, e invoker.Event) (any, error) {
		switch {
		case e.Tick && e.Schedules != nil && !*e.Schedules:
			return executor.Tend(ctx)
		case e.Tick:
			return executor.Tick(ctx)
		case e.Run != "":
			return nil, executor.Execute(ctx, e.Run)
		case e.Definition != "":
			here := scanners.Runs(s, nil) // executed in this very invocation
			run, err := here.Start(ctx, e.Request(requestID(ctx)))
			if err != nil {
				return nil, err
			}
			if err := executor.Execute(ctx, run.ID); err != nil {
				return nil, err
			}
			return here.Run(ctx, run.ID)
		case e.Source != "":
			return executor.Test(ctx, e.Source)
		}
		return nil, errors.New(`the event has none of "tick", "run", "definition" and "source": send {"definition": "NAME"} to run a scan definition`)
	})
}

func requestID(ctx context.Context) string {
	c, _ := lambdacontext.FromContext(ctx) // every invocation has one
	return c.AwsRequestID
}
