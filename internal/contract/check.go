package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

// commonKeys are those of every check, ownKeys what a type has besides, and judged the types that have a threshold.
var (
	commonKeys = []string{"name", "qualifier", "filter", "attributes", "column_expression", "store_failed_rows", "description"}
	ownKeys    = map[string][]string{
		Schema:     {"allow_extra_columns", "allow_other_column_order"},
		RowCount:   {"threshold"},
		Freshness:  {"threshold", "column", "now_variable"},
		Missing:    append([]string{"threshold"}, valueKeys...),
		Invalid:    append([]string{"threshold"}, valueKeys...),
		Duplicate:  append([]string{"threshold", "columns"}, valueKeys...),
		Aggregate:  append([]string{"threshold", "function"}, valueKeys...),
		Metric:     {"threshold", "expression", "query"},
		FailedRows: {"threshold", "expression", "query", "keys_query", "key_column_mapping", "rows_tested_query"},
	}
	ofDatasets = []string{Schema, RowCount, Freshness, Duplicate, Metric, FailedRows}
	ofColumns  = []string{RowCount, Missing, Invalid, Duplicate, Aggregate, Metric, FailedRows}
)

// checks reads a list of checks, of a column or of the dataset.
func (p *parser) checks(list *yaml.Node, column *Column) []*Check {
	switch {
	case yamldoc.IsNull(list):
		return nil
	case list.Kind != yaml.SequenceNode:
		p.mistake(list, "checks must be a list, it is %s", yamldoc.KindOf(list))
		return nil
	case len(list.Content) == 0:
		p.mistake(list, "checks is an empty list; add a check, or leave checks out")
	}
	var checks []*Check
	for _, n := range list.Content {
		if c := p.check(n, column); c != nil {
			checks = append(checks, c)
		}
	}
	return checks
}

// check reads one entry of a list of checks, nil if it is none.
func (p *parser) check(n *yaml.Node, column *Column) *Check {
	switch {
	case n.Kind == yaml.ScalarNode && slices.Contains(Types, n.Value):
		p.mistake(n, "the colon is missing: - %s:", n.Value)
		return nil
	case n.Kind != yaml.MappingNode:
		p.mistake(n, "a check is a type and a colon, such as \"- row_count:\"; found %s", yamldoc.KindOf(n))
		return nil
	case len(n.Content) != 2:
		p.mistake(n, "a check is one type and its settings below, found %d keys; indent the settings further", len(n.Content)/2)
		return nil
	}
	kind, body := n.Content[0], n.Content[1]
	c := &Check{Type: kind.Value, Column: column, At: p.at(body)}
	allowed, of := ofDatasets, "the dataset"
	if column != nil {
		allowed, of = ofColumns, "a column"
	}
	switch {
	case !slices.Contains(Types, c.Type):
		p.foreign(kind, "unknown check type %q; there are %s", yamldoc.Clip(c.Type), strings.Join(Types, ", "))
		return nil
	case !slices.Contains(allowed, c.Type):
		p.mistake(kind, "a check of type %s cannot be one of %s", c.Type, of)
		return nil
	case yamldoc.IsNull(body):
		body = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle, Line: n.Line, Column: n.Column}
	case body.Kind != yaml.MappingNode:
		p.mistake(body, "the settings of a check must be a mapping, found %s", yamldoc.KindOf(body))
		return nil
	}
	c.At = p.at(body)
	p.lenient(func() { p.settings(c, body) })
	return c
}

