package hub

import (
	"encoding/json"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// Check is the current state of one check: a row of the Checks dashboard, and the head of a check's page.
type Check struct {
	dq.Check
	// ID is the check's id, DatasetID the beginning of it.
	ID        string
	DatasetID string
	// Definition is the name of the scan definition that reports the check.
	Definition string
	Outcome    dq.Outcome
	Value      json.Number
	ValueLabel string
	Measure    string
	Warn, Fail *dq.Threshold
	Reasons    []dq.Reason
	// Diagnostics is what the scanner said beyond that with the newest result: a JSON object or nothing.
	Diagnostics json.RawMessage
	// At is the data time of the newest result, ScanID its scan. Zero and "" if the check was never evaluated.
	At     time.Time
	ScanID string
	// Since is the data time of the first result of the current run of equal outcomes.
	Since time.Time
	// Created is the data time of the oldest result seen.
	Created time.Time
	// Last holds the newest results, oldest first, at most [StripLength].
	Last []Verdict
	// Archived checks are missing from a newer clean scan of their definition. Lists leave them out unless asked.
	Archived bool
}

// StripLength is how many of the newest results of a check are kept beside its state.
const StripLength = 20

// Verdict is one past outcome of a check.
type Verdict struct {
	At      time.Time
	ScanID  string
	Outcome dq.Outcome
}

// Point is one past result of a check, as its history shows it.
type Point struct {
	At         time.Time
	ScanID     string
	Outcome    dq.Outcome
	Value      json.Number // empty if there was none
	ValueLabel string      // in place of a value
	// Warn and Fail are the ranges that the result was judged by, for checks whose ranges move (anomaly detection); nil if
	// those of the check stand.
	Warn, Fail *dq.Threshold
	Definition string
}

// ScanWarning says that the newest finished scan of a definition did not run cleanly. It stands on each dataset that the
// definition covers until the definition's next clean scan.
type ScanWarning struct {
	ScanID     string       `json:"scanId"`
	Definition string       `json:"scanDefinition"`
	State      dq.ScanState `json:"state"`
	// Since is the data time of the first scan that was not clean since the last clean one; ScanID is the newest.
	Since time.Time `json:"since"`
	// Why is one line from the scan, such as its first error.
	Why string `json:"why,omitempty"`
}

// Dataset is the current state of one dataset: a row of the Datasets dashboard.
type Dataset struct {
	dq.DatasetRef
	ID string
	// SourceType is the kind of data source (postgres, …), "" if no scan said.
	SourceType string
	// Counts counts the checks by outcome, archived ones left out.
	Counts dq.Counts
	// LastScan is the newest scan over the dataset, clean or not. LastData is its data time.
	LastScan      string
	LastScanState dq.ScanState
	LastData      time.Time
	// Updated is when the state last changed (arrival of a scan).
	Updated time.Time
	// Warnings holds one entry for each definition whose newest scan was not clean, newest first.
	Warnings []ScanWarning
	// Definitions are the names of the scan definitions that report on the dataset, sorted.
	Definitions []string
	// Same is the dataset under another name, see [Hub.Kin]; nil if it has none. Lists set it.
	Same    *dq.DatasetRef
	Version int64
}

// Health is the percentage of evaluated checks that pass, or -1.
func (d *Dataset) Health() int { return d.Counts.Health() }

// DatasetDetail is what the newest scans learned of a dataset beyond its checks.
type DatasetDetail struct {
	Dataset
	Schema   []dq.Column
	SchemaAt time.Time
	RowCount *int64
	Profile  json.RawMessage // column profiles as sent, a JSON array
	Sample   string          // id of a sample of rows
	// Verified is the contract that the newest scan with one verified, VerifiedBy that scan; nil and "" if there was none.
	Verified   *dq.ContractRef
	VerifiedBy string
	// unclean are recent scans of the dataset's definitions that did not run cleanly.
	unclean []ScanHead
}

// ScanHead is a scan without its contents: a row of the scans list.
type ScanHead struct {
	ID         string       `json:"id"`
	Definition string       `json:"definition"`
	Scanner    string       `json:"scanner,omitempty"` // name and version
	DataSource string       `json:"dataSource,omitempty"`
	State      dq.ScanState `json:"state"`
	DataTime   time.Time    `json:"dataTime"`
	Started    time.Time    `json:"started,omitzero"`
	Ended      time.Time    `json:"ended,omitzero"`
	Received   time.Time    `json:"received"`
	Counts     dq.Counts    `json:"counts"`
	Errors     int          `json:"errors,omitempty"`
	Why        string       `json:"why,omitempty"`
	// Datasets are qualified names, the first few; DatasetCount is how many there are.
	Datasets     []string `json:"datasets,omitempty"`
	DatasetCount int      `json:"datasetCount,omitempty"`
	// Content is that of the scan, see [dq.Scan].
	Content string `json:"content,omitempty"`
	// Parts is the number of items that the document is stored in.
	Parts int `json:"parts"`
}

// CheckFilter selects checks. Zero members select everything. Text terms compare without case; several members are joined
// by "and", several outcomes by "or".
type CheckFilter struct {
	Outcomes   []dq.Outcome
	DatasetID  string
	OrDatasets []string // ids of datasets that count as well as DatasetID, such as its kin
	Dataset    string   // exact name
	DataSource string   // exact name
	Owner      string   // exact
	Definition string   // exact name of a scan definition
	Text       string   // part of name, column, dataset name or check source
	Attributes []AttributeTerm
	IDs        []string
	Archived   bool // archived checks instead of current ones
	// Sort is one of name (default), outcome (worst first), dataset, value, evaluated (newest first), since; Desc turns
	// the order round.
	Sort string
	Desc bool
	// Page counts from 0. Size 0 means [DefaultPageSize].
	Page, Size int
}

// AttributeTerm asks for an attribute with a value; an empty value asks for the attribute only. For lists any element may
// match.
type AttributeTerm struct{ Name, Value string }

// DefaultPageSize and MaxPageSize bound pages of lists.
const (
	DefaultPageSize = 50
	MaxPageSize     = 1000
)

// CheckPage is one page of checks.
type CheckPage struct {
	Rows       []Check
	Total      int
	Page, Size int
	// Counts counts all checks that match the filter apart from its outcomes, so that outcome tabs can show numbers.
	Counts dq.Counts
	// Facets are the values to choose from, over all current checks.
	Facets Facets
}

// Facets are the distinct values of the current checks, sorted, for filter menus; each list is cut at 200 values.
type Facets struct {
	Datasets    []string
	DataSources []string
	Owners      []string
	Definitions []string
	Attributes  []string // names
}

// DatasetFilter selects datasets.
type DatasetFilter struct {
	Text       string // part of the name; with a slash, of the qualified name
	DataSource string // exact name
	// Health is one of "", fail, warn, pass, or "warning" for those with a scan warning.
	Health string
	// UpdatedAfter selects by Updated; zero for all.
	UpdatedAfter time.Time
	// Sort is one of name (default), health (worst first), checks, failing, scanned (newest first).
	Sort       string
	Desc       bool
	Page, Size int
}

// HealthCounts counts datasets by their worst verdict, and those with a scan warning whatever their verdicts.
type HealthCounts struct{ All, ScanWarning, Fail, Warn, Pass int }

func (n *HealthCounts) add(d *Dataset) {
	n.All++
	if len(d.Warnings) > 0 {
		n.ScanWarning++
	}
	switch d.Counts.Worst() {
	case dq.Fail:
		n.Fail++
	case dq.Warn:
		n.Warn++
	case dq.Pass:
		n.Pass++
	}
}

// DatasetPage is one page of datasets.
type DatasetPage struct {
	Rows        []Dataset
	Total       int
	Page, Size  int
	DataSources []string // to choose from
	// ByHealth counts the datasets that the filter selects when its Health is left out.
	ByHealth HealthCounts
	// Uncovered are the warnings of definitions that no dataset is known of, such as one whose first scan failed.
	Uncovered []ScanWarning
}

// ScanFilter selects scans, newest arrival first.
type ScanFilter struct {
	Definition string // exact
	State      dq.ScanState
	// Before continues after a page: the Next of the former page. Size 0 means [DefaultPageSize].
	Before string
	Size   int
}

// ScanPage is one page of scans. Next is empty on the last.
type ScanPage struct {
	Rows []ScanHead
	Next string
}

// Sample is an uploaded sample of rows: JSON Lines, one array a row, as the scanner sent them. It may hold bare NaN and
// Infinity, which are not JSON.
type Sample struct {
	ID       string
	Path     string // the scanner's own name of the file, not unique
	Received time.Time
	Rows     int
	Data     []byte
}

// AttributeSchema is one attribute that checks may carry, as scanners are told (protocol: sodaCoreAvailableCheckAttributes).
type AttributeSchema struct {
	Name string `json:"name" yaml:"name"`
	// Type is text, number, datetime, checkbox, singleSelect or multiSelect.
	Type          string `json:"type" yaml:"type"`
	Label         string `json:"label,omitempty" yaml:"label,omitempty"`
	Description   string `json:"description,omitempty" yaml:"description,omitempty"`
	AllowedValues []any  `json:"allowedValues" yaml:"allowedValues,omitempty"`
}
