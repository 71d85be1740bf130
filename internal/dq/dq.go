// Package dq holds the nouns of data quality: what a scanner found, told in terms that every tool shares.
//
// A [Scan] is one run of a scanner. It carries a [Result] for each check, [Measurement]s, what it learned about
// datasets, queries and logs. The package owns the meaning of outcomes and scan states, the identity of datasets and
// checks, and the order of scans in time. It knows no wire format (package sodacloud), no storage (package table) and no
// views (package hub), and imports the standard library only.
package dq

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Outcome is the verdict on one check in one scan.
type Outcome string

// The outcomes. NotEvaluated is an outcome of its own: it is never read as zero and never as a pass.
const (
	Pass         Outcome = "pass"
	Warn         Outcome = "warn"
	Fail         Outcome = "fail"
	NotEvaluated Outcome = "notEvaluated"
)

// Outcomes lists every outcome, worst first.
var Outcomes = []Outcome{Fail, Warn, NotEvaluated, Pass}

// Evaluated tells whether o is a verdict: pass, warn or fail.
func (o Outcome) Evaluated() bool { return o == Pass || o == Warn || o == Fail }

// Rank orders outcomes from best (0, pass) to worst (3, fail).
func (o Outcome) Rank() int {
	switch o {
	case Fail:
		return 3
	case Warn:
		return 2
	case NotEvaluated:
		return 1
	}
	return 0
}

// ScanState is the life of a scan, in the words of Soda Cloud's public API (GET /api/v1/scans/{id}).
type ScanState string

// The states. All but Queuing, Executing and CancelationRequested are final. Incomplete is ours: the scanner reported no error, but stopped
// before its closing summary (for instance by Ctrl-C).
const (
	Queuing               ScanState = "queuing"
	Executing             ScanState = "executing"
	CancelationRequested  ScanState = "cancelationRequested"
	Completed             ScanState = "completed"
	CompletedWithWarnings ScanState = "completedWithWarnings"
	CompletedWithFailures ScanState = "completedWithFailures"
	CompletedWithErrors   ScanState = "completedWithErrors"
	Failed                ScanState = "failed"
	Canceled              ScanState = "canceled"
	TimedOut              ScanState = "timedOut"
	Incomplete            ScanState = "incomplete"
)

// Clean tells whether the scan ran to its end and could evaluate what it meant to. A scan that is finished and not clean
// is a warning on its datasets.
func (s ScanState) Clean() bool {
	return s == Completed || s == CompletedWithWarnings || s == CompletedWithFailures
}

// Finished tells whether the state is final.
func (s ScanState) Finished() bool {
	return s != Queuing && s != Executing && s != CancelationRequested && s != ""
}

// DatasetRef names a dataset the way a scanner does: data source, path of containers (database, schema; may be empty),
// and table, view, file or topic. Name is empty for checks on a whole data source.
type DatasetRef struct {
	DataSource string   `json:"dataSource"`
	Prefix     []string `json:"prefix,omitempty"`
	Name       string   `json:"name"`
}

// ID is the dataset's opaque id: 16 characters, safe in a path, the same for equal references.
func (d DatasetRef) ID() string {
	return opaque(16, append(append([]string{"dataset", d.DataSource}, d.Prefix...), d.Name)...)
}

// QualifiedName joins source, prefix and name by slashes, as Soda's dataset qualified names do.
func (d DatasetRef) QualifiedName() string {
	return strings.Join(append(append([]string{d.DataSource}, d.Prefix...), d.Name), "/")
}

// ParseQualifiedName reads a dataset's qualified name, data source/container/…/name. false if it has less than two parts or
// an empty one.
func ParseQualifiedName(name string) (DatasetRef, bool) {
	parts := strings.Split(name, "/")
	if len(parts) < 2 || slices.Contains(parts, "") {
		return DatasetRef{}, false
	}
	last := len(parts) - 1
	d := DatasetRef{DataSource: parts[0], Name: parts[last]}
	if last > 1 {
		d.Prefix = parts[1:last]
	}
	return d, true
}

// CheckID is the id of the check of a definition and an identity on a dataset. It begins with the dataset's id, so
// [DatasetOfCheck] finds the dataset without a look-up. Check identities are 32-bit hashes that collide and do not contain
// the scan definition (Soda Core), so neither is a key alone.
func CheckID(datasetID, definition, identity string) string {
	return datasetID + opaque(12, "check", definition, identity)
}

