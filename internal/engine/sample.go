package engine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// Samples takes samples of rows, for people to look at.
type Samples interface {
	// Wanted tells whether it takes any. It is asked once a scan, before the first rows are fetched.
	Wanted(ctx context.Context) (bool, error)
	// SaveSample keeps rows (JSON Lines, an array each) and gives their id. path is their name for people, and not unique.
	SaveSample(ctx context.Context, path string, rows []byte) (id string, err error)
}

// The bounds of a sample.
const (
	sampleRows    = 100     // where neither check nor data source says how many
	sampleSize    = 4 << 20 // bytes; rows that do not fit are left out
	sampleTimeout = time.Minute
)

// failing are the rows that a check counts. They are fetched when all has been measured, if the check did not pass.
type failing struct {
	metric string
	total  *measure
	// query is a statement of the user's own. Otherwise: what stands before SELECT and after FROM, conditions that all hold,
	// and what stands before the names of columns. All is as written in the check.
	query      string
	with, from string
	where      []string
	alias      string
}

// fails says which rows the check counts; none without a statement or a place that they come from.
func (c *planned) fails(metric string, total *measure, f failing) {
	if f.query != "" || f.from != "" {
		f.metric, f.total = metric, total
		c.failing = &f
	}
}

// rowsWhere are the rows of the check's partition for which conditions hold; empty ones do.
func (c *planned) rowsWhere(conditions ...string) failing {
	f := failing{from: c.source.Qualified(c.table)}
	for _, condition := range append([]string{c.partition.Filter}, conditions...) {
		if condition != "" {
			f.where = append(f.where, "("+condition+")")
		}
	}
	return f
}

// repeated are those of the rows that have the values of the columns in common with another; frequencies are where these are
// counted.
func (f failing) repeated(columns []string, frequencies string) failing {
	var on []string
	for _, column := range columns {
		on = append(on, "main."+column+" = repeated."+column)
	}
	main := f.from
	if len(f.where) > 0 {
		main = "(SELECT *\nFROM " + f.from + "\nWHERE " + strings.Join(f.where, " AND ") + ")"
	}
	return failing{
		with: "WITH repeated AS (\n  SELECT " + strings.Join(columns, ", ") + "\n  " + frequencies + "\n  HAVING COUNT(*) > 1)\n",
		from: main + " main\nJOIN repeated ON " + strings.Join(on, " AND "), alias: "main.",
	}
}

// statement fetches rows, of columns as they are written in SQL, nil for all.
func (f *failing) statement(columns []string, limit int) string {
	if f.query != "" {
		return f.query
	}
	list := f.alias + "*"
	if columns != nil {
		list = f.alias + strings.Join(columns, ", "+f.alias)
	}
	sql := f.with + "SELECT " + list + "\nFROM " + f.from
	if len(f.where) > 0 {
		sql += "\nWHERE " + strings.Join(f.where, " AND ")
	}
	return fmt.Sprintf("%s\nLIMIT %d", sql, limit)
}

// fetch is one statement that fetches rows, and what became of them. Checks of the same rows share it.
type fetch struct {
	job   *job
	path  string
	limit int
	keep  func(column string) bool // of the columns in the answer
	rows  *Rows                    // nil until they are there
	file  *sampleFile              // nil until they are kept
}

// sampleFile is a sample as the protocol of Soda Core 3 describes it (its section 8.7).
type sampleFile struct {
	Columns   []sampleColumn  `json:"columns"`
	Total     int64           `json:"totalRowCount"`
	Stored    int             `json:"storedRowCount"`
	Reference sampleReference `json:"reference"`
}

type sampleColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type sampleReference struct {
	Type string `json:"type"`
	File string `json:"fileId"`
}

