package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/table"
)

var errPoison = errors.New("poison")

// failOn fails the whole batch if one of the scans is in it.
func failOn(bad ...string) func(context.Context, []string, events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
	return func(_ context.Context, ids []string, _ events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
		for _, id := range ids {
			if slices.Contains(bad, id) {
				return events.DynamoDBEventResponse{}, errPoison
			}
		}
		return events.DynamoDBEventResponse{}, nil
	}
}

func runner(log *memoryLog, h *recorder, m Mapping) *Runner {
	return &Runner{Changes: log, Mappings: []Mapping{m}, Handlers: map[string]Handler{m.Function: h.handle}, Log: slog.New(slog.DiscardHandler)}
}

func TestRunnerHandlesInOrderAndRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h := newMemoryLog(), &recorder{}
		log.quietly(scans(1, 25)...)
		stop := startRunner(t, runner(log, h, digest()))
		synctest.Wait()
		want := make([]string, 25)
		for i := range want {
			want[i] = strconv.Itoa(i + 1)
		}
		if diff := cmp.Diff(want, h.seen()); diff != "" {
			t.Errorf("scans (-want +got):\n%s", diff)
		}
		for i, b := range h.batches {
			if len(b) > 10 {
				t.Errorf("batch %d has %d records, at most 10", i, len(b))
			}
		}
		stop()
		if got := log.checkpoint("digest"); got != 25 {
			t.Errorf("checkpoint: got %d, want 25", got)
		}
	})
}

func TestRunnerWakesAtOnceAndPollsOtherwise(t *testing.T) {
	tests := map[string]struct {
		add  func(*memoryLog)
		want time.Duration
	}{
		"written by this process": {func(m *memoryLog) { m.add(scanChange("a")) }, 0},
		"written by another":      {func(m *memoryLog) { m.quietly(scanChange("a")) }, time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, h := newMemoryLog(), &recorder{}
				var at time.Time
				h.decide = func(context.Context, []string, events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
					at = time.Now()
					return events.DynamoDBEventResponse{}, nil
				}
				stop := startRunner(t, runner(log, h, digest()))
				time.Sleep(10 * time.Second)
				begin := time.Now()
				tt.add(log)
				time.Sleep(5 * time.Second)
				stop()
				if h.calls() != 1 {
					t.Fatalf("calls: got %d, want 1", h.calls())
				}
				if got := at.Sub(begin); got > tt.want {
					t.Errorf("latency: got %v, want at most %v", got, tt.want)
				}
			})
		})
	}
}

// Real time, since the bubble's clock hides what work costs.
func TestRunnerIsFastWhenWoken(t *testing.T) {
	log := newMemoryLog()
	called := make(chan time.Time, 1)
	m := digest()
	r := &Runner{Changes: log, Mappings: []Mapping{m}, Handlers: map[string]Handler{"digest": func(context.Context, events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
		called <- time.Now()
		return events.DynamoDBEventResponse{}, nil
	}}}
	startRunner(t, r)
	best := time.Hour
	for range 5 {
		begin := time.Now()
		log.add(scanChange("a"))
		best = min(best, (<-called).Sub(begin))
	}
	if best > 50*time.Millisecond {
		t.Errorf("latency from write to handler: got %v at best, want under 50ms", best)
	}
}

func TestRunnerIdleIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h := newMemoryLog(), &recorder{}
		log.quietly(table.Change{EventName: table.Modify, Key: table.Key{PK: "DATASET#1", SK: "STATE"}})
		m := digest(func(m *Mapping) { m.Filters = []*Pattern{mustPattern(t, `{"eventName":["INSERT"]}`)} })
		stop := startRunner(t, runner(log, h, m))
		time.Sleep(time.Minute)
		stop()
		if log.reads > 62 {
			t.Errorf("reads in an idle minute: got %d, want at most 62", log.reads)
		}
		if log.saves != 1 {
			t.Errorf("checkpoints saved: got %d, want 1", log.saves)
		}
		if h.calls() != 0 {
			t.Errorf("calls: got %d, want none", h.calls())
		}
	})
}

