package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// slowChecks take some seconds on SQLite.
const slowChecks = `checks for orders:
  - row_count > 0
  - min(amount) >= 0:
      name: No negative amounts
  - slow > 0:
      name: Takes its time
      slow query: |
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000000) SELECT count(*) FROM n
`

// TestRunsInABrowser edits and runs a scan definition as a person does: mistakes are told beside the text, progress and
// result come without the page being loaded again, a run can be canceled. Each page is inspected as those of the demo are.
func TestRunsInABrowser(t *testing.T) {
	c := newCommandLine(t, map[string]string{
		"slow.yml": slowChecks,
		"definitions.yml": "data_source shop:\n  type: sqlite\n  path: SHOP\ndefinitions:\n  nightly orders:\n    data source: shop\n    schedule: 30 2 * * *\n" +
			"    time zone: Europe/Amsterdam\n    checks: slow.yml\n  by hand:\n    data source: shop\n    checks: [pass.yml, fail.yml]\n",
	})
	path := filepath.Join(c.dir, "definitions.yml")
	text := strings.Replace(string(c.read("definitions.yml")), "SHOP", filepath.Join(c.dir, "shop.db"), 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startSodalite(t)
	s.run("definitions", "apply", "-f", path)
	b := startBrowser(t, s)
	page := "/definitions/" + dq.DefinitionID("nightly orders")
	inspect := func(name, path string) {
		for _, width := range []int{390, 1280} {
			for _, scheme := range []string{"light", "dark"} {
				t.Run(fmt.Sprintf("%s at %d %s", name, width, scheme), func(t *testing.T) { b.inspect(t, name, path, width, scheme) })
			}
		}
	}
	inspect("definitions", "/definitions")
	inspect("definition", page)
	inspect("definition-edit", page+"?edit")
	inspect("definition-new", "/definitions/new")

	b.look(t, page+"?edit", 1280, "light")
	b.do(t, chromedp.SetValue("#file0", "checks for orders:\n  - row_count >0\n  - nonsense\n"), chromedp.Click("form.editor .primary"), chromedp.WaitVisible("#mistakes0"))
	b.picture(t, "definition-mistakes-1280-light")
	b.do(t, chromedp.Click("#mistakes0 li:nth-child(1) a"))
	if got := evaluate[string](t, b, `(a => a.id + ": " + a.value.slice(a.selectionStart, a.selectionEnd))(document.activeElement)`); got != "file0: >0" {
		t.Errorf("a click on the mistake selects %q", got)
	}
	b.errors() // the answer 422 is in the console

	b.look(t, page, 1280, "light")
	b.do(t, chromedp.Click(`form[action$="/run"] button`), chromedp.WaitVisible("section[data-open]"))
	evaluate[string](t, b, `window.here = "still"`)
	waitFor(t, "progress", 20*time.Second, func() bool { return evaluate[bool](t, b, `!!document.querySelector("progress")`) })
	waitFor(t, "log while it runs", 20*time.Second, func() bool {
		return evaluate[bool](t, b, `!!document.querySelector("section[data-open]") && document.querySelector("ol.log")?.innerText.includes("statements") || false`)
	})
	b.picture(t, "run-1280-light")
	waitFor(t, "result on the page", 60*time.Second, func() bool { return evaluate[bool](t, b, `document.body.innerText.includes("Takes its time")`) })
	if got := evaluate[string](t, b, `window.here + " " + document.title`); got != "still nightly orders scan · Sodalite" {
		t.Errorf("the page was loaded again: %q", got)
	}
	if got := evaluate[string](t, b, `document.querySelector("main").innerText`); !strings.Contains(got, "No negative amounts") || strings.Contains(got, "appears here when") {
		t.Errorf("the result: %s", got)
	}
	for _, e := range b.errors() {
		t.Errorf("the console says: %s", e)
	}
	b.picture(t, "run-result-1280-light")

	b.look(t, page, 390, "dark")
	b.do(t, chromedp.Click(`form[action$="/run"] button`), chromedp.WaitVisible("section[data-open]"))
	b.picture(t, "run-390-dark")
	b.do(t, chromedp.Click(`form[action$="/cancel"] button`))
	waitFor(t, "canceled", 30*time.Second, func() bool { return evaluate[bool](t, b, `/Canceled/.test(document.querySelector("main")?.innerText)`) })
	if got := s.outcomes(); got["No negative amounts"] != "fail" || got["Takes its time"] != "pass" {
		t.Errorf("outcomes after a canceled run: %v", got)
	}
}

func (b *browser) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	for _, a := range actions {
		if err := chromedp.Do(b.ctx, a); err != nil {
			t.Fatal(err)
		}
	}
}

// picture looks for what axe-core finds, and keeps a picture where SODALITE_SCREENSHOTS says.
func (b *browser) picture(t *testing.T, name string) {
	t.Helper()
	b.accessible(t)
	dir := os.Getenv("SODALITE_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}