// sample fetches the rows that checks without a pass have counted, and the first rows of datasets, if somebody wants them. What
// goes wrong is told in the log as a warning, and changes nothing else.
func (r *run) sample(ctx context.Context, judged []*planned) {
	r.saveDatasets(ctx)
	checks := slices.DeleteFunc(slices.Clone(judged), func(c *planned) bool {
		return c.failing == nil || c.reason != nil || c.result.Outcome != dq.Fail && c.result.Outcome != dq.Warn || c.sampleLimit() == 0
	})
	if len(checks) == 0 || !r.samplesWanted(ctx) {
		return
	}
	fetches := make([]*fetch, len(checks))
	var all []*fetch
	same := map[string]*fetch{}
	for i, c := range checks {
		f, key, err := r.fetchOf(ctx, c)
		if err != nil {
			r.log(dq.LevelWarning, &c.at, "No rows of check %q are kept: %s", c.result.Name, err)
			continue
		}
		if same[key] == nil {
			same[key] = f
			all = append(all, f)
		}
		fetches[i] = same[key]
	}
	r.fetch(ctx, all)
	for i, c := range checks {
		if f := fetches[i]; f != nil && f.file != nil {
			c.result.Diagnostics = withBlock(c.result.Diagnostics, c.failing.block(f))
		}
	}
}

// sampleDatasets plans to fetch the first rows of datasets.
func (r *run) sampleDatasets(ctx context.Context, source *Source, s sodacl.Selection) {
	limit := source.Sampling.limit()
	if limit == 0 || !r.samplesWanted(ctx) {
		r.log(dq.LevelWarning, &s.At, "no rows are sampled: %s", cmp.Or(source.Sampling.Off, "nobody takes them here"))
		return
	}
	names, err := r.matching(ctx, source, s, "sample_datasets")
	if err != nil {
		r.log(dq.LevelError, &s.At, "sample datasets: %s", err)
		return
	}
	for _, name := range names {
		table := source.Dialect.quoted(name)
		columns, err := r.columnsToKeep(ctx, source, table, nil)
		if err != nil {
			r.log(dq.LevelWarning, &s.At, "No rows of %s are kept: %s", name, err)
			continue
		}
		first := failing{from: source.Qualified(table)}
		f := &fetch{path: r.samplePath(name, "table_sample"), limit: limit, keep: func(string) bool { return true }}
		f.job = &job{
			source: source, table: name, name: r.queryName(source, name, "", "", "sample_dataset"), statement: first.statement(columns, limit), keep: limit,
			read: func(rows *Rows, err error) { f.rows = rows },
		}
		r.datasets, r.jobs = append(r.datasets, f), append(r.jobs, f.job)
	}
}

// saveDatasets hands on the first rows of datasets.
func (r *run) saveDatasets(ctx context.Context) {
	for _, f := range r.datasets {
		if f.rows == nil {
			continue // its statement has failed
		}
		if err := r.save(ctx, f); err != nil {
			r.log(dq.LevelWarning, nil, "The rows of %s could not be kept: %s", f.job.table, err)
		}
		if f.file == nil {
			continue
		}
		r.report(dq.DatasetReport{Dataset: dq.DatasetRef{DataSource: f.job.source.Name, Name: f.job.table}, Sample: f.file.Reference.File})
	}
}

// samplesWanted asks who takes samples, at most once.
func (r *run) samplesWanted(ctx context.Context) bool {
	if r.wantsSamples == nil {
		wanted := false
		if r.Samples != nil && ctx.Err() == nil {
			var err error
			if wanted, err = r.Samples.Wanted(ctx); err != nil {
				r.log(dq.LevelWarning, nil, "No rows are kept: the server does not say whether it takes them: %s", err)
			}
		}
		r.wantsSamples = &wanted
	}
	return *r.wantsSamples
}

// sampleLimit is how many rows of the check may be kept.
func (c *planned) sampleLimit() int {
	if c.SamplesLimit >= 0 && c.source.Sampling.Off == "" {
		return min(c.SamplesLimit, maxRows)
	}
	return c.source.Sampling.limit()
}

