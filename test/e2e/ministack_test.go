package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/notify/notifytest"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
	"github.com/sodalite-dq/sodalite/internal/table/dynamo"
	"github.com/sodalite-dq/sodalite/test/component"
)

// miniStack is a running emulator of AWS.
type miniStack struct {
	endpoint string
	config   aws.Config
}

// startMiniStack starts the emulator. Its functions reach it at the address that seen makes of its own.
func startMiniStack(t *testing.T, seen func(endpoint string) string) *miniStack {
	t.Helper()
	port := component.FreePort(t)
	m := &miniStack{endpoint: fmt.Sprintf("http://127.0.0.1:%d", port)}
	cmd := exec.Command(component.Path(t, "SODALITE_MINISTACK"))
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "BIND_HOST=127.0.0.1", "IOT_MTLS_ENABLED=0", fmt.Sprintf("GATEWAY_PORT=%d", port), "AWS_ENDPOINT_URL="+seen(m.endpoint))
	start(t, cmd)
	m.config = aws.Config{Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), BaseEndpoint: &m.endpoint}
	waitFor(t, "MiniStack", 2*time.Minute, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := sns.NewFromConfig(m.config).ListTopics(ctx, &sns.ListTopicsInput{})
		return err == nil
	})
	return m
}

// listener is a queue that hears an SNS topic.
type listener struct {
	queue string
	sqs   *sqs.Client
}

func (m *miniStack) listen(t *testing.T, topic string) *listener {
	t.Helper()
	l := &listener{sqs: sqs.NewFromConfig(m.config)}
	queue, err := l.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("heard")})
	if err != nil {
		t.Fatal(err)
	}
	l.queue = *queue.QueueUrl
	attributes, err := l.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &l.queue, AttributeNames: []sqstypes.QueueAttributeName{"QueueArn"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = sns.NewFromConfig(m.config).Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("sqs"),
		Endpoint: aws.String(attributes.Attributes["QueueArn"]), Attributes: map[string]string{"RawMessageDelivery": "true"}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// heard takes the messages that arrived by now off the queue.
func (l *listener) heard(t *testing.T) []string {
	t.Helper()
	var bodies []string
	for {
		out, err := l.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &l.queue, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return bodies
		}
		for _, m := range out.Messages {
			bodies = append(bodies, *m.Body)
			if _, err := l.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &l.queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// functionZips builds the functions as AWS takes them, but for this machine's processor and with webhooks on loopback allowed.
func functionZips(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		bootstrap := function(t, name, "loopback")
		if err := os.WriteFile(filepath.Join(dir, name+".zip"), packed(t, bootstrap), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// stack is the deployed template.
type stack struct {
	*miniStack
	Outputs       map[string]string
	Template      map[string]any
	Resources     map[string]string // physical ids by logical ones
	SigningSecret string
	slackSecret   string
	// passwordSecret holds the password of a data source.
	passwordSecret string
	calls          *recorder
}

var functions = []string{"ingest", "digest", "notify", "scan", "dashboard"}

// deploy deploys the template under a name, see deploy.py.
func (m *miniStack) deploy(t *testing.T, name, zips string, parameters ...string) *stack {
	t.Helper()
	s := &stack{miniStack: m}
	cmd := exec.Command(filepath.Join(filepath.Dir(component.Path(t, "SODALITE_SAM")), "python"), append([]string{"deploy.py", m.endpoint, name, "../../template.yaml", zips}, parameters...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("deploy: %v\n%s", err, errs.String())
	}
	if err := json.Unmarshal(out, s); err != nil {
		t.Fatalf("deploy: %v in %s", err, out)
	}
	return s
}

// secret makes a secret of a name and gives its ARN.
func (m *miniStack) secret(t *testing.T, name, value string) string {
	t.Helper()
	out, err := secretsmanager.NewFromConfig(m.config).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value})
	if err != nil {
		t.Fatal(err)
	}
	return *out.ARN
}

func deployStack(t *testing.T, slackURL string, parameters ...string) *stack {
	t.Helper()
	var calls *recorder
	m := startMiniStack(t, func(endpoint string) string {
		calls = startRecorder(t, endpoint)
		return calls.URL
	})
	slack, password := m.secret(t, "slack", slackURL), m.secret(t, "password", "secret")
	s := m.deploy(t, "sodalite", functionZips(t, functions...), append([]string{"SafeDeployments=false", "SlackWebhookUrlSecretArn=" + slack, "SourceSecretArns=" + password}, parameters...)...)
	s.slackSecret, s.passwordSecret, s.calls = slack, password, calls
	calls.names = s.inTheTemplate
	return s
}

// inTheTemplate is the word of the template's policies for a thing.
func (s *stack) inTheTemplate(physical string) string {
	table, index, _ := strings.Cut(physical, "/")
	switch {
	case table == s.Outputs["TableName"] && index == "":
		return "Table.Arn"
	case table == s.Outputs["TableName"]:
		return "${Table.Arn}/index/" + index
	case physical == s.Outputs["AlertTopicArn"]:
		return "AlertTopic"
	case physical == s.SigningSecret:
		return "SigningSecret"
	case physical == s.slackSecret:
		return "SlackWebhookUrlSecretArn"
	case physical == s.passwordSecret:
		return "SourceSecretArns"
	case strings.Contains(physical, s.Resources["ScanFunction"]+":"): // where AWS tells the alias, MiniStack may tell its version
		return "ScanFunctionAliaslive"
	}
	return physical
}

// front serves the stack's HTTP API at an address of this machine: its own host name is not one that resolves here.
func (s *stack) front(t *testing.T) *httptest.Server {
	t.Helper()
	api, err := url.Parse(s.Outputs["Url"])
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(s.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(to)
		p.Out.Host = api.Host
	}})
	t.Cleanup(server.Close)
	return server
}

// invoke calls a function of the stack, by its logical id, as a schedule does.
func (s *stack) invoke(t *testing.T, function, input string) {
	t.Helper()
	schedules := 0
	for _, r := range s.Template["Resources"].(map[string]any) {
		r := r.(map[string]any)
		if text, err := json.Marshal(r["Properties"]); err == nil && r["Type"] == "AWS::Scheduler::Schedule" && strings.Contains(string(text), strconv.Quote(input)) {
			schedules++
		}
	}
	if schedules != 1 {
		t.Errorf("%d schedules have the input %s", schedules, input)
	}
	name := s.Resources[function]
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.endpoint+"/2015-03-31/functions/"+name+"/invocations?Qualifier=live", strings.NewReader(input))
	if err != nil {
		t.Fatal(err)
	}
	// The emulator reads the region here and checks no signature.
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=none")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || resp.Header.Get("X-Amz-Function-Error") != "" {
		t.Errorf("%s: %s %s", name, resp.Status, body)
	}
}

