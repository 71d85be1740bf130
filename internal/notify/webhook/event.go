package webhook

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// Event is Soda Cloud's checkEvaluation event, with the members of its older and newer documentation side by side, and
// some of ours: Scan, Failures, Omitted, and what is marked on the check.
type Event struct {
	Event        string        `json:"event"`
	CheckResults []CheckResult `json:"checkResults"`
	Scan         Scan          `json:"scan"`
	// Failures is the number of failed checks, Omitted how many of them are not in CheckResults.
	Failures int `json:"failures"`
	Omitted  int `json:"omitted"`
}

// EventCheckEvaluation is the name of the event.
const EventCheckEvaluation = "checkEvaluation"

// Scan is the scan in which the checks failed.
type Scan struct {
	ID            string  `json:"id"`
	Definition    string  `json:"definition"`
	DataTimestamp *string `json:"dataTimestamp"`
	SodaCloudURL  string  `json:"sodaCloudUrl,omitempty"`
}

// CheckResult is one failed check.
type CheckResult struct {
	ID               string      `json:"id"`
	SodaCloudURL     string      `json:"sodaCloudUrl,omitempty"`
	Name             string      `json:"name"`
	Definition       string      `json:"definition,omitempty"`
	Datasets         []Dataset   `json:"datasets"`
	Column           string      `json:"column,omitempty"`
	Attributes       []Attribute `json:"attributes"`
	Outcome          dq.Outcome  `json:"outcome"`
	EvaluationStatus dq.Outcome  `json:"evaluationStatus"`
	DataTimestamp    *string     `json:"dataTimestamp"`
	Diagnostics      Diagnostics `json:"diagnostics"`
	Value            any         `json:"value"`
	// Ours: the value and threshold in words, the outcome before (null for a new check), the data time of the first failure
	// in a row.
	Text            string      `json:"text"`
	PreviousOutcome *dq.Outcome `json:"previousOutcome"`
	FailingSince    *string     `json:"failingSince"`
}

// Diagnostics holds the measured value and, of ours, the bad range.
type Diagnostics struct {
	Value any           `json:"value"`
	Fail  *dq.Threshold `json:"fail,omitempty"`
}

// Dataset is what a check looked at. Owner is the check's owner if that is an e-mail address.
type Dataset struct {
	ID           string      `json:"id"`
	SodaCloudURL string      `json:"sodaCloudUrl,omitempty"`
	Name         string      `json:"name"`
	Label        string      `json:"label"`
	Tags         []string    `json:"tags"`
	Owner        *Owner      `json:"owner,omitempty"`
	Owners       []Owner     `json:"owners"`
	Datasource   Datasource  `json:"datasource"`
	Attributes   []Attribute `json:"attributes"`
}

// Owner is a person by e-mail address, or a group by name.
type Owner struct {
	Type  string `json:"type,omitempty"`
	ID    string `json:"id"`
	Email string `json:"email,omitempty"`
	Name  string `json:"name,omitempty"`
}

// Datasource is where the dataset lives.
type Datasource struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Label string `json:"label"`
}

// Attribute is a check attribute; value is a string, a number, a boolean or a list.
type Attribute struct {
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Label string          `json:"label"`
	Value json.RawMessage `json:"value,omitempty"`
}

const (
	// maxBody bounds the event; receivers commonly stop at 1 MB or at 256 KB.
	maxBody = 240 << 10
	// maxAnyText cuts single texts, so that one check can't fill the event.
	maxAnyText = 4000
)

// frame is room for the members around the checks.
const frame = 4 * maxAnyText

// render writes the event with as many checks as fit.
func render(m notify.Message) ([]byte, error) {
	clipped, err := notify.Clip(m, maxBody-frame, func(c dq.AlertCheck) (int, error) {
		raw, err := notify.JSON(resultOf(m, c))
		return len(raw) + len(","), err
	})
	if err != nil {
		return nil, err
	}
	return notify.JSON(eventOf(clipped))
}

func eventOf(m notify.Message) Event {
	e := Event{
		Event:        EventCheckEvaluation,
		CheckResults: make([]CheckResult, len(m.Checks)),
		Scan: Scan{
			ID: m.ScanID, Definition: dq.Truncate(m.Definition, 1000), DataTimestamp: timestamp(m.DataTime), SodaCloudURL: m.ScanURL(),
		},
		Failures: m.Failures(),
		Omitted:  m.Omitted,
	}
	for i, c := range m.Checks {
		e.CheckResults[i] = resultOf(m, c)
	}
	return e
}

func resultOf(m notify.Message, c dq.AlertCheck) CheckResult {
	value := notify.NumberOrNil(c.Value)
	r := CheckResult{
		ID: c.ID, SodaCloudURL: m.CheckURL(c.ID),
		Name:       dq.Truncate(c.Name, maxAnyText),
		Definition: dq.Truncate(c.Source, maxAnyText),
		Datasets:   []Dataset{datasetOf(m, c)},
		Column:     c.Column,
		Attributes: attributesOf(c),
		Outcome:    dq.Fail, EvaluationStatus: dq.Fail,
		DataTimestamp: timestamp(m.DataTime),
		Diagnostics:   Diagnostics{Value: value, Fail: notify.PlainThreshold(c.Fail)},
		Value:         value,
		Text:          dq.Truncate(wording.FormatFailure(c), maxAnyText),
		FailingSince:  timestamp(c.Since),
	}
	if c.Previous != "" {
		r.PreviousOutcome = &c.Previous
	}
	return r
}

func datasetOf(m notify.Message, c dq.AlertCheck) Dataset {
	id, source := c.Dataset.ID(), c.Dataset.DataSource
	d := Dataset{
		ID: id, SodaCloudURL: m.DatasetURL(id),
		Name: c.Dataset.Name, Label: c.Dataset.Name,
		Tags: []string{}, Owners: []Owner{}, Attributes: []Attribute{},
		Datasource: Datasource{ID: dq.OpaqueID(16, "datasource", source), Name: source, Label: source},
	}
	if c.Owner == "" {
		return d
	}
	owner := Owner{Type: "userGroup", ID: dq.OpaqueID(16, "owner", c.Owner), Name: c.Owner}
	if strings.Contains(c.Owner, "@") {
		owner.Type, owner.Email, owner.Name = "user", c.Owner, ""
		d.Owner = &Owner{ID: owner.ID, Email: owner.Email}
	}
	d.Owners = append(d.Owners, owner)
	return d
}

func attributesOf(c dq.AlertCheck) []Attribute {
	list := []Attribute{}
	for _, a := range notify.PlainAttributes(c.Attributes) {
		list = append(list, Attribute{ID: dq.OpaqueID(16, "attribute", a.Name), Name: a.Name, Label: a.Name, Value: a.Value})
	}
	return list
}

// timestamp is t as Soda Cloud writes times, nil for the zero time.
func timestamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format("2006-01-02T15:04:05.000000Z")
	return &s
}
