package esmtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/stream"
	"github.com/sodalite-dq/sodalite/internal/stream/esmtest"
	"github.com/sodalite-dq/sodalite/internal/table"
	"github.com/sodalite-dq/sodalite/internal/table/sqlite"
)

var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

var errInjected = errors.New("injected")

// shaky is a table whose calls fail now and then, before or after they took effect.
type shaky struct {
	table.Table
	rand *rand.Rand
	rate float64
}

func (s *shaky) Write(ctx context.Context, ops ...table.Op) error {
	p := s.rand.Float64()
	if p < s.rate {
		return errInjected
	}
	err := s.Table.Write(ctx, ops...)
	if p > 1-s.rate {
		return errInjected
	}
	return err
}

func (s *shaky) Get(ctx context.Context, k table.Key) (table.Item, error) {
	if s.rand.Float64() < s.rate {
		return table.Item{}, errInjected
	}
	return s.Table.Get(ctx, k)
}

// sender counts the messages by scan, and refuses some for a while.
type sender struct {
	rand *rand.Rand
	rate float64
	sent map[string]int
}

func (s *sender) Send(_ context.Context, m notify.Message) (notify.Receipt, error) {
	if s.rand.Float64() < s.rate {
		return notify.Receipt{}, &notify.SendError{Retryable: true, Err: errInjected}
	}
	s.sent[m.ScanID]++
	return notify.Receipt{}, nil
}

// system is everything behind the door: a table, its stream, the two functions and their mappings from template.yaml.
type system struct {
	t              *testing.T
	rand           *rand.Rand
	now            time.Time
	store          *sqlite.Table
	shaky          *shaky
	sender         *sender
	hub            *hub.Hub
	notifier       *notify.Notifier
	stream         *esmtest.Stream
	digest, notify *esmtest.Mapping
	poison         string // a scan that digest cannot take
	log            bytes.Buffer
	seen           int64
}

func newSystem(t *testing.T, seed uint64) *system {
	t.Helper()
	s := &system{t: t, rand: rand.New(rand.NewPCG(seed, 7)), now: start.Add(24 * time.Hour)}
	clock := func() time.Time { return s.now }
	var err error
	if s.store, err = sqlite.Open(filepath.Join(t.TempDir(), "test.db"), clock); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.store.Close() })
	s.shaky = &shaky{Table: s.store, rand: s.rand}
	s.sender = &sender{rand: s.rand, sent: map[string]int{}}
	s.hub = hub.New(s.shaky, clock, hub.Retention{})
	destinations := []notify.Destination{{ID: "one", Kind: "test", Sender: s.sender}}
	log := slog.New(slog.NewJSONHandler(&s.log, nil))
	s.notifier = &notify.Notifier{Alerts: s.hub, Table: s.store, Router: notify.ToAll(destinations), Destinations: destinations, Now: clock, Log: log}
	mappings, err := stream.ReadMappings(sodalite.Template)
	if err != nil {
		t.Fatal(err)
	}
	s.stream = esmtest.NewStream(s.rand)
	handlers := map[string]stream.Handler{
		"digest": stream.EachScan(func(ctx context.Context, id string) error {
			if id == s.poison {
				return errInjected
			}
			return s.hub.Digest(ctx, id)
		}, log),
		"notify": stream.EachScan(s.notifier.Hear, log),
	}
	for _, m := range mappings {
		model := esmtest.NewMapping(s.rand, m, s.stream, handlers[m.Function], clock)
		if m.Function == "digest" {
			s.digest = model
		} else {
			s.notify = model
		}
	}
	return s
}

// faults makes everything go wrong now and then.
func (s *system) faults(rate float64) {
	s.shaky.rate, s.sender.rate = rate, 2*rate
	s.digest.Faults = esmtest.Faults{DiesBefore: rate, DiesAfter: rate, Twice: rate}
	s.notify.Faults = s.digest.Faults
}

