package dynamo

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// Get implements [table.Table].
func (t *Table) Get(ctx context.Context, k table.Key) (table.Item, error) {
	if err := table.ValidateKey(k); err != nil {
		return table.Item{}, err
	}
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: keyOf(k), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return table.Item{}, failed(ctx, "get", err)
	}
	if len(out.Item) == 0 {
		return table.Item{}, fmt.Errorf("%v: %w", k, table.ErrNotFound)
	}
	it, err := decode(out.Item)
	if err == nil && it.Expired(t.now()) {
		err = fmt.Errorf("%v: %w", k, table.ErrNotFound)
	}
	if err != nil {
		return table.Item{}, err
	}
	return it, nil
}

// BatchGet implements [table.Table]. Keys that DynamoDB leaves unprocessed are asked for again, with pauses.
func (t *Table) BatchGet(ctx context.Context, keys []table.Key) ([]table.Item, error) {
	seen := make(map[table.Key]bool, len(keys))
	var distinct []attributes
	for _, k := range keys {
		if err := table.ValidateKey(k); err != nil {
			return nil, err
		}
		if !seen[k] {
			seen[k] = true
			distinct = append(distinct, keyOf(k))
		}
	}
	var items []table.Item
	for len(distinct) > 0 {
		n := min(len(distinct), table.MaxBatchGet)
		got, err := t.batch(ctx, distinct[:n])
		if err != nil {
			return nil, err
		}
		items = append(items, got...)
		distinct = distinct[n:]
	}
	return items, nil
}

// batch reads up to MaxBatchGet items.
func (t *Table) batch(ctx context.Context, keys []attributes) ([]table.Item, error) {
	var items []table.Item
	err := again(ctx, func() error {
		out, err := t.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{t.name: {Keys: keys, ConsistentRead: aws.Bool(true)}},
		})
		if err != nil {
			return failed(ctx, "batch get", err)
		}
		got, err := t.live(out.Responses[t.name])
		if err != nil {
			return err
		}
		items = append(items, got...)
		keys = out.UnprocessedKeys[t.name].Keys
		if len(keys) > 0 {
			return fmt.Errorf("batch get: %d keys unprocessed: %w", len(keys), table.ErrThrottled)
		}
		return nil
	})
	return items, err
}

// live decodes items and leaves out expired ones.
func (t *Table) live(list []attributes) ([]table.Item, error) {
	var items []table.Item
	for _, a := range list {
		it, err := decode(a)
		if err != nil {
			return nil, err
		}
		if !it.Expired(t.now()) {
			items = append(items, it)
		}
	}
	return items, nil
}

// Query implements [table.Table].
func (t *Table) Query(ctx context.Context, r table.Range) (table.Page, error) {
	return t.page(ctx, r, false)
}

// QueryIndex implements [table.Table]. The index is eventually consistent.
func (t *Table) QueryIndex(ctx context.Context, r table.Range) (table.Page, error) {
	return t.page(ctx, r, true)
}

// page reads until the limit is reached or DynamoDB ends a page for its size: what DynamoDB's own limit counts includes
// expired items that are not swept yet.
func (t *Table) page(ctx context.Context, r table.Range, index bool) (table.Page, error) {
	in, ok, err := t.query(r, index)
	if err != nil || !ok {
		return table.Page{}, err
	}
	var page table.Page
	for {
		if r.Limit > 0 {
			in.Limit = aws.Int32(int32(min(r.Limit-len(page.Items), 1<<20)))
		}
		out, err := t.client.Query(ctx, in)
		if err != nil {
			return table.Page{}, failed(ctx, "query", err)
		}
		got, err := t.live(out.Items)
		if err != nil {
			return table.Page{}, err
		}
		page.Items = append(page.Items, got...)
		if len(out.LastEvaluatedKey) == 0 {
			return page, nil
		}
		if r.Limit == 0 || len(page.Items) >= r.Limit || out.ScannedCount < *in.Limit {
			last, err := decode(out.LastEvaluatedKey)
			page.Token = table.NewToken(r, index, table.Position{Key: last.Key, IndexSK: last.IndexSK})
			return page, err
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// query words a range. ok is false if nothing can be in it.
func (t *Table) query(r table.Range, index bool) (in *dynamodb.QueryInput, ok bool, err error) {
	if err := table.ValidateRange(r); err != nil {
		return nil, false, err
	}
	position, more, err := table.ReadToken(r, index)
	if err != nil {
		return nil, false, err
	}
	if r.To != "" && r.From > r.To {
		return nil, false, nil
	}
	in = &dynamodb.QueryInput{TableName: &t.name, ScanIndexForward: aws.Bool(!r.Desc), ExpressionAttributeValues: attributes{":pk": text(r.PK)}}
	partition, sort := attrPK, attrSK
	if index {
		partition, sort = attrIndexPK, attrIndexSK
		in.IndexName = aws.String(indexName)
	} else {
		in.ConsistentRead = aws.Bool(true)
	}
	terms := []string{partition + " = :pk"}
	switch {
	case r.Prefix != "":
		terms = append(terms, "begins_with("+sort+", :prefix)")
		in.ExpressionAttributeValues[":prefix"] = text(r.Prefix)
	case r.From != "" && r.To != "":
		terms = append(terms, sort+" BETWEEN :from AND :to")
	case r.From != "":
		terms = append(terms, sort+" >= :from")
	case r.To != "":
		terms = append(terms, sort+" <= :to")
	}
	if r.From != "" {
		in.ExpressionAttributeValues[":from"] = text(r.From)
	}
	if r.To != "" {
		in.ExpressionAttributeValues[":to"] = text(r.To)
	}
	in.KeyConditionExpression = aws.String(strings.Join(terms, " AND "))
	if more {
		in.ExclusiveStartKey = keyOf(position.Key)
		if index {
			in.ExclusiveStartKey[attrIndexPK], in.ExclusiveStartKey[attrIndexSK] = text(r.PK), text(position.IndexSK)
		}
	}
	return in, true, nil
}
