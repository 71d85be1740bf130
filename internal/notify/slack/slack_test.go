package slack_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/notify/notifytest"
	"github.com/sodalite-dq/sodalite/internal/notify/outbound"
	"github.com/sodalite-dq/sodalite/internal/notify/slack"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

var local = outbound.Options{Loopback: true}

func mustStart(t *testing.T) (*slack.Sender, *notifytest.Slack) {
	t.Helper()
	standIn := notifytest.StartSlack(t)
	sender, err := slack.New(standIn.WebhookURL(), local)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return sender, standIn
}

func mustSend(t *testing.T, m notify.Message) notifytest.SlackMessage {
	t.Helper()
	sender, standIn := mustStart(t)
	if _, err := sender.Send(t.Context(), m); err != nil {
		t.Fatalf("Send: %v", err)
	}
	list := standIn.Messages()
	if len(list) != 1 || standIn.Requests() != 1 {
		t.Fatalf("got %d messages in %d requests, want 1 in 1", len(list), standIn.Requests())
	}
	return list[0]
}

func TestSender(t *testing.T) {
	rows := append(notifytest.HTTPRows(),
		notifytest.Row{Name: "no_service", Failure: notifytest.Failure{Status: 404, Body: "no_service"}, Reason: notify.Gone},
		notifytest.Row{Name: "channel_is_archived", Failure: notifytest.Failure{Status: 410, Body: "channel_is_archived"}, Reason: notify.Gone},
		notifytest.Row{Name: "action_prohibited", Failure: notifytest.Failure{Status: 403, Body: "action_prohibited"}, Reason: notify.Unauthorized},
		notifytest.Row{Name: "invalid_payload", Failure: notifytest.Failure{Status: 400, Body: "invalid_payload"}, Reason: notify.Refused},
		notifytest.Row{Name: "rollup_error", Failure: notifytest.Failure{Status: 500, Body: "rollup_error"}, Retryable: true, Reason: notify.Server},
		notifytest.Row{
			Name:    "redirect is not followed",
			Failure: notifytest.Failure{Status: 302, Header: http.Header{"Location": {"/services/" + notifytest.SlackSecret}}}, Reason: notify.Refused,
		},
	)
	notifytest.TestSender(t, func(t *testing.T) (notify.Sender, notifytest.StandIn) {
		return mustStart(t)
	}, rows, notifytest.SlackSecret, "secret", "/services/")
}

func TestMessage(t *testing.T) {
	m := notifytest.Message(12)
	got := mustSend(t, m)
	words := got.Words()
	check := m.Checks[1]
	for _, want := range []string{
		"12 checks failed on 2 datasets",
		"Scan *nightly warehouse* on data of 2026-01-05 08:00 UTC",
		"<https://dq.example.com/scans/scan-1|Open the scan>",
		"*orders_000* in warehouse\n•",
		"*orders_001* in warehouse\n•",
		"<https://dq.example.com/checks/" + check.ID + "|row_count of part 1 &gt; 0>: 0 (fails when &lt;= 0) · failing since 2026-01-04 08:00 UTC (1d)",
		"row_count of part 2 &gt; 0>: 0 (fails when &lt;= 0) · new",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("message lacks %q:\n%s", want, words)
		}
	}
	for _, want := range []string{
		"12 checks failed on 2 datasets (scan nightly warehouse, data of 2026-01-05 08:00 UTC)",
		"• row_count of part 11 &gt; 0: 0 (fails when &lt;= 0)",
		"https://dq.example.com/scans/scan-1",
	} {
		if !strings.Contains(got.Text, want) {
			t.Errorf("text lacks %q:\n%s", want, got.Text)
		}
	}
	if strings.Contains(words, "more failing") {
		t.Errorf("message says that there are more checks:\n%s", words)
	}
	if !strings.Contains(got.Raw, `"unfurl_links":false,"unfurl_media":false`) {
		t.Errorf("links unfold: %s", got.Raw)
	}
}

func TestOneCheck(t *testing.T) {
	got := mustSend(t, notifytest.Message(1))
	if want := "1 check failed on orders_000"; !strings.HasPrefix(got.Words(), want+"\n") {
		t.Errorf("got %q, want it to begin with %q", got.Words(), want)
	}
}

func TestManyChecks(t *testing.T) {
	for _, n := range []int{50, 500, 5000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			m := notifytest.Message(n)
			m.Omitted = 7
			got := mustSend(t, m)
			listed := strings.Count(got.Words(), "•")
			if listed < 20 {
				t.Errorf("only %d checks listed", listed)
			}
			want := fmt.Sprintf("|and %s more failing checks>", grouped(n+7-listed))
			if !strings.HasSuffix(got.Words(), want) {
				t.Errorf("with %d listed, the message ends %q, want %q", listed, tail(got.Words()), want)
			}
			if listed := strings.Count(got.Text, "•"); !strings.Contains(got.Text, fmt.Sprintf("\nand %s more failing checks\n", grouped(n+7-listed))) {
				t.Errorf("with %d listed, the text ends %q", listed, tail(got.Text))
			}
		})
	}
}

func grouped(n int) string { return strings.TrimSuffix(wording.Count(n, ""), " s") }

func tail(s string) string { return s[max(0, len(s)-200):] }

