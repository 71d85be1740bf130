package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/sodalite-dq/sodalite/internal/contract"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// Verify runs the checks of a contract. The scan is as Soda Core 4 would report it: identities, paths, values and thresholds
// are its own. It is always whole: a contract with mistakes gives a scan that failed, with the mistakes in its log. The data
// source is the one that the contract names; without Options.Definition the scan is of the dataset's own definition, named as
// the dataset.
func Verify(ctx context.Context, c *contract.Contract, o Options) *dq.Scan {
	return VerifyPart(ctx, c, o).Whole()
}

// VerifyPart is Verify for as long as ctx allows, see [RunPart].
func VerifyPart(ctx context.Context, c *contract.Contract, o Options) *Part {
	r, plan := verification(c, o)
	return runPart(ctx, r, plan)
}

// ExplainContract plans a contract and gives the statements that Verify would send, without sending them.
func ExplainContract(ctx context.Context, c *contract.Contract, o Options) ([]dq.Query, *dq.Scan) {
	r, plan := verification(c, o)
	return r.explain(ctx, plan)
}

// ContractExitCode is the reference client's for a verification: 3 errors, 1 a failed check, 2 a warning, 0 all else.
func ContractExitCode(s *dq.Scan) int {
	c := s.Counts()
	switch {
	case s.Errored:
		return 3
	case c.Fail > 0:
		return 1
	case c.Warn > 0:
		return 2
	}
	return 0
}

func verification(c *contract.Contract, o Options) (*run, func(context.Context) bool) {
	o.Source = c.Dataset.DataSource
	if o.Definition == "" && c.Dataset.Name != "" {
		o.Definition = c.Dataset.QualifiedName()
	}
	r := begin(o, c.Mistakes)
	if c.Dataset.Name != "" {
		r.scan.Covers = []dq.DatasetRef{c.Dataset}
	}
	return r, func(ctx context.Context) bool { return !c.Failed() && r.planContract(ctx, c) }
}

// contractPlan plans the checks of one contract.
type contractPlan struct {
	*run
	contract *contract.Contract
	source   *Source
	// from is where the rows come from: the table, and the contract's filter.
	from extent
}

// planContract makes the checks and the statements that they need, like plan.
func (r *run) planContract(ctx context.Context, c *contract.Contract) bool {
	source, err := r.source(c.Dataset.DataSource)
	if err != nil {
		r.log(dq.LevelError, nil, "Data source %q: %s", c.Dataset.DataSource, err)
		return false
	}
	p := &contractPlan{run: r, contract: c, source: source, from: extent{source.Dialect.path(c.Dataset), c.Filter}}
	for _, check := range c.Checks {
		planned := &planned{at: check.At, source: source, prefix: c.Dataset.Prefix, table: c.Dataset.Name}
		if r.wanted(planned.key()) {
			p.check(check, planned)
			r.checks = append(r.checks, planned)
		}
	}
	return r.reach(ctx, source)
}

// contractCheck is a check of a contract that is being planned.
type contractCheck struct {
	*contract.Check
	*planned
	// dataset counts the rows of the dataset, rows those that the check looks at; nil where nobody asks.
	dataset, rows *measure
}

func (p *contractPlan) check(check *contract.Check, planned *planned) {
	c := &contractCheck{Check: check, planned: planned}
	c.result.Check = p.describe(check)
	if check.Excluded {
		p.scan.Partial = true
		c.judge = func(_ context.Context, result *dq.Result) error {
			result.Excluded = true
			return nil
		}
		return
	}
	c.result.Fail, c.result.Warn = c.bounds(check.Fail), c.bounds(check.Warn)
	if check.Percent {
		c.result.Measure = "percent"
	}
	if check.Type != contract.Schema {
		c.dataset = p.count(c, "")
		c.rows = p.count(c, check.Filter)
	}
	if err := p.plan(c); err != nil {
		c.judge = func(context.Context, *dq.Result) error { return err }
	}
}

// plan asks for what a check's type needs.
func (p *contractPlan) plan(c *contractCheck) error {
	switch c.Type {
	case contract.Schema:
		p.planContractSchema(c)
	case contract.RowCount:
		c.needs(c.rows)
		c.compare(func() (any, error) { return c.rows.value, nil }, nil)
	case contract.Freshness:
		p.planTimeliness(c)
	case contract.Missing, contract.Invalid:
		return p.planRows(c)
	case contract.Duplicate:
		p.planDuplicates(c)
	case contract.Aggregate:
		p.planFunction(c)
	case contract.Metric:
		p.planOwn(c)
	case contract.FailedRows:
		p.planFailures(c)
	default:
		return fmt.Errorf("checks of type %s cannot be run", c.Type)
	}
	return nil
}