// DatasetOfCheck is the dataset id within a check id, or "" if id is not one.
func DatasetOfCheck(id string) string {
	if len(id) != 28 {
		return ""
	}
	return id[:16]
}

// DefinitionID is the opaque id of a scan definition's name.
func DefinitionID(name string) string { return opaque(16, "definition", name) }

// OpaqueID hashes parts, each prefixed with its length so that ("ab","c") and ("a","bc") differ, to n lower-case
// letters and digits (5 bits each).
func OpaqueID(n int, parts ...string) string { return opaque(n, parts...) }

var idEncoding = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

func opaque(n int, parts ...string) string {
	h := sha256.New()
	var length [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write([]byte(p))
	}
	return idEncoding.EncodeToString(h.Sum(nil))[:n]
}

// Attribute is a name and value that people gave to a check, such as team: payments. Value is a string, a number, a
// boolean, or a list of them, as JSON.
type Attribute struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value,omitempty"`
}

// Text is the value as people read it: strings without quotes, lists joined by ", ".
func (a Attribute) Text() string { return plain(a.Value) }

func plain(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	var list []json.RawMessage
	if json.Unmarshal(v, &list) == nil {
		words := make([]string, len(list))
		for i, w := range list {
			words[i] = plain(w)
		}
		return strings.Join(words, ", ")
	}
	return string(v)
}