// TestTheStackOnMiniStack deploys the template and lets a real client push to it: HTTP API, functions, table, filtered
// streams, SNS and Slack. Then it compares what each function did with what its role allows. Where the emulator is weaker
// than AWS is told in deploy.py.
func TestTheStackOnMiniStack(t *testing.T) {
	client := component.Path(t, "SODALITE_SODA_POSTGRES")
	database := postgrestest.Start(t)
	database.Exec(t, orders+" INSERT INTO orders VALUES (4, 8, NULL);")
	slack := notifytest.StartSlack(t)
	stack := deployStack(t, slack.WebhookURL(), "Samples=on")
	topic := stack.listen(t, stack.Outputs["AlertTopicArn"])
	front := stack.front(t)

	s := &sodalite{t: t, url: front.URL, env: []string{
		"AWS_ENDPOINT_URL=" + stack.endpoint, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=eu-west-1",
		"SODALITE_TABLE=" + stack.Outputs["TableName"], "SODALITE_PUBLIC_URL=" + front.URL,
	}}
	s.newKey()
	soda := newScanner(t, client, map[string]string{
		"configuration.yml": configuration(database.Port) + s.snippet(),
		"broken.yml":        configuration(1) + s.snippet(),
		"checks.yml": "checks for orders:\n  - row_count > 0\n  - min(amount) >= 0:\n      name: No negative amounts\n" +
			"  - missing_count(status):\n      warn: when > 0\n  - change for row_count < 10:\n      name: Growth is steady\n",
	})
	scan := func(configuration string) string {
		return soda.scan("-d", "shop", "-s", "nightly_orders", "-c", configuration, "checks.yml")
	}

	scan("configuration.yml")
	message := slack.Wait(t, 1, 30*time.Second)[0]
	if !strings.Contains(message.Text, "No negative amounts") {
		t.Errorf("the Slack text lacks the check: %s", message.Text)
	}
	var published []string
	waitFor(t, "SNS message", 30*time.Second, func() bool {
		published = append(published, topic.heard(t)...)
		return len(published) > 0
	})
	if len(published) != 1 || !strings.Contains(published[0], "No negative amounts") {
		t.Errorf("SNS heard %q", published)
	}
	outcomes := s.outcomes()
	if outcomes["No negative amounts"] != "fail" || outcomes["row_count > 0"] != "pass" {
		t.Errorf("outcomes %v", outcomes)
	}

	broken := scan("broken.yml")
	waitFor(t, "warning", 30*time.Second, func() bool { return s.warning() != nil })
	if w := s.warning(); w.ScanID != broken || w.State != "failed" {
		t.Errorf("warning %+v, want one of scan %s", w, broken)
	}
	if now := s.outcomes(); fmt.Sprint(now) != fmt.Sprint(outcomes) {
		t.Errorf("outcomes after a failed scan %v, before %v", now, outcomes)
	}
	database.Exec(t, "UPDATE orders SET amount = 4 WHERE amount < 0")
	scan("configuration.yml")
	waitFor(t, "warning gone", 30*time.Second, func() bool { return s.warning() == nil })
	waitFor(t, "outcome pass", 30*time.Second, func() bool { return s.outcomes()["No negative amounts"] == "pass" })
	if n, more := slack.Count(), topic.heard(t); n != 1 || len(more) != 0 {
		t.Errorf("%d Slack messages in all, want 1; SNS heard more: %q", n, more)
	}

	s.unusual()
	stack.invoke(t, "NotifyFunction", `{"sweep": true}`) // the schedule's own input; its minute is too long for a test
	waitFor(t, "all digested", 30*time.Second, func() bool { return s.outcomes()["last"] == "pass" })
	s.late()
	s.contract(component.Path(t, "SODALITE_SODA4"), database.Port)
	s.browse()
	database.Exec(t, "CREATE TABLE wide (id int); INSERT INTO wide VALUES (1)")
	stack.runsScans(t, s, database, slack)
	stack.replaysFailedRecords(t, s, slack)
	stack.healed(t, s)
	stack.calls.check(t, stack.Template, map[string]bool{"HasSecrets": true, "HasSlack": true, "HasSourceSecrets": true},
		"IngestFunction", "DigestFunction", "NotifyFunction", "ScanFunction", "DashboardFunction")
}

