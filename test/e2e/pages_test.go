package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"

	"github.com/sodalite-dq/sodalite/test/component"
)

// browser is a headless Chromium that is signed in.
type browser struct {
	ctx  context.Context
	url  string
	mu   sync.Mutex
	said []string // errors in the console, such as violations of the content security policy
}

func startBrowser(t *testing.T, s *sodalite) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("SODALITE_REAL") == "required" {
			t.Fatal("chromium is not installed")
		}
		t.Skip("SKIPPED: chromium is not installed, the pages were not looked at")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	ctx, cancelAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancelAllocator)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{ctx: ctx, url: s.url}
	entries := chromedp.Events(ctx, log.EntryAdded)
	go func() {
		for e, err := range entries {
			if err != nil {
				return
			}
			if e.Entry.Level == "error" {
				b.mu.Lock()
				b.said = append(b.said, e.Entry.Text)
				b.mu.Unlock()
			}
		}
	}()
	link := strings.TrimSpace(string(s.run("users", "link", "admin")))
	_, token, _ := strings.Cut(link, "token=")
	if err := chromedp.Do(ctx, chromedp.Navigate(s.url+"/sign-in/link?token="+token)); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *browser) errors() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	said := b.said
	b.said = nil
	return said
}

func evaluate[T any](t *testing.T, b *browser, script string) T {
	t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return v
}

