package athena_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/awsenv/machine"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/source/athena"
	"github.com/sodalite-dq/sodalite/internal/source/sourcetest"
)

// service behaves as Athena does (API reference, 2017-05-18): a query is queued, runs, and ends; its result comes in pages,
// the first of which begins with the names of the columns.
type service struct {
	looks   atomic.Int32
	stopped chan string
}

type object = map[string]any

func cells(values ...any) object {
	var data []object
	for _, v := range values {
		cell := object{}
		if v != nil {
			cell["VarCharValue"] = v
		}
		data = append(data, cell)
	}
	return object{"Data": data}
}

var kinds = []string{"bigint", "decimal", "double", "boolean", "varchar", "date", "timestamp", "timestamp with time zone"}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		QueryString, WorkGroup, QueryExecutionId, NextToken string
		QueryExecutionContext                               struct{ Catalog, Database string }
		ResultConfiguration                                 struct{ OutputLocation string }
	}
	fail := func(kind, message string) {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(object{"__type": kind, "message": message}) // the client tells
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		fail("InvalidRequestException", err.Error())
		return
	}
	out := object{}
	switch strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonAthena.") {
	case "StartQueryExecution":
		switch {
		case !strings.Contains(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256"):
			fail("AccessDeniedException", "not signed")
			return
		case in.QueryExecutionContext.Catalog != "AwsDataCatalog" || in.QueryExecutionContext.Database != "sales" || in.ResultConfiguration.OutputLocation != "s3://results/":
			fail("InvalidRequestException", "wrong context")
			return
		case in.WorkGroup != "primary":
			fail("InvalidRequestException", "WorkGroup "+in.WorkGroup+" is not found.")
			return
		}
		out["QueryExecutionId"] = in.QueryString
	case "GetQueryExecution":
		status := object{"State": "SUCCEEDED"}
		switch {
		case strings.Contains(in.QueryExecutionId, "SLOW"):
			status = object{"State": "RUNNING"}
		case strings.Contains(in.QueryExecutionId, "FAIL"):
			status = object{"State": "FAILED", "StateChangeReason": "COLUMN_NOT_FOUND: line 1:8: Column 'nope' cannot be resolved"}
		case s.looks.Add(1)%3 != 0:
			status = object{"State": []string{"QUEUED", "RUNNING"}[s.looks.Load()%2]}
		}
		out["QueryExecution"] = object{"StatementType": "DML", "Status": status}
	case "StopQueryExecution":
		s.stopped <- in.QueryExecutionId
	case "GetQueryResults":
		var columns []object
		for _, kind := range kinds {
			columns = append(columns, object{"Name": "c_" + kind, "Type": kind})
		}
		rows := []object{cells(nil, nil, nil, nil, nil, nil, nil, nil)}
		if in.NextToken == "" {
			rows = []object{
				cells("c_bigint", "c_decimal", "c_double", "c_boolean", "c_varchar", "c_date", "c_timestamp", "c_timestamp with time zone"),
				cells("1", "10.50", "0.1", "true", "", "2026-03-01", "2026-03-01 10:00:00.000", "2026-03-01 11:00:00.000 Europe/Amsterdam"),
			}
			out["NextToken"] = "more"
		}
		out["ResultSet"] = object{"Rows": rows, "ResultSetMetadata": object{"ColumnInfo": columns}}
	default:
		fail("UnknownOperationException", r.Header.Get("X-Amz-Target"))
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(out) // the client tells
}

func settings(t *testing.T, changes ...string) (map[string]string, *service) {
	s := &service{stopped: make(chan string, 1)}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	values := map[string]string{
		"schema": "sales", "staging_dir": "s3://results/", "region": "eu-west-1", "endpoint": server.URL, "access_key_id": "AKIDTEST", "secret_access_key": sourcetest.Secret,
	}
	for i := 0; i+1 < len(changes); i += 2 {
		values[changes[i]] = changes[i+1]
	}
	return values, s
}

func open(t *testing.T, values map[string]string) (engine.Connection, error) {
	t.Helper()
	src, err := athena.New(machine.Profile)(source.NewSettings("src", "athena", values))
	if err != nil {
		return nil, err
	}
	return src.Open(t.Context())
}

func TestQuery(t *testing.T) {
	values, s := settings(t)
	c, err := open(t, values)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rows, err := c.Query(t.Context(), "SELECT *", 1)
	if err != nil || rows.Count != 2 || len(rows.Rows) != 1 {
		t.Fatal(rows, err)
	}
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	for i, want := range []any{int64(1), 10.5, 0.1, true, "", engine.Date{Time: at.Truncate(24 * time.Hour)}, at, at} {
		got := rows.Rows[0][i]
		if g, ok := got.(time.Time); ok {
			got = g.UTC()
		}
		if got != want {
			t.Errorf("%s: got %#v, want %#v", rows.Columns[i].Name, got, want)
		}
	}
	if rows, err = c.Query(t.Context(), "SELECT *", 2); err != nil || rows.Rows[1][4] != nil || rows.Rows[1][0] != nil {
		t.Errorf("NULLs: %v, %v", rows, err)
	}
	if _, err := c.Query(t.Context(), "FAIL", 1); err == nil || !strings.Contains(err.Error(), "Column 'nope' cannot be resolved") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := c.Query(ctx, "SLOW", 1); err == nil {
		t.Error("a query without an end ended")
	}
	select {
	case id := <-s.stopped:
		if id != "SLOW" {
			t.Errorf("stopped %s", id)
		}
	default:
		t.Error("the query was not stopped")
	}
}

func TestSettings(t *testing.T) {
	for name, b := range map[string]sourcetest.Broken{
		"no schema":       sourcetest.Says(`needs "schema"`, "schema", ""),
		"no place in S3":  sourcetest.Says("no place in S3", "staging_dir", "/tmp"),
		"no such group":   sourcetest.Says("is not found", "work_group", "none"),
		"half a key":      sourcetest.Says("both access_key_id and secret_access_key", "access_key_id", ""),
		"another catalog": sourcetest.Says("wrong context", "catalog", "other"),
	} {
		t.Run(name, func(t *testing.T) {
			values, _ := settings(t)
			for k, v := range b.Settings {
				values[k] = v
			}
			if _, err := open(t, values); err == nil || !strings.Contains(err.Error(), b.Says) || strings.Contains(err.Error(), sourcetest.Secret) {
				t.Errorf("error %v, want %q", err, b.Says)
			}
		})
	}
}