// runsScans lets the stack scan a database itself: by its schedule, asked for by API, and by a person.
func (s *stack) runsScans(t *testing.T, system *sodalite, database *postgrestest.Server, slack *notifytest.Slack) {
	t.Helper()
	// Two minutes ago, so that the schedule has been due since.
	store := &runs.Store{Table: dynamo.New(dynamodb.NewFromConfig(s.config), s.Outputs["TableName"], time.Now), Now: func() time.Time { return time.Now().Add(-2 * time.Minute) }}
	source := runs.Source{Name: "shop", Type: "postgres", Settings: map[string]string{
		"host": "127.0.0.1", "port": fmt.Sprint(database.Port), "username": "postgres", "password": s.passwordSecret, "database": "postgres", "schema": "public",
	}}
	definition := runs.Definition{Name: "house", Source: "shop", Schedule: "* * * * *", Files: []runs.File{{Name: "checks.yml", Text: `checks for wide:
  - row_count > 1:
      name: More than one
  - change avg last 7 for row_count < 10:
      name: Not too fast
  - failed rows:
      name: No known rows
      fail condition: id > 0
`}}}
	longAgo := &runs.Store{Table: store.Table, Now: func() time.Time { return time.Now().Add(-24 * time.Hour) }, Keep: 48 * time.Hour}
	silent := runs.Remote{ID: "silent", Definition: "far away", By: "a scanner"}
	if err := errors.Join(store.SaveSource(t.Context(), source), store.SaveDefinition(t.Context(), definition, "test"), longAgo.Begin(t.Context(), silent)); err != nil {
		t.Fatal(err)
	}
	before := slack.Count()
	s.invoke(t, "ScanFunction", `{"tick": true}`) // the schedule's own input; its minute is too long for a test
	waitFor(t, "scheduled scan", 30*time.Second, func() bool {
		outcomes := system.outcomes()
		return outcomes["More than one"] == "fail" && outcomes["Not too fast"] == "pass"
	})
	if state := system.scanState("silent"); state != "failed" {
		t.Errorf("the scan of a scanner that fell silent is %s", state)
	}
	messages := slack.Wait(t, before+1, 30*time.Second)
	if text := messages[len(messages)-1].Text; !strings.Contains(text, "More than one") {
		t.Errorf("the Slack text lacks the check: %s", text)
	}

	database.Exec(t, "UPDATE orders SET amount = -4 WHERE id = 3")
	soda := newScanner4(t, component.Path(t, "SODALITE_SODA4"), system, database.Port)
	soda.must(1, "contract", "verify", "-c", "fail.yml", "-sc", "cloud.yml", "-r", "-p")
	soda.must(2, "contract", "verify", "-c", "warn.yml", "-sc", "cloud.yml", "-r")

	id := system.startScan("house")
	waitFor(t, "scan asked for by API", 30*time.Second, func() bool { return system.scanState(id) == "completedWithFailures" })

	p := system.signIn()
	resp, err := p.client.PostForm(system.url+"/definitions/"+dq.DefinitionID("house")+"/run", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	asked := path.Base(resp.Request.URL.Path)
	waitFor(t, "scan asked for by a person", 30*time.Second, func() bool { return system.scanState(asked) == "completedWithFailures" })
	s.edits(t, p)
	if heading := p.get("/scans/" + asked).Find("h1").Text(); !strings.Contains(heading, "house") {
		t.Errorf("the scan's page is headed %q", heading)
	}
}

// edits makes a scan definition on the pages, and deletes it.
func (s *stack) edits(t *testing.T, p person) {
	t.Helper()
	post := func(path string, form url.Values) string {
		t.Helper()
		resp, err := p.client.PostForm(p.url+path, form)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
		return resp.Request.URL.Path
	}
	form := url.Values{"definition": {"by hand"}, "source": {"shop"}, "schedule": {"30 2 * * *"}, "zone": {"Europe/Amsterdam"}, "name0": {"checks.yml"}, "file0": {"checks for wide:\n  - row_count > 0\n"}}
	if sources := p.get("/definitions/new").Find("select[name=source] option[value=shop]"); sources.Length() != 1 {
		t.Errorf("the data source is offered %d times", sources.Length())
	}
	path := post("/definitions", form)
	form.Set("version", "1")
	form.Set("zone", "Asia/Kolkata")
	if got := post(path, form); got != path || !strings.Contains(p.get(path).Find("main").Text(), "IST") {
		t.Errorf("%s shows no times of India", got)
	}
	if got := post(path+"/delete", url.Values{"version": {"2"}}); got != "/definitions" {
		t.Errorf("after the delete comes %s", got)
	}
}

// replaysFailedRecords puts into the queue what Lambda would about a record of digest and one of notify that it gave up, which
// the emulator does not do, and lets the command line replay them. Both had been done, so nothing changes, even if a message
// comes twice, as queues may have it.
func (s *stack) replaysFailedRecords(t *testing.T, system *sodalite, slack *notifytest.Slack) {
	t.Helper()
	client := sqs.NewFromConfig(s.config)
	queue := s.Outputs["FailedRecordsUrl"]
	for _, sk := range []string{"DOC", "ALERT"} {
		stream, shard, sequence := s.inTheStream(t, sk)
		body := fmt.Sprintf(`{"requestContext":{"requestId":"r","functionArn":"f","condition":"RetryAttemptsExhausted","approximateInvokeCount":21},
			"responseContext":{"statusCode":200,"executedVersion":"1","functionError":null},"version":"1.0","timestamp":"2026-11-14T00:38:06.021Z",
			"DDBStreamBatchInfo":{"shardId":%q,"startSequenceNumber":%q,"endSequenceNumber":%q,"approximateArrivalOfFirstRecord":"2026-11-14T00:37:19Z",
			"approximateArrivalOfLastRecord":"2026-11-14T00:37:19Z","batchSize":1,"streamArn":%q}}`, shard, sequence, sequence, stream)
		if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	before := slack.Count()
	var done struct{ Scans, Folded, Notified int }
	if err := json.Unmarshal(system.run("replay", "--failed-records", queue, "--json"), &done); err != nil || done.Scans == 0 || done.Folded != 0 || done.Notified == 0 {
		t.Errorf("replay of failed records: %+v, %v; want a scan digested again and one notified", done, err)
	}
	left, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &queue, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	if err != nil || left.Attributes["ApproximateNumberOfMessages"] != "0" || left.Attributes["ApproximateNumberOfMessagesNotVisible"] != "0" {
		t.Errorf("the queue still has %v, %v", left, err)
	}
	if n := slack.Count(); n != before {
		t.Errorf("%d more Slack messages: what was sent is sent again", n-before)
	}
}

// inTheStream finds a record of the table's stream about a scan, by its sort key.
func (s *stack) inTheStream(t *testing.T, sk string) (stream, shard, sequence string) {
	t.Helper()
	table, err := dynamodb.NewFromConfig(s.config).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(s.Outputs["TableName"])})
	if err != nil {
		t.Fatal(err)
	}
	client := dynamodbstreams.NewFromConfig(s.config)
	described, err := client.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: table.Table.LatestStreamArn})
	if err != nil {
		t.Fatal(err)
	}
	for _, sh := range described.StreamDescription.Shards {
		begin, err := client.GetShardIterator(t.Context(), &dynamodbstreams.GetShardIteratorInput{
			StreamArn: table.Table.LatestStreamArn, ShardId: sh.ShardId, ShardIteratorType: streamtypes.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		page, err := client.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: begin.ShardIterator})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			text := func(name string) string { return r.Dynamodb.Keys[name].(*streamtypes.AttributeValueMemberS).Value }
			if strings.HasPrefix(text("pk"), "SCAN#") && text("sk") == sk {
				return *table.Table.LatestStreamArn, *sh.ShardId, *r.Dynamodb.SequenceNumber
			}
		}
	}
	t.Fatalf("no record of a %s in the stream", sk)
	return "", "", ""
}

