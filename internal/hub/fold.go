package hub

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// This file is the arithmetic of digesting: how one scan changes the packed state of one dataset's checks. The state is a
// function of the set of scans folded in, not of the order in which they came: everything is kept by the greatest
// (or least) dq.Order, and a run of equal outcomes knows what precedes it. No storage here.

// packedChecks is the body of a dataset's CHECKS item.
type packedChecks struct {
	Definitions []*definitionChecks `json:"definitions"`
	// Metrics and Aliases are the identities that have an alias item already, sorted.
	Metrics []string `json:"metrics,omitempty"`
	Aliases []string `json:"aliases,omitempty"`
}

// definitionChecks are the checks that one scan definition reports on the dataset.
type definitionChecks struct {
	Name string `json:"name"`
	// Clean is the newest clean scan that listed all checks of the dataset. Checks last seen before it are archived.
	Clean dq.Order `json:"clean,omitzero"`
	// Runs are the newest scans over the dataset, oldest first, at most StripLength. Each check's Strip has a letter for
	// each run.
	Runs   []dq.Order    `json:"runs,omitempty"`
	Checks []*checkState `json:"checks,omitempty"`
}

// checkState is the state of one check.
type checkState struct {
	dq.Check
	Seen  dq.Order  `json:"seen"`  // newest scan that listed the check
	First time.Time `json:"first"` // data time of the oldest
	// Newest verdict; At is zero if there was none.
	At          dq.Order        `json:"at,omitzero"`
	Outcome     dq.Outcome      `json:"outcome"`
	Value       json.Number     `json:"value,omitempty"`
	ValueLabel  string          `json:"valueLabel,omitempty"`
	Measure     string          `json:"measure,omitempty"`
	Warn        *dq.Threshold   `json:"warn,omitempty"`
	Fail        *dq.Threshold   `json:"fail,omitempty"`
	Reasons     []dq.Reason     `json:"reasons,omitempty"`
	Diagnostics json.RawMessage `json:"diagnostics,omitempty"`
	// Since is the first of the newest run of equal outcomes, Broke the verdict just before it, which differs.
	Since dq.Order `json:"since,omitzero"`
	Broke dq.Order `json:"broke,omitzero"`
	Strip string   `json:"strip,omitempty"`
}

// failure is a check that failed in a scan while no newer verdict was known: what an alert is made of.
type failure struct {
	Identity string     `json:"identity"`
	Previous dq.Outcome `json:"previous,omitempty"`
	Since    time.Time  `json:"since"`
}

// successor finds the oldest verdict on a check after an order that lies before all kept runs.
type successor func(definition, identity string, after dq.Order) (dq.Order, error)

// outcome letters of strips; '.' is a run that gave no verdict on the check.
const noVerdict = '.'

var stripLetters = map[dq.Outcome]byte{dq.Pass: 'p', dq.Warn: 'w', dq.Fail: 'f', dq.NotEvaluated: 'n'}

func stripOutcome(letter byte) (dq.Outcome, bool) {
	for o, l := range stripLetters {
		if l == letter {
			return o, true
		}
	}
	return "", false
}

// verdict tells whether r says something about its check's outcome. That a check could not be evaluated is a verdict only
// in a scan that otherwise went well (no history yet, say); in others outcomes stay what they were.
func verdict(r *dq.Result, state dq.ScanState) bool {
	return !r.Excluded && (r.Outcome.Evaluated() || state.Clean())
}

// fold works the results of one scan over the dataset into p, and returns the failures that are current.
func (p *packedChecks) fold(s *dq.Scan, results []*dq.Result, next successor) ([]failure, error) {
	if len(results) == 0 {
		return nil, nil
	}
	order := s.Order()
	d := p.definition(s.Definition)
	if s.State.Clean() && !s.Partial && order.After(d.Clean) {
		d.Clean = order
	}
	run := d.addRun(order)
	var failures []failure
	for _, r := range distinct(results) {
		c := d.check(r, order)
		if !verdict(r, s.State) {
			continue
		}
		if run >= 0 {
			c.Strip = c.Strip[:run] + string(stripLetters[r.Outcome]) + c.Strip[run+1:]
		}
		previous := c.Outcome
		if c.At.IsZero() {
			previous = ""
		}
		newest, err := d.judge(c, r, order, next)
		if err != nil {
			return nil, err
		}
		if newest && r.Outcome == dq.Fail {
			failures = append(failures, failure{Identity: r.Identity, Previous: previous, Since: c.Since.Data})
		}
	}
	d.prune()
	return failures, nil
}

