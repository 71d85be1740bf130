package outbound_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/notify/outbound"
)

func TestNew(t *testing.T) {
	for _, c := range []struct {
		name, url string
		loopback  bool
		ok        bool
	}{
		{"https", "https://example.com/x", false, true},
		{"https with port and query", "https://example.com:8443/x?token=t", false, true},
		{"private address", "https://10.0.0.7/x", false, true},
		{"loopback http", "http://127.0.0.1:8080/x", true, true},
		{"loopback by name", "http://localhost:8080/x", true, true},
		{"loopback IPv6", "http://[::1]:8080/x", true, true},
		{"loopback not allowed", "http://127.0.0.1:9001/x", false, false},
		{"loopback https not allowed", "https://localhost/x", false, false},
		{"mapped loopback not allowed", "https://[::ffff:127.0.0.1]/x", false, false},
		{"http elsewhere", "http://example.com/x", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := outbound.New(c.url, outbound.Options{Loopback: c.loopback})
			if (err == nil) != c.ok || err != nil && !errors.Is(err, notify.ErrAddress) {
				t.Errorf("New(%q) = %v, want ok %v", c.url, err, c.ok)
			}
		})
	}
}

// TestDial makes requests to addresses that pass as text and must not be connected to.
func TestDial(t *testing.T) {
	for name, url := range map[string]string{
		"loopback in a dress":        "https://127.1/s3cret",
		"decimal loopback":           "https://2130706433/s3cret",
		"localhost with a final dot": "https://localhost./s3cret",
	} {
		t.Run(name, func(t *testing.T) {
			endpoint, err := outbound.New(url, outbound.Options{})
			if err != nil {
				t.Fatalf("New: %v", err)
			}
			_, err = endpoint.PostJSON(t.Context(), nil, []byte(`{}`))
			var failure *notify.SendError
			if !errors.As(err, &failure) || strings.Contains(err.Error(), "s3cret") {
				t.Fatalf("got %v, want a SendError without the address", err)
			}
			var dns *net.DNSError
			if !errors.Is(err, notify.ErrAddress) && !errors.As(err, &dns) {
				t.Errorf("got %v, want a refused address or an unknown name", err)
			}
		})
	}
}

func TestCheckDial(t *testing.T) {
	for address, loopback := range map[string]bool{
		"169.254.169.254:80": false, "[fe80::1%eth0]:443": false, "127.0.0.1:443": false, "10.0.0.1:80": true, "nonsense": false,
	} {
		if err := outbound.CheckDial(address, loopback); !errors.Is(err, notify.ErrAddress) {
			t.Errorf("checkDial(%q, %v) = %v, want ErrAddress", address, loopback, err)
		}
	}
	for address, loopback := range map[string]bool{"127.0.0.1:80": true, "[::1]:80": true, "93.184.216.34:443": false, "192.168.1.5:443": false} {
		if err := outbound.CheckDial(address, loopback); err != nil {
			t.Errorf("checkDial(%q, %v) = %v, want none", address, loopback, err)
		}
	}
}

func TestPostJSON(t *testing.T) {
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("Location", "http://169.254.169.254/")
		w.WriteHeader(http.StatusFound)
		_, _ = w.Write(make([]byte, 1<<20))
	}))
	defer server.Close()
	endpoint, err := outbound.New(server.URL+"/x?token=t", outbound.Options{Loopback: true})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	answer, err := endpoint.PostJSON(t.Context(), http.Header{"Webhook-Id": {"1"}}, []byte(`{}`))
	if err != nil || answer.Status != http.StatusFound || len(answer.Body) != 16<<10 {
		t.Errorf("got status %d, %d bytes, %v; want 302, 16 KB", answer.Status, len(answer.Body), err)
	}
	if got.Method != http.MethodPost || got.Header.Get("Webhook-Id") != "1" || got.URL.RawQuery != "token=t" ||
		!strings.HasPrefix(got.Header.Get("Content-Type"), "application/json") {
		t.Errorf("got request %s %s %v", got.Method, got.URL, got.Header)
	}
}

func TestCanceled(t *testing.T) {
	endpoint, err := outbound.New("https://example.com/s3cret", outbound.Options{})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = endpoint.PostJSON(ctx, nil, nil)
	var failure *notify.SendError
	if !errors.As(err, &failure) || !failure.Retryable || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v, want a retryable failure without the address", err)
	}
}
