package wiring

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sodalite-dq/sodalite/internal/runs"
)

// Runs is the store of scan definitions and runs. dispatch starts runs; nil leaves them to the next tick.
func (s *System) Runs(dispatch func(context.Context, string) error) *runs.Store {
	return &runs.Store{Table: s.Table, Now: time.Now, Keep: s.Config.Retention, Dispatch: dispatch}
}

// RunEvent is what function scan is invoked with to execute one run.
type RunEvent struct {
	Run string `json:"run"`
}

// Invoker dispatches runs to the function of that name or ARN, without waiting for its answer.
func Invoker(cloud Cloud, function string) func(context.Context, string) error {
	return func(ctx context.Context, runID string) error {
		settings, err := cloud(ctx)
		if err != nil {
			return err
		}
		payload, err := json.Marshal(RunEvent{runID})
		if err != nil {
			return err
		}
		_, err = lambda.NewFromConfig(settings).Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, InvocationType: types.InvocationTypeEvent, Payload: payload})
		if err != nil {
			return fmt.Errorf("invoke %s: %w", function, err)
		}
		return nil
	}
}
