// Package config reads the settings once, from the environment or flags that stand in for it, and checks them all: a
// mistake is told with the setting's name, what is wrong, and how to put it right, and every mistake at once.
//
// It owns the names, defaults and limits of settings (docs/settings.md), and keeps secrets from being printed. What a
// setting does is left to the packages it is for; secrets in AWS Secrets Manager are named here by ARN and fetched by the
// program, see [SecretSetting.Resolve].
package config

import (
	"log/slog"
	"strings"
	"time"
)

// Config is every setting, checked.
type Config struct {
	// Listen is host:port of the server, Data the directory of its database.
	Listen, Data string
	// Table is the DynamoDB table; "" for the embedded database in Data.
	Table string
	// PublicURL is the address that people and scanners use, without a slash at the end; "" if not set.
	PublicURL string
	// Organisation is the name that API clients are told.
	Organisation string
	// Samples accepts rows that scanners upload.
	Samples bool
	// OnlyKnownAttributes drops check attributes that are not in the attribute schema.
	OnlyKnownAttributes bool
	// Retention is how long results are kept, SampleRetention uploaded rows.
	Retention, SampleRetention time.Duration
	// MaxBody is the largest request body, in bytes.
	MaxBody  int64
	LogLevel slog.Level
	// MetricsNamespace is where CloudWatch puts our metrics; "" for no metrics.
	MetricsNamespace string

	// ScanFunction is the name or ARN of the function that executes runs; "" where the process does it itself.
	ScanFunction string

	// SNSTopicARN is the topic for failed checks; "" for none.
	SNSTopicARN string
	// SlackWebhook, Webhook and WebhookSecret are the other destinations; unset for none.
	SlackWebhook, Webhook, WebhookSecret SecretSetting
	// SigningSecret signs scanners' tokens; unset for one kept in the table.
	SigningSecret SecretSetting
}

// Secure tells whether people come by https.
func (c *Config) Secure() bool { return strings.HasPrefix(c.PublicURL, "https://") }

// The names of the settings.
const (
	Listen             = "SODALITE_LISTEN"
	Data               = "SODALITE_DATA"
	Table              = "SODALITE_TABLE"
	PublicURL          = "SODALITE_PUBLIC_URL"
	Organisation       = "SODALITE_ORGANISATION"
	Samples            = "SODALITE_SAMPLES"
	Attributes         = "SODALITE_ATTRIBUTES"
	Retention          = "SODALITE_RETENTION"
	SampleRetention    = "SODALITE_SAMPLE_RETENTION"
	MaxBody            = "SODALITE_MAX_BODY"
	LogLevel           = "SODALITE_LOG_LEVEL"
	MetricsNamespace   = "SODALITE_METRICS_NAMESPACE"
	ScanFunction       = "SODALITE_SCAN_FUNCTION"
	SNSTopicARN        = "SODALITE_SNS_TOPIC_ARN"
	SlackWebhookURL    = "SODALITE_SLACK_WEBHOOK_URL"
	SlackWebhookURLARN = "SODALITE_SLACK_WEBHOOK_URL_ARN"
	WebhookURL         = "SODALITE_WEBHOOK_URL"
	WebhookURLARN      = "SODALITE_WEBHOOK_URL_ARN"
	WebhookSecret      = "SODALITE_WEBHOOK_SECRET"
	WebhookSecretARN   = "SODALITE_WEBHOOK_SECRET_ARN"
	SigningSecret      = "SODALITE_SIGNING_SECRET"
	SigningSecretARN   = "SODALITE_SIGNING_SECRET_ARN"
)

// Names lists every setting.
var Names = []string{
	Listen, Data, Table, PublicURL, Organisation, Samples, Attributes, Retention, SampleRetention, MaxBody, LogLevel, MetricsNamespace, ScanFunction, SNSTopicARN,
	SlackWebhookURL, SlackWebhookURLARN, WebhookURL, WebhookURLARN, WebhookSecret, WebhookSecretARN, SigningSecret, SigningSecretARN,
}

// lambdaName is set by AWS Lambda in every function.
const lambdaName = "AWS_LAMBDA_FUNCTION_NAME"

// The defaults and limits.
const (
	defaultListen       = "127.0.0.1:8088"
	defaultData         = "./sodalite-data"
	defaultOrganisation = "Sodalite"
	maxOrganisation     = 200 // characters

	day                    = 24 * time.Hour
	month                  = 732 * time.Hour // 30.5 days
	defaultRetention       = 13 * month
	defaultSampleRetention = 30 * day
	minRetention           = time.Hour
	maxRetention           = 100 * 366 * day

	defaultMaxBody = 32_000_000
	// lambdaMaxBody stays under the 6 MB that Lambda takes, since the event is more than the body.
	lambdaMaxBody = 5_900_000
	minMaxBody    = 1_000
	maxMaxBody    = 1_000_000_000
)

// Load reads and checks the settings. The error is a [Mistakes].
func Load(get Lookup) (*Config, error) {
	r := &reader{get: get}
	inLambda := r.text(lambdaName) != ""
	c := &Config{
		Listen:              r.listen(Listen, defaultListen),
		Data:                r.or(Data, defaultData),
		Table:               r.checked(Table, checkTable),
		PublicURL:           strings.TrimRight(r.checked(PublicURL, checkPublicURL), "/"),
		Organisation:        r.checked(Organisation, checkOrganisation),
		Samples:             r.choice(Samples, "off", "on", "off") == "on",
		OnlyKnownAttributes: r.choice(Attributes, "any", "any", "schema", "known") != "any",
		Retention:           r.retention(Retention, defaultRetention),
		SampleRetention:     r.retention(SampleRetention, defaultSampleRetention),
		MaxBody:             r.size(MaxBody, inLambda),
		LogLevel:            r.level(LogLevel),
		MetricsNamespace:    r.checked(MetricsNamespace, checkNamespace),
		ScanFunction:        r.text(ScanFunction),
		SNSTopicARN:         r.checked(SNSTopicARN, checkTopic),
		SlackWebhook:        r.secret(SlackWebhookURL, SlackWebhookURLARN, checkWebhookURL),
		Webhook:             r.secret(WebhookURL, WebhookURLARN, checkWebhookURL),
		WebhookSecret:       r.secret(WebhookSecret, WebhookSecretARN, checkWebhookSecret),
		SigningSecret:       r.secret(SigningSecret, SigningSecretARN, checkSigningSecret),
	}
	if c.Organisation == "" {
		c.Organisation = defaultOrganisation
	}
	if inLambda && c.Table == "" && !r.wrong[Table] {
		r.mistake(Table, "is not set", "set it to the name of the DynamoDB table; Lambda functions have no other storage")
	}
	if c.WebhookSecret.IsSet() && !c.Webhook.IsSet() && !r.wrong[WebhookURL] && !inLambda {
		r.mistake(WebhookSecret, "is set, but there is no webhook", "set "+WebhookURL+" too, or leave both out")
	}
	if len(r.mistakes) > 0 {
		return nil, r.mistakes
	}
	return c, nil
}
