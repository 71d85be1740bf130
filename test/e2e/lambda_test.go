package e2e

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/sodalite-dq/sodalite/internal/notify/notifytest"
	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
	"github.com/sodalite-dq/sodalite/internal/stream"
	"github.com/sodalite-dq/sodalite/internal/table"
	"github.com/sodalite-dq/sodalite/internal/table/dynamo/dynamotest"
	"github.com/sodalite-dq/sodalite/test/lambdahost"
)

// awsForm is the functions as compiled bootstraps over one table on DynamoDB Local. The stream between them is the test's:
// it hands each function the records that its filter would let through.
type awsForm struct {
	t         *testing.T
	table     string
	env       []string
	limit     time.Duration // of invocations, 0 for the template's
	functions map[string]*lambdahost.Host
	logs      map[string]*logged
}

func startAWSForm(t *testing.T, env ...string) *awsForm {
	t.Helper()
	endpoint := dynamotest.Start(t)
	a := &awsForm{t: t, table: dynamotest.Table(t, dynamotest.Client(endpoint)), functions: map[string]*lambdahost.Host{}, logs: map[string]*logged{}}
	a.env = append([]string{
		"SODALITE_TABLE=" + a.table, "SODALITE_PUBLIC_URL=https://dq.example.com", "AWS_ENDPOINT_URL_DYNAMODB=" + endpoint,
		"AWS_ACCESS_KEY_ID=AKIDTEST", "AWS_SECRET_ACCESS_KEY=" + notifytest.SNSSecret, "AWS_REGION=eu-west-1",
	}, env...)
	return a
}

// function builds and starts one function at its first use.
func (a *awsForm) function(name string) *lambdahost.Host {
	a.t.Helper()
	if h := a.functions[name]; h != nil {
		return h
	}
	bootstrap := function(a.t, name, "")
	out := &logged{t: a.t, name: name}
	timeout, err := lambdahost.Timeout(name)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.limit > 0 {
		timeout = a.limit
	}
	h, err := lambdahost.Start(a.t.Context(), bootstrap, a.env, timeout, out)
	if err != nil {
		a.t.Fatalf("start %s: %v\n%s", name, err, out)
	}
	a.t.Cleanup(func() {
		h.Close()
		if a.t.Failed() {
			a.t.Logf("%s said:\n%s", name, out)
		}
	})
	a.t.Logf("%s: %s from start to asking for work", name, h.Ready)
	a.functions[name], a.logs[name] = h, out
	return h
}

// logged wants a text in a function's log, which comes through a pipe.
func (a *awsForm) logged(function, want string) {
	a.t.Helper()
	waitFor(a.t, fmt.Sprintf("%q in the log of %s", want, function), 5*time.Second, func() bool { return strings.Contains(a.logs[function].String(), want) })
}

// http calls a function with the event that API Gateway would make.
func (a *awsForm) http(function, method, path string, headers map[string]string, body string) events.APIGatewayV2HTTPResponse {
	a.t.Helper()
	path, query, _ := strings.Cut(path, "?")
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "$default", RawPath: path, RawQueryString: query, Headers: map[string]string{"host": "dq.example.com"}, Body: body}
	for name, value := range headers {
		e.Headers[name] = value
	}
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.Path, e.RequestContext.HTTP.SourceIP = method, path, "192.0.2.1"
	e.RequestContext.DomainName, e.RequestContext.Stage, e.RequestContext.RequestID = "dq.example.com", "$default", "request-1"
	var resp events.APIGatewayV2HTTPResponse
	a.call(function, e, &resp)
	if resp.IsBase64Encoded {
		data, err := base64.StdEncoding.DecodeString(resp.Body)
		if err != nil {
			a.t.Fatal(err)
		}
		resp.Body = string(data)
	}
	return resp
}

func (a *awsForm) call(function string, event, answer any) {
	a.t.Helper()
	payload, err := json.Marshal(event)
	if err != nil {
		a.t.Fatal(err)
	}
	out, err := a.function(function).Invoke(a.t.Context(), payload)
	if err == nil {
		err = json.Unmarshal(out, answer)
	}
	if err != nil {
		a.t.Fatalf("%s: %v", function, err)
	}
}

// wake hands a function the stream record of an item's insertion.
func (a *awsForm) wake(function string, keys ...table.Key) events.DynamoDBEventResponse {
	a.t.Helper()
	var e events.DynamoDBEvent
	for i, k := range keys {
		e.Records = append(e.Records, stream.Record(table.Change{Seq: int64(i + 1), EventName: table.Insert, Key: k, At: time.Now()}))
	}
	var resp events.DynamoDBEventResponse
	a.call(function, e, &resp)
	return resp
}

// run runs a command on the table.
func (a *awsForm) run(args ...string) string {
	a.t.Helper()
	return string((&sodalite{t: a.t, env: a.env}).run(args...))
}

