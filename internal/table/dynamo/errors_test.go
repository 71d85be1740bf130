package dynamo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/sodalite-dq/sodalite/internal/table"
	"github.com/sodalite-dq/sodalite/internal/table/dynamo"
	"github.com/sodalite-dq/sodalite/internal/table/dynamo/dynamotest"
)

// reply is what the played DynamoDB answers to one request.
type reply struct {
	status int
	body   string
	hangUp bool // the request has effect, but its answer is lost
}

func refusal(code, message string) reply {
	return reply{status: 400, body: fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":%q}`, code, message)}
}

func canceled(codes ...string) reply {
	var reasons []string
	for _, c := range codes {
		reasons = append(reasons, fmt.Sprintf(`{"Code":%q,"Message":"m"}`, c))
	}
	return reply{status: 400, body: fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"m","CancellationReasons":[%s]}`, strings.Join(reasons, ","))}
}

var ok = reply{status: 200, body: `{}`}

// played answers with the replies in order, the last one again and again, and keeps the requests.
type played struct {
	mu       sync.Mutex
	replies  []reply
	requests []map[string]any
}

func play(t *testing.T, replies ...reply) (*dynamo.Table, *played) {
	t.Helper()
	p := &played{replies: replies}
	client := dynamodb.New(dynamotest.Client("http://played").Options(), func(o *dynamodb.Options) { o.HTTPClient = p })
	return dynamo.New(client, "t", time.Now), p
}

// Do implements the SDK's HTTP client without a network, so that tests can run on a clock of their own.
func (p *played) Do(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	var request map[string]any
	_ = json.Unmarshal(body, &request)
	p.mu.Lock()
	now := p.replies[min(len(p.requests), len(p.replies)-1)]
	p.requests = append(p.requests, request)
	p.mu.Unlock()
	if now.hangUp {
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{
		StatusCode: now.status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(strings.NewReader(now.body)), Request: r,
	}, nil
}

func one() table.Op {
	return table.Put(table.Item{Key: table.Key{PK: "p", SK: "s"}, Entity: "e", Version: 1}, table.IfAbsent())
}

func two() []table.Op {
	return []table.Op{one(), table.Put(table.Item{Key: table.Key{PK: "p", SK: "t"}, Entity: "e", Version: 1}, table.Always())}
}

const storedOne = `"Item":{"pk":{"S":"p"},"sk":{"S":"s"},"entity":{"S":"e"},"version":{"N":"1"}}`

func TestErrorsOfDynamoDB(t *testing.T) {
	conditionFailed := reply{status: 400, body: `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"m",` + storedOne + `}`}
	for name, c := range map[string]struct {
		ops      []table.Op
		replies  []reply
		want     error
		requests int // 0 for not counted
	}{
		"condition is not tried again":               {[]table.Op{one()}, []reply{conditionFailed}, table.ErrCondition, 1},
		"condition after a lost answer was us":       {[]table.Op{one()}, []reply{{hangUp: true}, conditionFailed}, nil, 2},
		"throttled, then done":                       {[]table.Op{one()}, []reply{refusal("ProvisionedThroughputExceededException", "m"), ok}, nil, 2},
		"conflict in a transaction, then done":       {two(), []reply{canceled("None", "TransactionConflict"), ok}, nil, 2},
		"in progress, then done":                     {two(), []reply{refusal("TransactionInProgressException", "m"), ok}, nil, 0},
		"throttled in a transaction, then done":      {two(), []reply{canceled("ThrottlingError", "None"), ok}, nil, 2},
		"condition in a transaction":                 {two(), []reply{canceled("ConditionalCheckFailed", "None")}, table.ErrCondition, 1},
		"condition and conflict: the condition says": {two(), []reply{canceled("TransactionConflict", "ConditionalCheckFailed")}, table.ErrCondition, 1},
		"conflict of a single put, then done":        {[]table.Op{one()}, []reply{refusal("TransactionConflictException", "m"), ok}, nil, 0},
		"too large":                                  {[]table.Op{one()}, []reply{refusal("ValidationException", "Item size has exceeded the maximum allowed size")}, table.ErrTooLarge, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, p := play(t, c.replies...)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				err := store.Write(ctx, c.ops...)
				if !errors.Is(err, c.want) || c.want == nil && err != nil {
					t.Errorf("got %v, want %v", err, c.want)
				}
				if c.requests > 0 && len(p.requests) != c.requests {
					t.Errorf("%d requests, want %d", len(p.requests), c.requests)
				}
			})
		})
	}
}

func TestDeniedIsNoneOfTheSentinels(t *testing.T) {
	store, p := play(t, refusal("AccessDeniedException", "not authorized to perform: dynamodb:PutItem"))
	err := store.Write(t.Context(), one())
	for _, sentinel := range []error{table.ErrCondition, table.ErrConflict, table.ErrThrottled, table.ErrTooLarge, table.ErrNotFound, table.ErrInvalid} {
		if errors.Is(err, sentinel) {
			t.Errorf("%v is %v", err, sentinel)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "not authorized") || len(p.requests) != 1 {
		t.Errorf("got %v after %d requests", err, len(p.requests))
	}
}

func TestOneTokenForAllAttemptsOfATransaction(t *testing.T) {
	store, p := play(t, canceled("TransactionConflict", "None"), canceled("TransactionConflict", "None"), ok)
	if err := store.Write(t.Context(), two()...); err != nil {
		t.Fatal(err)
	}
	token := p.requests[0]["ClientRequestToken"]
	for _, r := range p.requests {
		if token == nil || token == "" || r["ClientRequestToken"] != token {
			t.Errorf("token %v, first was %v", r["ClientRequestToken"], token)
		}
	}
}

func TestRetriesEndBeforeTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, p := play(t, canceled("TransactionConflict"))
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err := store.Write(ctx, two()...)
		if !errors.Is(err, table.ErrConflict) || len(p.requests) < 2 {
			t.Errorf("got %v after %d requests", err, len(p.requests))
		}
		if ctx.Err() != nil {
			t.Error("the retries used up the caller's time")
		}
	})
}

func TestUnprocessedKeysAreAskedForAgain(t *testing.T) {
	item := func(sk string) string {
		return fmt.Sprintf(`{"pk":{"S":"p"},"sk":{"S":%q},"entity":{"S":"e"},"version":{"N":"1"}}`, sk)
	}
	store, p := play(t,
		reply{status: 200, body: `{"Responses":{"t":[` + item("a") + `]},"UnprocessedKeys":{"t":{"Keys":[{"pk":{"S":"p"},"sk":{"S":"b"}}]}}}`},
		reply{status: 200, body: `{"Responses":{"t":[` + item("b") + `]}}`})
	items, err := store.BatchGet(t.Context(), []table.Key{{PK: "p", SK: "a"}, {PK: "p", SK: "b"}})
	if err != nil || len(items) != 2 || len(p.requests) != 2 {
		t.Errorf("%d items after %d requests, %v", len(items), len(p.requests), err)
	}
}

func TestATooLargeItemIsNotSent(t *testing.T) {
	store, p := play(t, ok)
	big := table.Item{Key: table.Key{PK: "p", SK: "s"}, Body: make([]byte, table.MaxItemSize)}
	if err := store.Write(t.Context(), table.Put(big, table.Always())); !errors.Is(err, table.ErrTooLarge) || len(p.requests) != 0 {
		t.Errorf("got %v after %d requests", err, len(p.requests))
	}
}
