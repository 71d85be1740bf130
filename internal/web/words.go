package web

import (
	"html/template"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// Small pieces of markup that stand in many rows are made here once, not by a template each time. Whatever did not
// originate in this file goes through escape.

func escape(s string) string { return template.HTMLEscapeString(s) }

// clip cuts s to n runes.
func clip(s string, n int) string { return dq.Truncate(s, n) }

// Names are cut where they would fill a screen. Their whole text stays in a title.
const (
	maxName  = 160
	maxShort = 60
	maxTitle = 1000
)

// isolate is a user's text as markup, kept from turning the direction of what stands around it.
func isolate(s string) template.HTML { return isolated(s, maxName) }

func isolateShort(s string) template.HTML { return isolated(s, maxShort) }

func isolated(s string, n int) template.HTML {
	shown := clip(s, n)
	if shown == s {
		return template.HTML("<bdi>" + breakable(escape(s)) + "</bdi>")
	}
	return template.HTML(`<bdi title="` + escape(clip(s, maxTitle)) + `">` + breakable(escape(shown)) + "</bdi>")
}

// breakable lets escaped names of many parts, such as warehouse_nightly, break between them.
func breakable(s string) string { return strings.ReplaceAll(s, "_", "_<wbr>") }

// icon refers to a drawing in the sprite of the layout. Icons stand beside words and say nothing to screen readers.
func icon(name string) template.HTML {
	return template.HTML(`<svg class="icon" aria-hidden="true" focusable="false"><use href="#i-` + escape(name) + `"/></svg>`)
}

func badge(class, iconName, word string) template.HTML {
	return template.HTML(`<span class="badge `+class+`">`) + icon(iconName) + template.HTML(escape(word)+"</span>")
}

type look struct{ class, icon, word string }

func (l look) badge() template.HTML { return badge(l.class, l.icon, l.word) }

var outcomeLooks = map[dq.Outcome]look{
	dq.Pass:         {"pass", "pass", "Pass"},
	dq.Warn:         {"warn", "warn", "Warn"},
	dq.Fail:         {"fail", "fail", "Fail"},
	dq.NotEvaluated: {"none", "none", "Not evaluated"},
}

func outcomeLook(o dq.Outcome) look {
	if l, ok := outcomeLooks[o]; ok {
		return l
	}
	return outcomeLooks[dq.NotEvaluated]
}

func outcomeClass(o dq.Outcome) string { return outcomeLook(o).class }

var outcomeBadges = func() map[dq.Outcome]template.HTML {
	all := map[dq.Outcome]template.HTML{}
	for o, l := range outcomeLooks {
		all[o] = l.badge()
	}
	return all
}()

// outcomeBadge is the icon and the word of an outcome.
func outcomeBadge(o dq.Outcome) template.HTML {
	if b, ok := outcomeBadges[o]; ok {
		return b
	}
	return outcomeBadges[dq.NotEvaluated]
}

// Scans that did not run cleanly have a look of their own: trouble with the scan is not trouble with the data.
var stateLooks = map[dq.ScanState]look{
	dq.Queuing:               {"none", "wait", "Queued"},
	dq.Executing:             {"info", "wait", "Running"},
	dq.Completed:             {"pass", "pass", "Completed"},
	dq.CompletedWithWarnings: {"warn", "warn", "Completed, checks warn"},
	dq.CompletedWithFailures: {"fail", "fail", "Completed, checks fail"},
	dq.CompletedWithErrors:   {"trouble", "trouble", "Completed with errors"},
	dq.Failed:                {"trouble", "trouble", "Scan failed"},
	dq.Canceled:              {"trouble", "trouble", "Canceled"},
	dq.TimedOut:              {"trouble", "trouble", "Timed out"},
	dq.Incomplete:            {"trouble", "trouble", "Incomplete"},
}

// stateOrder is the order of states in menus.
var stateOrder = []dq.ScanState{
	dq.Failed, dq.CompletedWithErrors, dq.Incomplete, dq.TimedOut, dq.Canceled,
	dq.CompletedWithFailures, dq.CompletedWithWarnings, dq.Completed, dq.Executing, dq.Queuing,
}

func stateBadge(s dq.ScanState) template.HTML {
	if l, ok := stateLooks[s]; ok {
		return l.badge()
	}
	return badge("none", "none", string(s))
}

// stateSentence says what an unclean scan did, for a warning.
func stateSentence(s dq.ScanState) string {
	switch s {
	case dq.Failed:
		return "The scan failed"
	case dq.CompletedWithErrors:
		return "The scan ran with errors"
	case dq.TimedOut:
		return "The scan timed out"
	case dq.Canceled:
		return "The scan was canceled"
	case dq.Incomplete:
		return "The scan stopped before its end"
	}
	return "The scan did not complete"
}

var deliveryLooks = map[notify.State]look{
	notify.Claimed:    {"info", "wait", "Sending"},
	notify.Retry:      {"warn", "wait", "Will be tried again"},
	notify.Sent:       {"pass", "pass", "Sent"},
	notify.Failed:     {"fail", "fail", "Not delivered"},
	notify.Suppressed: {"none", "none", "Suppressed"},
}

func deliveryBadge(s notify.State) template.HTML {
	if l, ok := deliveryLooks[s]; ok {
		return l.badge()
	}
	return badge("none", "none", string(s))
}

func levelBadge(level string) template.HTML {
	class := map[string]string{dq.LevelError: "fail", dq.LevelWarning: "warn", dq.LevelInfo: "plain", dq.LevelDebug: "faint"}[level]
	if class == "" {
		class = "plain"
	}
	return template.HTML(`<span class="level ` + class + `">` + escape(clip(level, 20)) + "</span>")
}

// ago is a time as it is seen from now, with the exact time in the title.
func (c clock) ago(t time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="muted">never</span>`
	}
	return timeTag(t, wording.Ago(t, c.now))
}

// when is the exact time, and how long ago that is.
func (c clock) when(t time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="muted">unknown</span>`
	}
	return timeTag(t, t.UTC().Format("2006-01-02 15:04:05 UTC")) + template.HTML(` <span class="muted">(`+escape(wording.Ago(t, c.now))+`)</span>`)
}

