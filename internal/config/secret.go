package config

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
)

// Secret is a text that prints, logs and marshals as "[redacted]", or as nothing when it is empty.
type Secret string

const redacted = "[redacted]"

// Reveal gives the text itself.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format covers every verb of package fmt, also %x and %#v.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText covers JSON, YAML and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue covers package slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// SecretSetting is a secret that is set in clear, or by the ARN of a secret in AWS Secrets Manager, or not at all.
type SecretSetting struct {
	Name  string // of the setting
	Value Secret
	ARN   string
	check func(string) problem
}

// IsSet tells whether there is a value or an ARN.
func (s SecretSetting) IsSet() bool { return s.Value != "" || s.ARN != "" }

// Resolve gives the secret itself, "" if it is not set. fetch reads the text of a secret by ARN; what it gives is checked
// as the setting would be. Errors do not contain the secret.
func (s SecretSetting) Resolve(ctx context.Context, fetch func(ctx context.Context, arn string) (string, error)) (Secret, error) {
	if s.ARN == "" {
		return s.Value, nil
	}
	v, err := fetch(ctx, s.ARN)
	if err != nil {
		return "", fmt.Errorf("%s_ARN: %w", s.Name, err)
	}
	v = strings.TrimSpace(v)
	if v == "" {
		return "", fmt.Errorf("%s_ARN: the secret is empty", s.Name)
	}
	if p := s.check(v); p != (problem{}) {
		return "", fmt.Errorf("%s_ARN: the secret %s: %s", s.Name, p.what, p.fix)
	}
	return Secret(v), nil
}

func validBase64(s string) bool {
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil
}
