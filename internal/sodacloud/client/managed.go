package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// Managed runs: whoever starts a scanner tells the server of the scan before, and how it ended if the scanner could not
// (Soda Core 4 protocol, environment of managed runs). Ids are the caller's.

// StartScan tells that a scan begins. Results that are pushed with its id are its end.
func (c *Client) StartScan(ctx context.Context, id, definition string, at time.Time) error {
	source := definition
	if d, ok := dq.ParseQualifiedName(definition); ok {
		source = d.DataSource
	}
	return c.call(ctx, c.Patience, "/api/command", map[string]any{
		"type": "sodaCoreScanStart", "version": "4", "scanId": id, "definitionName": definition, "defaultDataSource": source,
		"dataTimestamp": at.UTC().Format(time.RFC3339),
	}, &struct{}{})
}

// FailScan tells that a scan came to nothing. The log says why: its last error is what the warning tells.
func (c *Client) FailScan(ctx context.Context, id string, log []dq.LogLine) error {
	return c.call(ctx, c.Patience, "/api/command", map[string]any{"type": "sodaCoreMarkScanFailed", "scanId": id, "logs": logRecords(log)}, &struct{}{})
}

// StreamLog adds lines to the log of a scan that goes on. Lines are named by their index: what is sent twice is kept once.
func (c *Client) StreamLog(ctx context.Context, id string, log []dq.LogLine) error {
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	for _, record := range logRecords(log) {
		if err := lines.Encode(record); err != nil {
			return err
		}
	}
	return c.signedIn(ctx, func(token string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/api/logs/"+url.PathEscape(id)+"/batchV4", bytes.NewReader(body.Bytes()))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", token)
		req.Header.Set("Content-Type", "application/jsonlines")
		return c.send(req, &struct{}{})
	})
}

// ScanState is the state of a scan that was started, or whose results arrived.
func (c *Client) ScanState(ctx context.Context, id string) (dq.ScanState, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/api/v1/scans/"+url.PathEscape(id), nil)
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(c.KeyID, c.KeySecret)
	var answer struct {
		State dq.ScanState `json:"state"`
	}
	err = c.send(req, &answer)
	return answer.State, err
}

func logRecords(log []dq.LogLine) []map[string]any {
	records := make([]map[string]any, len(log))
	for i, l := range log {
		records[i] = map[string]any{"level": l.Level, "message": l.Message, "timestamp": l.Time.UTC().Format(time.RFC3339), "index": l.Index, "thread": "launcher"}
	}
	return records
}
