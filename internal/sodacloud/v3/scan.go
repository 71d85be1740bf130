// Package v3 turns the wire forms of Soda Core 3 into the nouns of package dq, and answers back.
//
// It owns what each member of a Soda Core 3.0 to 3.5 payload means: identities, outcomes, thresholds, blocks, logs, metrics
// and which dataset each belongs to. Transport, authentication and dispatch are package sodacloud's, storing is hub's.
// Senders cannot be changed and do not retry, so what is missing or unknown is tolerated; only what cannot be understood
// is refused, with the path of the member.
package v3

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/wire"
)

// message is the top level of sodaCoreInsertScanResults.
type message struct {
	definition, dataSource string
	properties             struct{ Type string }
	dataTime, start, end   string
	hasErrors              bool
	owner                  string

	metrics, checks, automatedMonitoringChecks, queries, profiling, metadata, logs []json.RawMessage
}

// members are where the parts of a message go. Nil is for members that are known and say nothing that the rest does not.
func (m *message) members() map[string]any {
	return map[string]any{
		"definitionName": &m.definition, "defaultDataSource": &m.dataSource, "defaultDataSourceProperties": &m.properties,
		"dataTimestamp": &m.dataTime, "scanStartTimestamp": &m.start, "scanEndTimestamp": &m.end, "hasErrors": &m.hasErrors, "sourceOwner": &m.owner,
		"metrics": &m.metrics, "checks": &m.checks, "automatedMonitoringChecks": &m.automatedMonitoringChecks, "queries": &m.queries,
		"profiling": &m.profiling, "metadata": &m.metadata, "logs": &m.logs,
		"hasWarnings": nil, "hasFailures": nil, "type": nil, "token": nil,
	}
}

// Scan reads the members of a sodaCoreInsertScanResults command. The scan's id is a hash of all members but the token, so
// that the same message twice is the same scan. Errors are of type [*wire.Error], or [hub.ErrTooLarge].
func Scan(members map[string]json.RawMessage) (*dq.Scan, error) {
	var m message
	extra, err := wire.Members(members, m.members())
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(m.definition) == "" {
		return nil, &wire.Error{Path: "definitionName", Problem: "is missing or blank, want the name of the scan definition"}
	}
	if err := hub.CheckSize(len(m.checks)+len(m.automatedMonitoringChecks), len(m.metrics)); err != nil {
		return nil, err // before the work of reading them
	}
	s := &dq.Scan{
		ID: wire.ContentID("soda core 3 scan", members), Definition: m.definition, DataSource: m.dataSource,
		DataSourceType: m.properties.Type, Errored: m.hasErrors, Scanner: dq.Scanner{Name: m.owner}, Extra: extra,
	}
	if s.Scanner.Name == "" {
		s.Scanner.Name = "soda-core"
	}
	b := builder{scan: s}
	b.times(m)
	b.each("logs", m.logs, b.log)
	b.each("queries", m.queries, b.query)
	metricNames := b.metricNames(m.metrics)
	b.each("checks", m.checks, func(path string, raw json.RawMessage) error { return b.check(path, raw, metricNames) })
	b.each("automatedMonitoringChecks", m.automatedMonitoringChecks, func(path string, raw json.RawMessage) error { return b.check(path, raw, metricNames) })
	b.each("metadata", m.metadata, b.metadata)
	b.each("profiling", m.profiling, b.profiling)
	b.each("metrics", m.metrics, b.metric)
	if b.err != nil {
		return nil, b.err
	}
	slices.SortStableFunc(s.Logs, func(a, b dq.LogLine) int { return a.Index - b.Index })
	s.State = s.Conclude(b.finished())
	return s, nil
}

// builder collects what the elements of the payload's arrays say. The first error stays.
type builder struct {
	scan *dq.Scan
	err  error
	// owner is the dataset of the first check that is made from a metric, by metric identity.
	owner map[string]dq.DatasetRef
	// tables are the datasets named anywhere in the payload.
	tables []dq.DatasetRef
}

func (b *builder) each(name string, list []json.RawMessage, read func(path string, raw json.RawMessage) error) {
	for i, raw := range list {
		if b.err != nil {
			return
		}
		b.err = read(name+"["+strconv.Itoa(i)+"]", raw)
	}
}