// Location is where a check is written: a file as typed by the scanner's user, line and column as the scanner counts.
type Location struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"col,omitempty"`
}

// Group links the check of one group of a group-by to its container.
type Group struct {
	Identity string `json:"identity,omitempty"`
	Name     string `json:"name,omitempty"`
	Label    string `json:"label,omitempty"`
}

// Check is what is looked at, apart from any result.
type Check struct {
	// Identity is the scanner's own key of the check, stable while the check is not rewritten.
	Identity string `json:"identity"`
	// Aliases are other identities of the same check, by which history may be asked for (Soda Core 3: v1 to v4 and
	// migrated ones). Identity may be among them.
	Aliases []string   `json:"aliases,omitempty"`
	Name    string     `json:"name"`
	Dataset DatasetRef `json:"dataset"`
	Column  string     `json:"column,omitempty"`
	// Kind is the kind of check in standard words: row_count, missing, invalid, duplicate, schema, freshness, failed_rows,
	// reference, anomaly, change, distribution, group, aggregate, metric, user_defined, test. Other words are a scanner's own.
	// Empty if unknown.
	Kind string `json:"kind,omitempty"`
	// Origin is the language that the check is written in: "" for SodaCL, [OriginContract], or a scanner's own word.
	Origin string `json:"origin,omitempty"`
	// Source is the text the check was written as (SodaCL, contract YAML, SQL …).
	Source     string      `json:"source,omitempty"`
	Attributes []Attribute `json:"attributes,omitempty"`
	Location   *Location   `json:"location,omitempty"`
	Group      *Group      `json:"group,omitempty"`
}

// OriginContract is the origin of checks of data contracts (Soda Core 4).
const OriginContract = "soda-contract"

// Owner is the value of the attribute "owner" (in any case), or "".
func (c Check) Owner() string {
	for _, a := range c.Attributes {
		if strings.EqualFold(a.Name, "owner") {
			return a.Text()
		}
	}
	return ""
}

// Threshold describes the bad range of a value, as scanners report it: row_count > 0 arrives as lessThanOrEqual 0. Each
// bound is a number in its original digits, empty when not given.
type Threshold struct {
	GreaterThan        json.Number `json:"greaterThan,omitempty"`
	GreaterThanOrEqual json.Number `json:"greaterThanOrEqual,omitempty"`
	LessThan           json.Number `json:"lessThan,omitempty"`
	LessThanOrEqual    json.Number `json:"lessThanOrEqual,omitempty"`
}

// Reason says why a check has the outcome it has, in the scanner's words.
type Reason struct {
	Code     string `json:"code,omitempty"`
	Message  string `json:"message,omitempty"`
	Severity string `json:"severity,omitempty"`
}

// Result is one check in one scan.
type Result struct {
	Check
	Outcome Outcome `json:"outcome"`
	// Excluded means that the scan was told to leave this check out: it was seen, but nothing is said about its outcome.
	Excluded bool `json:"excluded,omitempty"`
	// Value is the measured value in its original digits, empty if there is none.
	Value json.Number `json:"value,omitempty"`
	// ValueLabel is shown in place of a number, such as "3 schema events".
	ValueLabel string `json:"valueLabel,omitempty"`
	// Measure is "time" when Value is a duration in milliseconds, "percent" when it is a percentage, else empty.
	Measure string `json:"measure,omitempty"`
	// Warn and Fail are the ranges in which the check warns or fails; nil if the check has no such zone or did not say.
	Warn *Threshold `json:"warn,omitempty"`
	Fail *Threshold `json:"fail,omitempty"`
	// Metrics are the identities of the measurements that the verdict was made from.
	Metrics []string `json:"metrics,omitempty"`
	Reasons []Reason `json:"reasons,omitempty"`
	// Diagnostics is what the scanner said beyond the members above, as it said it: a JSON object or nothing.
	Diagnostics json.RawMessage `json:"diagnostics,omitempty"`
}

// Measurement is one metric's value in one scan. Value is kept as sent: a number, string, list, or object.
type Measurement struct {
	// Dataset is the one whose history holds the measurement.
	Dataset  DatasetRef      `json:"dataset"`
	Identity string          `json:"identity"`
	Name     string          `json:"name"`
	Value    json.RawMessage `json:"value,omitempty"`
}

// Column is a column of a dataset with the data source's own name of its type.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
}

// DatasetReport is what a scan learned of a dataset beyond its checks.
type DatasetReport struct {
	Dataset DatasetRef `json:"dataset"`
	// Schema is the dataset's columns in order; nil if the scan did not read them.
	Schema []Column `json:"schema,omitempty"`
	// RowCount is nil if not counted.
	RowCount *int64 `json:"rowCount,omitempty"`
	// Profile holds column profiles as sent (a JSON array), Sample the id of an uploaded sample of rows.
	Profile json.RawMessage `json:"profile,omitempty"`
	Sample  string          `json:"sample,omitempty"`
}

// Query is one statement that the scanner sent to a data source.
type Query struct {
	Name       string        `json:"name"`
	DataSource string        `json:"dataSource,omitempty"`
	Prefix     []string      `json:"prefix,omitempty"` // containers of the table, see [DatasetRef]
	Table      string        `json:"table,omitempty"`
	Column     string        `json:"column,omitempty"`
	SQL        string        `json:"sql,omitempty"`
	Error      string        `json:"error,omitempty"`
	Duration   time.Duration `json:"duration,omitempty"`
}

// LogLine is one line of a scan's log. Index orders lines; times are often whole seconds.
type LogLine struct {
	Index    int       `json:"index"`
	Level    string    `json:"level"`
	Message  string    `json:"message"`
	Time     time.Time `json:"time"`
	Location *Location `json:"location,omitempty"`
}

// The levels of log lines.
const (
	LevelDebug   = "debug"
	LevelInfo    = "info"
	LevelWarning = "warning"
	LevelError   = "error"
)

// Scanner names the program that ran the scan.
type Scanner struct {
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
}

// Scan is one run of a scanner with all that it reported. Once accepted it never changes.
type Scan struct {
	ID string `json:"id"`
	// Content tells two messages apart that claim one id: a hash of what was sent, "" where the id itself is one.
	Content string `json:"content,omitempty"`
	// Definition is the name under which the scan runs again and again; it keeps environments apart.
	Definition string  `json:"definition"`
	Scanner    Scanner `json:"scanner"`
	// DataSource is the default data source, "" if none was named.
	DataSource     string `json:"dataSource,omitempty"`
	DataSourceType string `json:"dataSourceType,omitempty"`
	// DataTime is the logical time of the data, as sent; zero if not sent.
	DataTime time.Time `json:"dataTime,omitzero"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	// Received is when this system accepted the scan.
	Received time.Time `json:"received"`
	State    ScanState `json:"state"`
	// Partial means that the scan was told to look at some of its checks only: what it does not list still exists.
	Partial bool `json:"partial,omitempty"`
	// Covers are datasets that the scan was about, though it may have found nothing to say of them.
	Covers []DatasetRef `json:"covers,omitempty"`
	// Contract is the data contract that was verified, nil if none was.
	Contract *ContractRef `json:"contract,omitempty"`
	// Errored is the scanner's own word that something went wrong.
	Errored bool `json:"errored,omitempty"`
	// Results and what follows are in the order sent.
	Results      []Result        `json:"results,omitempty"`
	Measurements []Measurement   `json:"measurements,omitempty"`
	Reports      []DatasetReport `json:"reports,omitempty"`
	Queries      []Query         `json:"queries,omitempty"`
	Logs         []LogLine       `json:"logs,omitempty"`
	// Notes are remarks of this system for the reader of the scan, such as a clock far off.
	Notes []string `json:"notes,omitempty"`
	// Extra keeps members of the sender's message that mean nothing to us yet, by name.
	Extra map[string]json.RawMessage `json:"extra,omitempty"`
}

