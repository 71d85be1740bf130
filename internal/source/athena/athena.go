// Package athena is Amazon Athena as a data source: each statement is a query execution that is started, waited for, and
// read in pages; one whose context ends is stopped. The dialect is Trino's.
package athena

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"
	"github.com/cenkalti/backoff/v5"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/source/awsconfig"
	"github.com/sodalite-dq/sodalite/internal/source/trino"
)

// New makes an Athena source. Settings: schema (the database, required), catalog (AwsDataCatalog), work_group (primary),
// staging_dir (where results go, s3://…; needed unless the work group has a place for them), and those of package awsconfig.
// What they do not say, find does, of a profile if they name one.
func New(find awsconfig.Find) func(*source.Settings) (*engine.Source, error) {
	return func(s *source.Settings) (*engine.Source, error) { return open(s, find) }
}

func open(s *source.Settings, find awsconfig.Find) (*engine.Source, error) {
	schema, err := s.Required("schema")
	if err != nil {
		return nil, err
	}
	c := &connection{schema: schema, catalog: s.Text("catalog", "AwsDataCatalog"), workGroup: s.Text("work_group", "primary"), output: s.Text("staging_dir", "")}
	if c.output != "" && !strings.HasPrefix(c.output, "s3://") {
		return nil, s.Errorf("data source %s: staging_dir %q is no place in S3, such as s3://BUCKET/results/", s.Name, c.output)
	}
	d := trino.Dialect("athena")
	d.Synonyms = map[string][]string{"varchar": {"character varying", "text", "string"}, "double": {"decimal"}, "timestamp": {"timestamptz"}, "integer": {"int"}}
	return &engine.Source{
		Name: s.Name, Type: s.Type, Dialect: d, Schema: schema,
		Open: func(ctx context.Context) (engine.Connection, error) {
			config, err := awsconfig.Load(ctx, s, find)
			if err != nil {
				return nil, err
			}
			own := *c
			own.client = callsOf(athena.NewFromConfig(config))
			if _, err := own.Query(ctx, "SELECT 1", 1); err != nil {
				return nil, err
			}
			return &own, nil
		},
	}, nil
}

// calls are those of the SDK's client that are made, as values: see package dynamo for the reason.
type calls struct {
	StartQueryExecution func(context.Context, *athena.StartQueryExecutionInput, ...func(*athena.Options)) (*athena.StartQueryExecutionOutput, error)
	GetQueryExecution   func(context.Context, *athena.GetQueryExecutionInput, ...func(*athena.Options)) (*athena.GetQueryExecutionOutput, error)
	GetQueryResults     func(context.Context, *athena.GetQueryResultsInput, ...func(*athena.Options)) (*athena.GetQueryResultsOutput, error)
	StopQueryExecution  func(context.Context, *athena.StopQueryExecutionInput, ...func(*athena.Options)) (*athena.StopQueryExecutionOutput, error)
}

func callsOf(c *athena.Client) calls {
	return calls{c.StartQueryExecution, c.GetQueryExecution, c.GetQueryResults, c.StopQueryExecution}
}

type connection struct {
	client                             calls
	schema, catalog, workGroup, output string
}

// Close implements [engine.Connection]; there is nothing to close.
func (*connection) Close() error { return nil }

// stopWithin is how long stopping a query may take whose context has ended.
const stopWithin = 10 * time.Second

// Query implements [engine.Connection].
func (c *connection) Query(ctx context.Context, sql string, keep int) (*engine.Rows, error) {
	in := &athena.StartQueryExecutionInput{
		QueryString: &sql, WorkGroup: &c.workGroup,
		QueryExecutionContext: &types.QueryExecutionContext{Catalog: &c.catalog, Database: &c.schema},
	}
	if c.output != "" {
		in.ResultConfiguration = &types.ResultConfiguration{OutputLocation: &c.output}
	}
	started, err := c.client.StartQueryExecution(ctx, in)
	if err != nil {
		return nil, err
	}
	id := started.QueryExecutionId
	done, err := c.wait(ctx, id)
	if err != nil {
		if ctx.Err() != nil {
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
			defer cancel()
			_, stop := c.client.StopQueryExecution(stopping, &athena.StopQueryExecutionInput{QueryExecutionId: id})
			err = errors.Join(context.Cause(ctx), stop)
		}
		return nil, err
	}
	return c.rows(ctx, id, done.StatementType == types.StatementTypeDml, keep)
}

// errRunning asks to look again.
var errRunning = errors.New("the query is not done yet")

// wait waits until a query has ended well.
func (c *connection) wait(ctx context.Context, id *string) (*types.QueryExecution, error) {
	look := func() (*types.QueryExecution, error) {
		out, err := c.client.GetQueryExecution(ctx, &athena.GetQueryExecutionInput{QueryExecutionId: id})
		if err != nil {
			return nil, backoff.Permanent(err) // the SDK has tried again already
		}
		e := out.QueryExecution
		if e == nil || e.Status == nil {
			return nil, backoff.Permanent(errors.New("Athena tells no state of the query"))
		}
		switch e.Status.State {
		case types.QueryExecutionStateSucceeded:
			return e, nil
		case types.QueryExecutionStateFailed, types.QueryExecutionStateCancelled:
			return nil, backoff.Permanent(ended(e.Status))
		}
		return nil, errRunning
	}
	pace := &backoff.ExponentialBackOff{InitialInterval: 100 * time.Millisecond, RandomizationFactor: 0.2, Multiplier: 1.5, MaxInterval: 2 * time.Second}
	return backoff.Retry(ctx, look, backoff.WithBackOff(pace), backoff.WithMaxElapsedTime(0))
}

// ended is Athena's own reason for a query that did not succeed.
func ended(s *types.QueryExecutionStatus) error {
	reason := aws.ToString(s.StateChangeReason)
	if reason == "" && s.AthenaError != nil {
		reason = aws.ToString(s.AthenaError.ErrorMessage)
	}
	if reason == "" {
		reason = "Athena gives no reason"
	}
	return fmt.Errorf("the query was %s: %s", strings.ToLower(string(s.State)), reason)
}

// rows reads the result. That of a SELECT begins with the names of its columns.
func (c *connection) rows(ctx context.Context, id *string, header bool, keep int) (*engine.Rows, error) {
	out := &engine.Rows{}
	in := &athena.GetQueryResultsInput{QueryExecutionId: id}
	for first := true; first || in.NextToken != nil; first = false {
		page, err := c.client.GetQueryResults(ctx, in)
		if err != nil {
			return nil, err
		}
		if page.ResultSet == nil || page.ResultSet.ResultSetMetadata == nil {
			return nil, errors.New("Athena gives no result")
		}
		in.NextToken = page.NextToken
		list := page.ResultSet.Rows
		if first {
			for _, info := range page.ResultSet.ResultSetMetadata.ColumnInfo {
				out.Columns = append(out.Columns, dq.Column{Name: aws.ToString(info.Name), Type: aws.ToString(info.Type)})
			}
			if header && len(list) > 0 {
				list = list[1:]
			}
		}
		for _, row := range list {
			if out.Count++; out.Count <= int64(keep) {
				out.Rows = append(out.Rows, values(row, out.Columns))
			}
		}
	}
	return out, nil
}

func values(row types.Row, columns []dq.Column) []any {
	out := make([]any, len(columns))
	for i, d := range row.Data {
		if i < len(out) && d.VarCharValue != nil {
			out[i] = trino.Value(*d.VarCharValue, columns[i].Type)
		}
	}
	return out
}
