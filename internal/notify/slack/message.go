package slack

import (
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// The longest names and values shown. A dataset's title and a line of a check, with its link, fit one section together.
const (
	maxName  = 300
	maxValue = 400
)

// render makes the message: a header with the count, the scan, then each dataset with its failing checks, as many as fit
// Slack's limits, and the number of the rest.
func render(m notify.Message) payload {
	return payload{Text: fallback(m), Blocks: blocks(m)}
}

func blocks(m notify.Message) []block {
	page := newPage(moreLine(m, m.Failures()), header(m.Headline()), section(scanLine(m)))
	listed := 0
	for _, g := range m.Groups() {
		page.open(groupTitle(g))
		for _, c := range g.Checks {
			if !page.add(checkLine(m, c)) {
				return page.close(moreLine(m, m.Failures()-listed))
			}
			listed++
		}
	}
	if rest := m.Failures() - listed; rest > 0 {
		return page.close(moreLine(m, rest))
	}
	return page.close("")
}

// scanLine names the scan and the time of its data, and leads to the scan's page. It is a link and not a button, because
// Slack puts a warning sign on buttons of apps that do not answer clicks.
func scanLine(m notify.Message) string {
	line := "Scan *" + fit(m.Definition, maxName) + "* on data of " + wording.FormatTime(m.DataTime)
	if url := m.ScanURL(); url != "" {
		line += "\n" + link(url, "Open the scan")
	}
	return line
}

func groupTitle(g notify.Group) string {
	title := "*" + fit(g.Title(), maxName) + "*"
	if g.Dataset.Name != "" && g.Dataset.DataSource != "" {
		title += " in " + fit(g.Dataset.DataSource, maxName)
	}
	return title
}

func checkLine(m notify.Message, c dq.AlertCheck) string {
	return "• " + link(m.CheckURL(c.ID), fit(c.Name, maxName)) + ": " + fit(wording.FormatFailure(c), maxValue) +
		" · " + wording.FailingNote(c, m.DataTime)
}

func moreLine(m notify.Message, n int) string {
	return link(m.ScanURL(), "and "+wording.Count(n, "more failing check"))
}

// fallback is the message as text, for notifications and for readers without blocks. It tells the story alone.
func fallback(m notify.Message) string {
	head := fit(m.Headline(), 2*maxName) + " (scan " + fit(m.Definition, maxName) + ", data of " +
		wording.FormatTime(m.DataTime) + ")"
	tail := ""
	if url := m.ScanURL(); url != "" {
		tail = "\n" + link(url, "Open the scan")
	}
	const reserve = 100 // for "and 1,234,567 more failing checks"
	var b strings.Builder
	b.WriteString(head)
	used := length(head) + length(tail) + reserve
	listed := 0
	for _, c := range m.Checks {
		line := "\n• " + fit(c.Name, maxName) + ": " + fit(wording.FormatFailure(c), maxValue)
		if used += length(line); used > maxText {
			break
		}
		b.WriteString(line)
		listed++
	}
	if rest := m.Failures() - listed; rest > 0 {
		b.WriteString("\nand " + wording.Count(rest, "more failing check"))
	}
	return b.String() + tail
}
