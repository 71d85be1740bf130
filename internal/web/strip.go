package web

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
)

// A strip shows the last results of a check, oldest first. Worse outcomes are taller, so the shape tells what the colour
// tells. Each tick has a title; the whole has a text alternative.
const (
	tickWidth   = 4
	tickStep    = 6
	stripHeight = 18
)

var tickHeights = map[dq.Outcome]int{dq.Pass: 7, dq.Warn: 12, dq.Fail: 18, dq.NotEvaluated: 2}

func strip(last []hub.Verdict) template.HTML {
	if len(last) == 0 {
		return `<span class="muted">none yet</span>`
	}
	if len(last) > hub.StripLength {
		last = last[len(last)-hub.StripLength:]
	}
	var b strings.Builder
	b.Grow(200 + 110*len(last))
	width := hub.StripLength*tickStep - (tickStep - tickWidth)
	fmt.Fprintf(&b, `<svg class="strip" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`,
		width, stripHeight, width, stripHeight, escape(stripText(last)))
	x := (hub.StripLength - len(last)) * tickStep
	for _, v := range last {
		tick(&b, x, v)
		x += tickStep
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

func tick(b *strings.Builder, x int, v hub.Verdict) {
	l := outcomeLook(v.Outcome)
	height := tickHeights[v.Outcome]
	if height == 0 {
		height = tickHeights[dq.NotEvaluated]
	}
	b.WriteString(`<rect class="`)
	b.WriteString(l.class)
	b.WriteString(`" x="`)
	b.WriteString(strconv.Itoa(x))
	b.WriteString(`" y="`)
	b.WriteString(strconv.Itoa(stripHeight - height))
	b.WriteString(`" width="4" height="`)
	b.WriteString(strconv.Itoa(height))
	b.WriteString(`"><title>`)
	b.Write(v.At.UTC().AppendFormat(nil, "2006-01-02 15:04 UTC"))
	b.WriteString(": ")
	b.WriteString(l.word)
	b.WriteString("</title></rect>")
}

// stripText is "Last 5 results: 3 pass, 1 warn, 1 fail. Newest: fail."
func stripText(last []hub.Verdict) string {
	var counts dq.Counts
	for _, v := range last {
		counts.Add(v.Outcome)
	}
	newest := strings.ToLower(outcomeLook(last[len(last)-1].Outcome).word)
	if len(last) == 1 {
		return "One result: " + newest + "."
	}
	return "Last " + strconv.Itoa(len(last)) + " results: " + countsText(counts) + ". Newest: " + newest + "."
}

// countsText is "3 pass, 1 warn, 1 fail".
func countsText(c dq.Counts) string {
	var parts []string
	for _, o := range []dq.Outcome{dq.Pass, dq.Warn, dq.Fail, dq.NotEvaluated} {
		if n := countOf(c, o); n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+strings.ToLower(outcomeLook(o).word))
		}
	}
	if len(parts) == 0 {
		return "no checks"
	}
	return strings.Join(parts, ", ")
}

func countOf(c dq.Counts, o dq.Outcome) int {
	switch o {
	case dq.Pass:
		return c.Pass
	case dq.Warn:
		return c.Warn
	case dq.Fail:
		return c.Fail
	}
	return c.NotEvaluated
}
