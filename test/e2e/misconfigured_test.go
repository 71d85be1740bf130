package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/table"
	"github.com/sodalite-dq/sodalite/internal/table/dynamo"
	"github.com/sodalite-dq/sodalite/internal/table/dynamo/dynamotest"
	"github.com/sodalite-dq/sodalite/test/lambdahost"
)

// refusing is AWS that answers every request with one error.
func refusing(t *testing.T, code, message string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":%q}`, code, message)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestMisconfiguredFunctions: a deployment that is set up wrongly never says that it took a scan. The sender learns a
// trace id and no more; the log says the cause and the fix.
func TestMisconfiguredFunctions(t *testing.T) {
	const insert = `{"type":"sodaCoreInsertScanResults","token":"s1.key_x.9999999999.x.x","definitionName":"nightly"}`
	const login = `{"type":"login","apiKeyId":"key_x","apiKeySecret":"x"}`
	const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:signing-AbCdEf"
	for _, c := range []struct {
		name, code, message string
		env                 []string
		body                string
		fix                 string
	}{
		{"missing table, or wrong region", "ResourceNotFoundException", "Requested resource not found", nil, login, "check SODALITE_TABLE and AWS_REGION"},
		{"permission denied", "AccessDeniedException", "User: arn:aws:sts::1:role is not authorized to perform: dynamodb:GetItem", nil, login, "allow this action on the table"},
		{"missing secret", "ResourceNotFoundException", "Secrets Manager can't find the specified secret.", []string{"SODALITE_SIGNING_SECRET_ARN=" + arn}, insert, "check that it is in this region"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &awsForm{t: t, functions: map[string]*lambdahost.Host{}, logs: map[string]*logged{}}
			a.env = append([]string{
				"SODALITE_TABLE=absent", "SODALITE_PUBLIC_URL=https://dq.example.com", "AWS_ENDPOINT_URL=" + refusing(t, c.code, c.message), "AWS_RETRY_MODE=standard",
				"AWS_ACCESS_KEY_ID=AKIDTEST", "AWS_SECRET_ACCESS_KEY=x", "AWS_REGION=eu-west-1", "AWS_LAMBDA_FUNCTION_NAME=test",
			}, c.env...)
			resp := a.http("ingest", "POST", "/api/command", map[string]string{"content-type": "application/json"}, c.body)
			if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(resp.Body, resp.Headers["X-Soda-Trace-Id"]) || strings.Contains(resp.Body, c.message) {
				t.Errorf("ingest: %d %v %s", resp.StatusCode, resp.Headers, resp.Body)
			}
			a.logged("ingest", c.fix)
			if c.env != nil {
				return
			}
			basic := map[string]string{"authorization": "Basic a2V5X3g6eA=="}
			if resp := a.http("dashboard", "GET", "/api/v1/checks", basic, ""); resp.StatusCode != http.StatusInternalServerError || !strings.Contains(resp.Body, "Trace id") {
				t.Errorf("API: %d %s", resp.StatusCode, resp.Body)
			}
			if resp := a.http("dashboard", "GET", "/healthz", nil, ""); resp.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("healthz: %d %s", resp.StatusCode, resp.Body)
			}
			a.logged("dashboard", c.fix)
			if out, err := a.function("scan").Invoke(t.Context(), []byte(`{"tick":true}`)); err == nil || !strings.Contains(err.Error(), c.fix) {
				t.Errorf("scan: %s, %v; want %q", out, err, c.fix)
			}
			for function, sk := range map[string]string{"digest": "DOC", "notify": "ALERT"} {
				if failed := a.wake(function, table.Key{PK: "SCAN#x", SK: sk}).BatchItemFailures; len(failed) != 1 {
					t.Errorf("%s: failures %v, want the one record", function, failed)
				}
				a.logged(function, c.fix)
			}
		})
	}
}

// TestMissingSecretOfADestination: the message waits, and the log says what to mend.
func TestMissingSecretOfADestination(t *testing.T) {
	const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:slack-AbCdEf"
	a := startAWSForm(t, "SODALITE_SLACK_WEBHOOK_URL_ARN="+arn, "AWS_ENDPOINT_URL_SECRETS_MANAGER="+refusing(t, "ResourceNotFoundException", "Secrets Manager can't find the specified secret."))
	items := dynamo.New(dynamotest.Client(dynamotest.Start(t)), a.table, time.Now)
	store := hub.New(items, time.Now, hub.Retention{})
	scan := &dq.Scan{ID: "one", Definition: "nightly", State: dq.CompletedWithFailures, DataTime: time.Now(), Results: []dq.Result{
		{Check: dq.Check{Identity: "a", Name: "No negative amounts", Dataset: dq.DatasetRef{DataSource: "shop", Name: "orders"}}, Outcome: dq.Fail},
	}}
	if _, err := store.Accept(t.Context(), scan); err != nil {
		t.Fatal(err)
	}
	if failed := a.wake("digest", table.Key{PK: "SCAN#one", SK: "DOC"}).BatchItemFailures; len(failed) != 0 {
		t.Errorf("digest failed: %v", failed)
	}
	if failed := a.wake("notify", table.Key{PK: "SCAN#one", SK: "ALERT"}).BatchItemFailures; len(failed) != 0 {
		t.Errorf("notify holds up the stream: %v", failed)
	}
	a.logged("notify", "check that it is in this region")
	deliveries, err := notify.Deliveries(t.Context(), items, "one")
	if err != nil || len(deliveries) != 1 || deliveries[0].State != notify.Retry {
		t.Errorf("deliveries %+v, %v; want one that waits", deliveries, err)
	}
}

// TestWrongSettingsStopAFunction at its start, with every mistake in one go.
func TestWrongSettingsStopAFunction(t *testing.T) {
	bootstrap := function(t, "ingest", "")
	out := &logged{t: t, name: "ingest"}
	_, err := lambdahost.Start(t.Context(), bootstrap, []string{"AWS_LAMBDA_FUNCTION_NAME=test", "SODALITE_TABLE=", "SODALITE_RETENTION=soon", "SODALITE_SAMPLES=maybe"}, time.Second, out)
	if err == nil {
		t.Fatal("it started")
	}
	for _, want := range []string{"SODALITE_TABLE is not set", `SODALITE_RETENTION is "soon"`, `SODALITE_SAMPLES is "maybe": use on or off`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
}

// function compiles a function for this machine.
func function(t testing.TB, name, tags string) (bootstrap string) {
	t.Helper()
	bootstrap, err := compiled(tags, "functions/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return bootstrap
}
