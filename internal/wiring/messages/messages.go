// Package messages puts together where messages go, for the notify function and for serve. It is apart from package wiring
// so that the other functions do not link the senders.
package messages

import (
	"context"
	"fmt"
	"sync"
	"time"

	awssns "github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/notify/outbound"
	"github.com/sodalite-dq/sodalite/internal/notify/slack"
	"github.com/sodalite-dq/sodalite/internal/notify/sns"
	"github.com/sodalite-dq/sodalite/internal/notify/webhook"
	"github.com/sodalite-dq/sodalite/internal/wiring"
)

// Notifier makes the notifier of the settings' destinations. Nothing is fetched before the first message: secrets and
// clients are made when a destination is first used. loopback allows webhooks on this machine; off on Lambda.
func Notifier(s *wiring.System, cloud wiring.Cloud, loopback bool) *notify.Notifier {
	destinations := destinations(s.Config, cloud, outbound.Options{Loopback: loopback})
	return &notify.Notifier{
		Alerts: s.Hub, Table: s.Table, Router: notify.ToAll(destinations), Destinations: destinations, PublicURL: s.Config.PublicURL,
		Limits: notify.Limits{Retention: s.Config.Retention}, Now: time.Now, Log: s.Log, Metrics: s.Metrics,
	}
}

func destinations(c *config.Config, cloud wiring.Cloud, o outbound.Options) []notify.Destination {
	var list []notify.Destination
	add := func(kind string, make func(context.Context) (notify.Sender, error)) {
		list = append(list, notify.Destination{ID: kind, Kind: kind, Sender: &lazySender{make: make}})
	}
	secret := wiring.SecretFetcher(cloud)
	if c.SlackWebhook.IsSet() {
		add("slack", func(ctx context.Context) (notify.Sender, error) {
			url, err := c.SlackWebhook.Resolve(ctx, secret)
			if err != nil {
				return nil, err
			}
			return slack.New(url.Reveal(), o)
		})
	}
	if c.SNSTopicARN != "" {
		add("sns", func(ctx context.Context) (notify.Sender, error) {
			settings, err := cloud(ctx)
			if err != nil {
				return nil, err
			}
			client := awssns.NewFromConfig(settings, func(o *awssns.Options) { o.Region = sns.TopicRegion(c.SNSTopicARN) })
			return sns.New(client, c.SNSTopicARN)
		})
	}
	if c.Webhook.IsSet() {
		add("webhook", func(ctx context.Context) (notify.Sender, error) {
			url, err := c.Webhook.Resolve(ctx, secret)
			if err != nil {
				return nil, err
			}
			key, err := c.WebhookSecret.Resolve(ctx, secret)
			if err != nil {
				return nil, err
			}
			return webhook.New(url.Reveal(), key.Reveal(), o)
		})
	}
	return list
}

// lazySender makes its sender at the first message and keeps it, unless that failed.
type lazySender struct {
	make func(context.Context) (notify.Sender, error)
	mu   sync.Mutex
	made notify.Sender
}

func (l *lazySender) sender(ctx context.Context) (notify.Sender, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made != nil {
		return l.made, nil
	}
	var err error
	l.made, err = l.make(ctx)
	return l.made, err
}

// Send implements [notify.Sender]. A sender that cannot be made now is tried again later.
func (l *lazySender) Send(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	s, err := l.sender(ctx)
	if err != nil {
		return notify.Receipt{}, fmt.Errorf("set up destination: %w", err)
	}
	return s.Send(ctx, m)
}