func TestBisectIsolatesTheBadRecord(t *testing.T) {
	for _, parallel := range []int{1, 4} {
		for bad := 1; bad <= 10; bad++ {
			t.Run(fmt.Sprintf("record %d of 10 in %d lanes", bad, parallel), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					log, h := newMemoryLog(), &recorder{decide: failOn(strconv.Itoa(bad))}
					log.quietly(scans(1, 10)...)
					stop := startRunner(t, runner(log, h, digest(func(m *Mapping) { m.ParallelizationFactor = parallel })))
					time.Sleep(5 * time.Minute)
					stop()
					if diff := cmp.Diff([]int64{int64(bad)}, log.buried()); diff != "" {
						t.Errorf("dead letters (-want +got):\n%s", diff)
					}
					alone := 0
					for _, b := range h.batches {
						if len(b) == 1 && b[0] == strconv.Itoa(bad) {
							alone++
						}
					}
					if alone != 4 {
						t.Errorf("calls with the bad record alone: got %d, want 1 and 3 retries", alone)
					}
					if got := log.checkpoint("digest"); got != 10 {
						t.Errorf("checkpoint: got %d, want 10", got)
					}
				})
			})
		}
	}
}

func TestDeadLetterHoldsWhatReplayNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h := newMemoryLog(), &recorder{decide: failOn("7")}
		log.quietly(scans(1, 7)...)
		stop := startRunner(t, runner(log, h, digest()))
		time.Sleep(5 * time.Minute)
		stop()
		if len(log.letters) != 1 {
			t.Fatalf("dead letters: got %d, want 1", len(log.letters))
		}
		d := log.letters[0]
		if d.Consumer != "digest" || d.Seq != 7 || d.Error != "poison" || d.At.IsZero() {
			t.Errorf("dead letter: got %+v", d)
		}
		var r events.DynamoDBEventRecord
		if err := json.Unmarshal(d.Record, &r); err != nil {
			t.Fatal(err)
		}
		h.decide = nil
		before := h.calls()
		if _, err := h.handle(t.Context(), events.DynamoDBEvent{Records: []events.DynamoDBEventRecord{r}}); err != nil {
			t.Fatal(err)
		}
		if got := h.batches[before]; !slices.Equal(got, []string{"7"}) {
			t.Errorf("replayed: got %v, want scan 7", got)
		}
	})
}

func TestRetriesAreLimited(t *testing.T) {
	tests := map[string]struct {
		edit      func(*Mapping)
		wait      time.Duration
		wantCalls int
		wantDead  int
	}{
		"none":         {func(m *Mapping) { m.MaximumRetryAttempts = 0 }, time.Hour, 1, 1},
		"three":        {func(m *Mapping) { m.MaximumRetryAttempts = 3 }, time.Hour, 4, 1},
		"by age":       {func(m *Mapping) { m.MaximumRetryAttempts, m.MaximumRecordAge = -1, 10*time.Minute }, time.Hour, -1, 1},
		"not at all":   {func(m *Mapping) { m.MaximumRetryAttempts = -1 }, 24 * time.Hour, -1, 0},
		"age and none": {func(m *Mapping) { m.MaximumRetryAttempts, m.MaximumRecordAge = 0, time.Hour }, time.Minute, 1, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, h := newMemoryLog(), &recorder{decide: failOn("1")}
				log.quietly(scans(1, 1)...)
				stop := startRunner(t, runner(log, h, digest(tt.edit)))
				time.Sleep(tt.wait)
				stop()
				if tt.wantCalls >= 0 && h.calls() != tt.wantCalls {
					t.Errorf("calls: got %d, want %d", h.calls(), tt.wantCalls)
				}
				if tt.wantCalls < 0 && h.calls() < 10 {
					t.Errorf("calls: got %d, want many", h.calls())
				}
				if got := len(log.buried()); got != tt.wantDead {
					t.Errorf("dead letters: got %d, want %d", got, tt.wantDead)
				}
			})
		})
	}
}

func TestPausesGrowButNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		log, h := newMemoryLog(), &recorder{}
		h.decide = func(context.Context, []string, events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
			calls = append(calls, time.Now())
			return events.DynamoDBEventResponse{}, errPoison
		}
		log.quietly(scans(1, 1)...)
		stop := startRunner(t, runner(log, h, digest(func(m *Mapping) { m.MaximumRetryAttempts = -1 })))
		time.Sleep(time.Hour)
		stop()
		if first := calls[1].Sub(calls[0]); first > 150*time.Millisecond {
			t.Errorf("first pause: got %v, want at most 150ms", first)
		}
		for i := 1; i < len(calls); i++ {
			if p := calls[i].Sub(calls[i-1]); p > 45*time.Second {
				t.Errorf("pause %d: got %v, want at most 45s", i, p)
			}
		}
		if len(calls) > 400 {
			t.Errorf("calls in an hour: got %d, want at most 400", len(calls))
		}
	})
}