func (b *builder) times(m message) {
	for _, t := range []struct {
		name, text string
		to         *time.Time
	}{
		{"dataTimestamp", m.dataTime, &b.scan.DataTime},
		{"scanStartTimestamp", m.start, &b.scan.Started},
		{"scanEndTimestamp", m.end, &b.scan.Ended},
	} {
		if b.err == nil {
			b.err = wire.Time(t.name, t.text, t.to)
		}
	}
}

type wireLocation struct {
	FilePath *string `json:"filePath"`
	Line     int     `json:"line"`
	Col      int     `json:"col"`
}

func (l *wireLocation) location() *dq.Location {
	if l == nil || (l.FilePath == nil && l.Line == 0) {
		return nil
	}
	loc := &dq.Location{Line: l.Line, Col: l.Col}
	if l.FilePath != nil {
		loc.File = *l.FilePath
	}
	return loc
}

func (b *builder) log(path string, raw json.RawMessage) error {
	var w struct {
		Level     string        `json:"level"`
		Message   string        `json:"message"`
		Timestamp string        `json:"timestamp"`
		Index     int           `json:"index"`
		Location  *wireLocation `json:"location"`
	}
	if err := wire.Decode(path, raw, &w); err != nil {
		return err
	}
	line := dq.LogLine{Index: w.Index, Level: w.Level, Message: w.Message, Location: w.Location.location()}
	if err := wire.Time(path+".timestamp", w.Timestamp, &line.Time); err != nil {
		return err
	}
	if version, ok := strings.CutPrefix(w.Message, "Soda Core "); ok && b.scan.Scanner.Version == "" && len(version) < 40 {
		b.scan.Scanner.Version = version
	}
	b.scan.Logs = append(b.scan.Logs, line)
	return nil
}

// finished tells whether the client came to its closing summary. dbt ingestion writes none; very old clients send no logs.
func (b *builder) finished() bool {
	dbt := slices.ContainsFunc(b.scan.Results, func(r dq.Result) bool { return r.Kind == kindDBT })
	return dbt || len(b.scan.Logs) == 0 || slices.ContainsFunc(b.scan.Logs, func(l dq.LogLine) bool { return strings.HasPrefix(l.Message, "Scan summary:") })
}

func (b *builder) query(path string, raw json.RawMessage) error {
	var w struct {
		Name       string  `json:"name"`
		DataSource *string `json:"dataSource"`
		Table      *string `json:"table"`
		Column     *string `json:"column"`
		SQL        *string `json:"sql"`
		Exception  *string `json:"exception"`
		Duration   *string `json:"duration"`
	}
	if err := wire.Decode(path, raw, &w); err != nil {
		return err
	}
	q := dq.Query{
		Name: w.Name, DataSource: wire.Text(w.DataSource), Table: wire.Text(w.Table), Column: wire.Text(w.Column), SQL: wire.Text(w.SQL),
		Error: wire.Text(w.Exception), Duration: duration(wire.Text(w.Duration)),
	}
	if q.Table != "" {
		b.tables = append(b.tables, dq.DatasetRef{DataSource: q.DataSource, Name: q.Table})
	}
	b.scan.Queries = append(b.scan.Queries, q)
	return nil
}

// duration reads Python's text of a timedelta, such as "0:00:00.000305" or "1 day, 2:03:04"; anything else is 0.
func duration(s string) time.Duration {
	var days int
	if d, rest, ok := strings.Cut(s, " day"); ok {
		days, _ = strconv.Atoi(d)
		_, s, _ = strings.Cut(rest, ", ")
	}
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return 0
	}
	hours, err1 := strconv.Atoi(parts[0])
	minutes, err2 := strconv.Atoi(parts[1])
	seconds, err3 := strconv.ParseFloat(parts[2], 64)
	if err1 != nil || err2 != nil || err3 != nil || days > 10_000 || days < -10_000 || hours > 24 || hours < 0 {
		return 0
	}
	return time.Duration(days*24+hours)*time.Hour + time.Duration(minutes)*time.Minute + time.Duration(seconds*1e9)
}

type wireColumn struct {
	ColumnName     string `json:"columnName"`
	SourceDataType string `json:"sourceDataType"`
}

func columns(list []wireColumn) []dq.Column {
	out := make([]dq.Column, len(list))
	for i, c := range list {
		out[i] = dq.Column{Name: c.ColumnName, Type: c.SourceDataType}
	}
	return out
}