// TestTheAWSForm takes a scan through the compiled functions and the command line on a DynamoDB table.
func TestTheAWSForm(t *testing.T) {
	topic := notifytest.StartSNS(t)
	a := startAWSForm(t, "SODALITE_SNS_TOPIC_ARN="+notifytest.TopicARN, "AWS_ENDPOINT_URL_SNS="+topic.URL)

	var key struct{ ID, Secret string }
	if err := json.Unmarshal([]byte(a.run("keys", "create", "--name", "lambda", "--json")), &key); err != nil {
		t.Fatal(err)
	}
	post := func(body string) (int, map[string]string) {
		resp := a.http("ingest", "POST", "/api/command", map[string]string{"content-type": "application/json"}, body)
		answer := map[string]string{}
		if err := json.Unmarshal([]byte(resp.Body), &answer); err != nil {
			t.Fatalf("%d %s", resp.StatusCode, resp.Body)
		}
		return resp.StatusCode, answer
	}
	_, login := post(fmt.Sprintf(`{"type":"login","apiKeyId":%q,"apiKeySecret":%q}`, key.ID, key.Secret))
	insert := fmt.Sprintf(`{"definitionName":"nightly","dataTimestamp":%q,"checks":[{"identity":"a","name":"No negative amounts","dataSource":"shop","table":"orders",
		"outcome":"fail","diagnostics":{"value":-4,"fail":{"lessThan":0.0}}}],"type":"sodaCoreInsertScanResults","token":%q}`, time.Now().UTC().Format(time.RFC3339), login["token"])
	status, scan := post(insert)
	if status != 200 || scan["scanId"] == "" {
		t.Fatalf("insert: %d %v", status, scan)
	}
	id := scan["scanId"]

	document, alert := table.Key{PK: "SCAN#" + id, SK: "DOC"}, table.Key{PK: "SCAN#" + id, SK: "ALERT"}
	for range 2 { // at least once
		if failed := a.wake("digest", document).BatchItemFailures; len(failed) != 0 {
			t.Errorf("digest failed: %v", failed)
		}
		if failed := a.wake("notify", alert).BatchItemFailures; len(failed) != 0 {
			t.Errorf("notify failed: %v", failed)
		}
	}
	if messages := topic.Messages(); len(messages) != 1 || !strings.Contains(messages[0].Message, "No negative amounts") {
		t.Errorf("SNS heard %v", messages)
	}
	basic := map[string]string{"authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(key.ID+":"+key.Secret))}
	if resp := a.http("dashboard", "GET", "/api/v1/checks?size=10", basic, ""); resp.StatusCode != 200 || !strings.Contains(resp.Body, `"evaluationStatus":"fail"`) {
		t.Errorf("checks: %d %s", resp.StatusCode, resp.Body)
	}
	link := a.run("users", "link", "ada")
	token := strings.TrimSpace(link[strings.Index(link, "token="):])
	signedIn := a.http("dashboard", "GET", "/sign-in/link?"+token, nil, "")
	if signedIn.StatusCode != 303 || len(signedIn.Cookies) != 1 || !strings.Contains(signedIn.Cookies[0], "Secure") {
		t.Fatalf("sign-in: %d %v", signedIn.StatusCode, signedIn.Cookies)
	}
	cookie, _, _ := strings.Cut(signedIn.Cookies[0], ";")
	page := a.http("dashboard", "GET", "/scans/"+id, map[string]string{"cookie": cookie}, "")
	if page.StatusCode != 200 || !strings.Contains(page.Body, "No negative amounts") || !strings.Contains(page.Body, "sns") {
		t.Errorf("page: %d %.200s", page.StatusCode, page.Body)
	}

	if out := a.run("replay", "--json"); !strings.Contains(out, `"scans": 1`) || !strings.Contains(out, `"folded": 0`) {
		t.Errorf("replay: %s", out)
	}
	if out := a.run("keys", "list"); !strings.Contains(out, key.ID) || strings.Contains(out, key.Secret) {
		t.Errorf("keys list: %s", out)
	}
	a.run("keys", "revoke", key.ID)
	if out := a.run("keys", "list"); !strings.Contains(out, "No keys") {
		t.Errorf("keys list after revoke: %s", out)
	}
	if out := a.run("users", "list"); !strings.Contains(out, "ada") {
		t.Errorf("users list: %s", out)
	}
	if status, _ := post(`{"type":"login","apiKeyId":"nobody","apiKeySecret":"x"}`); status != 401 {
		t.Errorf("login of nobody: %d", status)
	}
}

// TestEventsRun runs each event of events/ through its function, as make invoke does, on a table that has what the events
// about scans ask for. The keys and cookies in them are made up.
func TestEventsRun(t *testing.T) {
	database := postgrestest.Start(t)
	database.Exec(t, orders)
	a := startAWSForm(t)
	path := filepath.Join(t.TempDir(), "definitions.yml")
	text := fmt.Sprintf("data_source warehouse:\n  type: postgres\n  host: 127.0.0.1\n  port: %d\n  username: postgres\n  database: postgres\n  schema: public\n"+
		"definitions:\n  nightly orders:\n    data source: warehouse\n    checks: checks.yml\n", database.Port)
	checks := "checks for orders:\n  - row_count > 0\n"
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.WriteFile(filepath.Join(filepath.Dir(path), "checks.yml"), []byte(checks), 0o600)); err != nil {
		t.Fatal(err)
	}
	a.run("definitions", "apply", "-f", path)

	events := map[string]struct{ function, want string }{
		"login":           {"ingest", `"statusCode":401`},
		"insert":          {"ingest", `"statusCode":401`},
		"query":           {"ingest", `"statusCode":401`},
		"page":            {"dashboard", `"Location":"/sign-in`},
		"digest":          {"digest", `"batchItemFailures":[]`},
		"notify":          {"notify", `"batchItemFailures":[]`},
		"scan-tick":       {"scan", `"dispatched":0`},
		"scan-definition": {"scan", `"state":"completed"`},
		"scan-source":     {"scan", `"orders"`},
	}
	files, err := filepath.Glob("../../events/*.json")
	if err != nil || len(files) < len(events) {
		t.Errorf("%d events, %v; want %d", len(files), err, len(events))
	}
	for _, file := range files {
		payload, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		e, ok := events[strings.TrimSuffix(filepath.Base(file), ".json")]
		if !ok {
			t.Errorf("%s: no function is known for it", file)
			continue
		}
		if out, err := a.function(e.function).Invoke(t.Context(), payload); err != nil || !strings.Contains(string(out), e.want) {
			t.Errorf("%s: %s, %v; want %s in it", file, out, err, e.want)
		}
	}
}
