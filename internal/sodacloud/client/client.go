// Package client is the scanner's side of the protocol of Soda Core 3 and 4: it pushes results to a server, and asks for history.
// The server may be Sodalite or Soda Cloud.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	v3 "github.com/sodalite-dq/sodalite/internal/sodacloud/v3"
)

// Client speaks to one server. It signs in at the first call, and again when its token is refused. Samples may be saved from
// several goroutines.
type Client struct {
	// URL is the server's address without a path, KeyID and KeySecret an API key.
	URL, KeyID, KeySecret string
	// HTTP sends requests; its time-out bounds each.
	HTTP *http.Client
	// Patience is how long a call is tried again when the server is busy or cannot be reached, zero for not at all.
	Patience time.Duration
	mu       sync.Mutex
	token    string
	// impatient calls for history are tried once: one before has waited in vain.
	impatient bool
}

// maxAnswer is how much of an answer is read.
const maxAnswer = 8 << 20

// Push sends a scan's results. The answer is the scan's id and the address of its page, as far as the server tells them.
func (c *Client) Push(ctx context.Context, s *dq.Scan) (id, page string, err error) {
	results := v3.Results(s)
	results["defaultDataSourceProperties"] = map[string]string{"type": s.DataSourceType}
	return c.PushResults(ctx, results)
}

// PushResults is Push for the contents of a file of scan results, as Soda Core writes it.
func (c *Client) PushResults(ctx context.Context, results map[string]any) (id, page string, err error) {
	body := maps.Clone(results)
	body["type"] = "sodaCoreInsertScanResults"
	var answer struct {
		ScanID   string `json:"scanId"`
		CloudURL string `json:"cloudUrl"`
	}
	err = c.call(ctx, c.Patience, "/api/command", body, &answer)
	if page = answer.CloudURL; page == "" && answer.ScanID != "" {
		page = c.URL + "/scans/" + answer.ScanID
	}
	return answer.ScanID, page, err
}

// UploadContract stores the text of a contract, for [Client.PushResults] to refer to.
func (c *Client) UploadContract(ctx context.Context, text string) (fileID string, err error) {
	var file struct {
		ID string `json:"fileId"`
	}
	err = c.call(ctx, c.Patience, "/api/command", map[string]any{"type": "sodaCoreUploadContractFile", "contents": text}, &file)
	return file.ID, err
}

// Measurements implements [engine.History].
func (c *Client) Measurements(ctx context.Context, identity string, from, to time.Time, limit int) ([]engine.Measured, error) {
	terms := []any{map[string]any{
		"type": "equals", "left": column("metric.identity"), "right": map[string]any{"type": "string", "value": identity},
	}}
	for _, bound := range []struct {
		kind string
		at   time.Time
	}{{"greaterThanOrEqual", from}, {"lessThanOrEqual", to}} {
		if !bound.at.IsZero() {
			terms = append(terms, map[string]any{
				"type": bound.kind, "left": column("measurement.dataTime"),
				"right": map[string]any{"type": "time", "scanTime": false, "time": bound.at.UTC().Format(time.RFC3339)},
			})
		}
	}
	query := map[string]any{"type": "sodaCoreHistoricMeasurements", "limit": limit, "filter": map[string]any{"type": "and", "andExpressions": terms}}
	var answer struct {
		Results []struct {
			Value    json.RawMessage `json:"value"`
			DataTime time.Time       `json:"dataTime"`
		} `json:"results"`
	}
	patience := c.Patience
	if c.impatient {
		patience = 0
	}
	if err := c.call(ctx, patience, "/api/query", query, &answer); err != nil {
		c.impatient = true
		return nil, err
	}
	var out []engine.Measured
	for _, m := range answer.Results[:min(len(answer.Results), limit)] { // Soda Cloud may give more
		out = append(out, engine.Measured{Time: m.DataTime, Value: m.Value})
	}
	return out, nil
}

// Wanted implements [engine.Samples]: the server's configuration tells whether it takes rows, and a server that says nothing
// does not (protocol section 4.1).
func (c *Client) Wanted(ctx context.Context) (bool, error) {
	var answer struct {
		Refused *bool `json:"disableCollectingWarehouseData"`
	}
	err := c.call(ctx, 0, "/api/query", map[string]any{"type": "sodaCoreCloudConfiguration"}, &answer)
	return err == nil && answer.Refused != nil && !*answer.Refused, err
}

