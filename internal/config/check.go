package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sodalite-dq/sodalite/internal/notify"
)

// Checks of single settings. Those of secrets must not repeat the value.

var tablePattern = regexp.MustCompile(`^[A-Za-z0-9_.-]{3}[A-Za-z0-9_.-]*$`)

func checkTable(v string) problem {
	if len(v) > 255 || !tablePattern.MatchString(v) {
		return problem{"is " + quote(v), "use the name of a DynamoDB table: 3 to 255 letters, digits, _ . or -"}
	}
	return problem{}
}

func checkPublicURL(v string) problem {
	const example = "write an address such as https://dq.example.com"
	u, err := url.Parse(v)
	if err == nil && u.User != nil {
		return problem{"has a user or password in it", example}
	}
	switch {
	case err != nil || u.Hostname() == "" || strings.ContainsFunc(v, unicode.IsSpace):
		return problem{"is " + quote(v), example}
	case u.Scheme != "https" && u.Scheme != "http":
		return problem{"has the scheme " + quote(u.Scheme), "use https:// (or http:// within a network you trust)"}
	case u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(v, "?#"):
		return problem{"has something after the path", "leave out ? and # and what follows"}
	}
	return problem{}
}

func checkOrganisation(v string) problem {
	if n := utf8.RuneCountInString(v); n > maxOrganisation || !utf8.ValidString(v) {
		return problem{fmt.Sprintf("has %d characters", n), fmt.Sprintf("use at most %d characters of UTF-8", maxOrganisation)}
	}
	return problem{}
}

// Without counted repeats, which take milliseconds to compile in every cold start.
var (
	topicPattern  = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+(\.fifo)?$`)
	secretPattern = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+$`)
)

const maxARN = 2048

func checkTopic(v string) problem {
	if len(v) > maxARN || !topicPattern.MatchString(v) {
		return problem{"is " + quote(v), "use the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:failed-checks"}
	}
	return problem{}
}

// checkSecretARN does not repeat the value: people who mistake this setting for the other put the secret here.
func checkSecretARN(v string) problem {
	if len(v) > maxARN || !secretPattern.MatchString(v) {
		return problem{"is not the ARN of a secret", "use one such as arn:aws:secretsmanager:eu-west-1:123456789012:secret:sodalite-AbCdEf"}
	}
	return problem{}
}

func checkWebhookURL(v string) problem {
	if err := notify.CheckWebhookURL(v); err != nil {
		return problem{"cannot be used, " + err.Error(), "use an https address (http works for this machine only, such as http://127.0.0.1:9000/hook)"}
	}
	return problem{}
}

const minSecret = 16 // characters, as package notify/webhook wants

func checkWebhookSecret(v string) problem {
	encoded, isEncoded := strings.CutPrefix(v, "whsec_")
	switch {
	case isEncoded && !validBase64(encoded):
		return problem{"begins with whsec_, but is not base64 after it", "make one with: echo whsec_$(openssl rand -base64 32)"}
	case isEncoded && len(encoded)*3/4 < minSecret, len(v) < minSecret:
		return problem{"is too short", "make one with: echo whsec_$(openssl rand -base64 32)"}
	}
	return problem{}
}

const minSigningSecret = 32 // characters

func checkSigningSecret(v string) problem {
	if len(v) < minSigningSecret {
		return problem{"is too short", fmt.Sprintf("use at least %d random characters, such as from: openssl rand -base64 32", minSigningSecret)}
	}
	return problem{}
}
