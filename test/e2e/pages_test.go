package e2e

import (
	"context"
	"fmt"
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
	axe, err := os.ReadFile(real(t, "SODALITE_AXE"))
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