// distinct gives one result for each identity, the worst, in order. Scanners send duplicates when a check is written twice.
func distinct(results []*dq.Result) []*dq.Result {
	at := make(map[string]int, len(results))
	var out []*dq.Result
	for _, r := range results {
		i, ok := at[r.Identity]
		if !ok {
			at[r.Identity] = len(out)
			out = append(out, r)
		} else if r.Outcome.Rank() > out[i].Outcome.Rank() {
			out[i] = r
		}
	}
	return out
}

func (p *packedChecks) definition(name string) *definitionChecks {
	i, ok := slices.BinarySearchFunc(p.Definitions, name, func(d *definitionChecks, n string) int { return cmp.Compare(d.Name, n) })
	if !ok {
		p.Definitions = slices.Insert(p.Definitions, i, &definitionChecks{Name: name})
	}
	return p.Definitions[i]
}

// addRun makes room for a run in every strip and returns its place, or -1 if it is older than all kept ones.
func (d *definitionChecks) addRun(o dq.Order) int {
	i, ok := slices.BinarySearchFunc(d.Runs, o, dq.Order.Compare)
	if ok {
		return i
	}
	full := len(d.Runs) >= StripLength
	if full && i == 0 {
		return -1
	}
	d.Runs = slices.Insert(d.Runs, i, o)
	for _, c := range d.Checks {
		c.Strip = c.Strip[:i] + string(noVerdict) + c.Strip[i:]
	}
	if full {
		d.dropRun(0)
		i--
	}
	return i
}

// check finds or makes the state of r's check and notes that it was listed at order o.
func (d *definitionChecks) check(r *dq.Result, o dq.Order) *checkState {
	i, ok := slices.BinarySearchFunc(d.Checks, r.Identity, func(c *checkState, id string) int { return cmp.Compare(c.Identity, id) })
	if !ok {
		d.Checks = slices.Insert(d.Checks, i, &checkState{
			Check: r.Check, Seen: o, First: o.Data, Outcome: dq.NotEvaluated, Reasons: r.Reasons,
			Strip: strings.Repeat(string(noVerdict), len(d.Runs)),
		})
	}
	c := d.Checks[i]
	if o.After(c.Seen) {
		c.Check, c.Seen = r.Check, o
	}
	if o.Data.Before(c.First) {
		c.First = o.Data
	}
	return c
}

// judge works one verdict into the state and tells whether it is the newest.
func (d *definitionChecks) judge(c *checkState, r *dq.Result, o dq.Order, next successor) (newest bool, err error) {
	switch {
	case c.At.IsZero():
		c.Since = o
	case o.After(c.At):
		if r.Outcome != c.Outcome {
			c.Broke, c.Since = c.At, o
		}
	default:
		return false, d.judgeLate(c, r, o, next)
	}
	c.At, c.Outcome, c.Value, c.ValueLabel, c.Measure = o, r.Outcome, r.Value, r.ValueLabel, r.Measure
	c.Warn, c.Fail, c.Reasons, c.Diagnostics = r.Warn, r.Fail, r.Reasons, r.Diagnostics
	return true, nil
}

// judgeLate works in a verdict older than the newest: it can only move the beginning of the newest run of equal outcomes.
func (d *definitionChecks) judgeLate(c *checkState, r *dq.Result, o dq.Order, next successor) error {
	switch same := r.Outcome == c.Outcome; {
	case same && o.After(c.Broke) && c.Since.After(o):
		c.Since = o
	case !same && o.After(c.Since):
		since, err := d.after(c, o, next)
		if err != nil {
			return err
		}
		c.Broke, c.Since = o, since
	case !same && o.After(c.Broke):
		c.Broke = o
	}
	return nil
}

// after finds the oldest verdict on c after o: among the kept runs if they reach back to o, else in the timeline.
func (d *definitionChecks) after(c *checkState, o dq.Order, next successor) (dq.Order, error) {
	if len(d.Runs) == StripLength && d.Runs[0].After(o) {
		return next(d.Name, c.Identity, o)
	}
	for i, run := range d.Runs {
		if run.After(o) && c.Strip[i] != noVerdict {
			return run, nil
		}
	}
	return c.At, nil
}

