// Package v4 turns the wire forms of Soda Core 4 into the nouns of package dq, and answers back.
//
// It owns what each member of a Soda Core 4 payload means: contracts' checks with thresholds and diagnostics, discovery, logs
// in results and in streams, and history queries. Transport,
// authentication and dispatch are package sodacloud's, storing is hub's. Senders cannot be changed and do not retry, so what
// is missing or unknown is tolerated and kept; only what cannot be understood is refused, with the path of the member.
package v4

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/wire"
)

// Is tells whether the members of a sodaCoreInsertScanResults are of Soda Core 4.
func Is(members map[string]json.RawMessage) bool {
	for _, name := range []string{"contract", "version", "resultsIngestionMode", "postProcessingStages", "scanId", "scanReference"} {
		if _, ok := members[name]; ok {
			return true
		}
	}
	return false
}

// message is the top level of sodaCoreInsertScanResults (Soda Core 4 protocol, contract verification envelope).
type message struct {
	scanID, scanReference  string
	definition, dataSource string
	properties             struct{ Type string }
	dataTime, start, end   string
	hasErrors              bool
	mode                   string
	contract               *struct {
		FileID   string `json:"fileId"`
		Metadata struct {
			Source struct {
				FilePath string `json:"filePath"`
			} `json:"source"`
		} `json:"metadata"`
	}

	checks, monitors, metrics, metadata, logs []json.RawMessage
}

// members are where the parts of a message go. Nil is for members that are known and say nothing that the rest does not:
// the summary flags are lossy, so the state is drawn from the outcomes.
func (m *message) members() map[string]any {
	return map[string]any{
		"scanId": &m.scanID, "scanReference": &m.scanReference, "definitionName": &m.definition, "defaultDataSource": &m.dataSource,
		"defaultDataSourceProperties": &m.properties, "dataTimestamp": &m.dataTime, "scanStartTimestamp": &m.start, "scanEndTimestamp": &m.end,
		"hasErrors": &m.hasErrors, "resultsIngestionMode": &m.mode, "contract": &m.contract,
		"checks": &m.checks, "automatedMonitoringChecks": &m.monitors, "metrics": &m.metrics, "metadata": &m.metadata, "logs": &m.logs,
		"hasWarnings": nil, "hasWarns": nil, "hasFailures": nil, "type": nil, "token": nil, "version": nil, "sourceOwner": nil,
	}
}

// Inserted is a scan as read from a message.
type Inserted struct {
	*dq.Scan
	// Given is the id that a managed run said, "" if the server is to make one.
	Given string
	// Batch means that more may follow, until the client ends the scan.
	Batch bool
}

// Scan reads the members of sodaCoreInsertScanResults or sodaCoreInsertScanDataBatch. The scan's id is a hash of all members
// but the token, so that the same message twice is the same scan. agent is the client's User-Agent. Errors are of type
// [*wire.Error].
func Scan(members map[string]json.RawMessage, agent string) (Inserted, error) {
	var m message
	extra, err := wire.Members(members, m.members())
	if err != nil {
		return Inserted{}, err
	}
	b := builder{scan: &dq.Scan{
		ID: wire.ContentID("soda core 4 scan", members), Definition: m.definition, DataSource: m.dataSource, DataSourceType: m.properties.Type,
		Errored: m.hasErrors, Partial: m.mode == "partial", Scanner: Scanner(agent), Extra: said(extra),
	}}
	in := Inserted{Scan: b.scan, Given: m.scanID, Batch: m.scanReference != ""}
	if in.Batch {
		in.Given = m.scanReference
	}
	if in.Given != "" {
		if err := CheckID("scanId", in.Given); err != nil {
			return in, err
		}
	}
	if err := b.read(&m); err != nil {
		return in, err
	}
	b.scan.State = b.scan.Conclude(true)
	return in, nil
}

func (b *builder) read(m *message) error {
	for _, t := range []struct {
		name, text string
		to         *time.Time
	}{
		{"dataTimestamp", m.dataTime, &b.scan.DataTime}, {"scanStartTimestamp", m.start, &b.scan.Started}, {"scanEndTimestamp", m.end, &b.scan.Ended},
	} {
		if err := wire.Time(t.name, t.text, t.to); err != nil {
			return err
		}
	}
	for _, list := range []struct {
		name string
		raw  []json.RawMessage
		read func(path string, raw json.RawMessage) error
	}{
		{"checks", m.checks, b.check}, {"automatedMonitoringChecks", m.monitors, b.check}, {"metrics", m.metrics, b.metric}, {"metadata", m.metadata, b.metadata},
	} {
		for i, raw := range list.raw {
			if err := list.read(fmt.Sprintf("%s[%d]", list.name, i), raw); err != nil {
				return err
			}
		}
	}
	var err error
	if b.scan.Logs, err = readLogs(m.logs); err != nil {
		return err
	}
	b.cover(m)
	return nil
}

