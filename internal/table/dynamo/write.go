package dynamo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// Write implements [table.Table]. One put or delete is one request; more, or a check, are a transaction.
func (t *Table) Write(ctx context.Context, ops ...table.Op) error {
	if err := table.Validate(ops); err != nil {
		return err
	}
	var do func() error
	switch {
	case len(ops) == 1 && ops[0].Kind() == table.OpPut:
		do = func() error { return t.put(ctx, &ops[0]) }
	case len(ops) == 1 && ops[0].Kind() == table.OpDelete:
		do = func() error { return t.delete(ctx, &ops[0]) }
	default:
		// One token for all attempts: a transaction whose answer was lost is not done again.
		token := rand.Text()
		do = func() error { return t.transact(ctx, ops, &token) }
	}
	return again(ctx, do)
}

func (t *Table) put(ctx context.Context, op *table.Op) error {
	c := t.conditionOf(op.If)
	item := encode(&op.Item)
	in := &dynamodb.PutItemInput{
		TableName: &t.name, Item: item, ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
	}
	if c.expression != nil {
		in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	var repeated bool
	_, err := t.client.PutItem(ctx, in, notingRepeats(&repeated))
	var refused *types.ConditionalCheckFailedException
	if repeated && errors.As(err, &refused) && reflect.DeepEqual(refused.Item, item) {
		return nil // ours: the answer to an earlier attempt was lost, and the SDK tried again
	}
	if err != nil {
		return failed(ctx, fmt.Sprintf("put %v", op.Item.Key), err)
	}
	return nil
}

func (t *Table) delete(ctx context.Context, op *table.Op) error {
	c := t.conditionOf(op.If)
	_, err := t.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &t.name, Key: keyOf(op.Item.Key), ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
	})
	if err != nil {
		return failed(ctx, fmt.Sprintf("delete %v", op.Item.Key), err)
	}
	return nil
}

func (t *Table) transact(ctx context.Context, ops []table.Op, token *string) error {
	in := &dynamodb.TransactWriteItemsInput{ClientRequestToken: token}
	for i := range ops {
		in.TransactItems = append(in.TransactItems, t.transactItem(&ops[i]))
	}
	_, err := t.client.TransactWriteItems(ctx, in)
	if err != nil {
		return failed(ctx, "transaction", err)
	}
	return nil
}

func (t *Table) transactItem(op *table.Op) types.TransactWriteItem {
	c := t.conditionOf(op.If)
	switch op.Kind() {
	case table.OpPut:
		return types.TransactWriteItem{Put: &types.Put{
			TableName: &t.name, Item: encode(&op.Item), ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
		}}
	case table.OpDelete:
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: &t.name, Key: keyOf(op.Item.Key), ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
		}}
	}
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &t.name, Key: keyOf(op.Item.Key), ConditionExpression: c.expression, ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
	}}
}

// repeats is a retryer that notes whether it was asked for another attempt.
type repeats struct {
	aws.RetryerV2
	repeated *bool
}

// RetryDelay is asked before each further attempt.
func (r repeats) RetryDelay(attempt int, err error) (time.Duration, error) {
	*r.repeated = true
	return r.RetryerV2.RetryDelay(attempt, err)
}

// notingRepeats makes one call note whether the SDK sent it more than once.
func notingRepeats(repeated *bool) func(*dynamodb.Options) {
	return func(o *dynamodb.Options) {
		if v2, ok := o.Retryer.(aws.RetryerV2); ok {
			o.Retryer = repeats{v2, repeated}
		}
	}
}