// expire forgets the checks and runs of scans that arrived before a time, as their documents and timeline entries have been
// forgotten: what is left is what a replay of the scans that are still there would give.
func (p *packedChecks) expire(before time.Time) {
	for _, d := range p.Definitions {
		d.Checks = slices.DeleteFunc(d.Checks, func(c *checkState) bool { return c.Seen.Received.Before(before) })
		for i := len(d.Runs) - 1; i >= 0; i-- {
			if d.Runs[i].Received.Before(before) {
				d.dropRun(i)
			}
		}
	}
	p.Definitions = slices.DeleteFunc(p.Definitions, func(d *definitionChecks) bool {
		return len(d.Checks)+len(d.Runs) == 0 && d.Clean.Received.Before(before)
	})
}

func (d *definitionChecks) dropRun(i int) {
	d.Runs = slices.Delete(d.Runs, i, i+1)
	for _, c := range d.Checks {
		c.Strip = c.Strip[:i] + c.Strip[i+1:]
	}
}

// maxArchived is how many archived checks of one definition a dataset remembers; the longest unseen go first.
const maxArchived = 500

func (d *definitionChecks) prune() {
	var archived []*checkState
	for _, c := range d.Checks {
		if d.archived(c) {
			archived = append(archived, c)
		}
	}
	if len(archived) <= maxArchived {
		return
	}
	slices.SortFunc(archived, func(a, b *checkState) int { return cmp.Or(a.Seen.Compare(b.Seen), cmp.Compare(a.Identity, b.Identity)) })
	drop := make(map[*checkState]bool)
	for _, c := range archived[:len(archived)-maxArchived] {
		drop[c] = true
	}
	d.Checks = slices.DeleteFunc(d.Checks, func(c *checkState) bool { return drop[c] })
}

// archived tells whether a newer clean scan of the definition no longer had the check.
func (d *definitionChecks) archived(c *checkState) bool { return d.Clean.After(c.Seen) }

// counts counts the checks that are not archived.
func (p *packedChecks) counts() dq.Counts {
	var n dq.Counts
	for _, d := range p.Definitions {
		for _, c := range d.Checks {
			if !d.archived(c) {
				n.Add(c.Outcome)
			}
		}
	}
	return n
}

// views turns the packed state into what people see.
func (p *packedChecks) views(datasetID string) []Check {
	var out []Check
	for _, d := range p.Definitions {
		for _, c := range d.Checks {
			v := Check{
				Check: c.Check, ID: dq.CheckID(datasetID, d.Name, c.Identity), DatasetID: datasetID, Definition: d.Name,
				Outcome: c.Outcome, Value: c.Value, ValueLabel: c.ValueLabel, Measure: c.Measure, Warn: c.Warn, Fail: c.Fail,
				Reasons: c.Reasons, Diagnostics: c.Diagnostics, At: c.At.Data, ScanID: c.At.Scan, Since: c.Since.Data,
				Created: c.First, Archived: d.archived(c),
			}
			for i, run := range d.Runs {
				if o, ok := stripOutcome(c.Strip[i]); ok {
					v.Last = append(v.Last, Verdict{At: run.Data, ScanID: run.Scan, Outcome: o})
				}
			}
			out = append(out, v)
		}
	}
	return out
}

// newIdentities returns those of ids that are not in the sorted list, and the list with them.
func newIdentities(known []string, ids []string) (fresh, all []string) {
	all = known
	for _, id := range ids {
		if i, ok := slices.BinarySearch(all, id); !ok {
			all = slices.Insert(all[:len(all):len(all)], i, id)
			fresh = append(fresh, id)
		}
	}
	return fresh, all
}

// datasetState is the head of a dataset's STATE item.
type datasetState struct {
	Ref         dq.DatasetRef `json:"ref"`
	SourceType  string        `json:"type,omitempty"`
	Counts      dq.Counts     `json:"counts"`
	Last        dq.Order      `json:"last"` // newest scan folded in
	LastState   dq.ScanState  `json:"lastState"`
	Updated     time.Time     `json:"updated"` // newest arrival
	Definitions []string      `json:"definitions,omitempty"`
	// Contract is the newest contract that was verified, At the scan.
	Contract *contractSeen `json:"contract,omitempty"`
}

