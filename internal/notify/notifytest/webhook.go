package notifytest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Webhook receives signed webhooks and refuses those whose signature is wrong.
type Webhook struct {
	server
	verifier *standardwebhooks.Webhook
	events   log[WebhookEvent]
}

// WebhookEvent is an accepted event.
type WebhookEvent struct {
	// ID is the webhook-id, the same when an event is sent again.
	ID   string
	Body string
	// Header has all headers of the request.
	Header http.Header
}

// WebhookToken is the secret part of the receiver's address.
const WebhookToken = "s3cret-path-token"

// StartWebhook starts a receiver that ends with the test. The secret is as people configure it: whsec_ and base64, or any
// text; "" takes unsigned events only.
func StartWebhook(tb testing.TB, secret string) *Webhook {
	tb.Helper()
	s := &Webhook{}
	if secret != "" {
		var err error
		if strings.HasPrefix(secret, "whsec_") {
			s.verifier, err = standardwebhooks.NewWebhook(secret)
		} else {
			s.verifier, err = standardwebhooks.NewWebhookRaw([]byte(secret))
		}
		if err != nil {
			tb.Fatalf("webhook secret: %v", err)
		}
	}
	s.start(tb, s.accept)
	return s
}

// WebhookURL is the address to post to.
func (s *Webhook) WebhookURL() string { return s.URL + "/hook?token=" + WebhookToken }

// Events are the accepted events in the order of arrival, repeats included.
func (s *Webhook) Events() []WebhookEvent { return s.events.all() }

// Count is the number of accepted events.
func (s *Webhook) Count() int { return len(s.events.all()) }

// Wait returns the events when there are n, and fails the test if that takes too long.
func (s *Webhook) Wait(tb testing.TB, n int, timeout time.Duration) []WebhookEvent {
	tb.Helper()
	s.wait(tb, timeout, "webhook events", func() bool { return s.Count() >= n })
	return s.Events()
}

func (s *Webhook) accept(w http.ResponseWriter, r *http.Request, body []byte) {
	switch {
	case r.URL.Path != "/hook" || r.URL.Query().Get("token") != WebhookToken:
		http.Error(w, "no such hook", http.StatusNotFound)
		return
	case r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		http.Error(w, "post JSON", http.StatusBadRequest)
		return
	case !s.signed(r, body):
		http.Error(w, "bad signature", http.StatusUnauthorized)
		return
	}
	s.events.add(WebhookEvent{ID: r.Header.Get(standardwebhooks.HeaderWebhookID), Body: string(body), Header: r.Header.Clone()})
	w.WriteHeader(http.StatusNoContent)
}

func (s *Webhook) signed(r *http.Request, body []byte) bool {
	if s.verifier == nil {
		return r.Header.Get(standardwebhooks.HeaderWebhookSignature) == ""
	}
	return s.verifier.Verify(body, r.Header) == nil
}