// A machine that was off for a week must not lose what it had acknowledged before.
func TestOldRecordIsTriedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h := newMemoryLog(), &recorder{decide: failOn("2")}
		log.quietly(scans(1, 3)...)
		time.Sleep(7 * 24 * time.Hour)
		stop := startRunner(t, runner(log, h, digest(func(m *Mapping) { m.MaximumRecordAge = 24 * time.Hour })))
		time.Sleep(time.Minute)
		stop()
		for _, id := range []string{"1", "2", "3"} {
			if !slices.Contains(h.seen(), id) {
				t.Errorf("scan %s was not tried", id)
			}
		}
		if diff := cmp.Diff([]int64{2}, log.buried()); diff != "" {
			t.Errorf("dead letters (-want +got):\n%s", diff)
		}
	})
}

func TestPoisonDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h := newMemoryLog(), &recorder{decide: failOn("1")}
		log.quietly(scans(1, 1)...)
		stop := startRunner(t, runner(log, h, digest(func(m *Mapping) { m.MaximumRetryAttempts = 20 })))
		time.Sleep(time.Second)
		log.add(scans(2, 2)...)
		time.Sleep(10 * time.Minute)
		stop()
		if !slices.Contains(h.seen(), "2") {
			t.Error("the record behind the poison was not handled within ten minutes")
		}
	})
}

func TestLanesDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h := newMemoryLog(), &recorder{decide: failOn("1")}
		log.quietly(scans(1, 100)...)
		m := digest(func(m *Mapping) { m.ParallelizationFactor, m.BatchSize, m.MaximumRetryAttempts = 10, 1, -1 })
		stop := startRunner(t, runner(log, h, m))
		time.Sleep(time.Second)
		seen := h.seen()
		slices.Sort(seen)
		if got := len(slices.Compact(seen)); got < 70 {
			t.Errorf("scans handled while one is stuck: got %d of 100, want those of nine lanes", got)
		}
		stop()
		if got := log.checkpoint("digest"); got != 0 {
			t.Errorf("checkpoint: got %d, want 0, before the stuck record", got)
		}
	})
}

func TestRecordsOfOneKeyStayInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newMemoryLog()
		for i := range 300 {
			log.quietly(scanChange(strconv.Itoa(i % 7)))
		}
		var mu sync.Mutex
		last := map[string]int64{}
		handler := func(_ context.Context, e events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
			time.Sleep(rand.N(5 * time.Millisecond))
			mu.Lock()
			defer mu.Unlock()
			for _, r := range e.Records {
				id := stringKey(r, "pk")
				seq, _ := strconv.ParseInt(r.Change.SequenceNumber, 10, 64)
				if seq <= last[id] {
					t.Errorf("scan %s: record %d after %d", id, seq, last[id])
				}
				last[id] = seq
			}
			return events.DynamoDBEventResponse{}, nil
		}
		m := digest(func(m *Mapping) { m.ParallelizationFactor = 4 })
		stop := startRunner(t, &Runner{Changes: log, Mappings: []Mapping{m}, Handlers: map[string]Handler{"digest": handler}})
		time.Sleep(time.Minute)
		stop()
		if got := log.checkpoint("digest"); got != 300 {
			t.Errorf("checkpoint: got %d, want 300", got)
		}
	})
}

func answering(seqs ...string) events.DynamoDBEventResponse {
	var a events.DynamoDBEventResponse
	for _, s := range seqs {
		a.BatchItemFailures = append(a.BatchItemFailures, events.DynamoDBBatchItemFailure{ItemIdentifier: s})
	}
	return a
}