// flow moves what the table's log has into the stream, and time on.
func (s *system) flow() {
	s.t.Helper()
	changes, err := s.store.Changes(s.t.Context(), s.seen, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(changes) > 0 {
		s.seen = changes[len(changes)-1].Seq
	}
	s.stream.Append(changes)
	s.now = s.now.Add(time.Duration(s.rand.IntN(5000)) * time.Millisecond)
}

// accept pushes until the scan is acknowledged, as people do.
func (s *system) accept(scan *dq.Scan) {
	s.t.Helper()
	for range 100 {
		if _, err := s.hub.Accept(s.t.Context(), scan); err == nil {
			return
		}
	}
	s.t.Fatal("not accepted")
}

// settle ends all faults and lets the functions catch up.
func (s *system) settle() {
	s.t.Helper()
	s.faults(0)
	for idle := 0; idle < 2; {
		s.flow()
		if s.digest.Step(s.t.Context()) || s.notify.Step(s.t.Context()) || s.sweep() > 0 {
			idle = 0
			continue
		}
		idle++
		s.now = s.now.Add(15 * time.Minute) // the longest that a message waits
	}
}

// sweep is what the schedule does.
func (s *system) sweep() int {
	s.t.Helper()
	scans, err := s.notifier.Sweep(s.t.Context())
	if err != nil && !errors.Is(err, errInjected) {
		s.t.Fatal(err)
	}
	return scans
}

// check makes the result of one check.
func check(dataset, identity string, o dq.Outcome) dq.Result {
	return dq.Result{
		Check:   dq.Check{Identity: identity, Name: identity, Dataset: dq.DatasetRef{DataSource: "shop", Name: dataset}},
		Outcome: o, Value: "3",
	}
}

func scanAt(id, definition string, minute int, results ...dq.Result) *dq.Scan {
	at := start.Add(time.Duration(minute) * time.Minute)
	s := &dq.Scan{ID: id, Definition: definition, DataTime: at, Started: at, Ended: at, Results: results}
	s.State = s.Conclude(true)
	return s
}

// randomScans makes scans of two definitions over three datasets, some of which failed.
func randomScans(r *rand.Rand, n int) []*dq.Scan {
	outcomes := []dq.Outcome{dq.Pass, dq.Pass, dq.Warn, dq.Fail, dq.NotEvaluated}
	var scans []*dq.Scan
	for i := range n {
		id, definition, minute := fmt.Sprintf("scan%03d", i), fmt.Sprintf("definition%d", r.IntN(2)), r.IntN(2*n)
		if r.IntN(6) == 0 {
			s := scanAt(id, definition, minute)
			s.Errored = true
			s.State = s.Conclude(true)
			scans = append(scans, s)
			continue
		}
		var results []dq.Result
		for d := range 3 {
			if r.IntN(3) > 0 {
				results = append(results, check(fmt.Sprint("dataset", d), "a", outcomes[r.IntN(len(outcomes))]), check(fmt.Sprint("dataset", d), "b", outcomes[r.IntN(len(outcomes))]))
			}
		}
		scans = append(scans, scanAt(id, definition, minute, results...))
	}
	return scans
}

// views is what people see.
func views(t *testing.T, h *hub.Hub) string {
	t.Helper()
	checks, err := h.Checks(t.Context(), hub.CheckFilter{Size: hub.MaxPageSize})
	if err != nil {
		t.Fatal(err)
	}
	datasets, err := h.Datasets(t.Context(), hub.DatasetFilter{Size: hub.MaxPageSize})
	if err != nil {
		t.Fatal(err)
	}
	for i := range datasets.Rows {
		datasets.Rows[i].Version = 0 // counts writes, which may be repeated
	}
	histories := map[string][]hub.Point{}
	for _, c := range checks.Rows {
		if histories[c.ID], _, err = h.History(t.Context(), c.ID, time.Time{}, time.Time{}, 0); err != nil {
			t.Fatal(err)
		}
	}
	data, err := json.MarshalIndent([]any{checks.Rows, datasets.Rows, datasets.Uncovered, histories}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// fromScratch digests what is stored in the order of arrival, into a table of its own.
func (s *system) fromScratch() string {
	s.t.Helper()
	calm := newSystem(s.t, 0)
	done, err := s.hub.Replay(s.t.Context(), hub.ReplayFilter{}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, id := range done.Scans {
		scan, err := s.hub.Scan(s.t.Context(), id)
		if err != nil {
			s.t.Fatal(err)
		}
		calm.now = scan.Received
		calm.accept(&scan)
		if err := calm.hub.Digest(s.t.Context(), id); err != nil {
			s.t.Fatal(err)
		}
	}
	calm.now = s.now
	return views(s.t, calm.hub)
}

// mustAlert are scans with a failed check that no other scan of their definition and dataset is newer than: whatever the
// order of events, people must hear of them.
func mustAlert(scans []*dq.Scan) map[string]bool {
	newest := map[string]*dq.Scan{}
	failed := map[string]bool{} // scan and check
	for _, s := range scans {
		for _, r := range s.Results {
			k := s.Definition + "/" + r.Dataset.Name + "/" + r.Identity
			failed[s.ID+k] = r.Outcome == dq.Fail
			if n := newest[k]; n == nil || s.Order().Compare(n.Order()) > 0 {
				newest[k] = s
			}
		}
	}
	ids := map[string]bool{}
	for k, s := range newest {
		if failed[s.ID+k] {
			ids[s.ID] = true
		}
	}
	return ids
}

// TestWhateverTheStreamDoes lets random histories of scans go through a stream that splits, repeats, reorders and cuts, with
// functions that die and storage and destinations that fail. After recovery nothing is lost, nothing is doubled, and the
// views are those of a run without trouble.
func TestWhateverTheStreamDoes(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s := newSystem(t, seed)
			scans := randomScans(s.rand, 30)
			s.faults(0.08)
			for _, scan := range scans {
				s.accept(scan)
				s.flow()
				for range s.rand.IntN(6) {
					s.digest.Step(t.Context())
					s.flow()
					s.notify.Step(t.Context())
				}
				s.sweep()
				if s.rand.IntN(5) == 0 {
					s.stream.Split()
				}
			}
			s.settle()
			if n := len(s.digest.DeadLetters) + len(s.notify.DeadLetters); n > 0 {
				t.Fatalf("%d records were given up, though the trouble ended", n)
			}
			got := views(t, s.hub)
			s.checkMessages(scans)
			if diff := cmp.Diff(s.fromScratch(), got); diff != "" {
				t.Errorf("views differ from those of a calm run (-calm +got)\n%s", diff)
			}
		})
	}
}

// checkMessages: one message for each alert, alerts only for failed checks, and none missing that people must hear of.
func (s *system) checkMessages(scans []*dq.Scan) {
	s.t.Helper()
	must := mustAlert(scans)
	for _, scan := range scans {
		alert, err := s.hub.Alert(s.t.Context(), scan.ID)
		alerted := err == nil
		if alerted != (s.sender.sent[scan.ID] == 1) || s.sender.sent[scan.ID] > 1 {
			s.t.Errorf("scan %s: alert %v, %d messages", scan.ID, alerted, s.sender.sent[scan.ID])
		}
		if alerted && scan.Counts().Fail == 0 {
			s.t.Errorf("scan %s has no failed check, but an alert: %+v", scan.ID, alert)
		}
		if must[scan.ID] && !alerted {
			s.t.Errorf("scan %s has a failed check that nothing newer answers, but no alert", scan.ID)
		}
	}
}

// TestAPoisonRecordBlocksNobodyAndCanBeReplayed: a scan that digest cannot take ends at the failure destination while all
// others go on. The letter's sequence number leads to the scan's id in the function's log, and replay does the rest.
func TestAPoisonRecordBlocksNobodyAndCanBeReplayed(t *testing.T) {
	s := newSystem(t, 1)
	s.poison = "bad"
	var scans []*dq.Scan
	for n := range 20 {
		id := fmt.Sprintf("scan%03d", n)
		if n == 3 {
			id = s.poison
		}
		scans = append(scans, scanAt(id, "nightly", n, check("orders", "a", dq.Fail)))
	}
	for _, scan := range scans {
		s.accept(scan)
	}
	s.settle()
	if len(s.digest.DeadLetters) != 1 || s.digest.DeadLetters[0].DDBStreamBatchInfo.BatchSize != 1 {
		t.Fatalf("dead letters %+v, want the one record", s.digest.DeadLetters)
	}
	checks, err := s.hub.Checks(t.Context(), hub.CheckFilter{})
	if err != nil || len(checks.Rows) != 1 {
		t.Fatalf("checks %+v, %v", checks, err)
	}
	if points, _, err := s.hub.History(t.Context(), checks.Rows[0].ID, time.Time{}, time.Time{}, 0); err != nil || len(points) != len(scans)-1 {
		t.Errorf("history has %d points, want %d: all but the poison (%v)", len(points), len(scans)-1, err)
	}

	var line struct{ Scan, Sequence, Error string }
	wanted := fmt.Sprintf(`"sequence":"%d"`, s.digest.DeadLetters[0].Sequence())
	for _, text := range strings.Split(s.log.String(), "\n") {
		if strings.Contains(text, wanted) {
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
		}
	}
	if line.Scan != s.poison || line.Error == "" {
		t.Fatalf("the log says of sequence number %d: %+v", s.digest.DeadLetters[0].Sequence(), line)
	}
	s.poison = "" // whatever it was is mended
	if done, err := s.hub.Replay(t.Context(), hub.ReplayFilter{ScanID: line.Scan}, nil); err != nil || done.Folded != 1 {
		t.Errorf("replay %+v, %v", done, err)
	}
	s.settle()
	if diff := cmp.Diff(s.fromScratch(), views(t, s.hub)); diff != "" {
		t.Errorf("views differ after the replay (-calm +got)\n%s", diff)
	}
	if s.sender.sent["bad"] != 0 { // newer scans said so before
		t.Errorf("the late scan alerted")
	}
}

// TestAfterALongOutage: digest or notify is down for longer than the stream keeps records. What was trimmed is made up for
// by a replay; messages go out once.
func TestAfterALongOutage(t *testing.T) {
	for _, down := range []string{"digest", "notify"} {
		t.Run(down, func(t *testing.T) {
			s := newSystem(t, 2)
			scans := []*dq.Scan{scanAt("first", "nightly", 1, check("orders", "a", dq.Fail)), scanAt("second", "hourly", 2, check("payments", "b", dq.Fail))}
			for _, scan := range scans {
				s.accept(scan)
			}
			s.flow()
			if down == "notify" {
				for s.digest.Step(t.Context()) {
					s.flow()
				}
			}
			s.now = s.now.Add(25 * time.Hour)
			s.settle()
			if s.digest.Trimmed+s.notify.Trimmed == 0 || len(s.sender.sent) != 0 {
				t.Fatalf("%d and %d records trimmed, sent %v: no outage", s.digest.Trimmed, s.notify.Trimmed, s.sender.sent)
			}
			done, err := s.hub.Replay(t.Context(), hub.ReplayFilter{Since: s.now.Add(-48 * time.Hour)}, nil)
			if err != nil || len(done.Scans) != len(scans) {
				t.Fatalf("replay %+v, %v", done, err)
			}
			s.notifyAgain(done.Scans...)
			s.checkMessages(scans)
		})
	}
}

// notifyAgain is what `sodalite replay --notify` does.
func (s *system) notifyAgain(scans ...string) {
	s.t.Helper()
	for _, id := range scans {
		if _, err := s.notifier.Reopen(s.t.Context(), id); err != nil {
			s.t.Fatal(err)
		}
		if err := s.hub.Realert(s.t.Context(), id); err != nil {
			s.t.Fatal(err)
		}
	}
	s.settle()
}

// TestAGivenUpMessageIsSentWhenAsked: a destination that is down for days fails for good in the ledger. Asked for, the
// message goes out, once however often it is asked for.
func TestAGivenUpMessageIsSentWhenAsked(t *testing.T) {
	s := newSystem(t, 3)
	scan := scanAt("first", "nightly", 1, check("orders", "a", dq.Fail))
	s.accept(scan)
	s.sender.rate = 2
	for range 2000 {
		s.flow()
		s.now = s.now.Add(time.Minute)
		s.digest.Step(t.Context())
		s.notify.Step(t.Context())
		s.sweep()
	}
	if n := len(s.notify.DeadLetters); n > 0 {
		t.Errorf("%d records waited in the stream until they were given up", n)
	}
	deliveries, err := notify.Deliveries(t.Context(), s.store, "first")
	if err != nil || len(deliveries) != 1 || deliveries[0].State != notify.Failed {
		t.Fatalf("deliveries %+v, %v", deliveries, err)
	}
	s.settle()
	for range 2 {
		s.notifyAgain("first")
		s.checkMessages([]*dq.Scan{scan})
	}
}
