package notify_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/notify"
)

func TestCheckWebhookURL(t *testing.T) {
	for _, c := range []struct {
		name, url string
		ok        bool
	}{
		{"https", "https://hooks.slack.com/services/T/B/s3cret", true},
		{"https, private network", "https://10.1.2.3/s3cret", true},
		{"https, port", "https://example.com:8443/s3cret?x=1", true},
		{"http, loopback", "http://127.0.0.1:8080/s3cret", true},
		{"http, loopback by another number", "http://127.8.9.10/s3cret", true},
		{"http, localhost", "http://LOCALHOST:8080/s3cret", true},
		{"http, loopback IPv6", "http://[::1]:8080/s3cret", true},
		{"http elsewhere", "http://example.com/s3cret", false},
		{"http, private network", "http://10.1.2.3/s3cret", false},
		{"http, looks like localhost", "http://localhost.example.com/s3cret", false},
		{"another scheme", "ftp://example.com/s3cret", false},
		{"file", "file:///etc/s3cret", false},
		{"no scheme", "example.com/s3cret", false},
		{"empty", "", false},
		{"no host", "https:///s3cret", false},
		{"user and password", "https://u:s3cret@example.com/", false},
		{"fragment", "https://example.com/#s3cret", false},
		{"control character", "https://example.com/\ns3cret", false},
		{"bad escape", "https://example.com/%zzs3cret", false},
		{"metadata", "https://169.254.169.254/latest/s3cret", false},
		{"metadata, mapped", "https://[::ffff:169.254.169.254]/s3cret", false},
		{"metadata, NAT64", "https://[64:ff9b::a9fe:a9fe]/s3cret", false},
		{"metadata, 6to4", "https://[2002:a9fe:a9fe::1]/s3cret", false},
		{"metadata, IPv6 of AWS", "https://[fd00:ec2::254]/s3cret", false},
		{"link-local IPv6", "https://[fe80::1%25eth0]/s3cret", false},
		{"unspecified", "https://0.0.0.0/s3cret", false},
		{"unspecified IPv6", "https://[::]/s3cret", false},
		{"this network", "https://0.1.2.3/s3cret", false},
		{"multicast", "https://224.0.0.1/s3cret", false},
		{"multicast IPv6", "https://[ff02::1]/s3cret", false},
		{"broadcast", "https://255.255.255.255/s3cret", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := notify.CheckWebhookURL(c.url)
			if (err == nil) != c.ok {
				t.Fatalf("CheckWebhookURL(%q) = %v, want ok %v", c.url, err, c.ok)
			}
			if err != nil && (!errors.Is(err, notify.ErrAddress) || strings.Contains(err.Error(), "s3cret")) {
				t.Errorf("CheckWebhookURL(%q) = %q, want ErrAddress without the address", c.url, err)
			}
		})
	}
}

func TestCheckIP(t *testing.T) {
	for name, c := range map[string]struct {
		ip       string
		loopback bool
		ok       bool
	}{
		"public":                     {"93.184.216.34", false, true},
		"private":                    {"192.168.1.1", false, true},
		"private IPv6":               {"fd12::1", false, true},
		"loopback":                   {"127.0.0.1", false, false},
		"loopback expected":          {"127.0.0.1", true, true},
		"mapped loopback":            {"::ffff:127.0.0.1", false, false},
		"loopback expected, private": {"192.168.1.1", true, false},
		"loopback expected, public":  {"93.184.216.34", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := notify.CheckIP(netip.MustParseAddr(c.ip), c.loopback); (err == nil) != c.ok {
				t.Errorf("CheckIP(%s, %v) = %v, want ok %v", c.ip, c.loopback, err, c.ok)
			}
		})
	}
	if err := notify.CheckIP(netip.Addr{}, false); err == nil {
		t.Error("the zero address is allowed")
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"30":                            30 * time.Second,
		"-1":                            0,
		"1.5":                           0,
		"soon":                          0,
		"9223372036854775807":           7 * 24 * time.Hour,
		"Mon, 05 Jan 2026 08:01:00 GMT": time.Minute,
		"Mon, 05 Jan 2026 07:59:00 GMT": 0,
		"Mon, 05 Jan 2099 08:01:00 GMT": 7 * 24 * time.Hour,
	} {
		t.Run(value, func(t *testing.T) {
			if got := notify.ParseRetryAfter(value, now); got != want {
				t.Errorf("ParseRetryAfter(%q) = %v, want %v", value, got, want)
			}
		})
	}
}

func TestRetryAfterOfJoinedErrors(t *testing.T) {
	wait := func(d time.Duration) error { return &notify.PendingError{After: d, Err: notify.ErrWaiting} }
	for name, c := range map[string]struct {
		err  error
		want time.Duration
	}{
		"none":               {nil, 0},
		"one":                {wait(time.Minute), time.Minute},
		"the shortest":       {errors.Join(wait(time.Minute), wait(time.Second)), time.Second},
		"another error: now": {errors.Join(wait(time.Minute), errors.New("other")), 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := notify.RetryAfter(c.err); got != c.want {
				t.Errorf("RetryAfter(%v) = %v, want %v", c.err, got, c.want)
			}
		})
	}
}
