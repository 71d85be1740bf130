package sodacloud_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/sodacloud"
	"github.com/sodalite-dq/sodalite/internal/table/sqlite"
)

// oneKey is an Auth that knows the key and token of the recorded traffic.
type oneKey struct{}

func (oneKey) Login(_ context.Context, id, secret, _ string) (string, error) {
	if id != "key-id-of-user" || secret != "secret-of-user" {
		return "", auth.ErrUnauthorized
	}
	return "token-of-stub", nil
}

func (oneKey) Authorize(_ context.Context, token string) (auth.Principal, error) {
	if token != "token-of-stub" {
		return auth.Principal{}, auth.ErrUnauthorized
	}
	return auth.Principal{KeyID: "key-id-of-user", Name: "nightly scanner"}, nil
}

// system is the scanners' door over a hub on a fresh store.
type system struct {
	hub  *hub.Hub
	runs *runs.Store
	web  *httptest.Server
	now  time.Time
}

func mustStart(t testing.TB, edit func(*sodacloud.Config)) *system {
	t.Helper()
	s := &system{now: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return s.now }
	store, err := sqlite.Open(filepath.Join(t.TempDir(), "test.db"), clock)
	if err != nil {
		t.Fatal(err)
	}
	s.hub = hub.New(store, clock, hub.Retention{})
	s.runs = &runs.Store{Table: store, Now: clock, Keep: 1000 * time.Hour}
	c := sodacloud.Config{Hub: s.hub, Runs: s.runs, Auth: oneKey{}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), MaxBody: 4 << 20, PublicURL: "https://dq.example.com"}
	if edit != nil {
		edit(&c)
	}
	mux := http.NewServeMux()
	sodacloud.Mount(mux, c)
	s.web = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.web.Close()
		store.Close()
	})
	return s
}

func (s *system) send(t *testing.T, path string, headers map[string]string, body []byte) (status int, header http.Header, answer map[string]json.RawMessage) {
	t.Helper()
	return s.request(t, http.MethodPost, path, headers, body)
}

func (s *system) request(t *testing.T, method, path string, headers map[string]string, body []byte) (status int, header http.Header, answer map[string]json.RawMessage) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.web.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("%s answered no JSON object: %v", path, err)
	}
	return resp.StatusCode, resp.Header, answer
}

func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}

func TestRecordedTrafficOfSodaCore4(t *testing.T) {
	for _, f := range loadFixtures(t, "soda-core-4") {
		if !slices.Contains(remote, f.name) {
			t.Run(f.name, func(t *testing.T) { replay(t, f) })
		}
	}
}

func TestRecordedTrafficOfSodaCore3(t *testing.T) {
	for _, f := range loadFixtures(t, "soda-core-3") {
		t.Run(f.name, func(t *testing.T) { replay(t, f) })
	}
}

