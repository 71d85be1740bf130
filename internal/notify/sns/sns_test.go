package sns_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/notify/notifytest"
	"github.com/sodalite-dq/sodalite/internal/notify/sns"
)

var _ sns.Publisher = (*awssns.Client)(nil)

func mustStart(t *testing.T, topic string) (*sns.Sender, *notifytest.SNS) {
	t.Helper()
	standIn := notifytest.StartSNS(t)
	sender, err := sns.New(standIn.Client(), topic)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return sender, standIn
}

func mustSend(t *testing.T, m notify.Message) notifytest.SNSMessage {
	t.Helper()
	sender, standIn := mustStart(t, notifytest.TopicARN)
	if _, err := sender.Send(t.Context(), m); err != nil {
		t.Fatalf("Send: %v", err)
	}
	return standIn.Messages()[0]
}

func row(status int, code string, retryable bool, reason notify.Reason) notifytest.Row {
	return notifytest.Row{
		Name: code, Failure: notifytest.SNSError(status, code, "why"), Retryable: retryable, Reason: reason,
	}
}

func TestSender(t *testing.T) {
	rows := []notifytest.Row{
		row(403, "AuthorizationError", false, notify.Unauthorized),
		row(404, "NotFound", false, notify.Gone),
		row(400, "InvalidParameter", false, notify.Refused),
		row(400, "ParameterValueInvalid", false, notify.Refused),
		row(400, "EndpointDisabled", false, notify.Gone),
		row(400, "KMSAccessDenied", false, notify.Unauthorized),
		row(400, "KMSDisabled", false, notify.Unauthorized),
		row(400, "KMSThrottling", true, notify.RateLimited),
		row(403, "InvalidClientTokenId", false, notify.Unauthorized),
		row(403, "ExpiredToken", true, notify.Unauthorized),
		row(400, "Throttling", true, notify.RateLimited),
		row(429, "Throttled", true, notify.RateLimited),
		row(500, "InternalError", true, notify.Server),
		row(503, "ServiceUnavailable", true, notify.Server),
		row(400, "SomethingNew", false, notify.Refused),
		row(502, "SomethingElse", true, notify.Server),
		{Name: "no XML", Failure: notifytest.Failure{Status: 502, Body: "<html>"}, Retryable: true, Reason: notify.Network},
	}
	notifytest.TestSender(t, func(t *testing.T) (notify.Sender, notifytest.StandIn) {
		return mustStart(t, notifytest.TopicARN)
	}, rows, notifytest.SNSSecret)
}

