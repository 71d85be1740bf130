// Package engine runs checks against data sources, of SodaCL or of a contract, and gives what it found as a [dq.Scan].
//
// It works in three steps: plan (each check asks for measures; equal measures are one; all aggregates of a partition go
// into one statement, or into one of each slice of a large table), measure (statements side by side, up to a limit; what was
// measured of slices merges), and judge (verdicts from measures, in the order of the checks). A statement that fails takes down
// only what cannot be measured without it, and the scan goes on.
//
// The languages are those of packages sodacl and contract, connections and types are package source's, and storing the scan is
// anybody's who called. Meaning and names are those of Soda Core 3.5.6 and 4; docs/sodacl.md and docs/contracts.md list where
// we knowingly differ.
package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// Source is a data source as the engine needs it.
type Source struct {
	Name    string
	Type    string
	Dialect *Dialect
	// Database and Schema are where tables are looked for; empty for the connection's own.
	Database, Schema string
	// Sampling says which rows may leave it.
	Sampling Sampling
	// Slicing says whether large tables are read in slices.
	Slicing Slicing
	// Open connects. It is called once, when the first statement is to run.
	Open func(context.Context) (Connection, error)
}

// Connection runs statements; it must be safe for concurrent use, and end a statement when its context ends.
type Connection interface {
	// Query gives the first keep rows and counts all.
	Query(ctx context.Context, sql string, keep int) (*Rows, error)
	Close() error
}

// Rows is the answer to a statement. Values are nil, bool, int64, float64, string, [Date] or time.Time.
type Rows struct {
	Columns []dq.Column
	Rows    [][]any
	Count   int64
}

// Date is a day without a time and zone.
type Date struct{ time.Time }

// History gives what former scans measured, for checks of change.
type History interface {
	// Measurements lists values of a metric with times in [from, to], newest first, at most limit. Zero times mean no bound.
	Measurements(ctx context.Context, identity string, from, to time.Time, limit int) ([]Measured, error)
}

// Measured is one value in a metric's history: a number, or for schemas a list of columns, as JSON.
type Measured struct {
	Time  time.Time
	Value json.RawMessage
}

// Options say how and against what a program runs.
type Options struct {
	// Definition is the scan definition's name; it keeps histories apart.
	Definition string
	// Source is the name of the data source of checks that name none. Sources gives one by name.
	Source  string
	Sources func(name string) (*Source, error)
	// Now is the time of the scan; DataTime the logical time of its data, Now if zero.
	Now, DataTime time.Time
	// History is nil where there is none: checks of change are then not evaluated, and an error.
	History History
	// Samples takes rows that failed; nil where nobody reads them: none are fetched then.
	Samples Samples
	// Parallel is how many statements run at once, at least 1. Timeout ends each statement, 0 for never.
	Parallel int
	Timeout  time.Duration
	// Progress is told after each statement; nil for nobody.
	Progress func(done, total int)
	// Log is told each line of the log as it is written, and then the log tells of each statement; nil for nobody.
	Log func(dq.LogLine)
	// Verbose logs each statement.
	Verbose bool
	// Version of this program.
	Version string
	// Only limits the run to what it names, see [Part.Left]; nil for all.
	Only []string
	// Tables is what parts before have measured of slices, see [Part.Tables].
	Tables []SlicedTable
}

// maxRows is how many rows of a group by or a list of tables are kept, as the reference client does (its section 1.7).
const maxRows = 10_000

// Scanner is the name that scans of this engine carry.
const Scanner = "sodalite"

// Run executes the program. The scan is always whole: mistakes of files, failed connections and a cancelled context are in
// its log and state. Its id and time of arrival are the caller's.
func Run(ctx context.Context, program *sodacl.Program, o Options) *dq.Scan {
	return RunPart(ctx, program, o).Whole()
}

// Explain plans the program and gives the statements that Run would send, without sending them; only "for each" and the like
// need the data source to find the datasets that match.
func Explain(ctx context.Context, program *sodacl.Program, o Options) ([]dq.Query, *dq.Scan) {
	r := newRun(program, o)
	return r.explain(ctx, r.plan)
}