// contractSeen is a contract as a scan verified it.
type contractSeen struct {
	dq.ContractRef
	At dq.Order `json:"at"`
}

func (d *datasetState) fold(s *dq.Scan, ref dq.DatasetRef, p *packedChecks) {
	d.Ref = ref
	newest := s.Order().After(d.Last)
	if newest {
		d.Last, d.LastState = s.Order(), s.State
	}
	if s.DataSourceType != "" && s.DataSource == ref.DataSource && (newest || d.SourceType == "") {
		d.SourceType = s.DataSourceType
	}
	if s.Received.After(d.Updated) {
		d.Updated = s.Received
	}
	if i, ok := slices.BinarySearch(d.Definitions, s.Definition); !ok {
		d.Definitions = slices.Insert(d.Definitions, i, s.Definition)
	}
	if s.Contract != nil && (d.Contract == nil || s.Order().After(d.Contract.At)) {
		d.Contract = &contractSeen{*s.Contract, s.Order()}
	}
	d.Counts = p.counts()
}

// datasetReport is the body of a dataset's REPORT item: each part from the newest scan that had it.
type datasetReport struct {
	Schema    []dq.Column     `json:"schema,omitempty"`
	SchemaAt  dq.Order        `json:"schemaAt,omitzero"`
	RowCount  *int64          `json:"rowCount,omitempty"`
	Profile   json.RawMessage `json:"profile,omitempty"`
	ProfileAt dq.Order        `json:"profileAt,omitzero"`
	Sample    string          `json:"sample,omitempty"`
	SampleAt  dq.Order        `json:"sampleAt,omitzero"`
}

func (d *datasetReport) fold(o dq.Order, r *dq.DatasetReport) {
	if r.Schema != nil && o.After(d.SchemaAt) {
		d.Schema, d.SchemaAt = r.Schema, o
	}
	if (r.Profile != nil || r.RowCount != nil) && o.After(d.ProfileAt) {
		d.Profile, d.RowCount, d.ProfileAt = r.Profile, r.RowCount, o
	}
	if r.Sample != "" && o.After(d.SampleAt) {
		d.Sample, d.SampleAt = r.Sample, o
	}
}

// timeline is the body of one AT# item: what one scan said of the dataset.
type timeline struct {
	Results      []timelineResult `json:"r,omitempty"`
	Measurements []dq.Measurement `json:"m,omitempty"`
	Failures     []failure        `json:"f,omitempty"`
}

// timelineResult is one verdict in a timeline.
type timelineResult struct {
	Identity string      `json:"i"`
	Outcome  dq.Outcome  `json:"o"`
	Value    json.Number `json:"v,omitempty"`
	Label    string      `json:"l,omitempty"` // in place of a value
	Metric   string      `json:"m,omitempty"` // the check's first metric
	// The rest is kept for anomaly checks only: their ranges move with each scan, and their model asks for them again.
	Warn        *dq.Threshold   `json:"w,omitempty"`
	Fail        *dq.Threshold   `json:"f,omitempty"`
	Diagnostics json.RawMessage `json:"d,omitempty"`
}

func timelineOf(s *dq.Scan, results []*dq.Result, measurements []dq.Measurement, failures []failure) timeline {
	t := timeline{Measurements: measurements, Failures: failures}
	for _, r := range distinct(results) {
		if !verdict(r, s.State) {
			continue
		}
		entry := timelineResult{Identity: r.Identity, Outcome: r.Outcome, Value: r.Value}
		if r.Value == "" {
			entry.Label = dq.Truncate(r.ValueLabel, maxTimelineLabel)
		}
		if len(r.Metrics) > 0 {
			entry.Metric = r.Metrics[0]
		}
		if r.Kind == KindAnomaly {
			entry.Warn, entry.Fail, entry.Diagnostics = r.Warn, r.Fail, r.Diagnostics
		}
		t.Results = append(t.Results, entry)
	}
	return t
}

// maxTimelineLabel is how many characters of a label a timeline keeps.
const maxTimelineLabel = 60

// KindAnomaly is the kind of checks whose past results are asked for with their diagnostics.
const KindAnomaly = "anomaly"