// settings reads the body of a check.
func (p *parser) settings(c *Check, body *yaml.Node) {
	if scope := yamldoc.Member(body, "scope"); scope != nil && scope.Value != "base" {
		p.foreign(scope, "checks of a scope cannot be run here: they need an extension of Soda")
	}
	p.unknownKeys(body, "a check of type "+c.Type, slices.Concat(commonKeys, ownKeys[c.Type], []string{"scope"})...)
	c.Name = p.text(body, "name")
	if c.Name == "" {
		c.Name = names[c.Type]
	}
	c.Qualifier = qualifier(yamldoc.Member(body, "qualifier"))
	c.Filter = strings.TrimSpace(p.text(body, "filter"))
	c.Expression = strings.TrimSpace(p.text(body, "column_expression"))
	c.Attributes = p.readAttributes(p.mapping(body, "attributes"), p.attributes)
	p.flag(body, "store_failed_rows")
	if slices.Contains(ownKeys[c.Type], "threshold") {
		p.threshold(c, body)
	}
	if slices.Contains(ownKeys[c.Type], "missing_values") {
		c.Values = p.values(body)
		if c.Column != nil {
			c.Values = c.Values.inherit(c.Column.Values)
		}
	}
	p.own(c, body)
	if first, ok := p.paths[c.Path()]; ok {
		p.mistake(body, "the check %s is already in line %d; give one of them a qualifier", c.Path(), first.Line)
	}
	p.paths[c.Path()] = c.At
	c.Definition = p.definition(c, body)
}

// qualifier is a scalar as text, as the reference client writes it.
func qualifier(n *yaml.Node) string {
	switch v := value(n).(type) {
	case nil:
		return ""
	case bool:
		return strings.ToUpper(fmt.Sprint(v)[:1]) + fmt.Sprint(v)[1:]
	case float64:
		return number(v)
	default:
		return fmt.Sprint(v)
	}
}

func value(n *yaml.Node) any {
	if n == nil {
		return nil
	}
	return plain(n)
}

// own reads what only checks of the type have.
func (p *parser) own(c *Check, body *yaml.Node) {
	switch c.Type {
	case Schema:
		c.AllowExtraColumns, c.AllowOtherOrder = p.flag(body, "allow_extra_columns"), p.flag(body, "allow_other_column_order")
	case Freshness:
		c.Timestamp, c.Now = p.needed(body, "column"), p.text(body, "now_variable")
		if _, ok := p.Variables[c.Now]; c.Now != "" && !ok {
			p.mistake(yamldoc.Member(body, "now_variable"), "the variable %s is not declared; add it to the variables of the contract", c.Now)
		}
	case Invalid:
		if !c.Values.SaysValid() {
			p.mistake(body, "nothing says which values are valid; give valid_values, valid_format, valid_min and the like, here or at the column")
		}
	case Duplicate:
		p.duplicate(c, body)
	case Aggregate:
		p.function(c, body)
	case Metric:
		c.SQL, c.Query = p.sql(body, "expression"), p.sql(body, "query")
		if c.SQL == "" && c.Query == "" {
			p.mistake(body, "a metric check needs an expression or a query")
		}
	case FailedRows:
		p.failedRows(c, body)
	}
}

func (p *parser) duplicate(c *Check, body *yaml.Node) {
	list := yamldoc.Member(body, "columns")
	if c.Column != nil {
		if list != nil {
			p.warning(list, "columns has no effect in a check of a column")
		}
		return
	}
	if list == nil || list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		p.mistake(body, "a duplicate check of the dataset needs columns, a list of their names")
		return
	}
	for _, item := range list.Content {
		if item.Kind != yaml.ScalarNode || item.ShortTag() != "!!str" {
			p.mistake(item, "columns is a list of names, %s is none; put it in quotes", yamldoc.KindOf(item))
			continue
		}
		c.Columns = append(c.Columns, item.Value)
	}
}

// functions are the aggregates, and how else they may be written.
var functions = map[string]string{
	"avg": "avg", "sum": "sum", "min": "min", "max": "max", "avg_length": "avg_length", "min_length": "min_length", "max_length": "max_length",
	"avglength": "avg_length", "minlength": "min_length", "maxlength": "max_length",
}

func (p *parser) function(c *Check, body *yaml.Node) {
	name := p.needed(body, "function")
	if name == "" {
		return
	}
	known := false
	if c.Function, known = functions[strings.ToLower(name)]; !known {
		p.mistake(yamldoc.Member(body, "function"), "the function %q is not supported; there are avg, sum, min, max, avg_length, min_length, max_length", yamldoc.Clip(name))
	}
}

