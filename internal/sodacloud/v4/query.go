package v4

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/wire"
)

// Start is what sodaCoreScanStart says: a managed scan begins.
type Start struct {
	ScanID, Definition string
	DataTime           time.Time
	// Covers is the dataset that the definition is named by, if it is.
	Covers []dq.DatasetRef
}

// ReadStart reads the members of sodaCoreScanStart. Errors are of type [*wire.Error].
func ReadStart(members map[string]json.RawMessage) (Start, error) {
	var s Start
	var at, source string
	_, err := wire.Members(members, map[string]any{"scanId": &s.ScanID, "definitionName": &s.Definition, "dataTimestamp": &at, "defaultDataSource": &source})
	if err != nil {
		return s, err
	}
	if d, ok := dq.ParseQualifiedName(s.Definition); ok && d.DataSource == source {
		s.Covers = []dq.DatasetRef{d}
	}
	if s.Definition == "" {
		return s, wire.Bad("definitionName", "is missing")
	}
	if n := len([]rune(s.Definition)); n > hub.MaxNameLength {
		return s, wire.Bad("definitionName", fmt.Sprintf("has %d characters, at most %d", n, hub.MaxNameLength))
	}
	if err := CheckID("scanId", s.ScanID); err != nil {
		return s, err
	}
	return s, wire.Time("dataTimestamp", at, &s.DataTime)
}

// ReadStageUpdate reads the members of sodaCorePostProcessingUpdate, what became of a stage after a scan, as a line of the
// scan's log. Errors are of type [*wire.Error].
func ReadStageUpdate(members map[string]json.RawMessage, now time.Time) (scanID string, line dq.LogLine, err error) {
	var name, state, problem string
	var records *int
	_, err = wire.Members(members, map[string]any{"scanId": &scanID, "name": &name, "state": &state, "error": &problem, "recordsWritten": &records})
	if err == nil {
		err = CheckID("scanId", scanID)
	}
	if err != nil {
		return "", line, err
	}
	line = dq.LogLine{Level: dq.LevelInfo, Time: now, Message: fmt.Sprintf("Stage %s: %s", name, state)}
	if records != nil {
		line.Message += fmt.Sprintf(", %d records written", *records)
	}
	if problem != "" {
		line.Message += "\n" + problem
	}
	if state == "failed" {
		line.Level = dq.LevelError
	}
	return scanID, line, nil
}

// HistoryQuery asks for the past of several metrics or checks: between two times, or the newest.
type HistoryQuery struct {
	Identities []string
	From, To   time.Time
	Limit      int
}

// MaxIdentities is how many histories one query may ask for; the client sends 500 at once.
const MaxIdentities = 1000

// ReadHistoryQuery reads the members of sodaCoreHistoricMeasurements2 and sodaCoreHistoricCheckResults2, whose identities are
// under the name given. Errors are of type [*wire.Error].
func ReadHistoryQuery(members map[string]json.RawMessage, name string) (HistoryQuery, error) {
	var q HistoryQuery
	var from, to string
	_, err := wire.Members(members, map[string]any{name: &q.Identities, "minScanTime": &from, "maxScanTime": &to, "limit": &q.Limit})
	if err != nil {
		return q, err
	}
	if len(q.Identities) > MaxIdentities {
		return q, wire.Bad(name, fmt.Sprintf("%d identities, at most %d", len(q.Identities), MaxIdentities))
	}
	if err := wire.Time("minScanTime", from, &q.From); err != nil {
		return q, err
	}
	return q, wire.Time("maxScanTime", to, &q.To)
}

// Measurement is one element of the answer to sodaCoreHistoricMeasurements2.
type Measurement struct {
	ID       string          `json:"id"`
	Identity string          `json:"identity"`
	Value    json.RawMessage `json:"value"`
	DataTime string          `json:"dataTime"`
}

// Measurements words measurements for the client.
func Measurements(lists [][]hub.Measured) []Measurement {
	out := []Measurement{}
	for _, list := range lists {
		for _, m := range list {
			out = append(out, Measurement{ID: m.ID, Identity: m.Identity, Value: m.Value, DataTime: wireTime(m.DataTime)})
		}
	}
	return out
}

// CheckResult is one element of the answer to sodaCoreHistoricCheckResults2.
type CheckResult struct {
	Identity      string          `json:"identity"`
	MeasurementID string          `json:"measurementId,omitempty"`
	Outcome       dq.Outcome      `json:"outcome,omitempty"`
	DataTime      string          `json:"dataTime"`
	Diagnostics   json.RawMessage `json:"diagnostics,omitempty"`
}

// CheckResults words the results of checks, a list for each of the identities.
func CheckResults(identities []string, lists [][]hub.CheckResult) []CheckResult {
	out := []CheckResult{}
	for i, list := range lists {
		for _, r := range list {
			c := CheckResult{Identity: identities[i], MeasurementID: r.MeasurementID, DataTime: wireTime(r.DataTime), Diagnostics: r.Diagnostics}
			if r.Outcome.Evaluated() {
				c.Outcome = r.Outcome
			}
			out = append(out, c)
		}
	}
	return out
}

// wireTime is a time in the form that every client reads: with an offset, without a fraction.
func wireTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// ReadContractFilter reads which dataset's contract sodaCoreContracts asks for, "" if its filter names none. Errors are of
// type [*wire.Error].
func ReadContractFilter(members map[string]json.RawMessage) (string, error) {
	var filter struct {
		And []struct {
			Type string `json:"type"`
			Left struct {
				Column string `json:"columnName"`
			} `json:"left"`
			Right struct {
				Value string `json:"value"`
			} `json:"right"`
		} `json:"andExpressions"`
	}
	if _, err := wire.Members(members, map[string]any{"filter": &filter}); err != nil {
		return "", err
	}
	name := ""
	for _, e := range filter.And {
		switch {
		case e.Left.Column == "identifier" && e.Type == "equals":
			name = e.Right.Value
		case e.Left.Column == "contractType" && e.Right.Value != "default":
			return "", nil // there are no drafts and tests here
		}
	}
	return name, nil
}