func TestAnswers(t *testing.T) {
	tests := map[string]struct {
		report bool
		answer events.DynamoDBEventResponse // to the first call; later ones succeed
		want   [][]string
	}{
		"nothing failed":          {true, answering(), [][]string{{"1", "2", "3", "4"}}},
		"the third failed":        {true, answering("3"), [][]string{{"1", "2", "3", "4"}, {"3", "4"}}},
		"lowest counts":           {true, answering("4", "2"), [][]string{{"1", "2", "3", "4"}, {"2", "3", "4"}}},
		"the first failed":        {true, answering("1"), [][]string{{"1", "2", "3", "4"}, {"1", "2"}, {"3", "4"}}},
		"not in the batch":        {true, answering("3", "99"), [][]string{{"1", "2", "3", "4"}, {"1", "2"}, {"3", "4"}}},
		"empty name":              {true, answering(""), [][]string{{"1", "2", "3", "4"}, {"1", "2"}, {"3", "4"}}},
		"answers are not read":    {false, answering("3"), [][]string{{"1", "2", "3", "4"}}},
		"twice the same":          {true, answering("3", "3"), [][]string{{"1", "2", "3", "4"}, {"3", "4"}}},
		"the last failed, in row": {true, answering("4"), [][]string{{"1", "2", "3", "4"}, {"4"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, h := newMemoryLog(), &recorder{}
				first := true
				h.decide = func(context.Context, []string, events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
					defer func() { first = false }()
					if first {
						return tt.answer, nil
					}
					return events.DynamoDBEventResponse{}, nil
				}
				log.quietly(scans(1, 4)...)
				stop := startRunner(t, runner(log, h, digest(func(m *Mapping) {
					m.ReportBatchItemFailures, m.MaximumBatchingWindow = tt.report, time.Second
				})))
				time.Sleep(time.Minute)
				stop()
				if diff := cmp.Diff(tt.want, h.batches); diff != "" {
					t.Errorf("batches (-want +got):\n%s", diff)
				}
				if got := log.buried(); got != nil {
					t.Errorf("dead letters: got %v, want none", got)
				}
			})
		})
	}
}

func TestWithoutBisectTheBatchIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h := newMemoryLog(), &recorder{decide: failOn("2")}
		log.quietly(scans(1, 3)...)
		stop := startRunner(t, runner(log, h, digest(func(m *Mapping) { m.Bisect, m.MaximumBatchingWindow = false, time.Second })))
		time.Sleep(time.Minute)
		stop()
		if diff := cmp.Diff([]int64{1, 2, 3}, log.buried()); diff != "" {
			t.Errorf("dead letters (-want +got):\n%s", diff)
		}
	})
}

func TestPanicIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h := newMemoryLog(), &recorder{}
		h.decide = func(_ context.Context, ids []string, _ events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
			if slices.Contains(ids, "2") {
				panic("on the spot")
			}
			return events.DynamoDBEventResponse{}, nil
		}
		log.quietly(scans(1, 3)...)
		stop := startRunner(t, runner(log, h, digest()))
		time.Sleep(time.Minute)
		stop()
		if diff := cmp.Diff([]int64{2}, log.buried()); diff != "" {
			t.Errorf("dead letters (-want +got):\n%s", diff)
		}
		if got := log.letters[0].Error; !strings.Contains(got, "on the spot") {
			t.Errorf("dead letter's error: got %q, want the panic's text", got)
		}
	})
}

func TestBatchingWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h := newMemoryLog(), &recorder{}
		stop := startRunner(t, runner(log, h, digest(func(m *Mapping) { m.MaximumBatchingWindow = 5 * time.Second })))
		synctest.Wait()
		for i := range 4 {
			log.add(scanChange(strconv.Itoa(i)))
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Second)
		stop()
		if diff := cmp.Diff([][]string{{"0", "1", "2", "3"}}, h.batches); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
	})
}

func TestSlowMappingDoesNotBlockAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, slow, quick := newMemoryLog(), &recorder{}, &recorder{}
		slow.decide = func(ctx context.Context, _ []string, _ events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
			<-ctx.Done()
			return events.DynamoDBEventResponse{}, ctx.Err()
		}
		notify := digest(func(m *Mapping) { m.Function, m.Timeout = "notify", time.Hour })
		r := &Runner{
			Changes: log, Mappings: []Mapping{digest(), notify}, Log: slog.New(slog.DiscardHandler),
			Handlers: map[string]Handler{"digest": quick.handle, "notify": slow.handle},
		}
		log.quietly(scans(1, 5)...)
		stop := startRunner(t, r)
		time.Sleep(time.Minute)
		log.add(scans(6, 9)...)
		synctest.Wait()
		if got := len(quick.seen()); got != 9 {
			t.Errorf("records of the quick mapping: got %d, want 9", got)
		}
		stop()
	})
}

func TestCallHasTheFunctionsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h := newMemoryLog(), &recorder{}
		h.decide = func(ctx context.Context, _ []string, _ events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
			deadline, ok := ctx.Deadline()
			if got := time.Until(deadline); !ok || got != time.Minute {
				t.Errorf("time left: got %v, want 1m", got)
			}
			return events.DynamoDBEventResponse{}, nil
		}
		log.quietly(scans(1, 1)...)
		startRunner(t, runner(log, h, digest()))
		synctest.Wait()
		if h.calls() != 1 {
			t.Errorf("calls: got %d, want 1", h.calls())
		}
	})
}

func TestStopWaitsForCallsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h := newMemoryLog(), &recorder{}
		h.decide = func(ctx context.Context, _ []string, _ events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
			select {
			case <-time.After(5 * time.Second):
				return events.DynamoDBEventResponse{}, nil
			case <-ctx.Done():
				return events.DynamoDBEventResponse{}, ctx.Err()
			}
		}
		log.quietly(scans(1, 25)...)
		stop := startRunner(t, runner(log, h, digest(func(m *Mapping) { m.BatchSize = 1 })))
		time.Sleep(time.Second)
		stop()
		if h.calls() != 1 {
			t.Errorf("calls: got %d, want the one under way only", h.calls())
		}
		if got := log.checkpoint("digest"); got != 1 {
			t.Errorf("checkpoint: got %d, want 1, after the call that was waited for", got)
		}
	})
}

func TestStopDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, h := newMemoryLog(), &recorder{}
		h.decide = func(ctx context.Context, _ []string, _ events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
			<-ctx.Done()
			return events.DynamoDBEventResponse{}, ctx.Err()
		}
		log.quietly(scans(1, 1)...)
		stop := startRunner(t, runner(log, h, digest(func(m *Mapping) { m.Timeout, m.MaximumRetryAttempts = time.Hour, 0 })))
		time.Sleep(time.Second)
		begin := time.Now()
		stop()
		if got := time.Since(begin); got != defaultGrace {
			t.Errorf("stop took %v, want %v", got, defaultGrace)
		}
		if got := log.buried(); got != nil {
			t.Errorf("dead letters: got %v, want none: the call failed because of the stop", got)
		}
		if got := log.checkpoint("digest"); got != 0 {
			t.Errorf("checkpoint: got %d, want 0", got)
		}
	})
}

func TestRestartGoesOn(t *testing.T) {
	for stopAt := range 12 {
		t.Run(fmt.Sprintf("stopped in call %d", stopAt), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, h := newMemoryLog(), &recorder{}
				ctx, cancel := context.WithCancel(t.Context())
				calls := 0
				h.decide = func(ctx context.Context, ids []string, e events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
					calls++
					if calls == stopAt {
						cancel()
						return events.DynamoDBEventResponse{}, errors.New("shut down")
					}
					return failOn("3")(ctx, ids, e)
				}
				log.quietly(scans(1, 8)...)
				r := runner(log, h, digest())
				time.AfterFunc(time.Minute, cancel)
				if err := r.Run(ctx); err != nil {
					t.Fatal(err)
				}
				before := log.checkpoint("digest")
				calls = -1000
				stop := startRunner(t, r)
				time.Sleep(time.Minute)
				stop()
				for id := 1; id <= 8; id++ {
					if !slices.Contains(h.seen(), strconv.Itoa(id)) {
						t.Errorf("scan %d was lost (checkpoint was %d)", id, before)
					}
				}
				if diff := cmp.Diff([]int64{3}, log.buried()); diff != "" {
					t.Errorf("dead letters (-want +got):\n%s", diff)
				}
				if got := log.checkpoint("digest"); got != 8 {
					t.Errorf("checkpoint: got %d, want 8", got)
				}
			})
		})
	}
}

