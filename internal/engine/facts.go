package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// facts plans what is learned about datasets beyond checks: "discover datasets", "profile columns" and "sample
// datasets". "automated monitoring" needs a model of the past, which is not supported.
func (r *run) facts(ctx context.Context, source *Source) {
	for _, s := range r.program.Monitor {
		r.log(dq.LevelError, &s.At, "automated monitoring is not supported; write row_count and schema checks")
	}
	for _, s := range r.program.Sample {
		r.sampleDatasets(ctx, source, s)
	}
	for _, s := range r.program.Discover {
		names, err := r.matching(ctx, source, s, "discover_datasets")
		if err != nil {
			r.log(dq.LevelError, &s.At, "discover datasets: %s", err)
			continue
		}
		if len(names) == 0 {
			r.log(dq.LevelWarning, &s.At, "discover datasets: no dataset matches")
		}
		for _, name := range names {
			r.discover(source, name)
		}
	}
	for _, s := range r.program.Profile {
		r.profile(ctx, source, s)
	}
}

// discover asks for the columns of a dataset.
func (r *run) discover(source *Source, name string) {
	r.jobs = append(r.jobs, &job{
		source: source, table: name, name: r.queryName(source, name, "", "", "discover_datasets"), keep: maxRows,
		statement: source.Dialect.Columns(source, source.Dialect.quoted(name)),
		read: func(rows *Rows, err error) {
			if err == nil {
				r.report(dq.DatasetReport{Dataset: dq.DatasetRef{DataSource: source.Name, Name: name}, Schema: readColumns(rows)})
			}
		},
	})
}

// report keeps what was learned, one report per dataset. Jobs run side by side.
func (r *run) report(report dq.DatasetReport) {
	r.reports.Lock()
	defer r.reports.Unlock()
	r.scan.Reports = append(r.scan.Reports, report)
}

// profile asks for the row count, and for numbers about each column that matches.
func (r *run) profile(ctx context.Context, source *Source, s sodacl.Selection) {
	c, err := r.connection(ctx, source)
	if err != nil {
		return // the plan says so
	}
	tables := s
	tables.Patterns = nil
	for _, p := range s.Patterns {
		if !p.Exclude {
			tables.Patterns = append(tables.Patterns, p)
		}
	}
	names, err := r.matching(ctx, source, tables, "profile_columns")
	if err != nil {
		r.log(dq.LevelError, &s.At, "profile columns: %s", err)
		return
	}
	for _, name := range names {
		j := &job{source: source, table: name, name: r.queryName(source, name, "", "", "profile_columns_metadata")}
		rows, err := j.query(ctx, c, r.Timeout, source.Dialect.Columns(source, source.Dialect.quoted(name)), maxRows)
		r.scan.Queries = append(r.scan.Queries, j.said...)
		if err != nil {
			r.log(dq.LevelError, &s.At, "profile columns of %s: %s", name, err)
			continue
		}
		r.profileTable(source, name, slices.DeleteFunc(readColumns(rows), func(c dq.Column) bool { return !selected(s, name, c.Name) }))
	}
}

// selected tells whether the patterns mean this column: some included, none excluded. Case does not count.
func selected(s sodacl.Selection, table, column string) bool {
	in := false
	for _, p := range s.Patterns {
		if like(p.Table, table) && like(p.Column, column) {
			if p.Exclude {
				return false
			}
			in = true
		}
	}
	return in
}

// like matches as SQL's LIKE does with %, in any case.
func like(pattern, s string) bool {
	parts := strings.Split(strings.ToLower(pattern), "%")
	s = strings.ToLower(s)
	if len(parts) == 1 {
		return s == parts[0]
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}
