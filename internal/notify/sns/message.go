package sns

import (
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// SchemaVersion is the version of the message's schema. It changes when a member changes its meaning or goes away, not
// when one is added.
const SchemaVersion = 1

// Body is the message: JSON, with the story in words first, since e-mail subscribers read it as it is.
type Body struct {
	Summary       string `json:"summary"`
	SchemaVersion int    `json:"schemaVersion"`
	// ID is the same whenever the message is sent again.
	ID       string `json:"id"`
	Type     string `json:"type"`
	Severity string `json:"severity"`
	Scan     Scan   `json:"scan"`
	// Failures is the number of failed checks, Omitted how many of them are not in Checks.
	Failures int     `json:"failures"`
	Omitted  int     `json:"omitted"`
	Checks   []Check `json:"checks"`
}

// TypeChecksFailed is the type of the only message there is.
const TypeChecksFailed = "checksFailed"

// Scan is the scan in which the checks failed.
type Scan struct {
	ID         string     `json:"id"`
	Definition string     `json:"definition"`
	DataTime   *time.Time `json:"dataTime"`
	URL        string     `json:"url,omitempty"`
}

// Check is one failed check.
type Check struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	URL        string         `json:"url,omitempty"`
	Dataset    Dataset        `json:"dataset"`
	Column     string         `json:"column,omitempty"`
	Owner      string         `json:"owner,omitempty"`
	Attributes []dq.Attribute `json:"attributes,omitempty"`
	// Value is the measured number, in milliseconds if Measure is "time"; null if there is none.
	Value   any    `json:"value"`
	Measure string `json:"measure,omitempty"`
	// Text is value and threshold in words.
	Text string `json:"text"`
	// FailsWhen is the bad range as the scanner sent it.
	FailsWhen *dq.Threshold `json:"failsWhen,omitempty"`
	// PreviousOutcome is null for a check not seen before.
	PreviousOutcome *dq.Outcome `json:"previousOutcome"`
	FailingSince    *time.Time  `json:"failingSince"`
}

// Dataset is what the check looked at.
type Dataset struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	DataSource string   `json:"dataSource"`
	Prefix     []string `json:"prefix,omitempty"`
	URL        string   `json:"url,omitempty"`
}

// maxAnyText cuts single texts, so that one check can't fill the message.
const maxAnyText = 2000

// frame is room for the members around the checks.
const frame = 4 * maxAnyText

// render writes the message with as many checks as fit limit bytes.
func render(m notify.Message, limit int) ([]byte, error) {
	clipped, err := notify.Clip(m, limit-frame, func(c dq.AlertCheck) (int, error) {
		raw, err := notify.JSON(checkOf(m, c))
		return len(raw) + len(","), err
	})
	if err != nil {
		return nil, err
	}
	body := bodyOf(clipped)
	body.Summary = summary(m) // it counts all datasets
	return notify.JSON(body)
}

func summary(m notify.Message) string {
	return dq.Truncate(m.Headline()+" in scan "+m.Definition+", data of "+wording.FormatTime(m.DataTime), 400)
}

func bodyOf(m notify.Message) Body {
	b := Body{
		ID: m.ID, SchemaVersion: SchemaVersion, Type: TypeChecksFailed, Severity: SeverityCritical,
		Scan:     Scan{ID: m.ScanID, Definition: dq.Truncate(m.Definition, 400), DataTime: instant(m.DataTime), URL: m.ScanURL()},
		Failures: m.Failures(), Omitted: m.Omitted,
		Checks: make([]Check, len(m.Checks)),
	}
	for i, c := range m.Checks {
		b.Checks[i] = checkOf(m, c)
	}
	return b
}

func checkOf(m notify.Message, c dq.AlertCheck) Check {
	out := Check{
		ID: c.ID, Name: dq.Truncate(c.Name, maxAnyText), URL: m.CheckURL(c.ID),
		Dataset: Dataset{
			ID: c.Dataset.ID(), Name: c.Dataset.Name, DataSource: c.Dataset.DataSource, Prefix: c.Dataset.Prefix,
			URL: m.DatasetURL(c.Dataset.ID()),
		},
		Column: c.Column, Owner: c.Owner, Attributes: notify.PlainAttributes(c.Attributes),
		Value: notify.NumberOrNil(c.Value), Measure: c.Measure,
		Text:      dq.Truncate(wording.FormatFailure(c), maxAnyText),
		FailsWhen: notify.PlainThreshold(c.Fail), FailingSince: instant(c.Since),
	}
	if c.Previous != "" {
		out.PreviousOutcome = &c.Previous
	}
	return out
}

// instant is t in UTC, nil for the zero time.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
