package slack_test

import (
	"context"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/notify/notifytest"
	"github.com/sodalite-dq/sodalite/internal/notify/slack"
)

func BenchmarkSend(b *testing.B) {
	for name, bad := range map[string]string{"plain": "", "escapes": strings.Repeat("&", 100_000), "blank": strings.Repeat("\n", 100_000)} {
		b.Run(name, func(b *testing.B) {
			standIn := notifytest.StartSlack(b)
			sender, err := slack.New(standIn.WebhookURL(), local)
			if err != nil {
				b.Fatal(err)
			}
			m := notifytest.Message(500)
			for i := range m.Checks {
				m.Checks[i].Name += bad
				m.Checks[i].ValueLabel = bad
			}
			for b.Loop() {
				if _, err := sender.Send(context.Background(), m); err != nil {
					b.Fatal(err)
				}
			}
			list := standIn.Messages()
			b.ReportMetric(float64(strings.Count(list[0].Words(), "•")), "checks")
		})
	}
}
