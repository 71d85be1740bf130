package doctor_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite"
	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/doctor"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/stream"
	"github.com/sodalite-dq/sodalite/internal/table/sqlite"
)

// fakeCloud is what AWS says of a deployment.
type fakeCloud struct {
	table    doctor.Table
	err      error
	mappings []doctor.Mapping
}

func (f *fakeCloud) Table(context.Context) (doctor.Table, error) { return f.table, f.err }

func (f *fakeCloud) Mappings(context.Context, string) ([]doctor.Mapping, error) {
	return f.mappings, nil
}

func wanted(t *testing.T) []stream.Mapping {
	t.Helper()
	m, err := stream.ReadMappings(sodalite.Template)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func healthy(t *testing.T) *fakeCloud {
	t.Helper()
	now := time.Now()
	f := &fakeCloud{table: doctor.Table{Name: "t", Status: "ACTIVE", Keys: "pk sk", IndexKeys: "ipk isk", Projected: []string{"entity", "version", "expires", "head"},
		StreamARN: "arn", StreamView: "KEYS_ONLY", TimeToLive: "expires", Recovery: true, Protected: true, Clock: now, Now: now}}
	for _, w := range wanted(t) {
		m := doctor.Mapping{Function: "stack-" + w.Function + "Function-1", State: "Enabled", Failures: 0}
		for _, p := range w.Filters {
			m.Patterns = append(m.Patterns, p.String())
		}
		f.mappings = append(f.mappings, m)
	}
	return f
}

// TestOnAWS breaks one thing at a time: exactly that is found, with a fix.
func TestOnAWS(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(*fakeCloud)
		check string
		state doctor.State
		says  string
	}{
		"all well":           {func(*fakeCloud) {}, "", "", ""},
		"no table":           {func(f *fakeCloud) { f.err = errors.New("there is no table t") }, "table", doctor.Wrong, "no table"},
		"being made":         {func(f *fakeCloud) { f.table.Status = "CREATING" }, "table", doctor.Wrong, "CREATING"},
		"another table":      {func(f *fakeCloud) { f.table.Keys = "id" }, "table", doctor.Wrong, "no table of ours"},
		"no index":           {func(f *fakeCloud) { f.table.IndexKeys = "" }, "table", doctor.Wrong, "index"},
		"thin index":         {func(f *fakeCloud) { f.table.Projected = []string{"entity", "version", "expires"} }, "table", doctor.Wrong, "head"},
		"no stream":          {func(f *fakeCloud) { f.table.StreamView = "" }, "table's stream", doctor.Wrong, "no stream"},
		"large stream":       {func(f *fakeCloud) { f.table.StreamView = "NEW_IMAGE" }, "table's stream", doctor.Warning, "NEW_IMAGE"},
		"no expiry":          {func(f *fakeCloud) { f.table.TimeToLive = "" }, "expiry", doctor.Wrong, "ever removed"},
		"expiry of another":  {func(f *fakeCloud) { f.table.TimeToLive = "ttl" }, "expiry", doctor.Wrong, "ever removed"},
		"no recovery":        {func(f *fakeCloud) { f.table.Recovery = false }, "recovery", doctor.Warning, "no point-in-time"},
		"no protection":      {func(f *fakeCloud) { f.table.Protected = false }, "protection", doctor.Warning, "delete"},
		"clock is fast":      {func(f *fakeCloud) { f.table.Now = f.table.Clock.Add(90 * time.Second) }, "clock", doctor.Wrong, "1m30s off"},
		"nothing is woken":   {func(f *fakeCloud) { f.mappings = f.mappings[1:] }, "stream to digest", doctor.Wrong, "nothing wakes"},
		"switched off":       {func(f *fakeCloud) { f.mappings[0].State = "Disabled" }, "stream to digest", doctor.Wrong, "Disabled"},
		"another filter":     {func(f *fakeCloud) { f.mappings[1].Patterns = []string{"{}"} }, "stream to notify", doctor.Wrong, "filter"},
		"given up":           {func(f *fakeCloud) { f.mappings[1].Failures = 3 }, "stream to notify", doctor.Warning, "3 records"},
		"cannot read stream": {func(f *fakeCloud) { f.mappings[0].LastResult = "PROBLEM: Function call failed" }, "stream to digest", doctor.Wrong, "PROBLEM"},
	} {
		t.Run(name, func(t *testing.T) {
			f := healthy(t)
			c.do(f)
			found := doctor.Run(t.Context(), doctor.OnAWS(f, wanted(t)))
			for _, f := range found {
				switch {
				case f.Check == c.check && (f.State != c.state || !strings.Contains(f.Says, c.says) || f.Fix == "" && c.state == doctor.Wrong):
					t.Errorf("%+v, want %s: …%s…", f, c.state, c.says)
				case f.Check != c.check && f.State != doctor.OK && f.State != doctor.Skipped:
					t.Errorf("%+v, want ok", f)
				}
			}
			if doctor.Healthy(found) != (c.state != doctor.Wrong) {
				t.Errorf("Healthy = %v", doctor.Healthy(found))
			}
		})
	}
}

