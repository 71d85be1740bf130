// Package slack tells a Slack channel of failed checks, through an incoming webhook.
//
// It owns the look of the message and Slack's limits on it (message.go, blocks.go). Whether and when to send is left to
// package notify, the HTTP request to package outbound.
package slack

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/notify/outbound"
)

// Sender posts to one incoming webhook.
type Sender struct {
	endpoint *outbound.Endpoint
}

var _ notify.Sender = (*Sender)(nil)

// New makes a sender of a webhook's address, which is a secret. The error does not contain it.
func New(webhookURL string, o outbound.Options) (*Sender, error) {
	endpoint, err := outbound.New(webhookURL, o)
	if err != nil {
		return nil, fmt.Errorf("slack webhook: %w", err)
	}
	return &Sender{endpoint: endpoint}, nil
}

// Send posts the message. If Slack refuses its blocks, it posts the text alone: a refused message was not shown, so
// nothing doubles, and a plain message is better than none.
func (s *Sender) Send(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	p := render(m)
	receipt, code, err := s.post(ctx, p)
	if blocksRefused[code] {
		p.Blocks = nil
		receipt, _, err = s.post(ctx, p)
	}
	return receipt, err
}

// blocksRefused are Slack's codes for a message that might pass without its blocks.
var blocksRefused = map[string]bool{
	"invalid_blocks":        true,
	"invalid_blocks_format": true,
	"msg_blocks_too_long":   true,
}

// post sends one payload and returns Slack's error code beside the error.
func (s *Sender) post(ctx context.Context, p payload) (notify.Receipt, string, error) {
	body, err := notify.JSON(p)
	if err != nil {
		return notify.Receipt{}, "", &notify.SendError{Reason: notify.Refused, Err: fmt.Errorf("write slack message: %w", err)}
	}
	answer, err := s.endpoint.PostJSON(ctx, nil, body)
	if err != nil {
		return notify.Receipt{}, "", err
	}
	if answer.Status == http.StatusOK {
		return notify.Receipt{ID: "ok"}, "", nil
	}
	code := errorCode(answer.Body)
	return notify.Receipt{}, code, notify.FromStatus(answer.Status, answer.Header, time.Now(), refusal(answer.Status, code))
}

func refusal(status int, code string) error {
	if code == "" {
		return fmt.Errorf("slack answered %d", status)
	}
	return fmt.Errorf("slack answered %d %s", status, code)
}

var codePattern = regexp.MustCompile(`^[a-z_]{2,64}$`)

// errorCode is the answer's body if it is one of Slack's codes, such as no_service. Anything else is not repeated: it may
// be a page of a proxy, or contain the address.
func errorCode(body []byte) string {
	if codePattern.Match(body) {
		return string(body)
	}
	return ""
}
