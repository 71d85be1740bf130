// Package outbound makes the HTTP requests of senders safe: only to allowed addresses, checked again when the connection
// is made; no redirects; bounded answers; errors that never contain the address.
//
// Which addresses are allowed, and what a status means for a retry, is decided in package notify. What is sent is left to
// the senders.
package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/sodalite-dq/sodalite/internal/notify"
)

// maxAnswer is how much of an answer is read.
const maxAnswer = 16 << 10

// Endpoint is one address that requests go to. It is safe for concurrent use.
type Endpoint struct {
	url    string
	client *http.Client
}

// Answer is what came back, cut to its first 16 KB.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Options tell where an endpoint lives.
type Options struct {
	// Loopback allows addresses on this machine, if the URL names one. Off on AWS Lambda, where the runtime's own interface
	// listens there.
	Loopback bool
}

// New makes an endpoint of an address. The error matches [notify.ErrAddress] and does not contain the address.
func New(rawURL string, o Options) (*Endpoint, error) {
	if err := notify.CheckWebhookURL(rawURL); err != nil {
		return nil, err
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("%w: not a valid URL", notify.ErrAddress)
	}
	loopback := notify.IsLoopbackHost(u.Hostname())
	if loopback && !o.Loopback {
		return nil, fmt.Errorf("%w: loopback is not allowed here", notify.ErrAddress)
	}
	return &Endpoint{url: rawURL, client: &http.Client{
		Transport:     transport(u, loopback),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// transport checks each connection's address, after name resolution. Behind a proxy of the environment (HTTPS_PROXY) only
// the proxy is seen from here, so the check is the proxy's task.
func transport(u *url.URL, loopback bool) *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); proxy == nil || err != nil {
		dialer.Control = func(_, address string, _ syscall.RawConn) error { return checkDial(address, loopback) }
	}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        2,
		IdleConnTimeout:     30 * time.Second,
	}
}

func checkDial(address string, loopback bool) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: not a network address", notify.ErrAddress)
	}
	return notify.CheckIP(to.Addr(), loopback)
}

// PostJSON posts a JSON body. An error is a [*notify.SendError]: there was no answer. Any status is an answer.
func (e *Endpoint) PostJSON(ctx context.Context, header http.Header, body []byte) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return Answer{}, &notify.SendError{Reason: notify.Misconfigured, Err: notify.ErrAddress}
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Sodalite")
	resp, err := e.client.Do(req)
	if err != nil {
		return Answer{}, notify.FromNetwork(withoutURL(err))
	}
	defer func() { _ = resp.Body.Close() }()
	answer := Answer{Status: resp.StatusCode, Header: resp.Header}
	// The status has decided; what is readable of the body only helps to understand a refusal.
	answer.Body, _ = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return answer, nil
}

// withoutURL drops the address that package http puts before its errors, and keeps the cause.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return fmt.Errorf("post: %w", wrapped.Err)
	}
	return err
}
