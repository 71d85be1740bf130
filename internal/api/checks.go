package api

import (
	"cmp"
	"encoding/json"
	"github.com/sodalite-dq/sodalite/internal/wording"
	"net/http"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
)

// checkRow is a check with its newest result (public API section 1.8). The deprecated members are still read by clients.
type checkRow struct {
	ID                   string            `json:"id"`
	Name                 string            `json:"name"`
	EvaluationStatus     dq.Outcome        `json:"evaluationStatus"`
	Datasets             []datasetRef      `json:"datasets"`
	Incidents            []any             `json:"incidents"`
	CreatedAt            string            `json:"createdAt"`
	CloudURL             string            `json:"cloudUrl"`
	Column               string            `json:"column,omitempty"`
	Definition           string            `json:"definition,omitempty"`
	Description          string            `json:"description,omitempty"`
	CheckType            string            `json:"checkType,omitempty"`
	MetricType           string            `json:"metricType,omitempty"`
	Attributes           map[string]string `json:"attributes"`
	Group                *group            `json:"group,omitempty"`
	LastCheckResultValue *resultValue      `json:"lastCheckResultValue,omitempty"`
	Agreements           []any             `json:"agreements"`
	Owner                owner             `json:"owner"`
	LastCheckRunTime     string            `json:"lastCheckRunTime,omitempty"`
	LastUpdated          string            `json:"lastUpdated,omitempty"`
	// Ours.
	ScanDefinition string `json:"scanDefinition"`
	Since          string `json:"since,omitempty"`
	ScanID         string `json:"scanId,omitempty"`
	Archived       bool   `json:"archived,omitempty"`
	// Origin is the language that the check is written in: sodacl, soda-contract, or a scanner's own word.
	Origin string `json:"origin"`
}

type datasetRef struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	CloudURL      string `json:"cloudUrl"`
	QualifiedName string `json:"qualifiedName"`
}

type group struct {
	GroupType string `json:"groupType,omitempty"`
	Identity  string `json:"identity,omitempty"`
	Name      string `json:"name,omitempty"`
}