func (r *run) explain(ctx context.Context, plan func(context.Context) bool) ([]dq.Query, *dq.Scan) {
	if plan(ctx) {
		r.settle()
		for _, j := range r.jobs {
			r.scan.Queries = append(r.scan.Queries, dq.Query{Name: j.name, DataSource: j.source.Name, Prefix: j.prefix, Table: j.table, Column: j.column, SQL: j.sql()})
		}
	}
	r.close()
	return r.scan.Queries, r.finish(endOf(ctx))
}

// run is the state of one scan.
type run struct {
	Options
	program     *sodacl.Program
	scan        *dq.Scan
	sources     map[string]*Source
	connections map[string]*connected
	checks      []*planned
	jobs        []*job
	aggregates  map[string]*job // by partition, the one that still takes items
	measures    map[string]*measure
	identities  map[string]bool // of measures
	order       []*measure
	sliced      []*sliced
	left        []*planned // that the context's end cut off
	reports     sync.Mutex // of scan.Reports
	profiles    []*tableProfile
	datasets    []*fetch // of "sample datasets"
	// wantsSamples is whether somebody takes rows, nil until it is asked; columns are those of tables that samples are taken of.
	wantsSamples *bool
	columns      map[string][]string
}

type connected struct {
	Connection
	err error
}

// planned is a check of one dataset, ready to be judged when its measures are.
type planned struct {
	*sodacl.Check
	at        sodacl.Position
	source    *Source
	prefix    []string // containers of the table, where checks name them
	table     string   // as written, "" on the data-source level
	partition *sodacl.Partition
	vars      sodacl.Variables
	measures  []*measure
	details   []detail
	// failing are the rows that the check counts, nil if it counts none.
	failing *failing
	// judge sets the verdict of the result. An error means not evaluated, with the reason.
	judge  func(ctx context.Context, result *dq.Result) error
	result dq.Result
	// reason is why it could not be evaluated.
	reason error
	// hidden checks are not reported, such as the parent of a group by.
	hidden bool
	// more are results that judging brought forth, such as the groups of a group by.
	more []dq.Result
}

func newRun(program *sodacl.Program, o Options) *run {
	r := begin(o, program.Mistakes)
	r.program = program
	if _, ok := program.Variables.Values["NOW"]; !ok {
		program.Variables.Values["NOW"] = o.Now.UTC().Format("2006-01-02T15:04:05.000000-07:00")
	}
	return r
}

// begin starts a scan's log with the mistakes of its files.
func begin(o Options, mistakes []sodacl.Mistake) *run {
	o.Parallel = max(o.Parallel, 1)
	if o.DataTime.IsZero() {
		o.DataTime = o.Now
	}
	r := &run{
		Options: o, sources: map[string]*Source{}, connections: map[string]*connected{}, aggregates: map[string]*job{}, measures: map[string]*measure{}, identities: map[string]bool{}, columns: map[string][]string{},
		scan: &dq.Scan{Definition: o.Definition, DataSource: o.Source, DataTime: o.DataTime, Started: o.Now, Scanner: dq.Scanner{Name: Scanner, Version: o.Version}},
	}
	r.log(dq.LevelInfo, nil, "Sodalite %s", o.Version)
	for _, m := range mistakes {
		level := dq.LevelError
		if m.Warning {
			level = dq.LevelWarning
		}
		r.log(level, &m.Position, "%s", m.Message)
	}
	return r
}

// log appends a line to the scan's log. An error makes the scan one with errors.
func (r *run) log(level string, at *sodacl.Position, format string, args ...any) {
	line := dq.LogLine{Index: len(r.scan.Logs), Level: level, Message: fmt.Sprintf(format, args...), Time: time.Now().UTC()}
	if at != nil && at.File != "" {
		line.Location = &dq.Location{File: at.File, Line: at.Line, Col: at.Column}
	}
	r.scan.Logs = append(r.scan.Logs, line)
	if r.Log != nil {
		r.Log(line)
	}
	r.scan.Errored = r.scan.Errored || level == dq.LevelError
}