// TestHostileNames sends names of any kind and length, in numbers up to Slack's limits. The stand-in refuses what Slack
// would, and nobody may be mentioned.
func TestHostileNames(t *testing.T) {
	for name, bad := range map[string]string{
		"mention":          "<!channel> <@U123> <!here|x> @channel @everyone",
		"link":             "<https://evil.example|click>",
		"escapes":          strings.Repeat("<&>", 500),
		"long":             strings.Repeat("x", 10_000),
		"emoji":            strings.Repeat("😀", 2000),
		"combining":        strings.Repeat("é", 2000),
		"lines":            "a\nb\r\nc\td\x00e\u2028f",
		"pipe":             "a|b|c",
		"markup":           "*_~````",
		"invalid UTF-8":    "a\xffb",
		"empty":            "",
		"only white space": " \n ",
	} {
		t.Run(name, func(t *testing.T) {
			m := notifytest.Message(120)
			m.Definition = bad
			for i := range m.Checks {
				c := &m.Checks[i]
				c.Name, c.ValueLabel, c.Dataset.DataSource = bad, bad, bad
				c.Dataset.Name = bad + fmt.Sprint(i/2)
			}
			got := mustSend(t, m)
			for _, never := range []string{"<!", "<@", "<https://evil"} {
				if strings.Contains(got.Raw, never) {
					t.Errorf("message contains %q:\n%s", never, got.Raw)
				}
			}
			if name == "lines" && !strings.Contains(got.Words(), "a b c d e f") {
				t.Errorf("lines are not joined:\n%s", got.Words())
			}
		})
	}
}

func TestWithoutPublicURL(t *testing.T) {
	m := notifytest.Message(1)
	m.PublicURL = ""
	got := mustSend(t, m)
	if strings.Contains(got.Raw, "http") || strings.Contains(got.Raw, "|") {
		t.Errorf("message has links without a public address:\n%s", got.Raw)
	}
}

func TestDataSourceCheck(t *testing.T) {
	m := notifytest.Message(1)
	m.Checks[0].Dataset = dq.DatasetRef{DataSource: "warehouse"}
	if got := mustSend(t, m).Words(); !strings.Contains(got, "failed on warehouse") || !strings.Contains(got, "*warehouse*\n") {
		t.Errorf("a check of a data source is titled:\n%s", got)
	}
}

func TestTextOnlyWhenBlocksAreRefused(t *testing.T) {
	for _, code := range []string{"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"} {
		t.Run(code, func(t *testing.T) {
			sender, standIn := mustStart(t)
			standIn.Fail(notifytest.Failure{Status: 400, Body: code})
			if _, err := sender.Send(t.Context(), notifytest.Message(2)); err != nil {
				t.Fatalf("Send: %v", err)
			}
			list := standIn.Messages()
			if len(list) != 1 || len(list[0].Blocks) != 0 || !strings.Contains(list[0].Text, "2 checks failed on orders_000") {
				t.Errorf("got %+v, want one message of text", list)
			}
		})
	}
	t.Run("refused for good", func(t *testing.T) {
		sender, standIn := mustStart(t)
		standIn.FailAlways(notifytest.Failure{Status: 400, Body: "invalid_blocks"})
		_, err := sender.Send(t.Context(), notifytest.Message(2))
		var failure *notify.SendError
		if !errors.As(err, &failure) || failure.Retryable || standIn.Requests() != 2 {
			t.Errorf("got %v after %d requests, want a permanent failure after 2", err, standIn.Requests())
		}
	})
}

func TestErrorsRepeatNoStrangeBody(t *testing.T) {
	sender, standIn := mustStart(t)
	standIn.Fail(notifytest.Failure{Status: 400, Body: "<html>" + notifytest.SlackSecret})
	_, err := sender.Send(t.Context(), notifytest.Message(1))
	if want := "slack answered 400"; err == nil || err.Error() != want {
		t.Errorf("got error %q, want %q", err, want)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, url := range map[string]string{
		"http elsewhere": "http://hooks.slack.com/services/s3cret",
		"no URL":         "s3cret",
		"bad escape":     "https://hooks.slack.com/%zzs3cret",
		"metadata":       "https://169.254.169.254/s3cret",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := slack.New(url, local)
			if !errors.Is(err, notify.ErrAddress) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("New(%q) = %v, want ErrAddress without the address", url, err)
			}
		})
	}
	t.Run("loopback on AWS", func(t *testing.T) {
		if _, err := slack.New("http://127.0.0.1:9001/", outbound.Options{}); !errors.Is(err, notify.ErrAddress) {
			t.Errorf("got %v, want ErrAddress", err)
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add("orders", "row_count > 0", "<!channel>", 3)
	f.Add("*", strings.Repeat("&", 400), "\xff", 60)
	standIn := notifytest.StartSlack(f)
	sender, err := slack.New(standIn.WebhookURL(), local)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, dataset, name, label string, n int) {
		m := notifytest.Message(1 + min(max(n, 0), 300))
		for i := range m.Checks {
			m.Checks[i].Name, m.Checks[i].ValueLabel = name, label
			m.Checks[i].Dataset.Name = dataset + fmt.Sprint(i/3)
		}
		if _, err := sender.Send(t.Context(), m); err != nil {
			t.Errorf("Send: %v", err)
		}
	})
}