// ContractRef is an uploaded contract: the id of its text, and the path that the scanner's user gave.
type ContractRef struct {
	File string `json:"file"`
	Path string `json:"path,omitempty"`
}

// Datasets lists the datasets that the scan says something about, each once, in order of their qualified names: those
// it covers, has results, measurements or reports of, and the tables of queries that went wrong. A failed scan says nothing.
func (s *Scan) Datasets() []DatasetRef {
	if s.State == Failed {
		return nil
	}
	seen := map[string]DatasetRef{}
	add := func(d DatasetRef) { seen[d.ID()] = d }
	for _, d := range s.Covers {
		add(d)
	}
	for i := range s.Results {
		add(s.Results[i].Dataset)
	}
	for i := range s.Measurements {
		add(s.Measurements[i].Dataset)
	}
	for i := range s.Reports {
		add(s.Reports[i].Dataset)
	}
	for _, d := range s.BrokenDatasets() {
		add(d)
	}
	refs := slices.Collect(maps.Values(seen))
	slices.SortFunc(refs, func(a, b DatasetRef) int { return cmp.Compare(a.QualifiedName(), b.QualifiedName()) })
	return refs
}

// BrokenDatasets lists what a scan that was not clean was about, as far as it says: what it covers, and the tables of
// queries that went wrong. They may repeat.
func (s *Scan) BrokenDatasets() []DatasetRef {
	refs := slices.Clone(s.Covers)
	for _, q := range s.Queries {
		if q.Error != "" && q.Table != "" {
			refs = append(refs, DatasetRef{DataSource: q.DataSource, Prefix: q.Prefix, Name: q.Table})
		}
	}
	return refs
}

// Order is the place of a scan in time: by data time, then by end, then by arrival, then by id. Newer data wins, whatever
// arrives first; arrival decides between scans that scanners stamp with the same second.
type Order struct {
	Data     time.Time `json:"data"`
	Ended    time.Time `json:"ended"`
	Received time.Time `json:"received"`
	Scan     string    `json:"scan"`
}

// MaxClockSkew is how far a sender's clock may run ahead. A data time further in the future would hide all later results,
// so such a scan is ordered by its arrival.
const MaxClockSkew = 24 * time.Hour

// NewOrder places a scan in time. Data time and end that were not sent (zero), or lie before 1900 or more than
// [MaxClockSkew] after the arrival, count as the arrival; a data time not sent counts as the end.
func NewOrder(data, ended, received time.Time, scanID string) Order {
	sane := func(t time.Time) time.Time {
		if t.IsZero() || t.Year() < 1900 || t.After(received.Add(MaxClockSkew)) {
			t = received
		}
		return t.UTC()
	}
	if data.IsZero() {
		data = ended
	}
	return Order{Data: sane(data), Ended: sane(ended), Received: received.UTC(), Scan: scanID}
}

// Compare is negative if o is older than p, positive if newer.
func (o Order) Compare(p Order) int {
	return cmp.Or(o.Data.Compare(p.Data), o.Ended.Compare(p.Ended), o.Received.Compare(p.Received), cmp.Compare(o.Scan, p.Scan))
}

// After tells whether o is newer than p.
func (o Order) After(p Order) bool { return o.Compare(p) > 0 }

// IsZero tells whether o is the zero order, older than every scan.
func (o Order) IsZero() bool { return o.Scan == "" && o.Data.IsZero() }

// Order places the scan in time.
func (s *Scan) Order() Order { return NewOrder(s.DataTime, s.Ended, s.Received, s.ID) }

// Counts is the number of checks by outcome.
type Counts struct {
	Pass         int `json:"pass"`
	Warn         int `json:"warn"`
	Fail         int `json:"fail"`
	NotEvaluated int `json:"notEvaluated"`
}

// Add counts one more check of outcome o.
func (c *Counts) Add(o Outcome) {
	switch o {
	case Pass:
		c.Pass++
	case Warn:
		c.Warn++
	case Fail:
		c.Fail++
	default:
		c.NotEvaluated++
	}
}

// Plus is the sum of two counts.
func (c Counts) Plus(d Counts) Counts {
	return Counts{c.Pass + d.Pass, c.Warn + d.Warn, c.Fail + d.Fail, c.NotEvaluated + d.NotEvaluated}
}