func replay(t *testing.T, f fixture) {
	s := mustStart(t, func(c *sodacloud.Config) { c.Samples = f.Stub.Samples })
	if f.Stub.Attributes != nil {
		var schema []hub.AttributeSchema
		if err := json.Unmarshal(f.Stub.Attributes, &schema); err != nil {
			t.Fatal(err)
		}
		if err := s.hub.ApplyAttributes(t.Context(), schema); err != nil {
			t.Fatal(err)
		}
	}
	for dataset, contract := range f.contracts(t) {
		s.mustPublish(t, dataset, contract)
	}
	scans, file := 0, ""
	for _, x := range f.exchange {
		s.now = s.now.Add(time.Second)
		body := []byte(x.Request.Body)
		if x.Request.Text != nil {
			body = []byte(*x.Request.Text)
		}
		if file != "" { // the stub's own id
			body = bytes.ReplaceAll(body, []byte(`"file-1"`), []byte(`"`+file+`"`))
		}
		status, header, answer := s.send(t, x.Request.Path, x.Request.Headers, body)
		if status != x.Response.Status {
			t.Fatalf("%s: status %d, want %d: %s", x.Request.Path, status, x.Response.Status, answer)
		}
		var kind struct{ Type string }
		_ = json.Unmarshal(x.Request.Body, &kind)
		switch kind.Type {
		case "sodaCoreUploadContractFile":
			file = text(answer["fileId"])
		case "sodaCoreGetContract":
			if want := text(member(t, x.Response.Body, "contents")); text(answer["contents"]) != want {
				t.Errorf("contract %q, want %q", text(answer["contents"]), want)
			}
		case "sodaCoreInsertScanResults", "sodaCoreMarkScanFailed":
			id := text(answer["scanId"])
			if id == "" || header.Get("X-Soda-Trace-Id") != id {
				t.Fatalf("scan id %q, trace id %q", id, header.Get("X-Soda-Trace-Id"))
			}
			if err := s.hub.Digest(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			if scans >= len(f.Expect.Scans) {
				t.Fatalf("more scans than expected")
			}
			s.conclude(t, id, f.Expect.Scans[scans], f.Expect.Alerts[scans])
			scans++
		case "sodaCoreHistoricMeasurements":
			if diff := cmp.Diff(historicValues(t, x.Response.Body), historicValues(t, mustJSON(t, answer))); diff != "" {
				t.Errorf("history differs from what the client was told then (-want +got)\n%s", diff)
			}
		case "sodaCoreAvailableCheckAttributes":
			if diff := cmp.Diff(anyJSON(t, x.Response.Body), anyJSON(t, mustJSON(t, answer))); diff != "" {
				t.Errorf("attributes (-want +got)\n%s", diff)
			}
		case "sodaCoreCloudConfiguration":
			if diff := cmp.Diff(anyJSON(t, x.Response.Body), anyJSON(t, mustJSON(t, answer))); diff != "" {
				t.Errorf("configuration (-want +got)\n%s", diff)
			}
		}
	}
	if scans != len(f.Expect.Scans) {
		t.Errorf("%d scans, want %d", scans, len(f.Expect.Scans))
	}
}

// conclude holds what the hub made of a scan against what a server must conclude.
func (s *system) conclude(t *testing.T, id string, want scanExpectation, alert bool) {
	t.Helper()
	scan, err := s.hub.Scan(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if string(scan.State) != want.State {
		t.Errorf("state %s, want %s", scan.State, want.State)
	}
	outcomes := map[string]string{}
	for _, r := range scan.Results {
		outcomes[r.Name] = string(r.Outcome)
	}
	for name, outcome := range want.Checks {
		if outcomes[name] != outcome {
			t.Errorf("check %q is %q, want %q", name, outcomes[name], outcome)
		}
	}
	datasets, err := s.hub.Datasets(t.Context(), hub.DatasetFilter{})
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]hub.Dataset{}
	for _, d := range datasets.Rows {
		shown[d.Name], shown[d.QualifiedName()] = d, d
	}
	for _, name := range want.Datasets {
		d, ok := shown[name]
		if !ok {
			t.Errorf("dataset %q is not shown", name)
		}
		if clean := scan.State.Clean(); clean != (len(d.Warnings) == 0) {
			t.Errorf("dataset %q has warnings %v after a scan that is %s", name, d.Warnings, scan.State)
		}
	}
	a, err := s.hub.Alert(t.Context(), id)
	if got := err == nil; got != alert {
		t.Errorf("alert %v (%v), want %v", got, err, alert)
	}
	if err != nil && !errors.Is(err, hub.ErrNotFound) {
		t.Error(err)
	}
	if got, want := a.Failures(), scan.Counts().Fail; alert && got != want {
		t.Errorf("the alert has %d checks, %d failed", got, want)
	}
}

// member is a member of a JSON object, or nothing.
func member(t *testing.T, raw json.RawMessage, name string) json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	return members[name]
}

func mustJSON(t *testing.T, v any) json.RawMessage {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func anyJSON(t *testing.T, raw json.RawMessage) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return v
}

// historicValues are the values of a history answer: ids and times are each server's own.
func historicValues(t *testing.T, raw json.RawMessage) []string {
	t.Helper()
	var answer struct {
		Results []struct {
			Value json.RawMessage `json:"value"`
		} `json:"results"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatal(err)
	}
	values := []string{}
	for _, r := range answer.Results {
		values = append(values, string(r.Value))
	}
	return values
}

func TestGoodFailedGoodKeepsOutcomesAndShowsTheWarning(t *testing.T) {
	s := mustStart(t, nil)
	var f fixture
	for _, candidate := range loadFixtures(t, "soda-core-3") {
		if candidate.name == "good-then-unreachable-then-good" {
			f = candidate
		}
	}
	var before []hub.Check
	scans := 0
	for _, x := range f.exchange {
		s.now = s.now.Add(time.Second)
		_, _, answer := s.send(t, x.Request.Path, nil, x.Request.Body)
		id := text(answer["scanId"])
		if id == "" {
			continue
		}
		scans++
		if err := s.hub.Digest(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		checks, err := s.hub.Checks(t.Context(), hub.CheckFilter{})
		if err != nil {
			t.Fatal(err)
		}
		page, err := s.hub.Datasets(t.Context(), hub.DatasetFilter{})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Rows) != 1 {
			t.Fatalf("%d datasets, want 1", len(page.Rows))
		}
		warnings := page.Rows[0].Warnings
		if scans == 2 {
			if diff := cmp.Diff(before, checks.Rows); diff != "" {
				t.Errorf("the failed scan changed checks (-before +after)\n%s", diff)
			}
			if len(warnings) != 1 || warnings[0].ScanID != id || warnings[0].State != dq.Failed || !strings.Contains(warnings[0].Why, "Could not connect") {
				t.Errorf("warnings %+v", warnings)
			}
			list, err := s.hub.DatasetScans(t.Context(), page.Rows[0].ID, 10)
			if err != nil || len(list) != 2 || list[0].ID != id || list[0].State != dq.Failed {
				t.Errorf("the dataset's scans are %+v, %v", list, err)
			}
		} else if len(warnings) != 0 {
			t.Errorf("warnings after scan %d: %+v", scans, warnings)
		}
		before = checks.Rows
	}
	if scans != 3 {
		t.Fatalf("%d scans", scans)
	}
}