// SaveSample implements [engine.Samples] (protocol section 6). It is tried once: a sample is not worth waiting for.
func (c *Client) SaveSample(ctx context.Context, path string, rows []byte) (id string, err error) {
	var answer struct {
		FileID string `json:"fileId"`
	}
	err = c.signedIn(ctx, func(token string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/api/scan/upload", bytes.NewReader(rows))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", token)
		req.Header.Set("Content-Type", "application/octet-stream")
		req.Header.Set("Is-V3", "true")
		req.Header.Set("File-Path", latin1(path))
		return c.send(req, &answer)
	})
	if err == nil && answer.FileID == "" {
		err = errors.New("the server's answer has no fileId")
	}
	return answer.FileID, err
}

// latin1 writes a text as headers have it: a byte for each character, or a question mark.
func latin1(s string) string {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r < ' ' || r > 0xff || r == 0x7f {
			r = '?'
		}
		out = append(out, byte(r))
	}
	return string(out)
}

func column(name string) map[string]any {
	return map[string]any{"type": "columnValue", "columnName": name}
}

// refused is an answer that is not 200.
type refused struct {
	status  int
	message string
	after   time.Duration // that the server asks to wait
}

func (r *refused) Error() string {
	return fmt.Sprintf("the server answered %d: %s", r.status, r.message)
}

// temporary tells whether the same call may succeed later.
func (r *refused) temporary() bool {
	return r.status == http.StatusTooManyRequests || r.status >= 500
}

// maxAfter bounds how long a server can make us wait at once.
const maxAfter = 30 * time.Second

// call signs in if need be and posts, again and again while the failure is a passing one. The same results twice are one
// scan to Sodalite.
func (c *Client) call(ctx context.Context, patience time.Duration, path string, body map[string]any, answer any) error {
	tries := uint(0) // no limit
	if patience == 0 {
		tries = 1
	}
	var last error // what backoff gives after a wait that a server asked for does not say what for
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		last = c.once(ctx, path, body, answer)
		var r *refused
		switch {
		case last == nil:
			return struct{}{}, nil
		case errors.As(last, &r) && !r.temporary(), ctx.Err() != nil:
			return struct{}{}, backoff.Permanent(last)
		case r != nil && r.after > 0:
			return struct{}{}, &backoff.RetryAfterError{Duration: min(r.after, maxAfter)}
		}
		return struct{}{}, last
	}, backoff.WithBackOff(backoff.NewExponentialBackOff()), backoff.WithMaxElapsedTime(patience), backoff.WithMaxTries(tries))
	if err != nil {
		return last
	}
	return nil
}

func (c *Client) once(ctx context.Context, path string, body map[string]any, answer any) error {
	return c.signedIn(ctx, func(token string) error {
		body["token"] = token
		return c.post(ctx, path, body, answer)
	})
}

// signedIn calls with a token, once more with a new one if the first is refused.
func (c *Client) signedIn(ctx context.Context, call func(token string) error) error {
	for attempt := 1; ; attempt++ {
		token, err := c.signIn(ctx)
		if err == nil {
			err = call(token)
		}
		var r *refused
		if errors.As(err, &r) && r.status == http.StatusUnauthorized && attempt == 1 && token != "" {
			c.forget(token)
			continue
		}
		return err
	}
}

// signIn gives the token, after signing in if there is none.
func (c *Client) signIn(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == "" {
		if err := c.login(ctx); err != nil {
			return "", err
		}
	}
	return c.token, nil
}

// forget drops a token that was refused, unless there is another by now.
func (c *Client) forget(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == token {
		c.token = ""
	}
}

func (c *Client) login(ctx context.Context) error {
	if c.KeyID == "" || c.KeySecret == "" {
		return &refused{status: http.StatusUnauthorized, message: "soda_cloud needs api_key_id and api_key_secret"}
	}
	var answer struct {
		Token string `json:"token"`
	}
	if err := c.post(ctx, "/api/command", map[string]any{"type": "login", "apiKeyId": c.KeyID, "apiKeySecret": c.KeySecret}, &answer); err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	c.token = answer.Token
	return nil
}

func (c *Client) post(ctx context.Context, path string, body map[string]any, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	return c.send(req, answer)
}

func (c *Client) send(req *http.Request, answer any) error {
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		var f struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(text, &f) != nil || f.Message == "" {
			f.Message = dq.Truncate(strings.TrimSpace(string(text)), 200)
		}
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // 0 if it is a date, or not there
		return &refused{resp.StatusCode, f.Message, time.Duration(seconds) * time.Second}
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("the server's answer is not JSON: %w", err)
	}
	return nil
}