func TestStorageTroubleLosesNothing(t *testing.T) {
	for _, method := range []string{"Checkpoint", "Changes", "SaveCheckpoint", "SaveDeadLetter"} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, h := newMemoryLog(), &recorder{decide: failOn("2")}
				failures := 3
				log.fail = func(m string) error {
					if m == method && failures > 0 {
						failures--
						return errors.New("disk full")
					}
					return nil
				}
				var lines bytes.Buffer
				log.quietly(scans(1, 4)...)
				r := runner(log, h, digest())
				r.Log = slog.New(slog.NewTextHandler(&lines, nil))
				stop := startRunner(t, r)
				time.Sleep(5 * time.Minute)
				log.add(scans(5, 5)...)
				time.Sleep(time.Minute)
				stop()
				for id := 1; id <= 5; id++ {
					if !slices.Contains(h.seen(), strconv.Itoa(id)) {
						t.Errorf("scan %d was lost", id)
					}
				}
				if diff := cmp.Diff([]int64{2}, log.buried()); diff != "" {
					t.Errorf("dead letters (-want +got):\n%s", diff)
				}
				if got := log.checkpoint("digest"); got != 5 {
					t.Errorf("checkpoint: got %d, want 5", got)
				}
				if !strings.Contains(lines.String(), "disk full") {
					t.Errorf("the log does not tell of the trouble:\n%s", &lines)
				}
			})
		})
	}
}

func TestRunRefusesWhatDoesNotFit(t *testing.T) {
	handler := (&recorder{}).handle
	tests := map[string]struct {
		mappings []Mapping
		handlers map[string]Handler
		want     string
	}{
		"no mappings":      {nil, nil, "no event source mappings"},
		"no handler":       {[]Mapping{digest()}, nil, `no handler for function "digest"`},
		"no mapping":       {[]Mapping{digest()}, map[string]Handler{"digest": handler, "notify": handler}, `no mapping for function "notify"`},
		"mapping twice":    {[]Mapping{digest(), digest()}, map[string]Handler{"digest": handler}, `two mappings for function "digest"`},
		"zero batch":       {[]Mapping{digest(func(m *Mapping) { m.BatchSize = 0 })}, map[string]Handler{"digest": handler}, "lacks batch size"},
		"mapping not made": {[]Mapping{{Function: "digest"}}, map[string]Handler{"digest": handler}, "lacks batch size"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := (&Runner{Changes: newMemoryLog(), Mappings: tt.mappings, Handlers: tt.handlers}).Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Random handlers: each record is handled or a dead letter, whatever fails, and duplicates are the only surplus.
func TestNothingIsLostOrSkipped(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				var mu sync.Mutex // of the two below
				luck := rand.New(rand.NewPCG(seed, 2))
				done := map[string]bool{}
				handler := func(_ context.Context, e events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
					mu.Lock()
					defer mu.Unlock()
					var answer events.DynamoDBEventResponse
					for _, r := range e.Records {
						switch luck.IntN(6) {
						case 0:
							return answer, errPoison
						case 1:
							answer.BatchItemFailures = append(answer.BatchItemFailures, answering(r.Change.SequenceNumber).BatchItemFailures...)
						default:
							done[r.Change.SequenceNumber] = true
						}
					}
					return answer, nil
				}
				log := newMemoryLog()
				m := digest(func(m *Mapping) {
					m.BatchSize, m.ParallelizationFactor, m.MaximumRetryAttempts = 1+rnd.IntN(10), 1+rnd.IntN(4), rnd.IntN(3)
					m.Bisect = rnd.IntN(2) == 0
				})
				r := &Runner{Changes: log, Mappings: []Mapping{m}, Handlers: map[string]Handler{"digest": handler}, Log: slog.New(slog.DiscardHandler)}
				for round := range 4 {
					stop := startRunner(t, r)
					log.add(scans(round*20+1, round*20+20)...)
					time.Sleep(time.Duration(rnd.IntN(3000)) * time.Millisecond)
					stop()
				}
				stop := startRunner(t, r)
				time.Sleep(time.Hour)
				stop()
				buried := log.buried()
				for seq := int64(1); seq <= 80; seq++ {
					if !done[strconv.FormatInt(seq, 10)] && !slices.Contains(buried, seq) {
						t.Errorf("record %d was neither handled nor buried", seq)
					}
				}
				if got := log.checkpoint("digest"); got != 80 {
					t.Errorf("checkpoint: got %d, want 80", got)
				}
			})
		})
	}
}