// startScan asks for a run of a definition by the public API and gives its id.
func (s *sodalite) startScan(definition string) string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+"/api/v1/scans", strings.NewReader(url.Values{"scanDefinition": {definition}}.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth(s.key, s.secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		body, _ := io.ReadAll(resp.Body)
		s.t.Fatalf("POST scans: %s %s", resp.Status, body)
	}
	return resp.Header.Get("X-Soda-Scan-Id")
}

func (s *sodalite) scanState(id string) string {
	s.t.Helper()
	var scan struct{ State string }
	s.get("/api/v1/scans/"+id, &scan)
	return scan.State
}

// unusual pushes what makes functions take their rarer ways: results too large for one item, that shrink later; a history
// of them; checks that ask for their own history.
func (s *sodalite) unusual() {
	s.t.Helper()
	token := s.post("/api/command", map[string]any{"type": "login", "apiKeyId": s.key, "apiKeySecret": s.secret})["token"]
	random := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) string {
		text := make([]byte, n)
		for i := range text {
			text[i] = "abcdefghijklmnopqrstuvwxyz234567"[random.IntN(32)]
		}
		return string(text)
	}
	push := func(minute, definitionSize int, name, metric string) {
		var checks, metrics []any
		for n := range 900 {
			checks = append(checks, map[string]any{"identity": fmt.Sprint(n), "name": fmt.Sprint("check ", n), "definition": noise(definitionSize), "dataSource": "shop",
				"table": "wide", "outcome": "pass", "diagnostics": map[string]any{"value": n}})
		}
		checks = append(checks, map[string]any{"identity": "anomaly", "name": name, "type": "anomalyDetection", "dataSource": "shop", "table": "wide", "outcome": "pass",
			"metrics": []string{metric}, "diagnostics": map[string]any{"value": 1}})
		metrics = append(metrics, map[string]any{"identity": metric, "metricName": "row_count", "dataSourceName": "shop", "value": 1})
		for range 1500 {
			metrics = append(metrics, map[string]any{"identity": noise(definitionSize), "metricName": "m", "dataSourceName": "shop", "value": 1})
		}
		s.post("/api/command", map[string]any{"type": "sodaCoreInsertScanResults", "token": token, "definitionName": "wide", "checks": checks, "metrics": metrics,
			"dataTimestamp": time.Now().UTC().Add(time.Duration(minute) * time.Minute).Format(time.RFC3339)})
	}
	push(-2, 900, "first", "metric-house-shop-wide-row_count")
	push(-1, 10, "last", "metric-house-shop-wide-row_count")
	waitFor(s.t, "both digested", 30*time.Second, func() bool { return s.outcomes()["last"] == "pass" })
	history := s.post("/api/query", map[string]any{"type": "sodaCoreHistoricMeasurements", "token": token,
		"filter": map[string]any{"type": "and", "andExpressions": []any{map[string]any{"type": "equals",
			"left":  map[string]any{"type": "columnValue", "columnName": "metric.identity"},
			"right": map[string]any{"type": "string", "value": "metric-house-shop-wide-row_count"}}}}})
	if results, ok := history["results"].([]any); !ok || len(results) != 2 {
		s.t.Errorf("history %v", history)
	}
	past := s.post("/api/query", map[string]any{"type": "sodaCoreHistoricCheckResults", "token": token,
		"filter": map[string]any{"type": "and", "andExpressions": []any{map[string]any{"type": "equals",
			"left":  map[string]any{"type": "columnValue", "columnName": "check.identity"},
			"right": map[string]any{"type": "string", "value": "anomaly"}}}}})
	if results, ok := past["results"].([]any); !ok || len(results) != 2 {
		s.t.Errorf("past results %v", past)
	}
	s.post("/api/query", map[string]any{"type": "sodaCoreAvailableCheckAttributes", "token": token})
	nowhere := map[string]any{"type": "sodaCoreGetContract", "token": token, "dataset": map[string]any{"datasource": "nowhere", "name": "orders"}}
	if status, answer := s.ask("/api/query", nowhere); status != http.StatusBadRequest || answer["code"] != "datasource_not_found" {
		s.t.Errorf("a contract of no data source: %d %v", status, answer)
	}
	begun := s.post("/api/command", map[string]any{"type": "sodaCoreScanStart", "token": token, "scanId": "batched", "definitionName": "wide"})
	s.post("/api/command", map[string]any{"type": "sodaCoreScanEndAsync", "token": token, "scanReference": begun["scanReference"]})
	if got := s.scanState("batched"); got != "completed" {
		s.t.Errorf("the batched scan is %s", got)
	}
}