// Total is the number of checks.
func (c Counts) Total() int { return c.Pass + c.Warn + c.Fail + c.NotEvaluated }

// Evaluated is the number of checks with a verdict.
func (c Counts) Evaluated() int { return c.Pass + c.Warn + c.Fail }

// Health is the percentage of evaluated checks that pass, rounded down, or -1 if none was evaluated.
func (c Counts) Health() int {
	if c.Evaluated() == 0 {
		return -1
	}
	return 100 * c.Pass / c.Evaluated()
}

// Worst is the worst outcome counted, or "" if there is none.
func (c Counts) Worst() Outcome {
	switch {
	case c.Fail > 0:
		return Fail
	case c.Warn > 0:
		return Warn
	case c.Pass > 0:
		return Pass
	case c.NotEvaluated > 0:
		return NotEvaluated
	}
	return ""
}

// Counts counts the scan's results by outcome, leaving out excluded ones.
func (s *Scan) Counts() Counts {
	var c Counts
	for i := range s.Results {
		if !s.Results[i].Excluded {
			c.Add(s.Results[i].Outcome)
		}
	}
	return c
}

// Errors is the number of error lines in the log, at least 1 if the scanner said that it had errors.
func (s *Scan) Errors() int {
	n := 0
	for _, l := range s.Logs {
		if l.Level == LevelError {
			n++
		}
	}
	if n == 0 && s.Errored {
		return 1
	}
	return n
}

// Conclude is the state of a finished scan, from what arrived and not from the sender's summary flags, which can contradict
// it. finished tells whether the sender gave its closing summary, or cannot be expected to. A scan with errors and without
// a single verdict has failed.
func (s *Scan) Conclude(finished bool) ScanState {
	c := s.Counts()
	switch {
	case s.Errored && c.Evaluated() == 0:
		return Failed
	case s.Errored:
		return CompletedWithErrors
	case !finished:
		return Incomplete
	case c.Fail > 0:
		return CompletedWithFailures
	case c.Warn > 0:
		return CompletedWithWarnings
	}
	return Completed
}

// Why is one line that tells why the scan is not clean: its first error, or a sentence. Empty for a clean scan.
func (s *Scan) Why() string {
	if s.State.Clean() || !s.State.Finished() {
		return ""
	}
	for _, l := range s.Logs {
		if l.Level == LevelError {
			line, _, _ := strings.Cut(strings.TrimSpace(l.Message), "\n")
			return Truncate(line, 300)
		}
	}
	switch s.State {
	case Incomplete:
		return "The scanner stopped before its closing summary."
	case Canceled:
		return "The scan was canceled."
	case TimedOut:
		return "The scan timed out."
	}
	return "The scanner reported errors, but no error line."
}

// Truncate cuts s to at most n runes, the last of them "…" if something was cut.
func Truncate(s string, n int) string {
	count := 0
	for i := range s {
		count++
		if count == n {
			if i+1 < len(s) && len([]rune(s[i:])) > 1 {
				return s[:i] + "…"
			}
			return s
		}
	}
	return s
}

// AlertCheck is one failing check within an [Alert].
type AlertCheck struct {
	ID         string      `json:"id"`
	Name       string      `json:"name"`
	Dataset    DatasetRef  `json:"dataset"`
	Column     string      `json:"column,omitempty"`
	Source     string      `json:"source,omitempty"`
	Owner      string      `json:"owner,omitempty"`
	Attributes []Attribute `json:"attributes,omitempty"`
	Value      json.Number `json:"value,omitempty"`
	ValueLabel string      `json:"valueLabel,omitempty"`
	Measure    string      `json:"measure,omitempty"`
	Fail       *Threshold  `json:"fail,omitempty"`
	// Previous is the outcome before this scan, "" for a check never seen before.
	Previous Outcome `json:"previous,omitempty"`
	// Since is the data time of the first failing result of the current run of failures.
	Since time.Time `json:"since"`
}

// Alert is the reason to send messages: the checks that failed in one scan. Only a failed check makes one.
type Alert struct {
	ScanID     string       `json:"scanId"`
	Definition string       `json:"definition"`
	DataTime   time.Time    `json:"dataTime"`
	Received   time.Time    `json:"received"`
	Checks     []AlertCheck `json:"checks"`
	// Omitted is the number of failing checks beyond those listed, when there are too many to hold.
	Omitted int `json:"omitted,omitempty"`
}

// Failures is the number of failing checks, listed or omitted.
func (a *Alert) Failures() int { return len(a.Checks) + a.Omitted }