// at is the exact time to the minute.
func at(t time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="muted">unknown</span>`
	}
	return timeTag(t, t.UTC().Format("2006-01-02 15:04"))
}

func timeTag(t time.Time, text string) template.HTML {
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format("2006-01-02T15:04:05Z") + `" title="` + t.Format("2006-01-02 15:04:05 UTC") + `">` + escape(text) + `</time>`)
}

// since is how long something has been the case: "3 days".
func (c clock) since(t time.Time) template.HTML {
	if t.IsZero() {
		return ""
	}
	return timeTag(t, strings.TrimSuffix(wording.Ago(t, c.now), " ago"))
}

// valueText is a check's measured value with its unit.
func valueText(c *hub.Check) string {
	return wording.FormatValue(c.Value, c.ValueLabel, wording.MeasureOf(c.Measure, c.Source))
}

// thresholdTexts tells when a check warns and fails, in words.
func thresholdTexts(warn, fail *dq.Threshold, measure string) []string {
	var texts []string
	if words := wording.FormatThreshold(warn, measure); words != "" {
		texts = append(texts, "warns when "+unbroken.Replace(words))
	}
	if words := wording.FormatThreshold(fail, measure); words != "" {
		texts = append(texts, "fails when "+unbroken.Replace(words))
	}
	return texts
}

// unbroken keeps an operator and its number on one line.
var unbroken = strings.NewReplacer("> ", ">\u00a0", "< ", "<\u00a0", "= ", "=\u00a0")

// datasetName is the name of a dataset for people; checks on a whole data source have none.
func datasetName(d dq.DatasetRef) string {
	if d.Name == "" {
		return "(whole data source)"
	}
	return d.Name
}

// sourceName is the data source with the containers of the dataset.
func sourceName(d dq.DatasetRef) string {
	return strings.Join(append([]string{d.DataSource}, d.Prefix...), " / ")
}

var kindWords = map[string]string{
	"row_count": "row count", "failed_rows": "failed rows", "user_defined": "user-defined", "change": "change over time",
	"test": "dbt test", "anomaly": "anomaly detection",
}

// originText is the language that a check is written in.
func originText(origin string) string {
	switch origin {
	case "":
		return "SodaCL"
	case dq.OriginContract:
		return "contract"
	}
	return origin
}

func kindText(kind string) string {
	if w, ok := kindWords[kind]; ok {
		return w
	}
	return kind
}
