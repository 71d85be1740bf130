package trino

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
)

// The patience with a server, and what is read of one answer. Trino makes pages of some megabytes.
const (
	answersWithin = time.Minute      // it holds a request open for some seconds while a query runs
	returnsWithin = 15 * time.Second // after which it counts as gone
	cancelWithin  = 10 * time.Second
	maxPage       = 256 << 20
	maxRedirects  = 5
)

// client speaks Trino's client protocol (trino.io, "Trino client REST API"): a statement is posted, and its answer followed
// from page to page. Nothing of a session is kept, so statements may run side by side.
type client struct {
	http    *http.Client
	at      *url.URL
	headers http.Header
}

func newClient(at *url.URL, headers http.Header) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = answersWithin
	c := &client{at: at, headers: headers}
	c.http = &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, before []*http.Request) error {
		if len(before) > maxRedirects {
			return errors.New("the server redirects again and again")
		}
		return c.same(r.URL)
	}}
	return c
}

// Close implements [engine.Connection].
func (c *client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Query implements [engine.Connection]. The server is told when nobody waits any more.
func (c *client) Query(ctx context.Context, sql string, keep int) (*engine.Rows, error) {
	out, next := &engine.Rows{}, ""
	p, err := c.fetch(ctx, http.MethodPost, c.at.JoinPath("/v1/statement").String(), sql)
	for err == nil {
		next = p.NextURI
		if err = p.addTo(out, keep); err != nil || next == "" {
			break
		}
		p, err = c.fetch(ctx, http.MethodGet, next, "")
	}
	if err == nil {
		return out, nil
	}
	if next != "" {
		c.cancel(ctx, next)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return nil, err
}

// cancel ends a query, as far as the server can be reached.
func (c *client) cancel(ctx context.Context, next string) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelWithin)
	defer stop()
	if resp, err := c.send(ctx, http.MethodDelete, next, ""); err == nil {
		resp.Body.Close()
	}
}

// fetch gets one page. As the protocol wants it, a server that is busy is asked again; so is one that is not reached, but
// for a statement, which it may have got.
func (c *client) fetch(ctx context.Context, method, address, body string) (*page, error) {
	once := func() (*page, error) {
		resp, err := c.send(ctx, method, address, body)
		if err != nil {
			if method == http.MethodPost {
				err = backoff.Permanent(err)
			}
			return nil, err
		}
		defer resp.Body.Close()
		return read(resp)
	}
	pace := &backoff.ExponentialBackOff{InitialInterval: 75 * time.Millisecond, RandomizationFactor: 0.3, Multiplier: 1.5, MaxInterval: 2 * time.Second}
	return backoff.Retry(ctx, once, backoff.WithBackOff(pace), backoff.WithMaxElapsedTime(returnsWithin))
}

func (c *client) send(ctx context.Context, method, address, body string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err == nil {
		err = c.same(r.URL)
	}
	if err != nil {
		return nil, backoff.Permanent(err)
	}
	r.Header = c.headers.Clone()
	return c.http.Do(r)
}

// same refuses to go elsewhere than to the server of the settings: passwords and tokens would go along.
func (c *client) same(u *url.URL) error {
	if u.Scheme == c.at.Scheme && u.Hostname() == c.at.Hostname() {
		return nil
	}
	return fmt.Errorf("%s refers to %s://%s, which is not followed; a proxy before Trino must forward its own name, or host and http_scheme be those", c.at.Host, u.Scheme, u.Host)
}

// page is one answer: some rows, and where the next is.
type page struct {
	NextURI string                        `json:"nextUri"`
	Columns []struct{ Name, Type string } `json:"columns"`
	Data    []json.RawMessage             `json:"data"`
	Error   *struct{ Message, ErrorName string }
}

func read(resp *http.Response) (*page, error) {
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return nil, refused(resp)
	case http.StatusTooManyRequests:
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
			return nil, fmt.Errorf("%w (%w)", refused(resp), backoff.RetryAfter(max(seconds, 0)))
		}
		return nil, refused(resp)
	default:
		return nil, backoff.Permanent(refused(resp))
	}
	p := &page{}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxPage)).Decode(p); err != nil {
		return nil, backoff.Permanent(fmt.Errorf("what answers at %s does not speak Trino's protocol: %w", resp.Request.URL.Host, err))
	}
	return p, nil
}

// refused is the error of a status that is not 200. What the server says is told if it is plain text.
func refused(resp *http.Response) error {
	said := ""
	if text, err := io.ReadAll(io.LimitReader(resp.Body, 500)); err == nil && !strings.Contains(resp.Header.Get("Content-Type"), "html") {
		said = strings.TrimSpace(": " + strings.ToValidUTF8(string(text), "\uFFFD"))
	}
	if resp.StatusCode == http.StatusUnauthorized {
		said += " (see username and password, or token)"
	}
	return errors.New(resp.Request.URL.Host + " answers " + resp.Status + strings.TrimSuffix(said, ":"))
}

// addTo adds the page's rows to those before.
func (p *page) addTo(out *engine.Rows, keep int) error {
	if p.Error != nil {
		return fmt.Errorf("%s: %s", p.Error.ErrorName, p.Error.Message)
	}
	if len(out.Columns) == 0 {
		for _, column := range p.Columns {
			out.Columns = append(out.Columns, dq.Column{Name: column.Name, Type: column.Type})
		}
	}
	for _, raw := range p.Data {
		if out.Count++; out.Count > int64(keep) {
			continue
		}
		row, err := values(raw, out.Columns)
		if err != nil {
			return err
		}
		out.Rows = append(out.Rows, row)
	}
	return nil
}

func values(raw json.RawMessage, columns []dq.Column) ([]any, error) {
	var cells []json.RawMessage
	if err := json.Unmarshal(raw, &cells); err != nil || len(cells) != len(columns) {
		return nil, fmt.Errorf("a row does not have the %d values of its columns", len(columns))
	}
	row := make([]any, len(cells))
	for i, cell := range cells {
		if string(cell) != "null" {
			text := string(cell) // of a number, a boolean, a list or a map
			if cell[0] == '"' {
				if err := json.Unmarshal(cell, &text); err != nil {
					return nil, err
				}
			}
			row[i] = Value(text, columns[i].Type)
		}
	}
	return row, nil
}
