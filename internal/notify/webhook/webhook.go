// Package webhook posts failed checks to any HTTPS address, as the checkEvaluation event of Soda Cloud, signed as
// standardwebhooks.com says.
//
// It owns the event (event.go), its signature and size. Whether and when to send is left to package notify, which
// addresses are allowed to notify.CheckWebhookURL, and the HTTP request to package outbound.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/notify/outbound"
)

// Sender posts to one address.
type Sender struct {
	endpoint *outbound.Endpoint
	signer   *standardwebhooks.Webhook // nil without a secret
	now      func() time.Time
}

var _ notify.Sender = (*Sender)(nil)

// New makes a sender of an address and a secret (see [Signer]; "" for unsigned events). Errors contain neither.
func New(rawURL, secret string, o outbound.Options) (*Sender, error) {
	endpoint, err := outbound.New(rawURL, o)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	s := &Sender{endpoint: endpoint, now: time.Now}
	if secret != "" {
		if s.signer, err = Signer(secret); err != nil {
			return nil, err
		}
	}
	return s, nil
}

const (
	encodedPrefix  = "whsec_"
	minSecretBytes = 16
)

// ErrSecret means that a text can't be a webhook's secret.
var ErrSecret = errors.New("not a usable webhook secret")

// Signer makes a signer of a secret: base64 after "whsec_", as the specification writes secrets, or else the bytes of the
// text as they are. A secret needs 16 bytes at least (the specification advises 24 to 64).
func Signer(secret string) (*standardwebhooks.Webhook, error) {
	encoded, isEncoded := strings.CutPrefix(secret, encodedPrefix)
	if !isEncoded {
		if len(secret) < minSecretBytes {
			return nil, fmt.Errorf("%w: it needs %d characters", ErrSecret, minSecretBytes)
		}
		return standardwebhooks.NewWebhookRaw([]byte(secret))
	}
	if len(encoded)*3/4 < minSecretBytes {
		return nil, fmt.Errorf("%w: it needs %d bytes", ErrSecret, minSecretBytes)
	}
	signer, err := standardwebhooks.NewWebhook(encoded)
	if err != nil { // the error would quote a part of it
		return nil, fmt.Errorf("%w: what follows %s must be base64", ErrSecret, encodedPrefix)
	}
	return signer, nil
}

// Send posts the event. As Soda Cloud does, it takes 200 to 399 for an acceptance; redirects are not followed. The
// receipt is the status.
func (s *Sender) Send(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	body, err := render(m)
	if err != nil {
		return notify.Receipt{}, &notify.SendError{Reason: notify.Refused, Err: fmt.Errorf("write webhook event: %w", err)}
	}
	header, err := s.sign(m.ID, body)
	if err != nil {
		return notify.Receipt{}, &notify.SendError{Reason: notify.Misconfigured, Err: fmt.Errorf("sign webhook event: %w", err)}
	}
	answer, err := s.endpoint.PostJSON(ctx, header, body)
	if err != nil {
		return notify.Receipt{}, err
	}
	status := strconv.Itoa(answer.Status)
	if answer.Status >= 200 && answer.Status < 400 {
		return notify.Receipt{ID: status}, nil
	}
	// The answer's body is not repeated anywhere: it may hold what a stranger wants to see of an inner network.
	return notify.Receipt{}, notify.FromStatus(answer.Status, answer.Header, s.now(), errors.New("webhook answered "+status))
}

// sign makes the headers of the specification. The id stays the same over attempts, the time does not.
func (s *Sender) sign(id string, body []byte) (http.Header, error) {
	now := s.now()
	header := http.Header{}
	header.Set(standardwebhooks.HeaderWebhookID, id)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	if s.signer == nil {
		return header, nil
	}
	signature, err := s.signer.Sign(id, now, body)
	if err != nil {
		return nil, err
	}
	header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return header, nil
}
