package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// Part is one go at a program: all of it, or as much as there was time for. [Merge] makes one scan of several.
type Part struct {
	run *run
	end end
	// planned tells that all checks are known, so that those left can be named.
	planned bool
}

// RunPart executes the program, or, if o.Only is not nil, the checks that it names, until they are done or ctx ends.
func RunPart(ctx context.Context, program *sodacl.Program, o Options) *Part {
	r := newRun(program, o)
	return runPart(ctx, r, r.plan)
}

func runPart(ctx context.Context, r *run, plan func(context.Context) bool) *Part {
	p := &Part{run: r}
	p.planned = r.execute(ctx, plan)
	p.end = endOf(ctx)
	return p
}

// end is what ended a context, zero if nothing did.
type end struct{ err, cause error }

func endOf(ctx context.Context) end { return end{ctx.Err(), context.Cause(ctx)} }

// factsKey stands in [Options.Only] for what is learned about datasets beyond checks.
const factsKey = "facts"

// key names the check among those of the program, in every part alike.
func (c *planned) key() string {
	partition := ""
	if c.partition != nil {
		partition = c.partition.Name
	}
	return fmt.Sprintf("%s:%d:%d:%s:%s", c.at.File, c.at.Line, c.at.Column, partition, c.table)
}

// wanted tells whether the part is to do what the key names.
func (o *Options) wanted(key string) bool { return o.Only == nil || slices.Contains(o.Only, key) }

// Left names what the context's end left over, for [Options.Only] of another part. It is empty if the part did all, or ended
// before it knew what there is to do.
func (p *Part) Left() []string {
	if !p.planned {
		return nil
	}
	var keys []string
	for _, c := range p.run.left {
		keys = append(keys, c.key())
	}
	if p.end.err != nil && slices.ContainsFunc(p.run.jobs, func(j *job) bool { return j.facts && !j.done() }) {
		keys = append(keys, factsKey)
	}
	return keys
}

// Progress tells whether the part finished any of its checks, or measured any slice.
func (p *Part) Progress() bool {
	return len(p.run.left) < len(p.run.checks) || slices.ContainsFunc(p.run.sliced, (*sliced).news)
}

// done tells whether the job's last statement was answered.
func (j *job) done() bool { return len(j.said) > 0 && j.said[len(j.said)-1].Error == "" }

// Found is the scan of what the part did, as if nothing were left. It is to be called once, or [Part.Whole] is.
func (p *Part) Found() *dq.Scan { return p.run.finish(end{}) }

// Whole is the scan of the part as the last: what is left over is not evaluated, and says why.
func (p *Part) Whole() *dq.Scan {
	if p.planned && len(p.Left()) == 0 {
		return p.Found()
	}
	for _, c := range p.run.left {
		c.report(p.run)
	}
	return p.run.finish(p.end)
}

// cutOff tells whether an error comes from the context's end.
func cutOff(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() != nil && (errors.Is(err, context.Cause(ctx)) || errors.Is(err, ctx.Err()))
}

// Merge makes one scan of two parts of it, in order of time. What both measured counts as the first says.
func Merge(first, next *dq.Scan) *dq.Scan {
	s := *next
	s.Started, s.DataSourceType = first.Started, cmp.Or(first.DataSourceType, next.DataSourceType)
	s.Results = slices.Concat(first.Results, next.Results)
	s.Queries = slices.Concat(first.Queries, next.Queries)
	s.Reports = slices.Concat(first.Reports, next.Reports)
	s.Measurements = slices.Clone(first.Measurements)
	known := map[string]bool{}
	for _, m := range first.Measurements {
		known[m.Dataset.ID()+m.Identity] = true
	}
	for _, m := range next.Measurements {
		if !known[m.Dataset.ID()+m.Identity] {
			s.Measurements = append(s.Measurements, m)
		}
	}
	s.Logs = slices.Concat(first.Logs, next.Logs)
	for i := range s.Logs {
		s.Logs[i].Index = i
	}
	s.Errored, s.Partial = first.Errored || next.Errored, first.Partial || next.Partial
	if next.State != dq.TimedOut && next.State != dq.Canceled {
		s.State = s.Conclude(true)
	}
	return &s
}
