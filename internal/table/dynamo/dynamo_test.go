package dynamo_test

import (
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
	"github.com/sodalite-dq/sodalite/internal/table/dynamo"
	"github.com/sodalite-dq/sodalite/internal/table/dynamo/dynamotest"
	"github.com/sodalite-dq/sodalite/internal/table/tabletest"
)

func TestContract(t *testing.T) {
	client := dynamotest.Client(dynamotest.Start(t))
	tabletest.Run(t, func(tb testing.TB, now func() time.Time) table.Table {
		return dynamo.New(client, dynamotest.Table(tb, client), now)
	})
}
