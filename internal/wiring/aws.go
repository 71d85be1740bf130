package wiring

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/sodalite-dq/sodalite/internal/awsenv"
	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/table/dynamo"
)

// Cloud loads the AWS configuration, see package awsenv. It is a function because most commands on one machine need none.
type Cloud func(context.Context) (aws.Config, error)

// DynamoTable is the store in a DynamoDB table. It makes no call yet.
func DynamoTable(ctx context.Context, name string, cloud Cloud) (*dynamo.Table, error) {
	c, err := cloud(ctx)
	if err != nil {
		return nil, err
	}
	return dynamo.New(dynamodb.NewFromConfig(c), name, time.Now), nil
}

// SecretFetcher reads secrets from AWS Secrets Manager by ARN.
func SecretFetcher(cloud Cloud) func(ctx context.Context, arn string) (string, error) {
	return func(ctx context.Context, arn string) (string, error) {
		settings, err := cloud(ctx)
		if err != nil {
			return "", err
		}
		out, err := secretsmanager.NewFromConfig(settings).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
		if err != nil {
			return "", fmt.Errorf("read secret %s: %w (check that it is in this region, has a value, and that the role may read and decrypt it)", arn, err)
		}
		return aws.ToString(out.SecretString), nil
	}
}

// Function is the system of a Lambda function, by its environment: JSON logs, the table that SODALITE_TABLE names. It makes
// no call.
func Function(ctx context.Context) (*System, error) {
	c, err := config.Load(os.LookupEnv)
	if err != nil {
		return nil, err
	}
	t, err := DynamoTable(ctx, c.Table, awsenv.Function)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: c.LogLevel}))
	return NewSystem(c, t, awsenv.Function, log, os.Getenv("AWS_LAMBDA_FUNCTION_VERSION")), nil
}