// TestCommon follows an installation from its first minute.
func TestCommon(t *testing.T) {
	store, err := sqlite.Open(filepath.Join(t.TempDir(), "test.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := time.Now()
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, secret, _ := r.BasicAuth(); r.URL.Path == "/api/v1/test-login" && secret != "right" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	s := doctor.System{Hub: hub.New(store, time.Now, hub.Retention{}), Auth: auth.New(auth.Config{Table: store}), PublicURL: server.URL, KeyID: "key_1", Secret: "wrong",
		Now: func() time.Time { return now }}
	expect := func(want map[string]doctor.State) {
		t.Helper()
		for _, f := range doctor.Run(t.Context(), doctor.Common(s)) {
			if w := want[f.Check]; w != "" && f.State != w || w == "" && f.State != doctor.OK {
				t.Errorf("%+v, want %q", f, w)
			}
		}
	}
	expect(map[string]doctor.State{"people": doctor.Warning, "API keys": doctor.Warning, "newest scan": doctor.Warning, "API key of the environment": doctor.Wrong})

	if _, _, err := s.Auth.CreateKey(t.Context(), "scanner"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Auth.NewSignInLink(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	scan := &dq.Scan{ID: "one", Definition: "nightly", DataTime: now, Started: now, Ended: now}
	scan.State = scan.Conclude(true)
	if _, err := s.Hub.Accept(t.Context(), scan); err != nil {
		t.Fatal(err)
	}
	s.Secret, status = "right", http.StatusBadGateway
	expect(map[string]doctor.State{"newest scan": doctor.Warning, "public address": doctor.Wrong, "API key of the environment": doctor.Wrong})
	now, status = now.Add(10*time.Minute), http.StatusOK
	expect(map[string]doctor.State{"newest scan": doctor.Wrong})
	if err := s.Hub.Digest(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	expect(nil)
	s.KeyID, s.PublicURL = "", ""
	expect(map[string]doctor.State{"public address": doctor.Skipped, "API key of the environment": doctor.Skipped})
}

func TestReachable(t *testing.T) {
	plain, secure := httptest.NewServer(http.NotFoundHandler()), httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.TLS = &tls.Config{}
	secure.StartTLS()
	defer plain.Close()
	defer secure.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for address, want := range map[string]doctor.State{
		plain.URL + "/services/secret":  doctor.OK,
		secure.URL + "/services/secret": doctor.Wrong, // nobody we know signed its certificate
		gone.URL + "/services/secret":   doctor.Wrong,
		"::secret":                      doctor.Wrong,
	} {
		if f := doctor.Reachable(t.Context(), address); f.State != want || strings.Contains(f.Says+f.Fix, "secret") {
			t.Errorf("%s: %+v, want %s and no secret", address, f, want)
		}
	}
}