type owner struct {
	Email     string `json:"email"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	FullName  string `json:"fullName"`
}

// ownerOf splits an owner as people write it, an address or a name, into the members that clients read.
func ownerOf(name string) owner {
	o := owner{FullName: name}
	if strings.Contains(name, "@") {
		o.Email = name
	}
	o.FirstName, o.LastName, _ = strings.Cut(name, " ")
	return o
}

type resultValue struct {
	ID                      string                     `json:"id"`
	Value                   json.Number                `json:"value,omitempty"`
	ValueLabel              string                     `json:"valueLabel,omitempty"`
	Measure                 string                     `json:"measure,omitempty"`
	DataTimestamp           string                     `json:"dataTimestamp,omitempty"`
	ValueSeries             *valueSeries               `json:"valueSeries,omitempty"`
	AnomalyDetectionDetails *anomalyDetails            `json:"anomalyDetectionDetails,omitempty"`
	Diagnostics             map[string]json.RawMessage `json:"diagnostics,omitempty"`
	// Ours: the ranges in which the check warns and fails.
	Warn *dq.Threshold `json:"warn,omitempty"`
	Fail *dq.Threshold `json:"fail,omitempty"`
}

type valueSeries struct {
	Values []seriesValue `json:"values"`
}

type seriesValue struct {
	Label string      `json:"label"`
	Value json.Number `json:"value"`
	Level string      `json:"level"`
}

type anomalyDetails struct {
	PredictedValue json.Number `json:"predictedValue"`
}

// diagnosed is what scanners say in diagnostics and the API has members for.
type diagnosed struct {
	ValueSeries struct {
		Values []struct {
			Label   string          `json:"label"`
			Value   json.RawMessage `json:"value"`
			Outcome string          `json:"outcome"`
		} `json:"values"`
	} `json:"valueSeries"`
	AnomalyPredictedValue json.RawMessage `json:"anomalyPredictedValue"`
	kindDiagnosed
	// V4 is what checks of contracts say, in the API's own words but for the member type, which names the kind.
	V4 map[string]json.RawMessage `json:"v4"`
}

// contract is the diagnostics of a contract's check by their kind, nil if it has none.
func (d *diagnosed) contract() map[string]json.RawMessage {
	var kind string
	if json.Unmarshal(d.V4["type"], &kind) != nil || kind == "" {
		return nil
	}
	delete(d.V4, "type")
	raw, err := json.Marshal(d.V4)
	if err != nil {
		return nil
	}
	return map[string]json.RawMessage{kind: raw}
}

func (s *server) row(r *http.Request, c *hub.Check) checkRow {
	row := checkRow{
		ID: c.ID, Name: c.Name, EvaluationStatus: c.Outcome, Incidents: []any{}, CreatedAt: isoTime(c.Created), CloudURL: s.link(r, "/checks/"+c.ID),
		Column: c.Column, Definition: c.Source, CheckType: c.Kind, MetricType: c.Kind, Attributes: map[string]string{}, Agreements: []any{},
		Owner: ownerOf(c.Owner()), LastCheckRunTime: isoTime(c.At), LastUpdated: isoTime(c.At), ScanDefinition: c.Definition,
		Since: isoTime(c.Since), ScanID: c.ScanID, Archived: c.Archived, LastCheckResultValue: lastValue(c), Origin: cmp.Or(c.Origin, "sodacl"),
		Datasets: []datasetRef{{ID: c.DatasetID, Name: c.Dataset.Name, CloudURL: s.link(r, "/datasets/"+c.DatasetID), QualifiedName: c.Dataset.QualifiedName()}},
	}
	for _, a := range c.Attributes {
		row.Attributes[a.Name] = a.Text()
	}
	if c.Group != nil {
		row.Group = &group{GroupType: "groupBy", Identity: c.Group.Identity, Name: c.Group.Name}
	}
	return row
}

func lastValue(c *hub.Check) *resultValue {
	if c.At.IsZero() {
		return nil
	}
	v := &resultValue{
		ID: resultID(c.ID, c.ScanID), Value: validNumber(c.Value), ValueLabel: c.ValueLabel, Measure: c.Measure, DataTimestamp: isoTime(c.At), Warn: c.Warn, Fail: c.Fail,
	}
	if v.Measure != wording.MeasureTime {
		v.Measure = "" // Soda's enumeration has no other
	}
	var d diagnosed
	_ = json.Unmarshal(c.Diagnostics, &d) // nothing, or an object; members of another shape are left out
	for _, value := range d.ValueSeries.Values {
		if v.ValueSeries == nil {
			v.ValueSeries = &valueSeries{}
		}
		v.ValueSeries.Values = append(v.ValueSeries.Values, seriesValue{Label: value.Label, Value: validNumber(json.Number(value.Value)), Level: value.Outcome})
	}
	if n := validNumber(json.Number(d.AnomalyPredictedValue)); n != "" {
		v.AnomalyDetectionDetails = &anomalyDetails{n}
	}
	if v.Diagnostics = d.contract(); v.Diagnostics == nil {
		v.Diagnostics = diagnosticsOf(c, &d.kindDiagnosed)
	}
	return v
}

// validNumber is n if it can stand in JSON, else none.
func validNumber(n json.Number) json.Number {
	var f json.Number
	if n == "" || n == "null" || json.Unmarshal([]byte(n), &f) != nil {
		return ""
	}
	return f
}

// resultID is the id of a check's result in a scan.
func resultID(checkID, scanID string) string { return dq.OpaqueID(26, "result", checkID, scanID) }

// maxCheckIDs is how many checks may be asked for by id.
const maxCheckIDs = 1000

func (s *server) checks(r *http.Request) (any, error) {
	q := r.URL.Query()
	number, size, err := paging(r, 10, 1000, 10)
	if err != nil {
		return nil, err
	}
	f := hub.CheckFilter{DatasetID: q.Get("datasetId"), Page: number, Size: size}
	if f.DatasetID == "" {
		f.DatasetID = q.Get("datasetID") // as one of Soda's own guides spells it
	}
	if q.Has("checkIds") {
		if q.Has("page") || q.Has("size") || f.DatasetID != "" {
			return nil, failure(http.StatusBadRequest, "invalid_parameter", "checkIds: must not be combined with page, size or datasetId.")
		}
		f.IDs = strings.FieldsFunc(q.Get("checkIds"), func(c rune) bool { return c == ',' || c == ' ' })
		if len(f.IDs) > maxCheckIDs {
			return nil, failure(http.StatusBadRequest, "invalid_parameter", "checkIds: %d ids, at most %d.", len(f.IDs), maxCheckIDs)
		}
		f.Size = maxCheckIDs
		if len(f.IDs) == 0 {
			return pageOf([]checkRow{}, 0, f.Size, 0), nil
		}
	}
	found, err := s.Hub.Checks(r.Context(), f)
	if err != nil {
		return nil, err
	}
	rows := make([]checkRow, len(found.Rows))
	for i := range found.Rows {
		rows[i] = s.row(r, &found.Rows[i])
	}
	return pageOf(rows, found.Page, found.Size, found.Total), nil
}

func (s *server) check(r *http.Request) (any, error) {
	c, err := s.Hub.Check(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return s.row(r, &c), nil
}

// pastResult is one result of a check's history; the operation is ours.
type pastResult struct {
	ID               string      `json:"id"`
	DataTimestamp    string      `json:"dataTimestamp"`
	EvaluationStatus dq.Outcome  `json:"evaluationStatus"`
	Value            json.Number `json:"value,omitempty"`
	ValueLabel       string      `json:"valueLabel,omitempty"`
	ScanID           string      `json:"scanId"`
}

// resultList is the answer of the history, newest first. Next is the "to" of the page of older results, absent at the end.
type resultList struct {
	Content []pastResult `json:"content"`
	Last    bool         `json:"last"`
	Next    string       `json:"next,omitempty"`
}

func (s *server) results(r *http.Request) (any, error) {
	from, err := timeParameter(r, "from")
	if err != nil {
		return nil, err
	}
	to, err := timeParameter(r, "to")
	if err != nil {
		return nil, err
	}
	limit, err := intParameter(r, "limit", hub.DefaultHistory, 1, hub.MaxHistory)
	if err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	points, more, err := s.Hub.History(r.Context(), id, from, to, limit)
	if err != nil {
		return nil, err
	}
	list := resultList{Content: make([]pastResult, len(points)), Last: !more}
	for i, p := range points {
		list.Content[i] = pastResult{ID: resultID(id, p.ScanID), DataTimestamp: isoTime(p.At), EvaluationStatus: p.Outcome, Value: validNumber(p.Value), ValueLabel: p.ValueLabel, ScanID: p.ScanID}
	}
	if more && len(points) > 0 {
		list.Next = points[len(points)-1].At.Add(-time.Millisecond).UTC().Format(time.RFC3339Nano)
	}
	return list, nil
}