// source gives the data source of that name, or nil after logging why not.
func (r *run) source(name string) (*Source, error) {
	if s, ok := r.sources[name]; ok {
		return s, nil
	}
	s, err := r.Sources(name)
	if err != nil {
		return nil, err
	}
	r.sources[name] = s
	return s, nil
}

// connection opens the source's connection once.
func (r *run) connection(ctx context.Context, s *Source) (Connection, error) {
	c, ok := r.connections[s.Name]
	if !ok {
		c = &connected{}
		c.Connection, c.err = s.Open(ctx)
		r.connections[s.Name] = c
	}
	return c.Connection, c.err
}

func (r *run) close() {
	for _, c := range r.connections {
		if c.err == nil {
			_ = c.Close() // everything has been read
		}
	}
}

// execute plans, measures and judges. A plan that gives false has said why in the log. It gives false if the plan was not
// complete.
func (r *run) execute(ctx context.Context, plan func(context.Context) bool) bool {
	defer r.close()
	if !plan(ctx) {
		return false
	}
	complete := ctx.Err() == nil
	r.cut(ctx)
	r.settle()
	if r.Log != nil {
		r.log(dq.LevelInfo, nil, "%d checks, %d statements", len(r.checks), len(r.jobs))
	}
	r.measure(ctx)
	r.reportProfiles()
	var judged []*planned
	for _, c := range r.checks {
		if c.judged(ctx); cutOff(ctx, c.reason) {
			r.left = append(r.left, c)
			continue
		}
		judged = append(judged, c)
	}
	r.sample(ctx, judged)
	for _, c := range judged {
		c.report(r)
	}
	return complete
}

// measure runs all jobs and keeps what they said, in order of the plan.
func (r *run) measure(ctx context.Context) {
	r.perform(ctx, r.jobs)
	var again []*job
	for _, s := range r.sliced {
		s.merge(ctx)
		again = append(again, s.whole.parts(s.whole.distinct())...)
	}
	r.perform(ctx, again)
	r.jobs = append(r.jobs, again...)
	for _, m := range r.order {
		if m.items != nil {
			m.take()
		}
		if m.derive != nil {
			m.value, m.err = m.derive()
		}
	}
	for _, j := range r.jobs {
		r.scan.Queries = append(r.scan.Queries, j.said...)
	}
}

// perform runs jobs side by side, up to the limit.
func (r *run) perform(ctx context.Context, jobs []*job) {
	done := 0
	for _, j := range jobs {
		if _, err := r.connection(ctx, j.source); err != nil {
			j.fail(err)
		}
	}
	finished := make(chan *job)
	var group errgroup.Group
	group.SetLimit(r.Parallel)
	go func() {
		for _, j := range jobs {
			group.Go(func() error {
				if c := r.connections[j.source.Name]; c.err == nil {
					j.run(ctx, c.Connection, r.Timeout)
				}
				finished <- j
				return nil
			})
		}
		_ = group.Wait() // jobs keep their errors
		close(finished)
	}()
	for j := range finished {
		level := dq.LevelError
		if j.whole {
			level = dq.LevelInfo
		}
		r.tell(ctx, j, level)
		if done++; r.Progress != nil {
			r.Progress(done, len(jobs))
		}
	}
}

// tell logs what a job has said, failures at the level.
func (r *run) tell(ctx context.Context, j *job, level string) {
	told := map[string]bool{} // a statement that is split says the same again and again
	for _, q := range j.said {
		switch {
		case r.Verbose:
			r.log(dq.LevelDebug, nil, "Query %s:\n%s", q.Name, q.SQL)
		case r.Log != nil && q.Error == "":
			r.log(dq.LevelDebug, nil, "Query %s took %s", q.Name, q.Duration.Round(time.Millisecond))
		}
		if q.Error != "" && !told[q.Error] && !(ctx.Err() != nil && q.Error == context.Cause(ctx).Error()) {
			told[q.Error] = true
			r.log(level, nil, "Query %s failed: %s", q.Name, q.Error)
		}
	}
}

