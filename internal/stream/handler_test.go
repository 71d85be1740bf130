package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/table"
)

func event(changes ...table.Change) events.DynamoDBEvent {
	var e events.DynamoDBEvent
	for i, c := range changes {
		c.Seq = int64(i + 1)
		e.Records = append(e.Records, Record(c))
	}
	return e
}

func TestEachScan(t *testing.T) {
	a, b, c := scanChange("a"), scanChange("b"), scanChange("c")
	tests := map[string]struct {
		changes    []table.Change
		fail       string
		wantCalled []string
		wantFailed []string
	}{
		"all good":                      {[]table.Change{a, b, c}, "", []string{"a", "b", "c"}, nil},
		"one fails":                     {[]table.Change{a, b, c}, "b", []string{"a", "b", "c"}, []string{"2"}},
		"later ones of its scan wait":   {[]table.Change{a, b, a, c, a}, "a", []string{"a", "b", "c"}, []string{"1", "3", "5"}},
		"same scan twice":               {[]table.Change{a, a}, "", []string{"a", "a"}, nil},
		"not a scan":                    {[]table.Change{a, {Key: table.Key{PK: "DATASET#x", SK: "DOC"}}, c}, "", []string{"a", "c"}, []string{"2"}},
		"no id":                         {[]table.Change{{Key: table.Key{PK: "SCAN#", SK: "DOC"}}}, "", nil, []string{"1"}},
		"id with more signs of its own": {[]table.Change{scanChange("x#y/z")}, "", []string{"x#y/z"}, nil},
		"nothing":                       {nil, "", nil, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var called, failed []string
			h := EachScan(func(_ context.Context, id string) error {
				called = append(called, id)
				if id == tt.fail {
					return errPoison
				}
				return nil
			}, slog.New(slog.DiscardHandler))
			answer, err := h(t.Context(), event(tt.changes...))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range answer.BatchItemFailures {
				failed = append(failed, f.ItemIdentifier)
			}
			if diff := cmp.Diff(tt.wantCalled, called); diff != "" {
				t.Errorf("called (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.wantFailed, failed); diff != "" {
				t.Errorf("failed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEachScanAnswersAsLambdaReadsIt(t *testing.T) {
	h := EachScan(func(_ context.Context, id string) error {
		if id == "b" {
			panic("in the middle")
		}
		return nil
	}, slog.New(slog.DiscardHandler))
	tests := map[string]struct {
		event events.DynamoDBEvent
		want  string
	}{
		"all good":   {event(scanChange("a")), `{"batchItemFailures":[]}`},
		"one panics": {event(scanChange("a"), scanChange("b"), scanChange("c")), `{"batchItemFailures":[{"itemIdentifier":"2"}]}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			answer, err := h(t.Context(), tt.event)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(answer)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
		})
	}
}

func TestEachScanTellsWhy(t *testing.T) {
	var lines bytes.Buffer
	h := EachScan(func(context.Context, string) error { return errPoison }, slog.New(slog.NewJSONHandler(&lines, nil)))
	if _, err := h(t.Context(), event(scanChange("a"))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"scan":"a"`, `"sequence":"1"`, `"error":"poison"`} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("log line lacks %s: %s", want, &lines)
		}
	}
}

func TestEachScanWithoutSequenceNumber(t *testing.T) {
	e := event(scanChange("a"))
	e.Records[0].Change.SequenceNumber = ""
	h := EachScan(func(context.Context, string) error { return errPoison }, slog.New(slog.DiscardHandler))
	if _, err := h(t.Context(), e); !errors.Is(err, errPoison) {
		t.Errorf("got error %v, want the whole batch to fail with the cause", err)
	}
}

// Killed in the middle, a batch would fail as a whole; so what there is no time for is handed back.
func TestEachScanLeavesWhatThereIsNoTimeFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		called := 0
		h := EachScan(func(context.Context, string) error {
			called++
			time.Sleep(3 * time.Second)
			return nil
		}, slog.New(slog.DiscardHandler))
		answer, err := h(ctx, event(scanChange("a"), scanChange("b"), scanChange("c"), scanChange("d"), scanChange("e")))
		if err != nil {
			t.Fatal(err)
		}
		if called != 3 || len(answer.BatchItemFailures) != 2 || answer.BatchItemFailures[0].ItemIdentifier != "4" {
			t.Errorf("called %d, failed %v; want 3 called, 4 and 5 handed back", called, answer.BatchItemFailures)
		}
	})
}

func TestRecordLooksLikeDynamoDBs(t *testing.T) {
	c := table.Change{
		Seq: 42, EventName: table.Insert, Key: table.Key{PK: "SCAN#a", SK: "DOC"}, At: time.Date(2026, 1, 2, 3, 4, 5, 6e8, time.UTC),
	}
	data, err := json.Marshal(Record(c))
	if err != nil {
		t.Fatal(err)
	}
	var got, want map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{
		"eventID": "a1d0c6e83f027327d8461063f4ac58a6", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
		"awsRegion": "local", "eventSourceARN": "arn:aws:dynamodb:local:000000000000:table/sodalite/stream/embedded",
		"dynamodb": {
			"ApproximateCreationDateTime": 1767323045.6, "Keys": {"pk": {"S": "SCAN#a"}, "sk": {"S": "DOC"}},
			"SequenceNumber": "42", "SizeBytes": 13, "StreamViewType": "KEYS_ONLY"
		}
	}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if k, ok := Key(Record(c)); !ok || k != c.Key {
		t.Errorf("key: got %v, %v, want %v", k, ok, c.Key)
	}
	if _, ok := Key(events.DynamoDBEventRecord{}); ok {
		t.Error("key of an empty record: got one, want none")
	}
}

func TestExpiryLooksLikeDynamoDBs(t *testing.T) {
	r := Record(table.Change{Seq: 1, EventName: table.Remove, Key: table.Key{PK: "a", SK: "b"}, Expired: true})
	if r.UserIdentity == nil || r.UserIdentity.Type != "Service" || r.UserIdentity.PrincipalID != "dynamodb.amazonaws.com" {
		t.Errorf("user identity: got %+v, want that of the service", r.UserIdentity)
	}
}

// The events that people try the functions with are ones that the mappings let through.
func TestSampleEventsFit(t *testing.T) {
	mappings := deployed(t)
	for _, function := range []string{"digest", "notify"} {
		t.Run(function, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("..", "..", "events", function+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var e events.DynamoDBEvent
			if err := json.Unmarshal(data, &e); err != nil {
				t.Fatal(err)
			}
			for name, m := range mappings {
				if got := m.Matches(e.Records[0]); got != (name == function) {
					t.Errorf("events/%s.json wakes %s: got %v", function, name, got)
				}
			}
			called := ""
			answer, err := EachScan(func(_ context.Context, id string) error { called = id; return nil }, nil)(t.Context(), e)
			if err != nil || len(answer.BatchItemFailures) > 0 || called != "7xq2m4k6p8r9s3t5v2w7y4z6ab" {
				t.Errorf("called with %q, answer %v, error %v", called, answer, err)
			}
		})
	}
}
