package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite"
	"github.com/sodalite-dq/sodalite/internal/awsenv/machine"
	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/notify/notifytest"
	"github.com/sodalite-dq/sodalite/internal/stream"
	"github.com/sodalite-dq/sodalite/internal/table/sqlite"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/messages"
	"github.com/sodalite-dq/sodalite/internal/wiring/pages"
	"github.com/sodalite-dq/sodalite/internal/wiring/scanners"
)

// server is the system as serve wires it, over HTTP. The stream is apart, see follow.
type server struct {
	*wiring.System
	url string
}

func serve(b *testing.B, store *sqlite.Table, env map[string]string) *server {
	b.Helper()
	settings, err := config.Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	front := httptest.NewServer(pages.Compressed(mux))
	b.Cleanup(front.Close)
	settings.PublicURL = front.URL
	log := slog.New(slog.DiscardHandler)
	s := &server{System: wiring.NewSystem(settings, store, machine.Load, log, "bench"), url: front.URL}
	scanners.Mount(mux, s.System, settings.MaxBody, scanners.Runs(s.System, nil))
	pages.Mount(mux, s.System, scanners.Runs(s.System, nil))
	return s
}

// follow runs the stream to digest and notify.
func (s *server) follow(b *testing.B, store *sqlite.Table) {
	b.Helper()
	mappings, err := stream.ReadMappings(sodalite.Template)
	if err != nil {
		b.Fatal(err)
	}
	notifier := messages.Notifier(s.System, machine.Load, true)
	runner := &stream.Runner{Changes: store, Mappings: mappings, Log: s.Log,
		Handlers: map[string]stream.Handler{"digest": stream.Each(s.Hub.Digesters(), s.Log), "notify": stream.EachScan(notifier.Hear, s.Log)}}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = runner.Run(ctx) })
	b.Cleanup(func() { stop(); running.Wait() })
}

// signIn is a client with a session.
func (s *server) signIn(b *testing.B) *http.Client {
	b.Helper()
	token, err := s.Auth.NewSignInLink(b.Context(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	if _, err := get(client, s.url+"/sign-in/link?token="+token); err != nil {
		b.Fatal(err)
	}
	return client
}

func get(client *http.Client, url string) (string, error) {
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return string(body), err
}

// BenchmarkPages fetches whole pages of the large store over HTTP, signed in, warm.
func BenchmarkPages(b *testing.B) {
	store, h := open(b, mustLarge(b))
	s := serve(b, store, nil)
	client := s.signIn(b)
	row, err := h.Checks(b.Context(), hub.CheckFilter{Size: 1})
	if err != nil {
		b.Fatal(err)
	}
	scans, err := h.Scans(b.Context(), hub.ScanFilter{Size: 1})
	if err != nil {
		b.Fatal(err)
	}
	check, dataset := row.Rows[0].ID, row.Rows[0].DatasetID
	for _, p := range []struct{ name, path string }{
		{"checks", "/checks"}, {"checks failing", "/checks?outcome=fail&sort=evaluated"}, {"checks text", "/checks?q=orders_017"},
		{"check", "/checks/" + check}, {"datasets", "/datasets"}, {"dataset", "/datasets/" + dataset}, {"scans", "/scans"}, {"scan", "/scans/" + scans.Rows[0].ID},
	} {
		b.Run(p.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				begin := time.Now()
				if _, err := get(client, s.url+p.path); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begin))
			}
			percentile95(b, took)
		})
	}
}

// BenchmarkPushToNotified pushes a scan with a failing check over HTTP and waits until Slack heard of it; visible-ms is
// when the public API first showed the result.
func BenchmarkPushToNotified(b *testing.B) {
	slack := notifytest.StartSlack(b)
	store, _ := open(b, b.TempDir())
	s := serve(b, store, map[string]string{config.SlackWebhookURL: slack.WebhookURL()})
	s.follow(b, store)
	key, secret, err := s.Auth.CreateKey(b.Context(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	client := s.signIn(b)
	token := s.command(b, map[string]any{"type": "login", "apiKeyId": key.ID, "apiKeySecret": secret})["token"]
	var told, visible []time.Duration
	for n := 0; b.Loop(); n++ {
		begin := time.Now()
		s.command(b, map[string]any{
			"type": "sodaCoreInsertScanResults", "token": token, "definitionName": "nightly", "dataTimestamp": begin.UTC().Format(time.RFC3339Nano),
			"checks": []any{map[string]any{"identity": "a", "name": "No negative amounts", "dataSource": "shop", "table": "orders", "outcome": "fail",
				"diagnostics": map[string]any{"value": -n, "fail": map[string]any{"lessThan": 0}}}},
		})
		for seen := false; !seen; {
			page, err := get(client, s.url+"/checks")
			if err != nil {
				b.Fatal(err)
			}
			seen = strings.Contains(page, fmt.Sprintf(">-%d<", n)) || n == 0
		}
		visible = append(visible, time.Since(begin))
		slack.Wait(b, n+1, 10*time.Second)
		told = append(told, time.Since(begin))
	}
	percentile95(b, told)
	b.ReportMetric(float64(visible[len(visible)/2].Microseconds())/1000, "visible-ms")
}

func (s *server) command(b *testing.B, body any) map[string]any {
	b.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := http.Post(s.url+"/api/command", "application/json", bytes.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("%s: %v, %v", resp.Status, answer, err)
	}
	return answer
}