// fetchOf makes the statement of a check's rows. The key is that of all checks of the same rows. An error says why none may be
// fetched.
func (r *run) fetchOf(ctx context.Context, c *planned) (f *fetch, key string, err error) {
	f = &fetch{limit: c.sampleLimit(), rows: c.failing.total.rows, keep: func(string) bool { return true }}
	var columns []string
	if c.failing.query == "" {
		columns, err = r.columnsToKeep(ctx, c.source, c.table, c.SamplesColumns)
	} else {
		f.keep, err = c.columnsOfAnswer()
	}
	if err != nil {
		return nil, "", err
	}
	sql, err := c.vars.Resolve(c.failing.statement(columns, f.limit))
	if err != nil {
		return nil, "", err
	}
	f.job = &job{source: c.source, prefix: c.prefix, table: c.table, column: c.Column(), statement: sql,
		name: r.queryName(c.source, c.table, c.partition.Name, c.Column(), "failed_rows["+c.failing.metric+"]")}
	r.jobs = append(r.jobs, f.job)
	f.path = r.samplePath(c.table, c.partition.Name, c.Column(), "failed_rows")
	return f, fmt.Sprint(c.source.Name, "\x00", f.limit, "\x00", strings.Join(c.SamplesColumns, "\x00"), "\x00", sql), nil
}

// columnsToKeep are those of the columns (nil for all) of a table that may be in a sample, as statements name them; nil for all.
func (r *run) columnsToKeep(ctx context.Context, s *Source, table string, columns []string) ([]string, error) {
	excluded := s.Sampling.excluded(table)
	if columns == nil {
		if len(excluded) == 0 {
			return nil, nil
		}
		var err error
		if columns, err = r.columnNames(ctx, s, table); err != nil {
			return nil, fmt.Errorf("its columns could not be listed: %w", err)
		}
	}
	columns = slices.DeleteFunc(slices.Clone(columns), func(name string) bool { return excluded.match(unquoted(name)) })
	if len(columns) == 0 {
		return nil, errAllExcluded
	}
	return columns, nil
}

var errAllExcluded = errors.New("all columns are excluded")

// columnsOfAnswer tells which columns of the user's own statement may be in a sample.
func (c *planned) columnsOfAnswer() (func(string) bool, error) {
	excluded := c.source.Sampling.excluded(c.table)
	if column := excluded.matchSelected(c.failing.query); column != "" {
		return nil, fmt.Errorf("its query selects %s, which the configuration of the data source excludes", column)
	}
	return func(name string) bool {
		named := func(s string) bool { return strings.EqualFold(unquoted(s), name) }
		return !excluded.match(name) && (c.SamplesColumns == nil || slices.ContainsFunc(c.SamplesColumns, named))
	}, nil
}

// columnNames lists the columns of a table, in quotes where they need them.
func (r *run) columnNames(ctx context.Context, s *Source, table string) ([]string, error) {
	if names, ok := r.columns[s.Name+"\x00"+table]; ok {
		return names, nil
	}
	c, err := r.connection(ctx, s)
	if err != nil {
		return nil, err
	}
	j := &job{source: s, table: table, name: r.queryName(s, table, "", "", "get_table_columns")}
	rows, err := j.query(ctx, c, r.sampleTimeout(), s.Dialect.Columns(s, table), maxRows)
	r.scan.Queries = append(r.scan.Queries, j.said...)
	r.tell(ctx, j, dq.LevelWarning)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, column := range readColumns(rows) {
		names = append(names, s.Dialect.quoted(column.Name))
	}
	r.columns[s.Name+"\x00"+table] = names
	return names, nil
}

func (r *run) sampleTimeout() time.Duration {
	return min(cmp.Or(r.Timeout, sampleTimeout), sampleTimeout)
}

// samplePath names a sample as the reference client does (protocol section 6.1).
func (r *run) samplePath(parts ...string) string {
	const compact = "20060102150405"
	folder := strings.ToLower(notWord.ReplaceAllString(r.Definition, "_")) + "_" + r.DataTime.UTC().Format(compact) + "_" + time.Now().UTC().Format(compact)
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return folder + "/" + strings.Join(parts, "_") + ".jsonl"
}

var notWord = regexp.MustCompile(`[^\pL\pN_]+`)

