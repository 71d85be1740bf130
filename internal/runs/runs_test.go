package runs_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/table/sqlite"
	"github.com/sodalite-dq/sodalite/internal/table/tabletest"
)

// world is a store with a clock that tests move, and an executor against a made-up database.
type world struct {
	*runs.Executor
	t          *testing.T
	hub        *hub.Hub
	table      *tabletest.Faulty
	mu         sync.Mutex
	now        time.Time
	dispatched []string
	// query answers the made-up database's statements.
	query func(ctx context.Context, sql string) (*engine.Rows, error)
}

func (w *world) Query(ctx context.Context, sql string, _ int) (*engine.Rows, error) {
	return w.query(ctx, sql)
}
func (w *world) Close() error { return nil }

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func start(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 3, 10, 12, 0, 30, 0, time.UTC)}
	w.query = func(context.Context, string) (*engine.Rows, error) {
		return &engine.Rows{Rows: [][]any{{int64(7)}}, Count: 1}, nil
	}
	file, err := sqlite.Open(filepath.Join(t.TempDir(), "test.db"), w.clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	store := tabletest.NewFaulty(file)
	w.table = store
	w.hub = hub.New(store, w.clock, hub.Retention{Results: 1000 * time.Hour})
	w.Executor = &runs.Executor{
		Store: &runs.Store{Table: store, Now: w.clock, Keep: 1000 * time.Hour, Dispatch: func(_ context.Context, id string) error {
			w.dispatched = append(w.dispatched, id)
			return nil
		}},
		Hub: w.hub, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Limit: 10 * time.Minute, Pace: 20 * time.Millisecond, Version: "test",
		Env:    func(name string) (string, bool) { return "from " + name, name == "SODALITE_SOURCE_PASSWORD" },
		Secret: func(context.Context, string) (string, error) { return "from the secret", nil },
		Open: func(name, kind string, settings map[string]string) (*engine.Source, error) {
			if settings["password"] != "from SODALITE_SOURCE_PASSWORD" {
				t.Errorf("the password is %q", settings["password"])
			}
			return &engine.Source{
				Name: name, Type: kind, Dialect: &engine.Dialect{Name: kind, MaxItems: 50, Fold: strings.ToLower},
				Open: func(context.Context) (engine.Connection, error) { return w, nil },
			}, nil
		},
	}
	source := runs.Source{Name: "shop", Type: "made-up", Settings: map[string]string{"password": "${env_var('SODALITE_SOURCE_PASSWORD')}"}}
	if err := w.SaveSource(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	w.save(definition(""))
	return w
}

func definition(schedule string) runs.Definition {
	return runs.Definition{
		Name: "nightly", Source: "shop", Schedule: schedule,
		Files: []runs.File{{Name: "checks.yml", Text: "checks for orders:\n  - row_count = 7\n"}},
	}
}

func (w *world) save(d runs.Definition) {
	w.t.Helper()
	if old, err := w.Definition(w.t.Context(), d.Name); err == nil {
		d.Version = old.Version
	}
	if err := w.SaveDefinition(w.t.Context(), d, "test"); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tick() runs.Ticked {
	w.t.Helper()
	done, err := w.Tick(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return done
}

func (w *world) begin() runs.Run {
	w.t.Helper()
	run, err := w.Start(w.t.Context(), runs.Request{Definition: "nightly", Trigger: runs.ByAPI, By: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

func (w *world) execute(id string) {
	w.t.Helper()
	if err := w.Execute(w.t.Context(), id); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) state(id string) dq.ScanState {
	w.t.Helper()
	run, err := w.Run(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return run.Shown()
}

func TestScheduledRunIsQueuedOnceAndExecuted(t *testing.T) {
	w := start(t)
	w.save(definition("*/5 * * * *"))
	w.wait(4 * time.Minute)
	if done := w.tick(); done.Scheduled != 0 {
		t.Errorf("at 12:04 %d runs were scheduled", done.Scheduled)
	}
	w.wait(time.Minute)
	if done := w.tick(); done.Scheduled != 1 {
		t.Fatalf("at 12:05 %d runs were scheduled, want 1", done.Scheduled)
	}
	if done := w.tick(); done.Scheduled != 0 || len(w.dispatched) != 1 {
		t.Fatalf("the second tick scheduled %d, dispatched %v", done.Scheduled, w.dispatched)
	}
	id := w.dispatched[0]
	w.execute(id)
	w.execute(id) // an invocation may come twice
	if got := w.state(id); got != dq.Completed {
		t.Errorf("the run is %s", got)
	}
	scan, err := w.hub.Scan(t.Context(), id)
	if err != nil || scan.Counts().Pass != 1 || scan.Definition != "nightly" {
		t.Errorf("scan %+v, %v", scan.Results, err)
	}
	w.wait(time.Minute)
	if done := w.tick(); done.Scheduled != 0 {
		t.Error("the same time came up again")
	}
	w.wait(2 * time.Hour) // nothing ticked for long: one run, not 24
	if done := w.tick(); done.Scheduled != 1 {
		t.Errorf("after a gap %d runs were scheduled, want the newest only", done.Scheduled)
	}
	w.wait(10 * time.Minute)
	if done := w.tick(); done.Scheduled != 0 || done.Dispatched != 1 {
		t.Errorf("%+v: a run still waits, so no other is added, but it is dispatched again", done)
	}
}

func TestOneRunOfADefinitionAtATime(t *testing.T) {
	w := start(t)
	first, second := w.begin(), w.begin()
	w.query = func(ctx context.Context, _ string) (*engine.Rows, error) {
		w.execute(second.ID) // while the first goes on
		if got := w.state(second.ID); got != dq.Queuing {
			t.Errorf("the second run is %s", got)
		}
		return &engine.Rows{Rows: [][]any{{int64(7)}}}, nil
	}
	w.execute(first.ID)
	w.query = func(context.Context, string) (*engine.Rows, error) {
		return &engine.Rows{Rows: [][]any{{int64(8)}}}, nil
	}
	w.wait(time.Minute)
	if done := w.tick(); done.Dispatched != 1 {
		t.Errorf("%+v", done)
	}
	w.execute(second.ID)
	if a, b := w.state(first.ID), w.state(second.ID); a != dq.Completed || b != dq.CompletedWithFailures {
		t.Errorf("the runs are %s and %s", a, b)
	}
}

// mute is a hub that cannot be reached.
type mute struct{ runs.Hub }

func (mute) Accept(context.Context, *dq.Scan) (hub.Accepted, error) {
	return hub.Accepted{}, errors.New("no route to host")
}

func TestLostRunEndsAsFailed(t *testing.T) {
	w := start(t)
	run := w.begin()
	w.query = func(context.Context, string) (*engine.Rows, error) {
		return &engine.Rows{Rows: [][]any{{int64(7)}}}, nil
	}
	w.Hub = mute{w.hub}
	if err := w.Execute(t.Context(), run.ID); err == nil {
		t.Fatal("a result that cannot be stored is no success")
	}
	w.Hub = w.hub
	if got := w.state(run.ID); got != dq.Executing {
		t.Fatalf("the run is %s", got)
	}
	w.wait(time.Minute)
	if done := w.tick(); done.Lost != 0 {
		t.Error("a run is lost before its time is over")
	}
	w.wait(2 * time.Minute)
	if done := w.tick(); done.Lost != 1 {
		t.Errorf("%+v", done)
	}
	scan, err := w.hub.Scan(t.Context(), run.ID)
	if err != nil || scan.State != dq.Failed || !strings.Contains(scan.Why(), "lost") || w.state(run.ID) != dq.Failed {
		t.Errorf("scan %s because %q, %v; run %s", scan.State, scan.Why(), err, w.state(run.ID))
	}
	next := w.begin()
	w.execute(next.ID)
	if got := w.state(next.ID); got != dq.Completed {
		t.Errorf("the next run is %s: the lost one still holds the definition", got)
	}
}

// dies stores what it is given and then does not come back, as when the process ends just after.
type dies struct{ runs.Hub }

func (d dies) Accept(ctx context.Context, s *dq.Scan) (hub.Accepted, error) {
	if _, err := d.Hub.Accept(ctx, s); err != nil {
		return hub.Accepted{}, err
	}
	return hub.Accepted{}, errors.New("the process ends")
}

// TestTendEndsLostRunsAndSchedulesNone: where schedules are switched off, what people ask for is still not lost from sight.
func TestTendEndsLostRunsAndSchedulesNone(t *testing.T) {
	w := start(t)
	scheduled := definition("* * * * *")
	scheduled.Name = "scheduled"
	w.save(scheduled)
	asked := w.begin()
	w.wait(5 * time.Minute)
	w.dispatched = nil
	done, err := w.Tend(t.Context())
	if err != nil || done != (runs.Ticked{Dispatched: 1}) || len(w.dispatched) != 1 || w.dispatched[0] != asked.ID {
		t.Errorf("tended %+v, dispatched %v, %v; want the one run that was asked for", done, w.dispatched, err)
	}
}

func TestResultStoredBeforeACrashStays(t *testing.T) {
	w := start(t)
	run := w.begin()
	w.Hub = dies{w.hub}
	if err := w.Execute(t.Context(), run.ID); err == nil {
		t.Fatal("no crash")
	}
	w.Hub = w.hub
	w.wait(time.Hour)
	w.tick()
	scan, err := w.hub.Scan(t.Context(), run.ID)
	if err != nil || scan.State != dq.Completed || w.state(run.ID) != dq.Completed {
		t.Errorf("scan %s, %v; run %s", scan.State, err, w.state(run.ID))
	}
}

func TestCancel(t *testing.T) {
	w := start(t)
	queued := w.begin()
	if run, err := w.Cancel(t.Context(), queued.ID, "By ada."); err != nil || run.State != dq.Canceled {
		t.Errorf("%+v, %v", run, err)
	}
	w.execute(queued.ID)
	if _, err := w.hub.Scan(t.Context(), queued.ID); !errors.Is(err, hub.ErrNotFound) {
		t.Errorf("a canceled run ran: %v", err)
	}
	if _, err := w.Cancel(t.Context(), queued.ID, ""); !errors.Is(err, runs.ErrFinished) {
		t.Errorf("canceling twice: %v", err)
	}
	running := w.begin()
	w.query = func(ctx context.Context, _ string) (*engine.Rows, error) {
		if _, err := w.Cancel(t.Context(), running.ID, "By ada."); err != nil {
			t.Error(err)
		}
		if got := w.state(running.ID); got != dq.CancelationRequested {
			t.Errorf("the run is %s", got)
		}
		<-ctx.Done() // reaches the database
		return nil, ctx.Err()
	}
	w.execute(running.ID)
	if got := w.state(running.ID); got != dq.Canceled {
		t.Errorf("the run is %s", got)
	}
	if _, err := w.Cancel(t.Context(), "nosuchrun", ""); !errors.Is(err, runs.ErrNotFound) {
		t.Errorf("canceling nothing: %v", err)
	}
}

func TestTimeOutIsTold(t *testing.T) {
	w := start(t)
	w.Limit = 20 * time.Millisecond
	w.query = func(ctx context.Context, _ string) (*engine.Rows, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	run := w.begin()
	w.execute(run.ID)
	scan, err := w.hub.Scan(t.Context(), run.ID)
	if err != nil || scan.State != dq.TimedOut || w.state(run.ID) != dq.TimedOut || !strings.Contains(scan.Why(), "longer than it may") {
		t.Errorf("scan %s because %q, %v; run %s", scan.State, scan.Why(), err, w.state(run.ID))
	}
}

func TestMissingSourceIsAFailedScan(t *testing.T) {
	w := start(t)
	w.Open = func(string, string, map[string]string) (*engine.Source, error) {
		return nil, errors.New("this program has no such driver")
	}
	run := w.begin()
	w.execute(run.ID)
	scan, err := w.hub.Scan(t.Context(), run.ID)
	if err != nil || scan.State != dq.Failed || !strings.Contains(scan.Why(), "no such driver") {
		t.Errorf("scan %s because %q, %v", scan.State, scan.Why(), err)
	}
}

func TestDefinitionsAreChecked(t *testing.T) {
	w := start(t)
	for name, c := range map[string]struct {
		change func(*runs.Definition)
		want   string
	}{
		"no name":         {func(d *runs.Definition) { d.Name = "" }, "needs a name"},
		"no checks":       {func(d *runs.Definition) { d.Files = nil }, "0 files of checks"},
		"bad check":       {func(d *runs.Definition) { d.Files[0].Text = "checks for orders:\n  - row_count >0\n" }, "checks.yml:2:15:"},
		"bad schedule":    {func(d *runs.Definition) { d.Schedule = "every day" }, "five fields"},
		"no fixed times":  {func(d *runs.Definition) { d.Schedule = "@every 5m" }, "no fixed times"},
		"bad zone":        {func(d *runs.Definition) { d.Schedule, d.TimeZone = "0 6 * * *", "Mars/Olympus" }, "Mars/Olympus"},
		"unknown source":  {func(d *runs.Definition) { d.Source = "nowhere" }, "nowhere"},
		"path":            {func(d *runs.Definition) { d.Files[0].Name = "../../etc/passwd" }, "below the definition's folder"},
		"too many checks": {func(d *runs.Definition) { d.Files[0].Text = strings.Repeat("# x\n", runs.MaxChecksSize) }, "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			d := definition("")
			c.change(&d)
			err := w.SaveDefinition(t.Context(), d, "test")
			if !errors.Is(err, runs.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want an ErrInvalid with %q", err, c.want)
			}
		})
	}
}

func TestSourcesKeepNoSecretsInClear(t *testing.T) {
	for name, c := range map[string]struct {
		setting, value string
		ok             bool
	}{
		"clear":         {"password", "hunter2", false},
		"other env":     {"password", "${AWS_SECRET_ACCESS_KEY}", false},
		"any env":       {"host", "${AWS_SECRET_ACCESS_KEY}", false},
		"env":           {"password", "${ env_var('SODALITE_SOURCE_DB') }", true},
		"short env":     {"password", "${SODALITE_SOURCE_DB}", true},
		"secret":        {"password", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf", true},
		"token":         {"session_token", "abc", false},
		"no credential": {"host", "db.internal", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := runs.Source{Name: "shop", Type: "postgres", Settings: map[string]string{c.setting: c.value}}
			if err := s.Check(); (err == nil) != c.ok {
				t.Errorf("%s: %q gives %v", c.setting, c.value, err)
			} else if err != nil && strings.Contains(err.Error(), c.value) && c.setting == "password" {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestRunThatCannotBeDispatchedIsTriedAgain(t *testing.T) {
	w := start(t)
	dispatch := w.Dispatch
	w.Dispatch = func(context.Context, string) error { return errors.New("throttled") }
	run, err := w.Start(t.Context(), runs.Request{Definition: "nightly", Trigger: runs.ByPage, By: "ada"})
	if err == nil || run.ID == "" {
		t.Fatalf("run %+v, %v: want a queued run and the reason", run, err)
	}
	w.Dispatch = dispatch
	w.wait(time.Minute)
	if done := w.tick(); done.Dispatched != 1 || len(w.dispatched) != 1 {
		t.Errorf("%+v, dispatched %v", done, w.dispatched)
	}
}

// TestFailedRowsOfRuns: an own run keeps the rows that failed in the hub where samples are on, and fetches none where they are off.
func TestFailedRowsOfRuns(t *testing.T) {
	for _, on := range []bool{false, true} {
		w := start(t)
		w.Samples = on
		d := definition("")
		d.Files[0].Text = "checks for orders:\n  - missing_count(name) = 0\n"
		w.save(d)
		fetched := 0
		w.query = func(_ context.Context, sql string) (*engine.Rows, error) {
			if strings.Contains(sql, "LIMIT 100") {
				fetched++
				return &engine.Rows{Columns: []dq.Column{{Name: "id"}, {Name: "name"}}, Rows: [][]any{{int64(5), nil}}, Count: 1}, nil
			}
			return &engine.Rows{Rows: [][]any{{int64(1)}}, Count: 1}, nil
		}
		run := w.begin()
		w.execute(run.ID)
		scan, err := w.hub.Scan(t.Context(), run.ID)
		if err != nil || scan.Counts().Fail != 1 {
			t.Fatalf("scan %+v, %v", scan.Results, err)
		}
		var told struct {
			Blocks []struct {
				File struct{ Reference struct{ FileID string } }
			}
		}
		if raw := scan.Results[0].Diagnostics; len(raw) > 0 {
			if err := json.Unmarshal(raw, &told); err != nil {
				t.Fatal(err)
			}
		}
		if !on {
			if fetched > 0 || len(told.Blocks) > 0 {
				t.Errorf("%d statements fetch rows, %s", fetched, scan.Results[0].Diagnostics)
			}
			continue
		}
		if fetched != 1 || len(told.Blocks) != 1 {
			t.Fatalf("%d statements fetch rows, %s", fetched, scan.Results[0].Diagnostics)
		}
		sample, err := w.hub.Sample(t.Context(), told.Blocks[0].File.Reference.FileID)
		if err != nil || string(sample.Data) != "[5,null]\n" || sample.Rows != 1 || !strings.HasPrefix(sample.Path, "nightly_2026") {
			t.Errorf("sample %q, %v", sample.Data, err)
		}
	}
}

// TestFilesThatChecksName are among those of the definition, and no others: checks are text of people, and must not show what
// is on the machine that runs them.
func TestFilesThatChecksName(t *testing.T) {
	d := definition("")
	d.Files = []runs.File{
		{Name: "deep/checks.yml", Text: "checks for orders:\n  - k > 0:\n      k sql_file: ../sql/k.sql\n  - distribution_difference(a) > 0.05:\n      distribution reference file: reference.yml\n"},
		{Name: "sql/k.sql", Text: "SELECT 7"},
		{Name: "deep/reference.yml", Text: "distribution_type: continuous\ndistribution_reference: {bins: [0, 1], weights: [0, 1]}\n"},
	}
	program := d.Program()
	if len(program.Mistakes) > 0 || len(program.Tables) != 1 || len(program.Tables[0].Partitions[0].Checks) != 2 || program.Tables[0].Partitions[0].Checks[0].Query != "SELECT 7" {
		t.Errorf("%+v, mistakes %v", program.Tables, program.Mistakes)
	}
	for _, name := range []string{"/proc/self/environ", "../../../../../../proc/self/environ", "../runs_test.go", "runs_test.go"} {
		d.Files = []runs.File{{Name: "checks.yml", Text: "checks for orders:\n  - k > 0:\n      k sql_file: " + name + "\n"}}
		if err := d.Check(); err == nil || !strings.Contains(err.Error(), "not among the files of the scan definition") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
