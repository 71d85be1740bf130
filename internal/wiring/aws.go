package wiring

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/sodalite-dq/sodalite/internal/table/dynamo"
)

// LoadAWS is the [Cloud] of the environment: region, credentials and endpoints as every AWS tool finds them.
func LoadAWS(ctx context.Context) (aws.Config, error) {
	c, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return c, fmt.Errorf("AWS configuration: %w", err)
	}
	return c, nil
}

// DynamoTable is the store in a DynamoDB table. It makes no call yet.
func DynamoTable(ctx context.Context, name string, cloud Cloud) (*dynamo.Table, error) {
	c, err := cloud(ctx)
	if err != nil {
		return nil, err
	}
	return dynamo.New(dynamodb.NewFromConfig(c), name, time.Now), nil
}
