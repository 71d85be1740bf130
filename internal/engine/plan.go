package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// plan makes the checks and the statements that they need. It gives false if the data source cannot be reached; the log
// then says why, and there are no results, so that the outcomes of former scans stay what they are.
func (r *run) plan(ctx context.Context) bool {
	source, err := r.source(r.Source)
	if err != nil {
		r.log(dq.LevelError, nil, "Data source %q: %s", r.Source, err)
		return false
	}
	if err := r.forEach(ctx, source); err != nil {
		return r.unreachable(source, err)
	}
	for _, c := range r.program.Checks {
		r.add(&planned{Check: c, source: source, partition: &sodacl.Partition{}, vars: r.program.Variables})
	}
	for _, t := range r.program.Tables {
		for _, part := range t.Partitions {
			for _, c := range part.InOrder() {
				vars := r.program.Variables
				if each, ok := r.aliases(c); ok {
					vars = vars.With(each, unquoted(t.Name))
				}
				r.add(&planned{Check: c, source: source, table: t.Name, partition: part, vars: vars})
			}
		}
	}
	if before := len(r.jobs); r.wanted(factsKey) {
		r.facts(ctx, source)
		for _, j := range r.jobs[before:] {
			j.facts = true
		}
	}
	return r.reach(ctx, source)
}

// reach connects if anything is to be measured.
func (r *run) reach(ctx context.Context, source *Source) bool {
	if len(r.jobs) == 0 {
		return true
	}
	if _, err := r.connection(ctx, source); err != nil {
		return r.unreachable(source, err)
	}
	return true
}

func (r *run) unreachable(source *Source, err error) bool {
	r.log(dq.LevelError, nil, "Could not connect to data source %q: %s", source.Name, err)
	return false
}

// aliases gives the variable that stands for the dataset in a check of a "for each" section.
func (r *run) aliases(c *sodacl.Check) (string, bool) {
	for _, f := range r.program.ForEach {
		if slices.Contains(f.Checks, c) {
			return unquoted(f.Alias), true
		}
	}
	return "", false
}

// forEach adds the checks of "for each" sections to the datasets that match.
func (r *run) forEach(ctx context.Context, source *Source) error {
	for _, f := range r.program.ForEach {
		names, err := r.matching(ctx, source, f.Select, "for_each_dataset_"+f.Alias)
		var unreachable *unreachableError
		if errors.As(err, &unreachable) {
			return err
		}
		if err != nil {
			r.log(dq.LevelError, &f.Select.At, "the datasets of %q could not be listed: %s", "for each dataset "+f.Alias, err)
			continue
		}
		for _, name := range names {
			part := r.program.Table(source.Dialect.quoted(name)).Partition("")
			part.Checks = append(part.Checks, f.Checks...)
		}
	}
	return nil
}

// unreachableError is a data source that does not take connections.
type unreachableError struct{ error }

func (e *unreachableError) Unwrap() error { return e.error }