func TestTopicDoesNotExist(t *testing.T) {
	sender, _ := mustStart(t, notifytest.TopicARN+"-other")
	_, err := sender.Send(t.Context(), notifytest.Message(1))
	if want := "sns answered NotFound: Topic does not exist"; err == nil || err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

// TestBody compares the whole message with testdata/message.json, which the documentation shows.
func TestBody(t *testing.T) {
	m := notifytest.Message(2)
	m.Checks[0].Previous = ""
	m.Checks[1].Column, m.Checks[1].Measure, m.Checks[1].Value = "updated_at", "time", "2799000000"
	m.Checks[1].Fail = nil
	m.Checks[1].Attributes = []dq.Attribute{{Name: "team", Value: json.RawMessage(`"payments"`)}}
	m.Omitted = 4
	got := mustSend(t, m)
	var have, want any
	if err := json.Unmarshal([]byte(got.Message), &have); err != nil {
		t.Fatalf("message: %v", err)
	}
	raw, err := os.ReadFile("testdata/message.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatalf("testdata: %v", err)
	}
	docs, err := os.ReadFile("../../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(docs, bytes.TrimSpace(raw)) {
		t.Error("docs/notifications.md does not show testdata/message.json")
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("message mismatch (-want +got):\n%s\n%s", diff, got.Message)
	}
}

func TestAttributes(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(m *notify.Message)
		want   map[string]notifytest.SNSAttribute
	}{
		{"single values are strings", func(*notify.Message) {}, map[string]notifytest.SNSAttribute{
			"severity":       {Type: "String", Value: "critical"},
			"scanDefinition": {Type: "String", Value: "nightly warehouse"},
			"dataset":        {Type: "String", Value: "orders_000"},
			"dataSource":     {Type: "String", Value: "warehouse"},
			"owner":          {Type: "String", Value: "data-team@example.com"},
		}},
		{"several values are arrays", func(m *notify.Message) {
			m.Checks[1].Dataset = dq.DatasetRef{DataSource: "lake", Name: `say "hi"`}
			m.Checks[1].Owner = ""
		}, map[string]notifytest.SNSAttribute{
			"severity":       {Type: "String", Value: "critical"},
			"scanDefinition": {Type: "String", Value: "nightly warehouse"},
			"dataset":        {Type: "String.Array", Value: `["orders_000","say \"hi\""]`},
			"dataSource":     {Type: "String.Array", Value: `["warehouse","lake"]`},
			"owner":          {Type: "String", Value: "data-team@example.com"},
		}},
		{"empty values are left out", func(m *notify.Message) {
			m.Definition = ""
			for i := range m.Checks {
				m.Checks[i].Owner, m.Checks[i].Dataset = " \x00", dq.DatasetRef{DataSource: "lake"}
			}
		}, map[string]notifytest.SNSAttribute{
			"severity":   {Type: "String", Value: "critical"},
			"dataSource": {Type: "String", Value: "lake"},
		}},
		{"no checks", func(m *notify.Message) { m.Checks, m.Omitted = nil, 1 }, map[string]notifytest.SNSAttribute{
			"severity":       {Type: "String", Value: "critical"},
			"scanDefinition": {Type: "String", Value: "nightly warehouse"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := notifytest.Message(3)
			c.change(&m)
			if diff := cmp.Diff(c.want, mustSend(t, m).Attributes); diff != "" {
				t.Errorf("attributes mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSubject(t *testing.T) {
	for _, c := range []struct{ name, definition, want string }{
		{"plain", "nightly", "3 checks failed on orders_000 (nightly)"},
		{"not ASCII", "nächtlich\n☃\x00", "3 checks failed on orders_000 (n?chtlich ??)"},
		{"long", strings.Repeat("x", 200), "3 checks failed on orders_000 (" + strings.Repeat("x", 65) + "..."},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := notifytest.Message(3)
			m.Definition = c.definition
			if got := mustSend(t, m).Subject; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSize(t *testing.T) {
	m := notifytest.Message(5000)
	for i := range m.Checks {
		m.Checks[i].Name = strings.Repeat("long ", 1000)
		m.Checks[i].Owner = fmt.Sprintf("owner-%d-%s", i, strings.Repeat("o", 500))
		m.Checks[i].Dataset.Name = fmt.Sprintf("dataset-%d-%s", i, strings.Repeat("ü", 500))
	}
	got := mustSend(t, m)
	var body sns.Body
	if err := json.Unmarshal([]byte(got.Message), &body); err != nil {
		t.Fatalf("message: %v", err)
	}
	if len(body.Checks) < 30 || body.Failures != 5000 || body.Omitted+len(body.Checks) != 5000 {
		t.Errorf("got %d of %d checks, %d omitted", len(body.Checks), body.Failures, body.Omitted)
	}
}

func TestFIFO(t *testing.T) {
	sender, standIn := mustStart(t, notifytest.FIFOTopicARN)
	for range 2 {
		if _, err := sender.Send(t.Context(), notifytest.Message(1)); err != nil {
			t.Fatalf("Send: %v", err)
		}
	}
	list := standIn.Messages()
	if len(list) != 1 || list[0].GroupID != dq.DefinitionID("nightly warehouse") || list[0].DeduplicationID != "msg_sample" {
		t.Errorf("got %+v, want one message, grouped by scan definition, although it was sent twice", list)
	}
}

func TestTopicARN(t *testing.T) {
	for name, c := range map[string]struct {
		arn, region string
		ok          bool
	}{
		"standard":    {notifytest.TopicARN, "eu-west-1", true},
		"fifo":        {notifytest.FIFOTopicARN, "eu-west-1", true},
		"china":       {"arn:aws-cn:sns:cn-north-1:123456789012:a", "cn-north-1", true},
		"queue":       {"arn:aws:sqs:eu-west-1:123456789012:a", "eu-west-1", false},
		"name only":   {"alerts", "", false},
		"bad account": {"arn:aws:sns:eu-west-1:1:a", "eu-west-1", false},
		"empty":       {"", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := sns.CheckTopicARN(c.arn); (err == nil) != c.ok {
				t.Errorf("CheckTopicARN(%q) = %v, want ok %v", c.arn, err, c.ok)
			}
			if got := sns.TopicRegion(c.arn); got != c.region {
				t.Errorf("TopicRegion(%q) = %q, want %q", c.arn, got, c.region)
			}
		})
	}
}

var asciiSubject = regexp.MustCompile(`^[!-~][ -~]{0,98}$`)

func FuzzMessage(f *testing.F) {
	f.Add("orders", "row_count > 0", "nightly", "team", 3)
	f.Add("\x00", "\xff", "\n", "\ufffe", 60)
	standIn := notifytest.StartSNS(f)
	sender, err := sns.New(standIn.Client(), notifytest.TopicARN)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, dataset, name, definition, owner string, n int) {
		m := notifytest.Message(1 + min(max(n, 0), 100))
		m.Definition = definition
		for i := range m.Checks {
			m.Checks[i].Name, m.Checks[i].Owner = name, owner
			m.Checks[i].Dataset.Name = dataset + strings.Repeat("x", i%3)
		}
		if _, err := sender.Send(t.Context(), m); err != nil {
			t.Fatalf("Send: %v", err)
		}
		list := standIn.Messages()
		if got := list[len(list)-1].Subject; !asciiSubject.MatchString(got) {
			t.Errorf("subject %q", got)
		}
	})
}
