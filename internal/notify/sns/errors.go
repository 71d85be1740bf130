package sns

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/notify"
)

// outcome of an error code of SNS or of AWS in general.
type outcome struct {
	retryable bool
	reason    notify.Reason
}

var (
	slowDown     = outcome{true, notify.RateLimited}
	fault        = outcome{true, notify.Server}
	refused      = outcome{false, notify.Refused}
	unauthorized = outcome{false, notify.Unauthorized}
	gone         = outcome{false, notify.Gone}
	// stale credentials are replaced by the SDK.
	stale = outcome{true, notify.Unauthorized}
)

// codes are the errors of Publish, and those that every AWS service may give. The status decides about others.
var codes = map[string]outcome{
	"Throttled": slowDown, "Throttling": slowDown, "ThrottledException": slowDown, "ThrottlingException": slowDown,
	"KMSThrottling": slowDown, "KMSThrottlingException": slowDown, "RequestLimitExceeded": slowDown,
	"InternalError": fault, "InternalFailure": fault, "ServiceUnavailable": fault,
	"InvalidParameter": refused, "InvalidParameterValue": refused, "ParameterValueInvalid": refused,
	"ValidationError": refused, "ValidationException": refused,
	"AuthorizationError": unauthorized, "AccessDenied": unauthorized, "AccessDeniedException": unauthorized,
	"InvalidClientTokenId": unauthorized, "SignatureDoesNotMatch": unauthorized, "InvalidSecurity": unauthorized,
	"KMSAccessDenied": unauthorized, "KMSDisabled": unauthorized, "KMSInvalidState": unauthorized,
	"KMSNotFound": unauthorized, "KMSOptInRequired": unauthorized,
	"NotFound": gone, "EndpointDisabled": gone, "PlatformApplicationDisabled": gone,
	"ExpiredToken": stale, "ExpiredTokenException": stale, "RequestExpired": stale,
}

const maxErrorMessage = 300

// classify turns an error of the SDK into an answer. Its text has SNS's code and message and not the request.
func classify(ctx context.Context, err error) *notify.SendError {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return noAnswer(ctx, err)
	}
	cause := fmt.Errorf("sns answered %s: %s", api.ErrorCode(), dq.Truncate(api.ErrorMessage(), maxErrorMessage))
	var resp *smithyhttp.ResponseError
	header, status := http.Header{}, http.StatusInternalServerError
	if errors.As(err, &resp) && resp.Response != nil {
		header, status = resp.Response.Header, resp.HTTPStatusCode()
	}
	answer := notify.FromStatus(status, header, time.Now(), cause)
	if o, known := codes[api.ErrorCode()]; known {
		answer.Retryable, answer.Reason = o.retryable, o.reason
	}
	return answer
}

// noAnswer is an error before SNS could answer: the connection, the deadline, missing credentials.
func noAnswer(ctx context.Context, err error) *notify.SendError {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return notify.FromNetwork(fmt.Errorf("publish to sns: %w", err))
}
