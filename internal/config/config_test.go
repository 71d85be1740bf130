package config_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sodalite-dq/sodalite/internal/config"
)

func from(values map[string]string) config.Lookup {
	return func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	}
}

var defaults = config.Config{
	Listen: "127.0.0.1:8088", Data: "./sodalite-data", Organisation: "Sodalite", MaxBody: 32_000_000,
	Retention: 13 * 732 * time.Hour, SampleRetention: 30 * 24 * time.Hour,
	SlackWebhook: config.SecretSetting{Name: "SODALITE_SLACK_WEBHOOK_URL"}, Webhook: config.SecretSetting{Name: "SODALITE_WEBHOOK_URL"},
	WebhookSecret: config.SecretSetting{Name: "SODALITE_WEBHOOK_SECRET"}, SigningSecret: config.SecretSetting{Name: "SODALITE_SIGNING_SECRET"},
}

func TestLoad(t *testing.T) {
	const secretARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:slack-AbCdEf"
	for _, tt := range []struct {
		name string
		set  map[string]string
		want func(*config.Config)
	}{
		{"nothing", nil, func(*config.Config) {}},
		{"empty is not set", map[string]string{"SODALITE_LISTEN": "", "SODALITE_SAMPLES": " ", "SODALITE_SNS_TOPIC_ARN": "", "SODALITE_PUBLIC_URL": ""}, func(*config.Config) {}},
		{"listen on all addresses", map[string]string{"SODALITE_LISTEN": ":80"}, func(c *config.Config) { c.Listen = ":80" }},
		{"listen on a free port", map[string]string{"SODALITE_LISTEN": "[::1]:0"}, func(c *config.Config) { c.Listen = "[::1]:0" }},
		{"directory", map[string]string{"SODALITE_DATA": "/var/lib/dq"}, func(c *config.Config) { c.Data = "/var/lib/dq" }},
		{"public address", map[string]string{"SODALITE_PUBLIC_URL": "https://dq.example.com/soda/"}, func(c *config.Config) { c.PublicURL = "https://dq.example.com/soda" }},
		{"samples", map[string]string{"SODALITE_SAMPLES": "ON"}, func(c *config.Config) { c.Samples = true }},
		{"attributes", map[string]string{"SODALITE_ATTRIBUTES": "schema"}, func(c *config.Config) { c.OnlyKnownAttributes = true }},
		{"attributes, as the template says it", map[string]string{"SODALITE_ATTRIBUTES": "known"}, func(c *config.Config) { c.OnlyKnownAttributes = true }},
		{"retention in days", map[string]string{"SODALITE_RETENTION": "400d", "SODALITE_SAMPLE_RETENTION": "7d"}, func(c *config.Config) {
			c.Retention, c.SampleRetention = 400*24*time.Hour, 7*24*time.Hour
		}},
		{"retention in months and hours", map[string]string{"SODALITE_RETENTION": "25mo", "SODALITE_SAMPLE_RETENTION": "36h"}, func(c *config.Config) {
			c.Retention, c.SampleRetention = 25*732*time.Hour, 36*time.Hour
		}},
		{"body limit", map[string]string{"SODALITE_MAX_BODY": "8MiB"}, func(c *config.Config) { c.MaxBody = 8 << 20 }},
		{"log level", map[string]string{"SODALITE_LOG_LEVEL": "Warning"}, func(c *config.Config) { c.LogLevel = slog.LevelWarn }},
		{"organisation", map[string]string{"SODALITE_ORGANISATION": "Société Générique"}, func(c *config.Config) { c.Organisation = "Société Générique" }},
		{"lambda", map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "f", "SODALITE_TABLE": "sodalite-Table-1X"}, func(c *config.Config) {
			c.Table, c.MaxBody = "sodalite-Table-1X", 5_900_000
		}},
		{"destinations", map[string]string{
			"SODALITE_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T/B/x", "SODALITE_WEBHOOK_URL": "http://localhost:9000/x",
			"SODALITE_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODk=", "SODALITE_SNS_TOPIC_ARN": "arn:aws:sns:eu-west-1:000000000000:alerts.fifo",
		}, func(c *config.Config) {
			c.SlackWebhook.Value, c.Webhook.Value = "https://hooks.slack.com/services/T/B/x", "http://localhost:9000/x"
			c.WebhookSecret.Value, c.SNSTopicARN = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODk=", "arn:aws:sns:eu-west-1:000000000000:alerts.fifo"
		}},
		{"secrets by ARN", map[string]string{"SODALITE_SLACK_WEBHOOK_URL_ARN": secretARN, "SODALITE_SIGNING_SECRET_ARN": secretARN}, func(c *config.Config) {
			c.SlackWebhook.ARN, c.SigningSecret.ARN = secretARN, secretARN
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := defaults
			tt.want(&want)
			got, err := config.Load(from(tt.set))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&want, got, cmpopts.IgnoreUnexported(config.SecretSetting{})); diff != "" {
				t.Errorf("Load (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	for _, tt := range []struct {
		name, setting, value string
		wants                string // in the message, besides the setting's name
		hides                string // not in the message
	}{
		{"no port", "SODALITE_LISTEN", "localhost", "host:port", ""},
		{"port too large", "SODALITE_LISTEN", "localhost:65536", "0 to 65535", ""},
		{"listen is a URL", "SODALITE_LISTEN", "http://localhost:80", "host:port", ""},
		{"table", "SODALITE_TABLE", "my table", "letters, digits", ""},
		{"public address without scheme", "SODALITE_PUBLIC_URL", "dq.example.com", "https://", ""},
		{"public address with a query", "SODALITE_PUBLIC_URL", "https://dq.example.com/?a=b", "after the path", ""},
		{"public address with a password", "SODALITE_PUBLIC_URL", "https://u:hunter2@dq.example.com", "password", "hunter2"},
		{"public address of another kind", "SODALITE_PUBLIC_URL", "ftp://dq.example.com", "https://", ""},
		{"samples", "SODALITE_SAMPLES", "yes", "on or off", ""},
		{"attributes", "SODALITE_ATTRIBUTES", "all", "any or schema", ""},
		{"retention without unit", "SODALITE_RETENTION", "30", "13mo", ""},
		{"retention negative", "SODALITE_RETENTION", "-1d", "13mo", ""},
		{"retention zero", "SODALITE_SAMPLE_RETENTION", "0d", "1h to", ""},
		{"retention too long", "SODALITE_RETENTION", "9999999mo", "1h to", ""},
		{"body limit", "SODALITE_MAX_BODY", "lots", "32MB", ""},
		{"body limit too small", "SODALITE_MAX_BODY", "0", "1.0 kB", ""},
		{"body limit too large", "SODALITE_MAX_BODY", "16EB", "1.0 GB", ""},
		{"log level", "SODALITE_LOG_LEVEL", "loud", "debug, info", ""},
		{"topic", "SODALITE_SNS_TOPIC_ARN", "my-topic", "arn:aws:sns", ""},
		{"organisation", "SODALITE_ORGANISATION", strings.Repeat("x", 201), "200", ""},
		{"slack by http", "SODALITE_SLACK_WEBHOOK_URL", "http://hooks.slack.com/services/T/B/verysecret", "https", "verysecret"},
		{"webhook at the metadata service", "SODALITE_WEBHOOK_URL", "https://169.254.169.254/latest", "link-local", "latest"},
		{"slack that is no URL", "SODALITE_SLACK_WEBHOOK_URL", "verysecret\x7f", "not a valid URL", "verysecret"},
		{"short webhook secret", "SODALITE_WEBHOOK_SECRET", "hunter2", "too short", "hunter2"},
		{"broken webhook secret", "SODALITE_WEBHOOK_SECRET", "whsec_hunter2!hunter2!hunter2!", "base64", "hunter2"},
		{"short signing secret", "SODALITE_SIGNING_SECRET", "hunter2", "32", "hunter2"},
		{"secret in the place of its ARN", "SODALITE_SLACK_WEBHOOK_URL_ARN", "https://hooks.slack.com/services/T/B/verysecret", "arn:aws:secretsmanager", "verysecret"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := map[string]string{tt.setting: tt.value}
			if tt.setting == config.WebhookSecret {
				set[config.WebhookURL] = "https://example.com"
			}
			_, err := config.Load(from(set))
			var mistakes config.Mistakes
			if !errors.As(err, &mistakes) || len(mistakes) != 1 {
				t.Fatalf("Load = %v, want one mistake", err)
			}
			if m := mistakes[0]; m.Setting != tt.setting || m.What == "" || m.Fix == "" {
				t.Errorf("mistake = %#v, want one of %s with what and how to fix", m, tt.setting)
			}
			if !strings.Contains(err.Error(), tt.wants) || tt.hides != "" && strings.Contains(err.Error(), tt.hides) {
				t.Errorf("Load = %v, want %q and not %q in it", err, tt.wants, tt.hides)
			}
		})
	}
}

func TestMistakesAllAtOnce(t *testing.T) {
	_, err := config.Load(from(map[string]string{
		"SODALITE_LISTEN": "x", "SODALITE_SAMPLES": "x", "SODALITE_RETENTION": "x", "SODALITE_WEBHOOK_SECRET": "0123456789abcdef",
		"SODALITE_SIGNING_SECRET": strings.Repeat("s", 40), "SODALITE_SIGNING_SECRET_ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x",
		"AWS_LAMBDA_FUNCTION_NAME": "",
	}))
	var mistakes config.Mistakes
	errors.As(err, &mistakes)
	var got []string
	for _, m := range mistakes {
		got = append(got, m.Setting)
	}
	want := []string{"SODALITE_LISTEN", "SODALITE_SAMPLES", "SODALITE_RETENTION", "SODALITE_SIGNING_SECRET_ARN", "SODALITE_WEBHOOK_SECRET"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != len(want) {
		t.Errorf("%d lines, want one for each of %d mistakes:\n%v", n, len(want), err)
	}
}

func TestLambdaNeedsTable(t *testing.T) {
	_, err := config.Load(from(map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "f"}))
	if err == nil || !strings.Contains(err.Error(), "SODALITE_TABLE is not set") {
		t.Errorf("Load in Lambda = %v, want that the table is missing", err)
	}
}

func TestFlagsComeFirst(t *testing.T) {
	get := from(map[string]string{"SODALITE_LISTEN": ":1", "SODALITE_DATA": "a"}).With(map[string]string{"SODALITE_LISTEN": ":2"})
	c, err := config.Load(get)
	if err != nil || c.Listen != ":2" || c.Data != "a" {
		t.Errorf("Load = %+v, %v, want the flag's :2 and the environment's a", c, err)
	}
}

func TestUnknown(t *testing.T) {
	got := config.Unknown([]string{"PATH=/bin", "SODALITE_LISTEN=x", "SODALITE_SLACK=y", "SODALITE_DATE=z"})
	if diff := cmp.Diff([]string{"SODALITE_DATE", "SODALITE_SLACK"}, got); diff != "" {
		t.Errorf("Unknown (-want +got):\n%s", diff)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	c, err := config.Load(from(map[string]string{
		"SODALITE_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/hunter2", "SODALITE_WEBHOOK_URL": "https://example.com/hunter2",
		"SODALITE_WEBHOOK_SECRET": "hunter2-hunter2-hunter2", "SODALITE_SIGNING_SECRET": strings.Repeat("hunter2", 8),
	}))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.SlackWebhook.Value.Reveal(); got != "https://hooks.slack.com/services/hunter2" {
		t.Errorf("Reveal = %q", got)
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", c.WebhookSecret)
		fmt.Fprintf(&out, verb+"\n", c.WebhookSecret.Value)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "config", c, "secret", c.WebhookSecret.Value, "setting", c.WebhookSecret)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "config", c, "secret", c.WebhookSecret.Value, "setting", c.WebhookSecret)
	if err := json.NewEncoder(&out).Encode(c); err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), fmt.Sprintf("%X", "hunter2")} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q is in:\n%s", leak, out.String())
		}
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Errorf("no [redacted] in:\n%s", out.String())
	}
}

