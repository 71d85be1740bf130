package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/cenkalti/backoff/v5"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// failed adds what was tried to an error of the SDK, and the sentinel of package table that tells callers what it means
// (docs.aws.amazon.com/amazondynamodb, "Error handling", "Transaction conflicts").
func failed(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%s: %w: %w", what, ctx.Err(), err)
	}
	if kind := meaning(err); kind != nil {
		return fmt.Errorf("%s: %w: %w", what, kind, err)
	}
	if fix := fixOf(err); fix != "" {
		return fmt.Errorf("%s: %w (%s)", what, err, fix)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// fixOf tells an operator what to do about an error that trying again does not cure.
func fixOf(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	switch strings.TrimSuffix(api.ErrorCode(), "Exception") {
	case "ResourceNotFound":
		return "there is no such table in this region: check SODALITE_TABLE and AWS_REGION"
	case "AccessDenied", "AccessDeniedKMS":
		return "allow this action on the table, its index and its key in the policy of this role; template.yaml has what is needed"
	case "UnrecognizedClient", "InvalidSignature", "ExpiredToken", "MissingAuthenticationToken", "IncompleteSignature":
		return "the credentials are not valid here: check the AWS profile, its session, and this machine's clock"
	}
	return ""
}

func meaning(err error) error {
	var canceled *types.TransactionCanceledException
	if errors.As(err, &canceled) {
		return reasonOf(canceled.CancellationReasons)
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return codeMeaning(api.ErrorCode(), api.ErrorMessage())
	}
	return nil
}

// reasonOf finds what canceled a transaction. A condition that did not hold is the answer even if another item was in
// conflict; a conflict can be tried again; throttling too.
func reasonOf(reasons []types.CancellationReason) (found error) {
	rank := map[error]int{table.ErrTooLarge: 4, table.ErrCondition: 3, table.ErrConflict: 2, table.ErrThrottled: 1}
	for _, r := range reasons {
		if r.Code == nil || *r.Code == "None" {
			continue
		}
		message := ""
		if r.Message != nil {
			message = *r.Message
		}
		if kind := codeMeaning(*r.Code, message); rank[kind] > rank[found] {
			found = kind
		}
	}
	return found
}

func codeMeaning(code, message string) error {
	switch strings.TrimSuffix(code, "Exception") {
	case "ConditionalCheckFailed":
		return table.ErrCondition
	case "TransactionConflict", "TransactionInProgress":
		return table.ErrConflict
	case "ProvisionedThroughputExceeded", "ProvisionedThroughputExceededError", "ThrottlingError", "Throttling", "RequestLimitExceeded", "LimitExceeded":
		return table.ErrThrottled
	case "ItemCollectionSizeLimitExceeded":
		return table.ErrTooLarge
	case "Validation", "ValidationError":
		if strings.Contains(message, "size") || strings.Contains(message, "Too many") {
			return table.ErrTooLarge
		}
	}
	return nil
}

// maxAttempts bounds the tries of one call, beside the context's deadline.
const maxAttempts = 8

// again repeats do while another write is in its way or keys are left unprocessed, with growing, jittered pauses, and ends
// before the context does. Throttling of a whole request is the SDK's to retry; only what it leaves comes here.
func again(ctx context.Context, do func() error) error {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval, pauses.RandomizationFactor = 20*time.Millisecond, 2*time.Second, 0.5
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || attempt == maxAttempts || !errors.Is(err, table.ErrConflict) && !errors.Is(err, table.ErrThrottled) {
			return err
		}
		pause := pauses.NextBackOff()
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}