// matching lists the datasets that a selection means, in order of their names.
func (r *run) matching(ctx context.Context, source *Source, s sodacl.Selection, name string) ([]string, error) {
	var include, exclude []string
	for _, p := range s.Patterns {
		if p.Source != "" && p.Source != source.Name {
			r.log(dq.LevelError, &p.At, "the pattern names the data source %q, but the scan is of %q", p.Source, source.Name)
			continue
		}
		if pattern := source.Dialect.Fold(p.Table); p.Exclude {
			exclude = append(exclude, pattern)
		} else {
			include = append(include, pattern)
		}
	}
	if len(include)+len(exclude) == 0 {
		return nil, nil
	}
	c, err := r.connection(ctx, source)
	if err != nil {
		return nil, &unreachableError{err}
	}
	j := &job{source: source, name: r.queryName(source, "", "", "", name)}
	rows, err := j.query(ctx, c, r.Timeout, source.Dialect.Tables(source, include, exclude), maxRows)
	r.scan.Queries = append(r.scan.Queries, j.said...)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, row := range rows.Rows {
		if name, ok := row[0].(string); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// add plans one check. A check that cannot be planned is kept, to be reported as not evaluated.
func (r *run) add(c *planned) {
	if c.at = c.At; !r.wanted(c.key()) {
		return
	}
	c.result.Check = r.describe(c)
	var err error
	switch c.Kind {
	case sodacl.Metric, sodacl.Anomaly, sodacl.Distribution:
		if c.Problem != "" {
			err = told{errors.New(c.Problem)}
			break
		}
		if c.Kind == sodacl.Distribution {
			err = r.planDistribution(c)
			break
		}
		if c.Kind == sodacl.Anomaly {
			err = errors.New("anomaly checks are not supported: they need a model of the metric's past; use \"change\" checks, or thresholds")
			break
		}
		err = r.planMetric(c)
	case sodacl.Freshness:
		err = r.planFreshness(c)
	case sodacl.Schema:
		err = r.planSchema(c)
	case sodacl.Reference:
		err = r.planReference(c)
	case sodacl.SameRowCount:
		err = r.planSameRowCount(c)
	case sodacl.FailedRows:
		err = r.planFailedRows(c)
	case sodacl.GroupBy:
		err = r.planGroupBy(c)
	case sodacl.GroupEvolution:
		err = r.planGroupEvolution(c)
	}
	if err != nil {
		c.judge = func(context.Context, *dq.Result) error { return err }
	}
	r.checks = append(r.checks, c)
}

// describe is the check as it is reported.
func (r *run) describe(c *planned) dq.Check {
	name := c.Name
	if name == "" {
		name = c.DefaultName()
	}
	if resolved, err := c.vars.Resolve(name); err == nil {
		name = resolved
	} else {
		r.log(dq.LevelError, &c.At, "the name of the check: %s", err)
	}
	check := dq.Check{
		Name: name, Dataset: dq.DatasetRef{DataSource: c.source.Name, Name: unquoted(c.table)}, Column: c.Column(), Kind: kindOf(c.Check),
		Source: c.Source(c.section()), Location: &dq.Location{File: c.At.File, Line: c.At.Line, Col: c.At.Column},
	}
	check.Identity, check.Aliases = identities(c)
	for _, a := range c.Attributes {
		check.Attributes = append(check.Attributes, attribute(a, c.vars))
	}
	return check
}

// kindOf names the kind of a check in the words of [dq.Check].
func kindOf(c *sodacl.Check) string {
	switch c.Kind {
	case sodacl.Freshness:
		return "freshness"
	case sodacl.Schema:
		return "schema"
	case sodacl.Reference:
		return "reference"
	case sodacl.SameRowCount:
		return "row_count"
	case sodacl.FailedRows:
		return "failed_rows"
	case sodacl.GroupBy, sodacl.GroupEvolution:
		return "group"
	case sodacl.Anomaly:
		return "anomaly"
	case sodacl.Distribution:
		return "distribution"
	}
	kind, _, _ := strings.Cut(c.Metric, "_")
	switch {
	case c.Change != nil:
		return "change"
	case c.Query != "" || c.Expression != "":
		return "user_defined"
	case c.Metric == "row_count":
		return "row_count"
	case kind == "missing" || kind == "invalid" || kind == "duplicate":
		return kind
	case kind == "valid":
		return "invalid"
	}
	return "aggregate"
}

// from is the table of a check and the rows of its partition.
func (c *planned) from() (extent, error) {
	filter, err := c.vars.Resolve(c.partition.Filter)
	if err != nil {
		return extent{}, fmt.Errorf("the filter of partition %s: %w", c.partition.Name, err)
	}
	return extent{c.source.Qualified(c.table), filter}, nil
}

// aggregate asks for an aggregate of the check's partition; the same one twice is one measure.
func (r *run) aggregate(c *planned, name, column string, a aggregate, identity string) (*measure, error) {
	from, err := c.from()
	if err != nil {
		return nil, err
	}
	if err := a.resolve(c.vars); err != nil {
		return nil, err
	}
	return r.aggregateFrom(c, c.source, from, &measure{table: c.table, partition: c.partition.Name, column: column, name: name, identity: identity, aggregate: a}), nil
}

// needs says that the check cannot be judged without the measure.
func (c *planned) needs(m *measure) *measure {
	c.measures = append(c.measures, m)
	return m
}

// aggregateFrom asks for an aggregate of any rows. The SQL is complete.
func (r *run) aggregateFrom(c *planned, s *Source, from extent, m *measure) *measure {
	return c.needs(r.aggregateIfPossible(c, s, from, m))
}

// aggregateIfPossible is aggregateFrom for a check that can be judged without it.
func (r *run) aggregateIfPossible(c *planned, s *Source, from extent, m *measure) *measure {
	place := s.Name + "\x00" + from.String()
	m.source = s
	m, known := r.remember(place+"\x00"+m.sql+"\x00"+m.identity, m)
	if known {
		return m
	}
	j := r.aggregates[place]
	if j == nil {
		j = &job{source: s, prefix: c.prefix, table: m.table, extent: from, name: r.queryName(s, m.table, m.partition, "", "aggregation")}
		r.aggregates[place] = j
		r.jobs = append(r.jobs, j)
	}
	j.measures = append(j.measures, m)
	return m
}

// remember gives the measure that is known under the key, or keeps m.
func (r *run) remember(key string, m *measure) (_ *measure, known bool) {
	if old, ok := r.measures[key]; ok {
		return old, true
	}
	if m.identity != "" && r.identities[m.identity] {
		m.identity += "-" + hash(key) // what is measured apart has a history of its own
	}
	r.identities[m.identity] = true
	r.measures[key] = m
	r.order = append(r.order, m)
	return m, false
}

// statement asks for a measure that has a statement of its own. read gets value from the answer.
func (r *run) statement(c *planned, m *measure, kind, sql string, keep int, read func(*Rows) (any, error)) (*measure, error) {
	sql, err := c.vars.Resolve(sql)
	if err != nil {
		return nil, err
	}
	return r.ask(c, m, kind, sql, keep, read), nil
}

// ask is statement with SQL that is complete.
func (r *run) ask(c *planned, m *measure, kind, sql string, keep int, read func(*Rows) (any, error)) *measure {
	return c.needs(r.askIfPossible(c, m, kind, sql, keep, read))
}

// askIfPossible is ask for a check that can be judged without it.
func (r *run) askIfPossible(c *planned, m *measure, kind, sql string, keep int, read func(*Rows) (any, error)) *measure {
	m.source = c.source
	m, known := r.remember(c.source.Name+"\x00"+kind+"\x00"+sql+"\x00"+m.identity, m)
	if known {
		return m
	}
	r.jobs = append(r.jobs, &job{
		source: c.source, prefix: c.prefix, table: m.table, column: m.column, name: r.queryName(c.source, m.table, m.partition, m.column, kind), statement: sql, keep: keep,
		read: func(rows *Rows, err error) {
			if m.err = err; err == nil {
				m.value, m.err = read(rows)
			}
		},
	})
	return m
}

// queryName names a statement as the reference client does (its section 33).
func (r *run) queryName(s *Source, table, partition, column, kind string) string {
	name := fmt.Sprintf("%d.%s", len(r.jobs), s.Name)
	if table != "" {
		name += "." + unquoted(table)
	}
	if partition != "" {
		name += "[" + partition + "]"
	}
	if column != "" {
		name += "." + column
	}
	return name + "." + kind
}

// isNumber tells whether a measured value can be compared with a threshold.
func isNumber(v any) bool {
	switch v.(type) {
	case int64, float64, bool:
		return true
	}
	return false
}
