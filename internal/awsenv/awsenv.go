// Package awsenv finds out how AWS is reached from within a Lambda function: by its environment, where Lambda puts region
// and credentials. What other machines have besides (profiles, single sign-on, instance roles) is in package machine, so that
// no function links it: it would be a third of what a function does before its first request.
package awsenv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// Function is the AWS configuration of a function: AWS_REGION, the credentials of its role, and where they are set
// AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_<SERVICE>, AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT and
// AWS_SDK_UA_APP_ID (the program's name in logs of AWS).
func Function(context.Context) (aws.Config, error) {
	region := cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
	key, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	if region == "" || key == "" || secret == "" {
		return aws.Config{}, errors.New("AWS configuration: AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not all set; Lambda sets them")
	}
	c := aws.Config{
		Region: region, Credentials: credentials.NewStaticCredentialsProvider(key, secret, os.Getenv("AWS_SESSION_TOKEN")),
		ConfigSources: []any{endpoints{}}, AppID: os.Getenv("AWS_SDK_UA_APP_ID"),
	}
	if url := os.Getenv("AWS_ENDPOINT_URL"); url != "" {
		c.BaseEndpoint = &url
	}
	return c, nil
}

// FunctionProfile is [Function], and an error for a profile that is asked for by name.
func FunctionProfile(ctx context.Context, profile string) (aws.Config, error) {
	if profile != "" {
		return aws.Config{}, fmt.Errorf("AWS configuration: there is no profile %q in a Lambda function; give a role_arn that its role may assume", profile)
	}
	return Function(ctx)
}

// endpoints answers what the SDK's clients ask their configuration for.
type endpoints struct{}

// GetServiceBaseEndpoint gives the address of a service by its name in the SDK, such as "Secrets Manager".
func (endpoints) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	url := os.Getenv("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(service, " ", "_")))
	return url, url != "", nil
}

// GetUseFIPSEndpoint tells whether validated cryptography is asked for.
func (endpoints) GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error) {
	if strings.EqualFold(os.Getenv("AWS_USE_FIPS_ENDPOINT"), "true") {
		return aws.FIPSEndpointStateEnabled, true, nil
	}
	return aws.FIPSEndpointStateUnset, false, nil
}

// GetUseDualStackEndpoint tells whether addresses with IPv6 are asked for.
func (endpoints) GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error) {
	if strings.EqualFold(os.Getenv("AWS_USE_DUALSTACK_ENDPOINT"), "true") {
		return aws.DualStackEndpointStateEnabled, true, nil
	}
	return aws.DualStackEndpointStateUnset, false, nil
}