// Scanner names the program by its User-Agent. Clients before 4.2 say the same version whatever theirs is.
func Scanner(agent string) dq.Scanner {
	if version, ok := strings.CutPrefix(agent, "soda-core/"); ok && len(version) < 40 {
		return dq.Scanner{Name: "soda-core", Version: version}
	}
	return dq.Scanner{Name: "soda-core", Version: "4"}
}

// said is extra without the members that say nothing.
func said(extra map[string]json.RawMessage) map[string]json.RawMessage {
	for name, raw := range extra {
		switch string(bytes.TrimSpace(raw)) {
		case "null", "[]", "{}", `""`:
			delete(extra, name)
		}
	}
	return extra
}

var usableID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`) })

// CheckID refuses what cannot be the id of a scan: ids stand in addresses. Errors are of type [*wire.Error].
func CheckID(path, id string) error {
	if usableID().MatchString(id) {
		return nil
	}
	return wire.Bad(path, fmt.Sprintf("%q cannot be a scan id; want up to 64 letters, digits, _ and -, such as a UUID", dq.Truncate(id, 80)))
}

// builder collects what the elements of the payload's arrays say.
type builder struct{ scan *dq.Scan }

// cover finds what the scan was about when it lists no checks. The definition of a contract's scan is the dataset's name
// unless the scan is managed; the log names the dataset in any case.
func (b *builder) cover(m *message) {
	if m.contract != nil {
		b.scan.Contract = &dq.ContractRef{Path: dq.Truncate(m.contract.Metadata.Source.FilePath, 500)}
		if usableID().MatchString(m.contract.FileID) {
			b.scan.Contract.File = m.contract.FileID
		}
		if d, ok := dq.ParseQualifiedName(b.scan.Definition); ok && d.DataSource == b.scan.DataSource {
			b.scan.Covers = append(b.scan.Covers, d)
		} else if d, ok := datasetOfLog(b.scan.Logs); ok {
			b.scan.Covers = append(b.scan.Covers, d)
		}
	}
}

// metadata is a dataset that was discovered, or whose schema a check read.
func (b *builder) metadata(path string, raw json.RawMessage) error {
	var w struct {
		Name   string `json:"datasetQualifiedName"`
		Schema []struct {
			Name string `json:"columnName"`
			Type string `json:"sourceDataType"`
		} `json:"schema"`
	}
	if err := wire.Decode(path, raw, &w); err != nil {
		return err
	}
	d, ok := dq.ParseQualifiedName(w.Name)
	if !ok {
		return wire.Bad(path+".datasetQualifiedName", fmt.Sprintf("%q is no qualified name, such as source/schema/table", dq.Truncate(w.Name, 100)))
	}
	if len(w.Schema) == 0 {
		b.scan.Covers = append(b.scan.Covers, d)
		return nil
	}
	columns := make([]dq.Column, len(w.Schema))
	for i, c := range w.Schema {
		columns[i] = dq.Column{Name: c.Name, Type: c.Type}
	}
	b.scan.Reports = append(b.scan.Reports, dq.DatasetReport{Dataset: d, Schema: columns})
	return nil
}

// metric is a measurement of an extension; contracts have none.
func (b *builder) metric(path string, raw json.RawMessage) error {
	var w struct {
		Identity   string          `json:"identity"`
		Name       string          `json:"metricName"`
		MetricType string          `json:"metricType"`
		Value      json.RawMessage `json:"value"`
		DataSource string          `json:"dataSource"`
		Prefix     []string        `json:"datasetPrefix"`
		Table      string          `json:"table"`
	}
	if err := wire.Decode(path, raw, &w); err != nil {
		return err
	}
	if w.Identity == "" || len(w.Value) == 0 || string(w.Value) == "null" {
		return nil
	}
	if w.Name == "" {
		w.Name = w.MetricType
	}
	d := dq.DatasetRef{DataSource: w.DataSource, Prefix: prefix(w.Prefix), Name: w.Table}
	if d.DataSource == "" && d.Name == "" {
		d.DataSource = b.scan.DataSource
		if len(b.scan.Results) > 0 {
			d = b.scan.Results[0].Dataset
		}
	}
	b.scan.Measurements = append(b.scan.Measurements, dq.Measurement{Dataset: d, Identity: w.Identity, Name: w.Name, Value: w.Value})
	return nil
}

// prefix makes an empty list the same as none.
func prefix(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}