// late pushes results of a check, and then one that is older than all that are kept beside its state.
func (s *sodalite) late() {
	s.t.Helper()
	token := s.post("/api/command", map[string]any{"type": "login", "apiKeyId": s.key, "apiKeySecret": s.secret})["token"]
	push := func(minute int, outcome string) {
		at := time.Now().UTC().Add(time.Duration(minute) * time.Minute).Format(time.RFC3339)
		s.post("/api/command", map[string]any{"type": "sodaCoreInsertScanResults", "token": token, "definitionName": "late", "dataTimestamp": at, "checks": []any{
			map[string]any{"identity": "one", "name": "often", "dataSource": "shop", "table": "small", "outcome": outcome},
		}})
	}
	push(-100, "pass")
	for n := range hub.StripLength {
		push(n-hub.StripLength, "pass")
	}
	digested := func(n int) func() bool {
		return func() bool {
			var list struct {
				Content []struct{ DataTimestamp string }
			}
			if id := s.checkID("often"); id != "" {
				s.get("/api/v1/checks/"+id+"/results?limit=100", &list)
			}
			return len(list.Content) == n
		}
	}
	waitFor(s.t, "all results", 60*time.Second, digested(hub.StripLength+1))
	push(-50, "warn")
	waitFor(s.t, "the late result", 60*time.Second, digested(hub.StripLength+2))
}