func TestResolve(t *testing.T) {
	const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:slack-AbCdEf"
	for _, tt := range []struct {
		name, stored string
		failure      error
		want, refuse string
	}{
		{"as stored", "https://hooks.slack.com/services/hunter2\n", nil, "https://hooks.slack.com/services/hunter2", ""},
		{"not there", "", errors.New("access denied"), "", "SODALITE_SLACK_WEBHOOK_URL_ARN: access denied"},
		{"empty", " ", nil, "", "is empty"},
		{"not an address", `{"url":"hunter2"}`, nil, "", "cannot be used"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := config.Load(from(map[string]string{config.SlackWebhookURLARN: arn}))
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.SlackWebhook.Resolve(t.Context(), func(_ context.Context, asked string) (string, error) {
				if asked != arn {
					t.Errorf("fetched %q, want %q", asked, arn)
				}
				return tt.stored, tt.failure
			})
			if got.Reveal() != tt.want || (err == nil) != (tt.refuse == "") {
				t.Errorf("Resolve = %q, %v, want %q", got.Reveal(), err, tt.want)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.refuse) || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("Resolve error = %v, want %q in it and no secret", err, tt.refuse)
			}
		})
	}
	none := config.SecretSetting{Name: "X"}
	if got, err := none.Resolve(t.Context(), nil); got != "" || err != nil {
		t.Errorf("Resolve of nothing = %q, %v", got, err)
	}
}