// fetch runs the statements side by side, and hands on what they give.
func (r *run) fetch(ctx context.Context, all []*fetch) {
	errs := make([]error, len(all))
	var group errgroup.Group
	group.SetLimit(r.Parallel)
	for i, f := range all {
		group.Go(func() error {
			errs[i] = r.fetchOne(ctx, f)
			return nil
		})
	}
	_ = group.Wait() // errors are kept by place
	stored := 0
	for i, f := range all {
		r.scan.Queries = append(r.scan.Queries, f.job.said...)
		r.tell(ctx, f.job, dq.LevelWarning)
		if f.file != nil {
			stored++
		}
		if errs[i] != nil {
			r.log(dq.LevelWarning, nil, "The rows of %s could not be kept: %s", f.job.name, errs[i])
		}
	}
	if stored > 0 {
		r.log(dq.LevelInfo, nil, "%d samples of rows were kept", stored)
	}
}

func (r *run) fetchOne(ctx context.Context, f *fetch) error {
	if f.rows == nil {
		connection := r.connections[f.job.source.Name]
		rows, err := f.job.query(ctx, connection.Connection, r.sampleTimeout(), f.job.statement, f.limit)
		if err != nil {
			return nil // the job tells
		}
		f.rows = rows
	}
	return r.save(ctx, f)
}

// save hands rows on, if there are any.
func (r *run) save(ctx context.Context, f *fetch) error {
	if len(f.rows.Rows) == 0 {
		return nil
	}
	file := &sampleFile{Total: f.rows.Count, Reference: sampleReference{Type: "sodaCloudStorage"}}
	var places []int
	for i, c := range f.rows.Columns {
		if f.keep(c.Name) {
			places = append(places, i)
			file.Columns = append(file.Columns, sampleColumn(c))
		}
	}
	if len(places) == 0 {
		return errAllExcluded
	}
	var body []byte
	body, file.Stored = jsonLines(f.rows.Columns, f.rows.Rows[:min(len(f.rows.Rows), f.limit)], places)
	var err error
	if file.Reference.File, err = r.Samples.SaveSample(ctx, f.path, body); err == nil {
		f.file = file
	}
	return err
}

// jsonLines writes places of rows, an array each, as many as fit.
func jsonLines(columns []dq.Column, rows [][]any, places []int) (body []byte, count int) {
	var out bytes.Buffer
	for _, row := range rows {
		cells := make([]any, len(places))
		for i, place := range places {
			cells[i] = cell(row[place], columns[place].Type)
		}
		var line bytes.Buffer
		encoder := json.NewEncoder(&line)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(cells); err == nil && out.Len()+line.Len() <= sampleSize {
			out.Write(line.Bytes())
			count++
		}
	}
	return out.Bytes(), count
}

// cell is a value in a sample, by the type of its column: what JSON has no form for is a text, as Python writes it.
func cell(v any, kind string) any {
	switch v := v.(type) {
	case nil, bool, string, int64:
		return v
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return number(v)
		}
	case time.Time:
		if kind = strings.ToUpper(kind); strings.HasSuffix(kind, "TZ") || strings.Contains(kind, "WITH TIME ZONE") {
			return pythonTime(v) + v.Format("-07:00")
		}
	}
	return pythonText(v)
}

// block tells of a sample in a check's diagnostics (protocol section 8.6).
func (f *failing) block(sample *fetch) map[string]any {
	switch f.metric {
	case "missing_count", "invalid_count", "duplicate_count", "reference":
		return map[string]any{
			"type": "failedRowsAnalysis", "title": "Failed Rows Analysis", "file": sample.file, "failingRowsQueryName": sample.job.name,
			"totalFailingRows": jsonValue(f.total.value), "sampleRowCount": sample.file.Stored,
		}
	}
	return map[string]any{"type": "file", "title": "Failed Rows", "file": sample.file}
}

// withBlock adds a block to diagnostics.
func withBlock(diagnostics json.RawMessage, block map[string]any) json.RawMessage {
	told := map[string]any{}
	_ = json.Unmarshal(diagnostics, &told) // empty, or written here
	told["blocks"] = []any{block}
	body, err := json.Marshal(told)
	if err != nil {
		return diagnostics
	}
	return body
}
