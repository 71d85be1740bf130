package v3

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/wire"
)

// HistoryFilter is the filter of a history query (protocol section 4.3), which knows one form: terms joined by and.
type HistoryFilter struct {
	MetricIdentity string
	CheckIdentity  string
	From, To       time.Time // measurement.dataTime, inclusive; zero for open
	Limit          int       // 0 if not given
}

// ReadHistoryFilter reads the members of sodaCoreHistoricMeasurements or sodaCoreHistoricCheckResults. Errors are of type
// [*wire.Error].
func ReadHistoryFilter(members map[string]json.RawMessage) (HistoryFilter, error) {
	var f HistoryFilter
	var w struct {
		Type           string     `json:"type"`
		AndExpressions []wireTerm `json:"andExpressions"`
	}
	if raw, ok := members["limit"]; ok {
		if err := wire.Decode("limit", raw, &f.Limit); err != nil {
			return f, err
		}
	}
	raw, ok := members["filter"]
	if !ok {
		return f, wire.Bad("filter", "is missing")
	}
	if err := wire.Decode("filter", raw, &w); err != nil {
		return f, err
	}
	if w.Type != "and" {
		return f, wire.Bad("filter.type", fmt.Sprintf("%q is not and", w.Type))
	}
	for i, e := range w.AndExpressions {
		if err := f.add(fmt.Sprintf("filter.andExpressions[%d]", i), e); err != nil {
			return f, err
		}
	}
	return f, nil
}

// wireTerm is one comparison of a filter.
type wireTerm struct {
	Type string `json:"type"`
	Left struct {
		ColumnName string `json:"columnName"`
	} `json:"left"`
	Right struct {
		Value string `json:"value"`
		Time  string `json:"time"`
	} `json:"right"`
}

func (f *HistoryFilter) add(path string, t wireTerm) error {
	switch t.Left.ColumnName + " " + t.Type {
	case "metric.identity equals":
		f.MetricIdentity = t.Right.Value
	case "check.identity equals":
		f.CheckIdentity = t.Right.Value
	case "measurement.dataTime greaterThanOrEqual":
		return wire.Time(path+".right.time", t.Right.Time, &f.From)
	case "measurement.dataTime lessThanOrEqual":
		return wire.Time(path+".right.time", t.Right.Time, &f.To)
	default:
		return wire.Bad(path, fmt.Sprintf("%s of %q is not a known term", t.Type, t.Left.ColumnName))
	}
	return nil
}

// Measurement is one element of the answer to sodaCoreHistoricMeasurements.
type Measurement struct {
	ID       string          `json:"id"`
	Identity string          `json:"identity"`
	Value    json.RawMessage `json:"value"`
	DataTime string          `json:"dataTime"`
}

// CheckResult is one element of the answer to sodaCoreHistoricCheckResults.
type CheckResult struct {
	MeasurementID string          `json:"measurementId,omitempty"`
	Outcome       string          `json:"outcome,omitempty"`
	DataTime      string          `json:"dataTime"`
	Diagnostics   json.RawMessage `json:"diagnostics"`
}

// Measurements words measurements for the client.
func Measurements(list []hub.Measured) []Measurement {
	out := make([]Measurement, len(list))
	for i, m := range list {
		out[i] = Measurement{ID: m.ID, Identity: m.Identity, Value: m.Value, DataTime: wireTime(m.DataTime)}
	}
	return out
}

// CheckResults words check results for the client.
func CheckResults(list []hub.CheckResult) []CheckResult {
	out := make([]CheckResult, len(list))
	for i, r := range list {
		out[i] = CheckResult{MeasurementID: r.MeasurementID, DataTime: wireTime(r.DataTime), Diagnostics: diagnostics(r)}
		if r.Outcome.Evaluated() {
			out[i].Outcome = string(r.Outcome)
		}
	}
	return out
}

// diagnostics puts the value and the ranges back where the client posted them. It is always an object.
func diagnostics(r hub.CheckResult) json.RawMessage {
	members := map[string]json.RawMessage{}
	_ = json.Unmarshal(r.Diagnostics, &members) // nothing, or the object that was stored
	for name, raw := range members {
		if string(raw) == "null" {
			delete(members, name) // the client's own validation refuses null here
		}
	}
	if r.Value != "" {
		members["value"] = json.RawMessage(r.Value)
	}
	for name, t := range map[string]*dq.Threshold{"warn": r.Warn, "fail": r.Fail} {
		if raw, err := json.Marshal(t); err == nil && t != nil {
			members[name] = raw
		}
	}
	out, err := json.Marshal(members)
	if err != nil {
		return json.RawMessage("{}")
	}
	return out
}

func wireTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Attributes words the check attribute schema for the client, which needs allowedValues in each.
func Attributes(schema []hub.AttributeSchema) []hub.AttributeSchema {
	out := make([]hub.AttributeSchema, len(schema))
	for i, a := range schema {
		out[i] = hub.AttributeSchema{Name: a.Name, Type: a.Type, AllowedValues: a.AllowedValues}
		if out[i].AllowedValues == nil {
			out[i].AllowedValues = []any{}
		}
	}
	return out
}

// KeepKnownAttributes removes attributes that the schema does not have from a scan's checks and says so in its notes.
func KeepKnownAttributes(s *dq.Scan, schema []hub.AttributeSchema) {
	knownNames := make(map[string]bool, len(schema))
	for _, a := range schema {
		knownNames[a.Name] = true
	}
	dropped := map[string]bool{}
	for i := range s.Results {
		c := &s.Results[i].Check
		var kept []dq.Attribute
		for _, a := range c.Attributes {
			if knownNames[a.Name] {
				kept = append(kept, a)
			} else if !dropped[a.Name] {
				dropped[a.Name] = true
				s.Notes = append(s.Notes, fmt.Sprintf("The check attribute %q is not in the attribute schema and was left out.", a.Name))
			}
		}
		c.Attributes = kept
	}
}