// checkID finds a check by its name.
func (s *sodalite) checkID(name string) string {
	s.t.Helper()
	var page struct {
		Content []struct{ ID, Name string }
	}
	s.get("/api/v1/checks?size=1000", &page)
	for _, c := range page.Content {
		if c.Name == name {
			return c.ID
		}
	}
	return ""
}

// contract lets Soda Core 4 publish a contract, verify it, and stream a log.
func (s *sodalite) contract(client string, port int) {
	s.t.Helper()
	soda := newScanner4(s.t, client, s, port)
	soda.must(0, "contract", "publish", "-c", "good.yml", "-sc", "cloud.yml")
	waitFor(s.t, "dataset of the contract", 30*time.Second, func() bool { return s.dataset("shop/postgres/public/orders") })
	soda.must(0, "contract", "verify", "-c", "good.yml", "-ds", "source.yml", "-sc", "cloud.yml", "-p")
	waitFor(s.t, "results of the contract", 30*time.Second, func() bool { return s.outcomes()["No missing values"] == "pass" })
	soda.mustWith([]string{"SODA_SCAN_ID=managed-1"}, 0, "data-source", "test", "-ds", "source.yml", "-sc", "cloud.yml")
	soda.mustWith([]string{"SODA_SCAN_ID=managed-2"}, 3, "contract", "verify", "-c", "good.yml", "-ds", "nowhere.yml", "-sc", "cloud.yml", "-p")
	// Code 3 is also that of a client that was not let in, which then tells the server nothing.
	if !strings.Contains(soda.output, "port 1 failed") {
		s.t.Fatalf("the client failed for another reason than its database: %s", soda.output)
	}
	if got := s.scanState("managed-2"); got != "failed" {
		s.t.Errorf("the managed scan is %s", got)
	}
}

