package notify_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/notify/notifytest"
	"github.com/sodalite-dq/sodalite/internal/notify/outbound"
	"github.com/sodalite-dq/sodalite/internal/notify/slack"
	"github.com/sodalite-dq/sodalite/internal/notify/sns"
	"github.com/sodalite-dq/sodalite/internal/notify/webhook"
)

const webhookSecret = "a raw secret of some length"

// places are the three stand-ins and the destinations that lead there.
type places struct {
	slack        *notifytest.Slack
	sns          *notifytest.SNS
	webhook      *notifytest.Webhook
	destinations []notify.Destination
}

func mustPlaces(t *testing.T) places {
	t.Helper()
	p := places{slack: notifytest.StartSlack(t), sns: notifytest.StartSNS(t), webhook: notifytest.StartWebhook(t, webhookSecret)}
	local := outbound.Options{Loopback: true}
	toSlack, err := slack.New(p.slack.WebhookURL(), local)
	if err != nil {
		t.Fatalf("slack: %v", err)
	}
	toSNS, err := sns.New(p.sns.Client(), notifytest.TopicARN)
	if err != nil {
		t.Fatalf("sns: %v", err)
	}
	toWebhook, err := webhook.New(p.webhook.WebhookURL(), webhookSecret, local)
	if err != nil {
		t.Fatalf("webhook: %v", err)
	}
	p.destinations = []notify.Destination{
		{ID: "slack", Kind: "slack", Sender: toSlack},
		{ID: "sns", Kind: "sns", Sender: toSNS},
		{ID: "webhook", Kind: "webhook", Sender: toWebhook},
	}
	return p
}

func TestRealSenders(t *testing.T) {
	for _, checks := range []int{1, 500} {
		t.Run(fmt.Sprintf("%d checks", checks), func(t *testing.T) {
			p, w := mustPlaces(t), newWorld()
			w.Alerts = alerts{scanID: notifytest.Alert(scanID, checks)}
			w.Destinations, w.Router = p.destinations, notify.ToAll(p.destinations)
			for range 2 {
				w.mustNotify(t)
			}
			if p.slack.Count() != 1 || p.sns.Count() != 1 || p.webhook.Count() != 1 {
				t.Errorf("got %d, %d, %d messages, want 1 each", p.slack.Count(), p.sns.Count(), p.webhook.Count())
			}
		})
	}
}

// TestNoSecretsAnywhere looks for secrets in errors, the log and the ledger after failures of every kind.
func TestNoSecretsAnywhere(t *testing.T) {
	secrets := []string{notifytest.SlackSecret, notifytest.WebhookToken, webhookSecret, notifytest.SNSSecret, "/services/", "/hook"}
	for name, f := range map[string]notifytest.Failure{
		"permanent": {Status: 404, Body: "no " + strings.Join(secrets, " ")},
		"retryable": {Status: 503, Body: strings.Join(secrets, " ")},
		"dropped":   {Drop: true},
	} {
		t.Run(name, func(t *testing.T) {
			p, w := mustPlaces(t), newWorld()
			w.Destinations, w.Router = p.destinations, notify.ToAll(p.destinations)
			var log bytes.Buffer
			w.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			for _, standIn := range []interface{ FailAlways(notifytest.Failure) }{p.slack, p.webhook} {
				standIn.FailAlways(f)
			}
			p.sns.FailAlways(notifytest.SNSError(max(f.Status, 500), "InternalError", "try later"))
			err := w.Notify(t.Context(), scanID)
			seen := fmt.Sprintf("%v\n%s\n%+v", err, log.String(), mustDeliveries(t, w.table))
			for _, secret := range secrets {
				if strings.Contains(seen, secret) {
					t.Errorf("secret %q is in:\n%s", secret, seen)
				}
			}
		})
	}
}
