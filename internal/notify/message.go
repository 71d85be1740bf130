package notify

import (
	"net/url"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// Message is what a destination is told: the failing checks of one scan that are routed to it.
type Message struct {
	// ID is the same for each attempt to bring one scan's alert to one destination, so that receivers can drop repeats.
	// Lower-case letters, digits and "_".
	ID         string
	ScanID     string
	Definition string
	DataTime   time.Time
	Checks     []dq.AlertCheck
	// Omitted is the number of failing checks beyond Checks.
	Omitted int
	// PublicURL is the address of the pages, without a slash at the end; "" for no links.
	PublicURL string
}

func messageID(scanID, destination string) string {
	return "msg_" + dq.OpaqueID(26, "message", scanID, destination)
}

// Failures is the number of failing checks, listed or omitted.
func (m *Message) Failures() int { return len(m.Checks) + m.Omitted }

// ScanURL is the page of the scan, "" without a public address.
func (m *Message) ScanURL() string { return m.page("scans", m.ScanID) }

// CheckURL is the page of a check.
func (m *Message) CheckURL(id string) string { return m.page("checks", id) }

// DatasetURL is the page of a dataset.
func (m *Message) DatasetURL(id string) string { return m.page("datasets", id) }

func (m *Message) page(kind, id string) string {
	if m.PublicURL == "" {
		return ""
	}
	return m.PublicURL + "/" + kind + "/" + url.PathEscape(id)
}

// Group is the failing checks of one dataset.
type Group struct {
	Dataset dq.DatasetRef
	Checks  []dq.AlertCheck
}

// Title names the dataset; a check on a whole data source has none and is titled by that.
func (g *Group) Title() string {
	if g.Dataset.Name == "" {
		return g.Dataset.DataSource
	}
	return g.Dataset.Name
}

// Groups are the checks by dataset, datasets and checks in the order of the alert.
func (m *Message) Groups() []Group {
	var groups []Group
	index := map[string]int{}
	for _, c := range m.Checks {
		id := c.Dataset.ID()
		i, ok := index[id]
		if !ok {
			i = len(groups)
			index[id] = i
			groups = append(groups, Group{Dataset: c.Dataset})
		}
		groups[i].Checks = append(groups[i].Checks, c)
	}
	return groups
}

// Headline is the message in half a sentence: "3 checks failed on orders", "12 checks failed on 4 datasets", and "on at
// least" so many when checks are omitted, whose datasets are not known.
func (m *Message) Headline() string {
	count := wording.Count(m.Failures(), "check") + " failed"
	groups := m.Groups()
	switch {
	case len(groups) == 0:
		return count
	case m.Omitted > 0:
		return count + " on at least " + wording.Count(len(groups), "dataset")
	case len(groups) == 1:
		return count + " on " + groups[0].Title()
	}
	return count + " on " + wording.Count(len(groups), "dataset")
}