// judged evaluates one check. A panic here would be a defect of ours, and is not caught.
func (c *planned) judged(ctx context.Context) {
	c.result.Outcome = dq.NotEvaluated
	for _, m := range c.measures {
		if m.err != nil {
			c.reason = fmt.Errorf("%s could not be measured: %w", m.describe(), m.err)
			return
		}
	}
	c.reason = c.judge(ctx, &c.result)
}

// report adds the check to the scan's results.
func (c *planned) report(r *run) {
	err := c.reason
	var quiet quietly
	var known told
	switch {
	case errors.As(err, &known):
	case errors.As(err, &quiet):
		r.log(dq.LevelInfo, &c.at, "Check %q is not evaluated: %s", c.result.Name, err)
	case err != nil:
		r.log(dq.LevelError, &c.at, "Check %q is not evaluated: %s", c.result.Name, err)
	}
	if err != nil {
		c.result.Outcome = dq.NotEvaluated
		c.result.Reasons = append(c.result.Reasons, dq.Reason{Code: "notEvaluated", Message: dq.Truncate(err.Error(), 1000), Severity: severity(err)})
	}
	for _, m := range c.measures {
		part := slices.ContainsFunc(c.details, func(d detail) bool { return d.measure == m })
		if !part && m.identity != "" && !slices.Contains(c.result.Metrics, m.identity) {
			c.result.Metrics = append(c.result.Metrics, m.identity)
		}
	}
	if !c.hidden {
		r.scan.Results = append(r.scan.Results, c.result)
	}
	r.scan.Results = append(r.scan.Results, c.more...)
}

// quietly is a reason for not evaluating that is nobody's mistake, such as no rows or no history yet.
type quietly struct{ reason string }

func (q quietly) Error() string { return q.reason }

// told is a reason that the log has already, as a mistake of a file.
type told struct{ error }

func (t told) Unwrap() error { return t.error }

func severity(err error) string {
	var quiet quietly
	if errors.As(err, &quiet) {
		return "info"
	}
	return "error"
}

// finish adds measurements, summary and state.
func (r *run) finish(by end) *dq.Scan {
	for _, m := range r.order {
		if m.err == nil && m.value != nil && m.identity != "" && !m.hidden {
			if value, err := json.Marshal(jsonValue(m.value)); err == nil {
				r.scan.Measurements = append(r.scan.Measurements, dq.Measurement{Dataset: m.dataset(), Identity: m.identity, Name: m.name, Value: value})
			}
		}
	}
	if by.err != nil {
		r.log(dq.LevelError, nil, "The scan was ended before it was complete: %s", by.cause)
	}
	c := r.scan.Counts()
	if len(r.checks) == 0 && !r.scan.Errored {
		r.log(dq.LevelWarning, nil, "No checks found, 0 checks evaluated.")
	}
	r.log(dq.LevelInfo, nil, "Scan summary:")
	r.log(dq.LevelInfo, nil, "%d checks: %d passed, %d warned, %d failed, %d not evaluated; %d errors", c.Total(), c.Pass, c.Warn, c.Fail, c.NotEvaluated, r.scan.Errors())
	r.scan.Ended = time.Now().UTC()
	if s, ok := r.sources[r.Source]; ok {
		r.scan.DataSourceType = s.Type
	}
	r.scan.State = r.scan.Conclude(true)
	if errors.Is(by.err, context.DeadlineExceeded) {
		r.scan.State = dq.TimedOut
	} else if by.err != nil {
		r.scan.State = dq.Canceled
	}
	return r.scan
}

// ExitCode is the reference client's for a scan: 3 errors, 2 a failed check, 1 a warning, 0 all else.
func ExitCode(s *dq.Scan) int {
	c := s.Counts()
	switch {
	case s.Errored:
		return 3
	case c.Fail > 0:
		return 2
	case c.Warn > 0:
		return 1
	}
	return 0
}

// unquoted takes the outer quotes off a name.
func unquoted(name string) string {
	if len(name) > 1 && strings.ContainsRune("\"`[", rune(name[0])) {
		return name[1 : len(name)-1]
	}
	return name
}
