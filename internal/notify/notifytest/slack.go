package notifytest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Slack stands in for Slack's incoming webhooks: it takes what Slack takes, refuses what Slack refuses with Slack's
// status and code, and keeps the messages.
type Slack struct {
	server
	messages log[SlackMessage]
}

// SlackMessage is an accepted message.
type SlackMessage struct {
	Text   string       `json:"text"`
	Blocks []SlackBlock `json:"blocks"`
	// Raw is the message as it came.
	Raw string `json:"-"`
}

// SlackSecret is the secret part of the stand-in's webhook address.
const SlackSecret = "T00000000/B00000000/XXXXsecretXXXXsecretXXXX"

// StartSlack starts a stand-in that ends with the test.
func StartSlack(tb testing.TB) *Slack {
	tb.Helper()
	s := &Slack{}
	s.start(tb, s.accept)
	return s
}

// WebhookURL is the address to post to.
func (s *Slack) WebhookURL() string { return s.URL + "/services/" + SlackSecret }

// Messages are the accepted messages in the order of arrival.
func (s *Slack) Messages() []SlackMessage { return s.messages.all() }

// Count is the number of accepted messages.
func (s *Slack) Count() int { return len(s.messages.all()) }

// Wait returns the messages when there are n, and fails the test if that takes too long.
func (s *Slack) Wait(tb testing.TB, n int, timeout time.Duration) []SlackMessage {
	tb.Helper()
	s.wait(tb, timeout, "Slack messages", func() bool { return s.Count() >= n })
	return s.Messages()
}

// Words is all that a reader sees of the blocks: their texts, one a line.
func (m SlackMessage) Words() string {
	var words []string
	for _, b := range m.Blocks {
		for _, t := range b.texts() {
			words = append(words, t.Text)
		}
	}
	return strings.Join(words, "\n")
}

func (s *Slack) accept(w http.ResponseWriter, r *http.Request, body []byte) {
	status, code := s.judge(r, body)
	if status == http.StatusOK {
		var m SlackMessage
		if err := json.Unmarshal(body, &m); err != nil {
			status, code = http.StatusBadRequest, "invalid_payload"
		} else {
			m.Raw = string(body)
			s.messages.add(m)
		}
	}
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, code)
}

// judge is Slack's answer to a request.
func (s *Slack) judge(r *http.Request, body []byte) (int, string) {
	var p struct {
		Text   *string           `json:"text"`
		Blocks []json.RawMessage `json:"blocks"`
	}
	switch {
	case r.URL.Path != "/services/"+SlackSecret:
		return http.StatusForbidden, "invalid_token"
	case r.Method != http.MethodPost, !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		return http.StatusBadRequest, "invalid_payload"
	case json.Unmarshal(body, &p) != nil:
		return http.StatusBadRequest, "invalid_payload"
	case (p.Text == nil || *p.Text == "") && len(p.Blocks) == 0:
		return http.StatusBadRequest, "no_text"
	case p.Text != nil && slackLength(*p.Text) > slackMaxText:
		return http.StatusBadRequest, "msg_too_long"
	}
	if code := judgeBlocks(p.Blocks); code != "" {
		return http.StatusBadRequest, code
	}
	return http.StatusOK, "ok"
}
