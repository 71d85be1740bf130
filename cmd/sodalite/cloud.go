//go:build !scanner

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sodalite-dq/sodalite/internal/awsenv/machine"
	"github.com/sodalite-dq/sodalite/internal/doctor"
)

// cloud describes a table and what hangs on it by the AWS SDK. The table is described once.
type cloud struct {
	once sync.Once
	name string
	told doctor.Table
	err  error
}

func newCloud(table string) *cloud { return &cloud{name: table} }

// Table implements [doctor.Cloud].
func (c *cloud) Table(ctx context.Context) (doctor.Table, error) {
	c.once.Do(func() { c.told, c.err = describe(context.WithoutCancel(ctx), c.name) })
	return c.told, c.err
}

func describe(ctx context.Context, name string) (t doctor.Table, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	settings, err := machine.Load(ctx)
	if err != nil {
		return t, err
	}
	client := dynamodb.NewFromConfig(settings)
	out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return t, fmt.Errorf("there is no table %s in %s: check SODALITE_TABLE and AWS_REGION", name, settings.Region)
	}
	if err != nil {
		return t, fmt.Errorf("describe table %s in %s: %w", name, settings.Region, err)
	}
	d := out.Table
	t = doctor.Table{Name: name, Status: string(d.TableStatus), Keys: keyNames(d.KeySchema), StreamARN: aws.ToString(d.LatestStreamArn),
		Protected: aws.ToBool(d.DeletionProtectionEnabled), Now: time.Now()}
	for _, i := range d.GlobalSecondaryIndexes {
		if aws.ToString(i.IndexName) == "index" && i.Projection != nil {
			t.IndexKeys, t.Projected = keyNames(i.KeySchema), i.Projection.NonKeyAttributes
		}
	}
	if s := d.StreamSpecification; s != nil && aws.ToBool(s.StreamEnabled) {
		t.StreamView = string(s.StreamViewType)
	}
	if raw, ok := middleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response); ok {
		t.Clock, _ = http.ParseTime(raw.Header.Get("Date")) // zero if it cannot be read
	}
	ttl, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &name})
	if err != nil {
		return t, fmt.Errorf("describe time to live of %s: %w", name, err)
	}
	if d := ttl.TimeToLiveDescription; d != nil && strings.HasPrefix(string(d.TimeToLiveStatus), "ENABL") {
		t.TimeToLive = aws.ToString(d.AttributeName)
	}
	backups, err := client.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &name})
	if err == nil && backups.ContinuousBackupsDescription != nil && backups.ContinuousBackupsDescription.PointInTimeRecoveryDescription != nil {
		t.Recovery = backups.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled
	}
	return t, nil // without the permission to see backups there are none to see
}

func keyNames(schema []types.KeySchemaElement) string {
	var names []string
	for _, k := range schema {
		names = append(names, aws.ToString(k.AttributeName))
	}
	return strings.Join(names, " ")
}

// Mappings implements [doctor.Cloud].
func (c *cloud) Mappings(ctx context.Context, streamARN string) ([]doctor.Mapping, error) {
	settings, err := machine.Load(ctx)
	if err != nil {
		return nil, err
	}
	var all []doctor.Mapping
	pages := lambda.NewListEventSourceMappingsPaginator(lambda.NewFromConfig(settings), &lambda.ListEventSourceMappingsInput{EventSourceArn: &streamARN})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list event source mappings: %w", err)
		}
		for _, m := range page.EventSourceMappings {
			found := doctor.Mapping{Function: functionName(aws.ToString(m.FunctionArn)), State: aws.ToString(m.State), LastResult: aws.ToString(m.LastProcessingResult), Failures: -1}
			if m.FilterCriteria != nil {
				for _, f := range m.FilterCriteria.Filters {
					found.Patterns = append(found.Patterns, aws.ToString(f.Pattern))
				}
			}
			if d := m.DestinationConfig; d != nil && d.OnFailure != nil {
				found.Failures = waiting(ctx, settings, aws.ToString(d.OnFailure.Destination))
			}
			all = append(all, found)
		}
	}
	return all, nil
}

// functionName takes the name out of arn:aws:lambda:region:account:function:name:alias.
func functionName(arn string) string {
	parts := strings.Split(arn, ":")
	if len(parts) < 7 {
		return arn
	}
	return parts[6]
}

// waiting counts the messages in a queue, by ARN; -1 if that cannot be told.
func waiting(ctx context.Context, settings aws.Config, arn string) int {
	client := sqs.NewFromConfig(settings)
	queue, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(arn[strings.LastIndexByte(arn, ':')+1:])})
	if err != nil {
		return -1
	}
	const count = sqstypes.QueueAttributeNameApproximateNumberOfMessages
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: queue.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{count}})
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(out.Attributes[string(count)])
	if err != nil {
		return -1
	}
	return n
}

func topicExists(ctx context.Context, arn string) error {
	settings, err := machine.Load(ctx)
	if err != nil {
		return err
	}
	if _, err := sns.NewFromConfig(settings).GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arn}); err != nil {
		return fmt.Errorf("SNS topic: %w", err)
	}
	return nil
}
