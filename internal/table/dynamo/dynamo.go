// Package dynamo keeps a table.Table in a DynamoDB table.
//
// It is the only package that builds DynamoDB requests. It owns the names of attributes, which conditions become which
// expressions, which of DynamoDB's errors mean what, and what is tried again. The table itself is made by template.yaml, or
// by [Create] for tests and local use.
package dynamo

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// calls are those of the SDK's client that are made. They are values because a client that an interface holds, or a struct in
// one, keeps all its methods in programs that look methods up by name, as templates do: a megabyte of other calls.
type calls struct {
	GetItem            func(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem       func(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	Query              func(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	PutItem            func(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	DeleteItem         func(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	TransactWriteItems func(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// The names of attributes, and of the index, as in template.yaml.
const (
	attrPK      = "pk"
	attrSK      = "sk"
	attrEntity  = "entity"
	attrVersion = "version"
	attrExpires = "expires" // seconds since 1970, the table's time to live
	attrIndexPK = "ipk"
	attrIndexSK = "isk"
	attrHead    = "head"
	attrBody    = "body"

	indexName = "index"
)

// Table is a [table.Table] in DynamoDB. It is safe for concurrent use.
type Table struct {
	client calls
	name   string
	now    func() time.Time
}

var _ table.Table = (*Table)(nil)

// New makes a Table of a client and the name of a DynamoDB table. It makes no call. now decides what is expired.
func New(c *dynamodb.Client, name string, now func() time.Time) *Table {
	return &Table{client: calls{c.GetItem, c.BatchGetItem, c.Query, c.PutItem, c.DeleteItem, c.TransactWriteItems}, name: name, now: now}
}

type attributes = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func keyOf(k table.Key) attributes { return attributes{attrPK: text(k.PK), attrSK: text(k.SK)} }

// encode gives the attributes of an item. What is empty is left out.
func encode(it *table.Item) attributes {
	a := keyOf(it.Key)
	a[attrEntity], a[attrVersion] = text(it.Entity), number(it.Version)
	if !it.Expires.IsZero() {
		a[attrExpires] = number(it.Expires.Unix())
	}
	if it.IndexPK != "" {
		a[attrIndexPK], a[attrIndexSK] = text(it.IndexPK), text(it.IndexSK)
	}
	if len(it.Head) > 0 {
		a[attrHead] = text(string(it.Head))
	}
	if len(it.Body) > 0 {
		a[attrBody] = &types.AttributeValueMemberB{Value: it.Body}
	}
	return a
}

// decode reads an item. Attributes of other types than ours mean that somebody else writes to the table.
func decode(a attributes) (table.Item, error) {
	var it table.Item
	var expires int64
	for name, value := range a {
		var err error
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			setText(&it, name, v.Value)
		case *types.AttributeValueMemberN:
			err = setNumber(&it, &expires, name, v.Value)
		case *types.AttributeValueMemberB:
			if name == attrBody {
				it.Body = v.Value
			}
		}
		if err != nil {
			return it, fmt.Errorf("attribute %s of %v: %w", name, it.Key, err)
		}
	}
	if expires != 0 {
		it.Expires = time.Unix(expires, 0).UTC()
	}
	if it.PK == "" || it.SK == "" {
		return it, fmt.Errorf("an item without a key: is this table ours?")
	}
	return it, nil
}

func setText(it *table.Item, name, value string) {
	switch name {
	case attrPK:
		it.PK = value
	case attrSK:
		it.SK = value
	case attrEntity:
		it.Entity = value
	case attrIndexPK:
		it.IndexPK = value
	case attrIndexSK:
		it.IndexSK = value
	case attrHead:
		it.Head = []byte(value)
	}
}

func setNumber(it *table.Item, expires *int64, name, value string) (err error) {
	switch name {
	case attrVersion:
		it.Version, err = strconv.ParseInt(value, 10, 64)
	case attrExpires:
		*expires, err = strconv.ParseInt(value, 10, 64)
	}
	return err
}

// condition is a condition as an expression with its names and values; the zero value for none.
type condition struct {
	expression *string
	names      map[string]string
	values     attributes
}

// conditionOf words a condition. An expired item counts as absent, swept or not.
func (t *Table) conditionOf(c table.Condition) condition {
	version, asked := c.VersionIs()
	if !asked && !c.Absent() {
		return condition{}
	}
	w := condition{names: map[string]string{"#e": attrExpires}, values: attributes{":now": number(t.now().Unix())}}
	expression := "attribute_not_exists(pk) OR #e <= :now"
	if asked {
		expression = "#v = :v AND (attribute_not_exists(#e) OR #e > :now)"
		w.names["#v"], w.values[":v"] = attrVersion, number(version)
	}
	w.expression = &expression
	return w
}
