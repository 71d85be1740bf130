// Function scan runs checks itself: every minute it looks for runs that are due and starts each as an invocation of its own;
// a run may also be asked for by name, by a rule of EventBridge or a person.
package main

import (
	"context"
	"errors"
	"log"
	"os"
	_ "time/tzdata" // schedules are in time zones, and the runtime has no database of them

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/runner"
)

// event has one of its members.
type event struct {
	Tick bool `json:"tick"` // by the schedule, every minute
	wiring.RunEvent
	Definition string `json:"definition"` // a scan definition to run now
}

func main() {
	s, err := wiring.Function(context.Background())
	if err != nil {
		log.Fatalln(err)
	}
	store := s.Runs(func(ctx context.Context, runID string) error {
		self := os.Getenv("AWS_LAMBDA_FUNCTION_NAME")
		if c, ok := lambdacontext.FromContext(ctx); ok && c.InvokedFunctionArn != "" {
			self = c.InvokedFunctionArn // with the alias
		}
		return wiring.Invoker(wiring.LoadAWS, self)(ctx, runID)
	})
	executor := runner.Executor(s, store, wiring.LoadAWS, os.LookupEnv)
	lambda.Start(func(ctx context.Context, e event) (any, error) {
		switch {
		case e.Tick:
			return store.Tick(ctx, executor.Bury)
		case e.Run != "":
			return nil, executor.Execute(ctx, e.Run)
		case e.Definition != "":
			here := s.Runs(nil) // executed in this very invocation
			run, err := here.Start(ctx, e.Definition, runs.BySchedule, "invocation", here.Now())
			if err != nil {
				return nil, err
			}
			return run, executor.Execute(ctx, run.ID)
		}
		return nil, errors.New(`the event has none of "tick", "run" and "definition": send {"definition": "NAME"} to run a scan definition`)
	})
}