// describe is the check as it is reported. Its identity is its path, which is unique within the dataset; the reference
// client's own, of 32 bits, is an alias, so that a check keeps its history when it moves from there to this engine.
func (p *contractPlan) describe(c *contract.Check) dq.Check {
	check := dq.Check{
		Identity: c.Path(), Aliases: []string{contractIdentity(p.contract.Dataset, c)}, Name: c.Name, Dataset: p.contract.Dataset, Kind: c.Type,
		Origin: dq.OriginContract, Source: c.Definition, Attributes: c.Attributes, Location: &dq.Location{File: c.At.File, Line: c.At.Line, Col: c.At.Column},
	}
	if c.Column != nil {
		check.Column = c.Column.Name
	}
	return check
}

// contractIdentity is Soda Core 4's own (protocol, section 4.7).
func contractIdentity(d dq.DatasetRef, c *contract.Check) string {
	parts := append(append([]string{"dso", d.DataSource, "pr"}, d.Prefix...), "ds", d.Name)
	if c.Column != nil {
		parts = append(parts, "c", c.Column.Name)
	}
	parts = append(parts, "t", c.Type)
	if c.Qualifier != "" {
		parts = append(parts, "q", c.Qualifier)
	}
	return hash(parts...)
}

// item asks for an aggregate of the contract's rows.
func (p *contractPlan) item(c *contractCheck, name string, a aggregate) *measure {
	return p.aggregateIfPossible(c.planned, p.source, p.from, &measure{table: p.contract.Dataset.Name, column: c.result.Column, name: name, aggregate: a})
}

// count counts the contract's rows, or those for which a condition holds.
func (p *contractPlan) count(c *contractCheck, condition string) *measure {
	sql := "COUNT(*)"
	if condition != "" {
		sql = "COUNT(CASE WHEN " + condition + " THEN 1 END)"
	}
	return p.aggregateIfPossible(c.planned, p.source, p.from, &measure{table: p.contract.Dataset.Name, name: "row_count", aggregate: count(sql)})
}

// own asks for a statement of the check's own. read gets the value from the answer.
func (p *contractPlan) own(c *contractCheck, name, sql string, keep int, read func(*Rows) (any, error)) *measure {
	return p.askIfPossible(c.planned, &measure{table: p.contract.Dataset.Name, column: c.result.Column, name: name}, name, sql, keep, read)
}

// compare judges a value by the check's thresholds. value gives what to compare, nil for none; more adds to what is told
// beside the value (diagnostics.v4, protocol section 4.4).
func (c *contractCheck) compare(value func() (any, error), more func(told map[string]any)) {
	z := c.zones()
	c.judge = func(_ context.Context, result *dq.Result) error {
		v, err := value()
		c.tell(result, more)
		switch {
		case err != nil:
			return err
		case v == nil:
			return quietly{"there is nothing to measure, the value is NULL"}
		case !isNumber(v) || number(v) == "":
			return fmt.Errorf("the value %v is not a finite number", text(v))
		}
		if c.Fail == nil && c.Warn == nil {
			return quietly{"its threshold does not say what to compare with"}
		}
		result.Value, result.Outcome = shortNumber(v), z.outcome(v)
		return nil
	}
}

// tell writes what is told beside the value.
func (c *contractCheck) tell(result *dq.Result, more func(map[string]any)) {
	told := map[string]any{"type": c.Type}
	put(told, "datasetRowsTested", c.dataset)
	if c.Type != contract.Metric && c.Type != contract.Freshness {
		put(told, "checkRowsTested", c.rows)
	}
	if more != nil {
		more(told)
	}
	if body, err := json.Marshal(map[string]any{"v4": told}); err == nil {
		result.Diagnostics = body
	}
}

// put adds a measured number, if there is one.
func put(told map[string]any, name string, m *measure) {
	if m != nil && m.err == nil && isNumber(m.value) {
		told[name] = jsonValue(m.value)
	}
}

// zones are the bad ranges of the check's thresholds.
func (c *contractCheck) zones() zones {
	return zones{warn: badZone(c.Check.Warn), fail: badZone(c.Check.Fail)}
}

// badZone is the range of bad values, none without a condition.
func badZone(condition *sodacl.Condition) zone {
	if condition == nil {
		return zone{}
	}
	z, err := bad(*condition, sodacl.Variables{}, true)
	if err != nil {
		return zone{} // numbers of a contract need no variables
	}
	return z
}

// bounds are the bad range as it is reported (section 4.3).
func (c *contractCheck) bounds(condition *sodacl.Condition) *dq.Threshold {
	if condition == nil {
		return nil
	}
	z := badZone(condition)
	show := func(f *float64) json.Number {
		switch {
		case f == nil:
			return ""
		case c.Type == contract.Freshness:
			return shortNumber(math.Round(*f * float64(c.Unit.Milliseconds())))
		}
		return shortNumber(*f)
	}
	return &dq.Threshold{GreaterThan: show(z.over), GreaterThanOrEqual: show(z.overOr), LessThan: show(z.under), LessThanOrEqual: show(z.underOr)}
}

// shortNumber is a number in JSON, whole ones without a fraction.
func shortNumber(v any) json.Number {
	if f, ok := v.(float64); ok && f == float64(int64(f)) {
		return json.Number(strconv.FormatInt(int64(f), 10))
	}
	return number(v)
}

var errNoCount = errors.New("the database gave no count")