func (p *parser) failedRows(c *Check, body *yaml.Node) {
	c.SQL, c.Query, c.RowsTested = p.sql(body, "expression"), p.sql(body, "query"), p.sql(body, "rows_tested_query")
	keys := p.sql(body, "keys_query")
	given := 0
	for _, text := range []string{c.SQL, c.Query, keys} {
		if text != "" {
			given++
		}
	}
	if c.Query == "" {
		c.Query = keys
	}
	mapping := p.mapping(body, "key_column_mapping")
	switch {
	case given == 0:
		p.mistake(body, "a failed rows check needs an expression, a query or a keys_query")
	case given > 1:
		p.mistake(body, "a failed rows check has one of expression, query and keys_query, not several")
	case c.Percent && c.Query != "" && c.RowsTested == "":
		p.mistake(body, "the percentage of rows that a query finds needs a rows_tested_query, which counts the rows that it looked at")
	case c.RowsTested != "" && c.Query == "":
		p.warning(yamldoc.Member(body, "rows_tested_query"), "rows_tested_query has no effect on an expression")
	case mapping != nil && keys == "":
		p.warning(mapping, "key_column_mapping has no effect without keys_query")
	}
}

// sql reads a statement or expression, without the blank space and semicolons around it.
func (p *parser) sql(n *yaml.Node, key string) string {
	return strings.TrimRight(strings.TrimSpace(p.text(n, key)), "; \n\t")
}

// readAttributes reads attributes over others.
func (p *parser) readAttributes(n *yaml.Node, under []dq.Attribute) []dq.Attribute {
	out := slices.Clone(under)
	if n == nil {
		return out
	}
	for key, v := range yamldoc.Entries(n) {
		body, err := json.Marshal(attributeValue(v))
		if err != nil {
			p.mistake(v, "the attribute %s cannot be written as JSON", key.Value)
			continue
		}
		a := dq.Attribute{Name: key.Value, Value: body}
		if a.Value = body; string(body) == "null" {
			a.Value = nil
		}
		if i := slices.IndexFunc(out, func(o dq.Attribute) bool { return o.Name == a.Name }); i >= 0 {
			out[i] = a
		} else {
			out = append(out, a)
		}
	}
	return out
}

// attributeValue is an attribute as the reference client reports it: numbers are texts, "true" is true, days and times are
// times (protocol, section 4.2). What is in lists and mappings stays as it is.
func attributeValue(n *yaml.Node) any {
	switch v := plain(n).(type) {
	case string:
		if lower := strings.ToLower(v); lower == "true" || lower == "false" {
			return lower == "true"
		}
		return v
	case int64:
		return fmt.Sprint(v)
	case float64:
		return number(v)
	case time.Time:
		return v.Format(isoSeconds)
	case nil:
		return nested(n)
	default:
		return v
	}
}

// nested is a value within a list or mapping.
func nested(n *yaml.Node) any {
	switch n.Kind {
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, nested(item))
		}
		return list
	case yaml.MappingNode:
		m := map[string]any{}
		for key, v := range yamldoc.Entries(n) {
			m[key.Value] = nested(v)
		}
		return m
	}
	if t, ok := plain(n).(time.Time); ok {
		return t.Format(isoSeconds)
	}
	return plain(n)
}

// definition is the check as a contract of its own.
func (p *parser) definition(c *Check, body *yaml.Node) string {
	text := func(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }
	list := func(item *yaml.Node) *yaml.Node {
		return &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{item}}
	}
	pairs := func(content ...*yaml.Node) *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode, Content: content} }
	if len(body.Content) == 0 {
		body = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	}
	checks := list(pairs(text(c.Type), body))
	whole := pairs()
	if p.Filter != "" {
		whole.Content = append(whole.Content, text("filter"), text(p.Filter))
	}
	if c.Column != nil {
		whole.Content = append(whole.Content, text("columns"), list(pairs(text("name"), text(c.Column.Name), text("checks"), checks)))
	} else {
		whole.Content = append(whole.Content, text("checks"), checks)
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(whole); err != nil {
		return ""
	}
	return out.String()
}
