package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/contract"
	"github.com/sodalite-dq/sodalite/internal/dq"
)

// planContractSchema compares the dataset's columns with the contract's.
func (p *contractPlan) planContractSchema(c *contractCheck) {
	d, table := p.source.Dialect, p.contract.Dataset
	var sql string
	if d.Types != nil {
		sql = d.Types(p.source, table.Prefix, table.Name)
	} else {
		sql = d.Columns(p.source, d.name(table.Name))
	}
	m := c.needs(p.own(c, "schema", sql, maxRows, func(rows *Rows) (any, error) { return readColumns(rows), nil }))
	c.result.Fail = &dq.Threshold{GreaterThan: "0"}
	c.judge = func(_ context.Context, result *dq.Result) error {
		actual, _ := m.value.([]dq.Column)
		for i := range actual {
			actual[i].Type = strings.ToLower(actual[i].Type)
		}
		if len(actual) == 0 {
			c.tell(result, func(told map[string]any) { told["expected"], told["actual"] = p.expectedColumns(), []any{} })
			return errors.New("the dataset does not exist, or has no columns")
		}
		p.report(dq.DatasetReport{Dataset: table, Schema: actual})
		diff := contract.CompareSchemas(p.expectedColumns(), actual, p.hasType, c.AllowExtraColumns, c.AllowOtherOrder)
		result.Value, result.Outcome = number(int64(diff.Events())), dq.Pass
		if diff.Events()+len(diff.Order) > 0 {
			result.Outcome, result.ValueLabel = dq.Fail, diff.Label()
		}
		return p.tellSchema(c, result, actual, diff)
	}
}

// tellSchema writes both schemas, and how they differ.
func (p *contractPlan) tellSchema(c *contractCheck, result *dq.Result, actual []dq.Column, diff contract.SchemaDiff) error {
	var err error
	result.Diagnostics, err = json.Marshal(struct {
		V4 any `json:"v4"`
		contract.SchemaDiff
	}{map[string]any{"type": c.Type, "expected": p.expectedColumns(), "actual": actual}, diff})
	return err
}

// hasType tells whether a column has the type that the contract expects of it.
func (p *contractPlan) hasType(expected dq.Column, actual string) bool {
	i := slices.IndexFunc(p.contract.Columns, func(c *contract.Column) bool { return c.Name == expected.Name })
	return i < 0 || p.contract.Columns[i].Is(actual, p.source.Dialect.SameTypes)
}

func (p *contractPlan) expectedColumns() []dq.Column {
	out := make([]dq.Column, len(p.contract.Columns))
	for i, c := range p.contract.Columns {
		out[i] = dq.Column{Name: c.Name, Type: c.TypeText()}
	}
	return out
}