// look shows a page at a width and colour scheme.
func (b *browser) look(t *testing.T, path string, width int, scheme string) {
	t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err == nil {
		err = chromedp.Do(b.ctx, chromedp.EmulateViewport(int64(width), 900), chromedp.Navigate(b.url+path))
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// violations lists what axe-core finds wrong by the rules of WCAG 2.2, levels A and AA, and its best practices.
const violations = `axe.run({resultTypes: ['violations']}).then(found => found.violations.map(v =>
  v.id + ': ' + v.help + ' (' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join('; ') + ')').join('\n'))`

// accessible fails for each violation on the page that the browser shows.
func (b *browser) accessible(t *testing.T) {
	t.Helper()
	axe, err := os.ReadFile(component.Path(t, "SODALITE_AXE"))
	if err != nil {
		t.Fatal(err)
	}
	evaluate[bool](t, b, string(axe)+";true")
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](violations, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if found != "" {
		t.Error(found)
	}
}

// TestPagesInABrowser opens every page of the demo on a phone and a desk, light and dark: nothing sticks out, nothing is
// refused by the content security policy, text can be read, and every filter can be reached by keyboard. With
// SODALITE_SCREENSHOTS=directory it keeps pictures.
func TestPagesInABrowser(t *testing.T) {
	s := startWith(t, []string{"--demo"})
	waitFor(t, "demo filled", 60*time.Second, func() bool { return strings.Contains(s.out.String(), "is in.") })
	waitFor(t, "demo digested", 30*time.Second, func() bool { return s.outcomes()["Average fee_percent is plausible"] == "fail" })
	b := startBrowser(t, s)
	first := func(page, prefix string) string {
		b.look(t, page, 1280, "light")
		href := evaluate[string](t, b, fmt.Sprintf(`(document.querySelector('main a[href^=%q]') || {getAttribute: () => ''}).getAttribute('href')`, prefix))
		if href == "" {
			t.Fatalf("no link to %s on %s", prefix, page)
		}
		return href
	}
	pages := map[string]string{
		"checks": "/checks", "checks-fail": "/checks?outcome=fail", "no-match": "/checks?q=nothing+like+this", "datasets": "/datasets", "scans": "/scans",
		"check": first("/checks?q=fee_percent", "/checks/"), "check-schema": first("/checks?q=Schema", "/checks/"),
		"check-anomaly": first("/checks?q=anomaly", "/checks/"), "check-freshness": first("/checks?q=freshness", "/checks/"),
		"dataset": first("/datasets?q=orders", "/datasets/"), "dataset-warning": first("/datasets?health=warning", "/datasets/"),
		"scan": first("/scans?definition=warehouse_nightly", "/scans/"), "scan-failed": first("/scans?state=failed", "/scans/"),
		"contract-versions": first("/datasets?q=shop/sales/orders", "/datasets/"), "contract-warning": first("/datasets?q=invoices", "/datasets/"),
		"contract-text": first(first("/datasets?q=invoices", "/datasets/"), "/contracts/"), "contract-mistakes": s.mistakenContract(), "contract-scan": first("/scans?definition=warehouse%2Fshop%2Fsales%2Forders", "/scans/"),
		"check-contract": first("/checks?q=Status+is+known", "/checks/"), "log-live": s.liveLog(),
		"attributes": "/organization/attributes", "connect": "/connect", "not-found": "/no/such/page",
	}
	var names []string
	for name := range pages {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, width := range []int{390, 1280} {
			for _, scheme := range []string{"light", "dark"} {
				t.Run(fmt.Sprintf("%s at %d %s", name, width, scheme), func(t *testing.T) { b.inspect(t, name, pages[name], width, scheme) })
			}
		}
	}
}

func (b *browser) inspect(t *testing.T, name, path string, width int, scheme string) {
	b.errors()
	b.look(t, path, width, scheme)
	if got := evaluate[int](t, b, `document.scrollingElement.scrollWidth`); got > width {
		t.Errorf("the page is %d wide on a screen of %d", got, width)
	}
	for _, e := range b.errors() {
		if name != "not-found" || !strings.Contains(e, "404") {
			t.Errorf("the console says: %s", e)
		}
	}
	if title := evaluate[string](t, b, `document.title`); title == "" {
		t.Error("no title")
	}
	if n := evaluate[int](t, b, `document.querySelectorAll('main h1').length`); n != 1 {
		t.Errorf("%d first headings, want 1", n)
	}
	if n := evaluate[int](t, b, `[...document.querySelectorAll('main a, main button, main input:not([type=hidden]), main select')].filter(e => e.tabIndex < 0 && !e.closest('svg')).length`); n != 0 {
		t.Errorf("%d controls cannot be reached by keyboard", n)
	}
	b.picture(t, fmt.Sprintf("%s-%d-%s", name, width, scheme))
}

// mistakenContract is the page of an uploaded contract in which much is wrong.
func (s *sodalite) mistakenContract() string {
	s.t.Helper()
	text := "dataset: warehouse/shop/sales/orders\nscopes:\n  open: {name: Open orders, filter: \"status = 'open'\"}\ncolumns:\n  - name: id\n    checks:\n      - missing:\n      - invalid:\n" +
		"  - name: id\nchecks:\n  - row_count:\n      treshold: {must_be: 3}\n  - freshness:\n      column: created_at\n      threshold: {must_be_less_than: many}\n  - llm_check:\n"
	var answer struct{ FileID string }
	s.send("/api/command", fmt.Sprintf(`{"type":"sodaCoreUploadContractFile","token":%q,"contents":%q}`, s.token(), text), "", &answer)
	return "/contracts/" + answer.FileID
}

// liveLog is the page of a scan whose client streams its log and is not done.
func (s *sodalite) liveLog() string {
	s.t.Helper()
	token := s.token()
	start := `{"type":"sodaCoreScanStart","token":%q,"scanId":"live-1","version":"4","definitionName":"warehouse/shop/sales/orders","defaultDataSource":"warehouse","dataTimestamp":"2026-11-25T10:00:00+00:00"}`
	s.send("/api/command", fmt.Sprintf(start, token), "", nil)
	var lines []string
	for i, message := range []string{"Connecting to 'warehouse'", "Discovering datasets in data source 'warehouse'\nSELECT table_schema, table_name\nFROM information_schema.tables", "A word of " + strings.Repeat("a long line ", 30), "Retrying"} {
		level := []string{"info", "debug", "info", "warning"}[i]
		lines = append(lines, fmt.Sprintf(`{"level":%q,"message":%q,"timestamp":%q,"index":%d,"thread":"t"}`, level, message, time.Now().UTC().Format(time.RFC3339), i))
	}
	s.send("/api/logs/live-1/batchV4", strings.Join(lines, "\n"), token, nil)
	return "/scans/live-1"
}

// token signs in as a scanner.
func (s *sodalite) token() string {
	s.t.Helper()
	var login struct{ Token string }
	s.send("/api/command", fmt.Sprintf(`{"type":"login","apiKeyId":%q,"apiKeySecret":%q}`, s.key, s.secret), "", &login)
	return login.Token
}

// send posts a body as a scanner does, and reads the answer.
func (s *sodalite) send(path, body, authorization string, answer any) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", authorization)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, data)
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(data, answer)
	}
	if err != nil {
		s.t.Fatalf("POST %s: %v", path, err)
	}
}
