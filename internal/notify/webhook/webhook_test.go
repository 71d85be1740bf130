package webhook_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/notify/notifytest"
	"github.com/sodalite-dq/sodalite/internal/notify/outbound"
	"github.com/sodalite-dq/sodalite/internal/notify/webhook"
)

const (
	rawSecret     = "a raw secret of some length"
	encodedSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

func mustStart(t *testing.T, secret string) (*webhook.Sender, *notifytest.Webhook) {
	t.Helper()
	receiver := notifytest.StartWebhook(t, secret)
	sender, err := webhook.New(receiver.WebhookURL(), secret, outbound.Options{Loopback: true})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return sender, receiver
}

func TestSender(t *testing.T) {
	notifytest.TestSender(t, func(t *testing.T) (notify.Sender, notifytest.StandIn) {
		return mustStart(t, rawSecret)
	}, notifytest.HTTPRows(), rawSecret, notifytest.WebhookToken, "/hook")
}

func TestSignature(t *testing.T) {
	for name, secret := range map[string]string{"raw text": rawSecret, "base64": encodedSecret, "none": ""} {
		t.Run(name, func(t *testing.T) {
			sender, receiver := mustStart(t, secret)
			for range 2 {
				if _, err := sender.Send(t.Context(), notifytest.Message(2)); err != nil {
					t.Fatalf("Send: %v", err)
				}
			}
			events := receiver.Events()
			if len(events) != 2 || events[0].ID != "msg_sample" || events[1].ID != events[0].ID {
				t.Errorf("got %+v, want two attempts with one id", events)
			}
		})
	}
	t.Run("another secret", func(t *testing.T) {
		receiver := notifytest.StartWebhook(t, rawSecret)
		sender, err := webhook.New(receiver.WebhookURL(), encodedSecret, outbound.Options{Loopback: true})
		if err != nil {
			t.Fatalf("New: %v", err)
		}
		_, err = sender.Send(t.Context(), notifytest.Message(1))
		var failure *notify.SendError
		if !errors.As(err, &failure) || failure.Reason != notify.Unauthorized || receiver.Count() != 0 {
			t.Errorf("got %v and %d events, want unauthorized and none", err, receiver.Count())
		}
	})
}

func TestSecretRefused(t *testing.T) {
	for name, secret := range map[string]string{
		"short":         "s3cret",
		"short base64":  "whsec_s3cret",
		"not base64":    "whsec_s3cret!s3cret!s3cret!s3cret!",
		"only a prefix": "whsec_",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := webhook.New("https://example.com/hook", secret, outbound.Options{})
			if !errors.Is(err, webhook.ErrSecret) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v, want ErrSecret without the secret", err)
			}
		})
	}
}

// TestEvent compares the whole event with testdata/event.json, which the documentation shows.
func TestEvent(t *testing.T) {
	sender, receiver := mustStart(t, rawSecret)
	m := notifytest.Message(2)
	m.Checks[1].Owner, m.Checks[1].Column = "finance", "total"
	m.Checks[1].Attributes = []dq.Attribute{{Name: "team", Value: json.RawMessage(`["payments","risk"]`)}, {Name: "empty"}}
	m.Checks[1].Value, m.Checks[1].ValueLabel = "", "3 schema events"
	m.Omitted = 4
	if _, err := sender.Send(t.Context(), m); err != nil {
		t.Fatalf("Send: %v", err)
	}
	var got, want any
	if err := json.Unmarshal([]byte(receiver.Events()[0].Body), &got); err != nil {
		t.Fatalf("body: %v", err)
	}
	raw, err := os.ReadFile("testdata/event.json")
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
		t.Error("docs/notifications.md does not show testdata/event.json")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event mismatch (-want +got):\n%s\n%s", diff, receiver.Events()[0].Body)
	}
}

func TestExactNumbers(t *testing.T) {
	sender, receiver := mustStart(t, rawSecret)
	m := notifytest.Message(2)
	m.Checks[0].Value = "9007199254740993"
	m.Checks[1].Value = "NaN"
	m.Checks[1].Fail = &dq.Threshold{GreaterThan: "${max}"}
	if _, err := sender.Send(t.Context(), m); err != nil {
		t.Fatalf("Send: %v", err)
	}
	body := receiver.Events()[0].Body
	for _, want := range []string{`"value":9007199254740993`, `"value":"NaN"`} {
		if strings.Count(body, want) != 2 {
			t.Errorf("body lacks %s: %s", want, body)
		}
	}
}

func TestSize(t *testing.T) {
	sender, receiver := mustStart(t, rawSecret)
	m := notifytest.Message(5000)
	for i := range m.Checks {
		m.Checks[i].Source = strings.Repeat("long ", 2000)
	}
	if _, err := sender.Send(t.Context(), m); err != nil {
		t.Fatalf("Send: %v", err)
	}
	body := receiver.Events()[0].Body
	var e webhook.Event
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("body: %v", err)
	}
	if len(body) > 256<<10 || len(e.CheckResults) < 30 || e.Failures != 5000 || e.Omitted+len(e.CheckResults) != 5000 {
		t.Errorf("got %d bytes, %d of %d checks, %d omitted", len(body), len(e.CheckResults), e.Failures, e.Omitted)
	}
}

func TestRedirectIsAcceptedAndNotFollowed(t *testing.T) {
	sender, receiver := mustStart(t, rawSecret)
	receiver.Fail(notifytest.Failure{Status: 307, Header: http.Header{"Location": {receiver.WebhookURL()}}})
	receipt, err := sender.Send(t.Context(), notifytest.Message(1))
	if err != nil || receipt.ID != "307" || receiver.Requests() != 1 {
		t.Errorf("got %+v, %v after %d requests, want 307 after 1", receipt, err, receiver.Requests())
	}
}

func TestErrorsDoNotRepeatTheAnswer(t *testing.T) {
	sender, receiver := mustStart(t, rawSecret)
	receiver.Fail(notifytest.Failure{Status: 500, Body: "inner secrets"})
	_, err := sender.Send(t.Context(), notifytest.Message(1))
	if want := "webhook answered 500"; err == nil || err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}
