// Package invoker lets function scan execute runs. It is apart from package wiring because it links the client of AWS Lambda,
// which most functions have no use for.
package invoker

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/scanners"
)

// Runs is the store whose runs are executed by the function that the settings name; without one they wait for its next tick.
func Runs(s *wiring.System) *runs.Store {
	if s.Config.ScanFunction == "" {
		return scanners.Runs(s, nil)
	}
	return scanners.Runs(s, New(s.Cloud, s.Config.ScanFunction))
}

// New dispatches runs to the function of that name or ARN, without waiting for its answer.
func New(cloud wiring.Cloud, function string) func(context.Context, string) error {
	return func(ctx context.Context, runID string) error {
		settings, err := cloud(ctx)
		if err != nil {
			return err
		}
		payload, err := json.Marshal(Event{Run: runID})
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
