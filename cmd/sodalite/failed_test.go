//go:build !scanner

package main

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/scanners"
)

// gaveUp plays what Lambda leaves behind: a queue, and a stream with one shard. A record is a key, nothing stands for an empty
// answer. The first records are trimmed.
type gaveUp struct {
	mu      sync.Mutex
	bodies  []string
	unseen  map[int]bool // taken off the queue for a while
	gone    map[int]bool
	records [][2]string
	trimmed int
}

func startGaveUp(t *testing.T) (g *gaveUp, url string) {
	t.Helper()
	g = &gaveUp{unseen: map[int]bool{}, gone: map[int]bool{}}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "x"} {
		t.Setenv(name, value)
	}
	return g, server.URL + "/000000000000/failed"
}

func (g *gaveUp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var in struct{ ReceiptHandle, SequenceNumber, ShardIterator, ShardId string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	n, _ := strconv.Atoi(in.ReceiptHandle)
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var out any = map[string]any{}
	switch operation {
	case "ReceiveMessage":
		out = g.receive()
	case "DeleteMessage":
		g.gone[n] = true
	case "ChangeMessageVisibility":
		delete(g.unseen, n)
	case "GetShardIterator":
		at, _ := strconv.Atoi(in.SequenceNumber)
		if in.ShardId != "shard" || at < g.trimmed {
			code := map[bool]string{true: "TrimmedDataAccessException", false: "ResourceNotFoundException"}[in.ShardId == "shard"]
			w.WriteHeader(http.StatusBadRequest)
			out = map[string]string{"__type": "com.amazonaws.dynamodb.v20120810#" + code, "message": "gone"}
			break
		}
		out = map[string]string{"ShardIterator": in.SequenceNumber}
	case "GetRecords":
		at, _ := strconv.Atoi(in.ShardIterator)
		out = g.page(at)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_ = json.NewEncoder(w).Encode(out)
}

func (g *gaveUp) receive() any {
	messages := []map[string]string{}
	for i, body := range g.bodies {
		if !g.gone[i] && !g.unseen[i] && len(messages) < 10 {
			g.unseen[i] = true
			sum := md5.Sum([]byte(body))
			messages = append(messages, map[string]string{"MessageId": fmt.Sprint("message-", i), "ReceiptHandle": strconv.Itoa(i), "Body": body, "MD5OfBody": hex.EncodeToString(sum[:])})
		}
	}
	return map[string]any{"Messages": messages}
}

// page has one record, or none and the iterator of the next.
func (g *gaveUp) page(at int) any {
	records := []any{}
	if at < len(g.records) && g.records[at] != [2]string{} {
		text := func(s string) map[string]string { return map[string]string{"S": s} }
		records = append(records, map[string]any{"dynamodb": map[string]any{"SequenceNumber": fmt.Sprint(at), "Keys": map[string]any{"pk": text(g.records[at][0]), "sk": text(g.records[at][1])}}})
	}
	return map[string]any{"Records": records, "NextShardIterator": fmt.Sprint(at + 1)}
}

// batch puts the message into the queue that Lambda sends about records of the stream, by their places.
func (g *gaveUp) batch(shard string, from, to int) {
	g.bodies = append(g.bodies, fmt.Sprintf(`{"requestContext":{"requestId":"r","functionArn":"f","condition":"RetryAttemptsExhausted","approximateInvokeCount":21},
		"responseContext":{"statusCode":200,"executedVersion":"1","functionError":null},"version":"1.0","timestamp":"2026-11-14T00:38:06.021Z",
		"DDBStreamBatchInfo":{"shardId":%q,"startSequenceNumber":"%d","endSequenceNumber":"%d","approximateArrivalOfFirstRecord":%q,
		"approximateArrivalOfLastRecord":"2026-11-14T00:37:19Z","batchSize":2,"streamArn":"arn:aws:dynamodb:eu-west-1:1:table/t/stream/s"}}`,
		shard, from, to, time.Now().Add(-30*time.Hour).UTC().Format(time.RFC3339)))
}

// event puts the message into the queue that Lambda sends about an event that function scan failed on.
func (g *gaveUp) event(payload string) {
	g.bodies = append(g.bodies, fmt.Sprintf(`{"version":"1.0","timestamp":"2026-11-14T18:16:05.568Z","requestContext":{"requestId":"e4b46cbf","functionArn":"f",
		"condition":"RetriesExhausted","approximateInvokeCount":2},"requestPayload":%s,"responseContext":{"statusCode":200,"executedVersion":"$LATEST",
		"functionError":"Unhandled"},"responsePayload":{"errorMessage":"no table"}}`, payload))
}

// waiting are the messages that anybody may see.
func (g *gaveUp) waiting() (numbers []int) {
	for i := range g.bodies {
		if !g.gone[i] && !g.unseen[i] {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// testSystem is a system in a directory, with two scans and the contract of a dataset, none of them digested.
func testSystem(t *testing.T) (p *program, s *wiring.System) {
	t.Helper()
	settings := map[string]string{"SODALITE_DATA": t.TempDir()}
	p = &program{get: func(name string) (string, bool) { v, ok := settings[name]; return v, ok }, out: &bytes.Buffer{}, errs: &bytes.Buffer{}}
	s, closeStore, err := p.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closeStore() })
	for _, id := range []string{"one", "two"} {
		orders := dq.DatasetRef{DataSource: "shop", Name: id}
		_, err := s.Hub.Accept(t.Context(), &dq.Scan{
			ID: id, Definition: "nightly", State: dq.CompletedWithFailures, DataTime: time.Now(), Results: []dq.Result{{Check: dq.Check{Identity: "a", Name: "check of " + id, Dataset: orders}, Outcome: dq.Fail}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	file, err := s.Hub.SaveContract(t.Context(), "dataset: shop/public/customers")
	if err == nil {
		_, err = s.Hub.PublishContract(t.Context(), customers, hub.ContractVersion{File: file})
	}
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

var customers = dq.DatasetRef{DataSource: "shop", Prefix: []string{"public"}, Name: "customers"}

// TestFailedRecordsAreReplayed whatever else is in the queue: what cannot be replayed stays there and holds up nothing.
func TestFailedRecordsAreReplayed(t *testing.T) {
	p, s := testSystem(t)
	g, url := startGaveUp(t)
	g.records = [][2]string{{"SCAN#two", "DOC"}, {}, {"SCAN#one", "DOC"}, {}, {"USER#ada", "DOC"}, {"SCAN#one", "ALERT"}, {"CONTRACT#" + customers.ID(), "V#000001"}, {"SCAN#expired", "DOC"}}
	g.trimmed = 1
	g.bodies = append(g.bodies, `{"hello":"world"}`, "no JSON")
	g.batch("shard", 0, 0)   // trimmed
	g.batch("shard", 2, 4)   // with an empty answer in the middle, and a record that is none of ours
	g.batch("another", 1, 1) // the shard is gone
	g.batch("shard", 5, 5)
	g.batch("shard", 6, 7)
	g.batch("shard", 99, 99) // the shard has ended before
	for range 8 {
		g.event(`{"tick":true}`) // more than one receive
	}

	out, err := p.replayFailed(t.Context(), s, url, 0)
	if want := (replayed{Scans: 1, Folded: 1, Notified: 1, Left: 5}); out != want {
		t.Errorf("replayed %+v, want %+v", out, want)
	}
	for _, want := range []string{"message-0: is not about what Lambda gave up", "message-1: is not", "3 messages: the stream has trimmed", "--since 55h"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if got := fmt.Sprint(g.waiting()); got != "[0 1 2 4 7]" {
		t.Errorf("in the queue are %s", got)
	}
	known := func(d dq.DatasetRef) bool {
		known, err := s.Hub.Known(t.Context(), d.ID())
		if err != nil {
			t.Fatal(err)
		}
		return known
	}
	if !known(customers) {
		t.Error("the dataset of the contract is not known")
	}
	two := dq.DatasetRef{DataSource: "shop", Name: "two"}
	if known(two) {
		t.Error("the scan that the trimmed record is about is digested already")
	}

	if out, err = p.replayFailed(t.Context(), s, url, 54*time.Hour); err == nil || out.Left != 5 {
		t.Errorf("not far enough back: %+v, %v", out, err)
	}
	out, err = p.replayFailed(t.Context(), s, url, 55*time.Hour)
	if want := (replayed{Scans: 2, Folded: 1, Notified: 2, Left: 2}); out != want || !known(two) {
		t.Errorf("with --since: %+v, want %+v; %v", out, want, err)
	}
	if got := fmt.Sprint(g.waiting()); got != "[0 1]" {
		t.Errorf("in the queue are %s", got)
	}
}

// TestFailedEventsStartAgain: what function scan failed on twice is asked for again, once.
func TestFailedEventsStartAgain(t *testing.T) {
	p, s := testSystem(t)
	g, url := startGaveUp(t)
	store := scanners.Runs(s, nil)
	source := runs.Source{Name: "shop", Type: "postgres", Settings: map[string]string{"host": "127.0.0.1", "database": "x", "username": "u", "password": "${env_var('SODALITE_SOURCE_PASSWORD')}"}}
	definition := runs.Definition{Name: "nightly", Source: "shop", Files: []runs.File{{Name: "checks.yml", Text: "checks for orders:\n  - row_count > 0\n"}}}
	if err := errors.Join(store.SaveSource(t.Context(), source), store.SaveDefinition(t.Context(), definition, "test")); err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{`{"definition":"nightly","id":"load 7"}`, `{"definition":"nightly","id":"load 7"}`, `{"definition":"nightly","dataTimestamp":"2026-11-14T00:00:00Z"}`,
		`{"run":"x"}`, `{"tick":true,"schedules":false}`, `{"source":"shop"}`, `{"definition":"unheard of"}`} {
		g.event(payload)
	}
	out, err := p.replayFailed(t.Context(), s, url, 0)
	if want := (replayed{Runs: 3, Left: 1}); out != want || err == nil || !strings.Contains(err.Error(), "unheard of") {
		t.Errorf("replayed %+v, %v; want %+v", out, err, want)
	}
	open, err := store.OpenRuns(t.Context())
	if err != nil || len(open) != 2 {
		t.Errorf("%d runs wait, %v; want 2", len(open), err)
	}
	for _, r := range open {
		if r.Trigger != runs.ByEvent || r.State != dq.Queuing {
			t.Errorf("run %+v", r)
		}
	}
	if got := fmt.Sprint(g.waiting()); got != "[6]" {
		t.Errorf("in the queue are %s", got)
	}
}

// TestAQueueThatCannotBeRead is told with its address.
func TestAQueueThatCannotBeRead(t *testing.T) {
	p, s := testSystem(t)
	_, _ = startGaveUp(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	if _, err := p.replayFailed(t.Context(), s, "http://127.0.0.1:1/q", 0); err == nil || !strings.Contains(err.Error(), "read queue http://127.0.0.1:1/q") {
		t.Error(err)
	}
}