// dataset tells whether a dataset is shown.
func (s *sodalite) dataset(qualifiedName string) bool {
	s.t.Helper()
	var page struct {
		Content []struct{ QualifiedName string }
	}
	s.get("/api/v1/datasets?size=1000", &page)
	for _, d := range page.Content {
		if d.QualifiedName == qualifiedName {
			return true
		}
	}
	return false
}

func (s *sodalite) post(path string, body any) map[string]any {
	s.t.Helper()
	status, answer := s.ask(path, body)
	if status != http.StatusOK {
		s.t.Fatalf("POST %s: %d %v", path, status, answer)
	}
	return answer
}

func (s *sodalite) ask(path string, body any) (status int, answer map[string]any) {
	s.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.Post(s.url+path, "application/json", bytes.NewReader(data))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		s.t.Fatalf("POST %s: %s %v", path, resp.Status, err)
	}
	return resp.StatusCode, answer
}

// browse signs in, looks at every kind of page, and signs out.
func (s *sodalite) browse() {
	s.t.Helper()
	p := s.signIn()
	get := p.get
	first := func(page, selector string) string {
		s.t.Helper()
		address, ok := get(page).Find(selector).First().Attr("href")
		if !ok {
			s.t.Errorf("no %s on %s", selector, page)
		}
		return address
	}
	get(first("/checks?q=missing_count", "a[href^='/checks/']"))
	get(first("/datasets", "a[href^='/datasets/']"))
	get(first("/scans", "a[href^='/scans/']"))
	for _, page := range []string{"/", "/organization/attributes", "/connect"} {
		get(page)
	}
	resp, err := p.client.Post(s.url+"/sign-out", "application/x-www-form-urlencoded", nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Errorf("sign-out: %v, %v", resp, err)
	}
}

// doctor runs the doctor, exit code 0 or 1, and gives what is not ok by check.
func (s *sodalite) doctor() map[string]string {
	s.t.Helper()
	binary, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(binary, "doctor", "--json")
	cmd.Env = slices.Concat(os.Environ(), s.env, []string{"SODALITE_API_KEY_ID=" + s.key, "SODALITE_API_KEY_SECRET=" + s.secret})
	out, _ := cmd.Output() // an exit code says no more than the findings
	var found []struct{ Check, State, Says, Fix string }
	if err := json.Unmarshal(out, &found); err != nil {
		s.t.Fatalf("doctor: %v in %s", err, out)
	}
	bad := map[string]string{}
	for _, f := range found {
		s.t.Logf("doctor: %s: %s, %s", f.Check, f.State, f.Says)
		if f.State != "ok" {
			bad[f.Check] = f.State
		}
	}
	wrong := slices.Contains(slices.Collect(maps.Values(bad)), "wrong")
	if len(found) < 14 || wrong != (cmd.ProcessState.ExitCode() == 1) {
		s.t.Errorf("%d findings, exit code %d", len(found), cmd.ProcessState.ExitCode())
	}
	return bad
}

// healed lets the doctor find what the emulator leaves out of the template, does what the doctor says, and looks again.
func (s *stack) healed(t *testing.T, on *sodalite) {
	t.Helper()
	if bad := on.doctor(); fmt.Sprint(bad) != "map[expiry:wrong recovery:warning]" {
		t.Errorf("the doctor found %v, want that time-to-live and recovery are off", bad)
	}
	client, table := dynamodb.NewFromConfig(s.config), s.Outputs["TableName"]
	_, err := client.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: &table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expires"), Enabled: aws.Bool(true)}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.UpdateContinuousBackups(t.Context(), &dynamodb.UpdateContinuousBackupsInput{TableName: &table,
		PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)}})
	if err != nil {
		t.Fatal(err)
	}
	if bad := on.doctor(); len(bad) != 0 {
		t.Errorf("after its cure the doctor still found %v", bad)
	}
}
