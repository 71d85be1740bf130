package sodacloud_test

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/api"
	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/source/sqlite"
)

// remote are the recorded cases in which the server runs the contract.
var remote = []string{"remote-pass", "remote-fail"}

// finals are the states after which a client asks no more.
var finals = []string{"completed", "completedWithWarnings", "completedWithFailures", "completedWithErrors", "failed", "canceled", "timedOut"}

// basic is the same key for the public API, which the client asks for state and log.
type basic struct{ oneKey }

func (basic) Basic(_ context.Context, id, secret, _ string) (auth.Principal, error) {
	if id != "key-id-of-user" || secret != "secret-of-user" {
		return auth.Principal{}, auth.ErrUnauthorized
	}
	return auth.Principal{KeyID: id}, nil
}

func (basic) Session(*http.Request) (string, bool) { return "", false }

// fixtureSource is a data source with the tables of a recorded case. SQLite knows one container where the case has two.
type fixtureSource struct{ engine.Connection }

func (f fixtureSource) Query(ctx context.Context, statement string, keep int) (*engine.Rows, error) {
	return f.Connection.Query(ctx, strings.ReplaceAll(statement, `"postgres".`, ""), keep)
}

func openFixture(t *testing.T, f fixture) *engine.Source {
	t.Helper()
	setup, err := os.ReadFile(filepath.Join(f.folder, "setup.sql"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // each would have a memory of its own
	t.Cleanup(func() { db.Close() })
	text := strings.NewReplacer("DROP SCHEMA IF EXISTS sales CASCADE;", "ATTACH ':memory:' AS sales;", "CREATE SCHEMA sales;", "", "now()", "datetime('now')", "timestamptz", "timestamp").Replace(string(setup))
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	return &engine.Source{Name: "warehouse", Type: "postgres", Dialect: sqlite.Dialect(), Open: func(ctx context.Context) (engine.Connection, error) {
		connection, err := source.SQL(ctx, db, sqlite.Convert)
		return fixtureSource{connection}, err
	}}
}

// TestRecordedTrafficOfRemoteRuns replays what clients send when the server is to run the contract, and runs it on the tables
// of the case. The client asks as long as the state is not final, and so does the replay.
func TestRecordedTrafficOfRemoteRuns(t *testing.T) {
	for _, f := range loadFixtures(t, "soda-core-4") {
		if slices.Contains(remote, f.name) {
			t.Run(f.name, func(t *testing.T) { replayRemote(t, f) })
		}
	}
}

func replayRemote(t *testing.T, f fixture) {
	s := mustStart(t, nil)
	s.now = time.Now().UTC() // the rows are as fresh as that
	tables := openFixture(t, f)
	executor := &runs.Executor{
		Store: s.runs, Hub: s.hub, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Limit: time.Minute,
		Open: func(string, string, map[string]string) (*engine.Source, error) { return tables, nil },
	}
	if err := s.runs.SaveSource(t.Context(), runs.Source{Name: "warehouse", Type: "postgres", Settings: map[string]string{}}); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", s.web.Config.Handler)
	api.Mount(mux, api.Config{Hub: s.hub, Runs: s.runs, Auth: basic{}, PublicURL: "https://dq.example.com", Log: executor.Log})
	s.web.Config.Handler = mux

	file, id, state := "", "", ""
	for i := 0; i < len(f.exchange); i++ {
		x := f.exchange[i]
		body := strings.ReplaceAll(string(x.Request.Body), `"file-1"`, `"`+file+`"`)
		path := strings.Replace(x.Request.Path, "remote-scan-1", id, 1)
		status, header, answer := s.request(t, x.Request.Method, path, x.Request.Headers, []byte(body))
		if status != x.Response.Status {
			t.Fatalf("%s %s: status %d, want %d: %s", x.Request.Method, path, status, x.Response.Status, answer)
		}
		switch {
		case answer["fileId"] != nil:
			file = text(answer["fileId"])
		case x.Request.Method == http.MethodPost && answer["scanId"] != nil:
			id = text(answer["scanId"])
		case strings.HasSuffix(path, "/logs"):
			if log := string(answer["content"]); !strings.Contains(log, `"level":"info"`) || !strings.Contains(log, `"timestamp":"`) {
				t.Errorf("log %s", log)
			}
		case x.Request.Method == http.MethodGet:
			state = text(answer["state"])
			if next, err := time.Parse(time.RFC3339, header.Get("X-Soda-Next-Poll-Time")); !slices.Contains(finals, state) && (err != nil || next.Before(time.Now())) {
				t.Errorf("%s: ask again at %q", state, header.Get("X-Soda-Next-Poll-Time"))
			}
			if text(answer["contractDatasetCloudUrl"]) == "" && slices.Contains(finals, state) {
				t.Errorf("no address of the dataset: %s", answer)
			}
			if state == "queuing" {
				if err := executor.Execute(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if want := f.Expect.Scans[0].State; state != want {
		t.Errorf("the client is told %s, want %s", state, want)
	}
	if err := s.hub.Digest(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	s.conclude(t, id, f.Expect.Scans[0], f.Expect.Alerts[0])
}