func (b *builder) metadata(path string, raw json.RawMessage) error {
	var w struct {
		Table      string       `json:"table"`
		DataSource string       `json:"dataSource"`
		Schema     []wireColumn `json:"schema"`
	}
	if err := wire.Decode(path, raw, &w); err != nil {
		return err
	}
	b.report(dq.DatasetReport{Dataset: dq.DatasetRef{DataSource: w.DataSource, Name: w.Table}, Schema: columns(w.Schema)})
	return nil
}

func (b *builder) profiling(path string, raw json.RawMessage) error {
	var w struct {
		Table          string          `json:"table"`
		DataSource     string          `json:"dataSource"`
		RowCount       *int64          `json:"rowCount"`
		ColumnProfiles json.RawMessage `json:"columnProfiles"`
		SampleFile     *struct {
			Reference *struct {
				FileID string `json:"fileId"`
			} `json:"reference"`
		} `json:"sampleFile"`
	}
	if err := wire.Decode(path, raw, &w); err != nil {
		return err
	}
	r := dq.DatasetReport{Dataset: dq.DatasetRef{DataSource: w.DataSource, Name: w.Table}, RowCount: w.RowCount, Profile: w.ColumnProfiles}
	if w.SampleFile != nil && w.SampleFile.Reference != nil {
		r.Sample = w.SampleFile.Reference.FileID
	}
	b.report(r)
	return nil
}

func (b *builder) report(r dq.DatasetReport) {
	b.tables = append(b.tables, r.Dataset)
	b.scan.Reports = append(b.scan.Reports, r)
}

type wireMetric struct {
	Identity       string          `json:"identity"`
	MetricName     string          `json:"metricName"`
	Value          json.RawMessage `json:"value"`
	DataSourceName *string         `json:"dataSourceName"`
	TableName      *string         `json:"tableName"`
}

// metricNames reads the names of metrics by identity, for guessing what kind a check is.
func (b *builder) metricNames(list []json.RawMessage) map[string]string {
	names := make(map[string]string, len(list))
	b.each("metrics", list, func(path string, raw json.RawMessage) error {
		var w wireMetric
		err := wire.Decode(path, raw, &w)
		names[w.Identity] = w.MetricName
		return err
	})
	return names
}

// metric keeps what was measured. A null value was not, and the metric that dbt ingestion sends is no measurement.
func (b *builder) metric(path string, raw json.RawMessage) error {
	var w wireMetric
	if err := wire.Decode(path, raw, &w); err != nil {
		return err
	}
	if w.Identity == "" || w.Identity == "dbt_metric" || len(w.Value) == 0 || bytes.Equal(w.Value, []byte("null")) {
		return nil
	}
	d := b.datasetOf(w)
	b.scan.Measurements = append(b.scan.Measurements, dq.Measurement{Dataset: d, Identity: w.Identity, Name: w.MetricName, Value: w.Value})
	var schema []wireColumn
	if w.MetricName == "schema" && w.TableName != nil && json.Unmarshal(w.Value, &schema) == nil {
		b.scan.Reports = append(b.scan.Reports, dq.DatasetReport{Dataset: d, Schema: columns(schema)})
	}
	return nil
}

// datasetOf finds whose history a metric belongs to: the dataset of a check made from it, the table it names, or the table
// of the payload whose name its identity carries (metric-{definition}-{data source}-{table}-…, unescaped, so that it can be
// matched but not parsed).
func (b *builder) datasetOf(w wireMetric) dq.DatasetRef {
	if d, ok := b.owner[w.Identity]; ok {
		return d
	}
	if w.TableName != nil {
		return dq.DatasetRef{DataSource: wire.Text(w.DataSourceName), Name: *w.TableName}
	}
	best := dq.DatasetRef{DataSource: b.scan.DataSource}
	if len(b.scan.Results) > 0 {
		best = b.scan.Results[0].Dataset
	}
	length := -1
	for _, d := range b.tables {
		prefix := "metric-" + b.scan.Definition + "-" + d.DataSource + "-" + d.Name + "-"
		if strings.HasPrefix(w.Identity, prefix) && len(d.Name) > length {
			best, length = d, len(d.Name)
		}
	}
	return best
}
