package sodacl

import (
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

func (p *parser) schemaKey(c *Check, key, value *yaml.Node) bool {
	if key.Value != "warn" && key.Value != "fail" {
		return false
	}
	if value.Kind != yaml.MappingNode {
		p.mistake(value, "%s of a schema check must be a mapping of rules such as \"when required column missing\", it is %s", key.Value, yamldoc.KindOf(value))
		return true
	}
	rules := &SchemaRules{}
	for rule, v := range yamldoc.Entries(value) {
		p.schemaRule(rules, rule, v)
	}
	if key.Value == "warn" {
		c.SchemaWarn = rules
	} else {
		c.SchemaFail = rules
	}
	return true
}

func (p *parser) schemaRule(r *SchemaRules, rule, v *yaml.Node) {
	switch rule.Value {
	case "when required column missing":
		r.Required = p.names(rule, v)
	case "when forbidden column present":
		r.Forbidden = p.names(rule, v)
	case "when wrong column type", "when mismatching columns":
		exact := rule.Value == "when mismatching columns"
		if r.Exact && !exact {
			return // mismatching columns come before wrong column type
		}
		if types, ok := p.columnTypes(rule, v); ok {
			r.Types, r.Exact = types, exact
		}
	case "with optional columns":
		r.Optional = p.names(rule, v)
	case "when wrong column index":
		r.Indexes = p.columnIndexes(rule, v)
	case "when schema changes":
		r.Changes = p.schemaChanges(v)
	default:
		p.mistake(rule, "unknown rule %q%s", rule.Value, hint(rule.Value, schemaRules))
	}
}

func (p *parser) columnTypes(rule, v *yaml.Node) ([]ColumnType, bool) {
	if v.Kind != yaml.MappingNode {
		p.mistake(v, "%q must be a mapping of columns to types, it is %s", rule.Value, yamldoc.KindOf(v))
		return nil, false
	}
	types := []ColumnType{}
	for name, t := range yamldoc.Entries(v) {
		switch {
		case name.Tag != "!!str" || t.Kind != yaml.ScalarNode || t.Tag != "!!str" && !yamldoc.IsNull(t):
			p.mistake(t, "%q must be a mapping of columns to types; %s: %s is none", rule.Value, name.Value, yamldoc.KindOf(t))
			return nil, false
		case yamldoc.IsNull(t):
			types = append(types, ColumnType{Name: name.Value})
		default:
			types = append(types, ColumnType{name.Value, t.Value})
		}
	}
	return types, true
}

func (p *parser) columnIndexes(rule, v *yaml.Node) []ColumnIndex {
	if v.Kind != yaml.MappingNode {
		p.mistake(v, "%q must be a mapping of columns to places from 0, it is %s", rule.Value, yamldoc.KindOf(v))
		return nil
	}
	var out []ColumnIndex
	for name, index := range yamldoc.Entries(v) {
		n, err := strconv.Atoi(index.Value)
		if err != nil || index.Tag != "!!int" || name.Tag != "!!str" {
			p.mistake(index, "%q must be a mapping of columns to places from 0; %s: %s is none", rule.Value, name.Value, yamldoc.KindOf(index))
			return nil
		}
		out = append(out, ColumnIndex{name.Value, n})
	}
	return out
}

func (p *parser) schemaChanges(v *yaml.Node) map[string]bool {
	all := map[string]string{"column add": "add", "column delete": "delete", "column type change": "type", "column index change": "index"}
	changes := map[string]bool{}
	if v.Kind == yaml.ScalarNode && v.Value == "any" {
		for _, change := range all {
			changes[change] = true
		}
		return changes
	}
	if v.Kind != yaml.SequenceNode {
		p.mistake(v, "\"when schema changes\" must be any, or a list of column add, column delete, column type change and column index change")
		return nil
	}
	for _, n := range v.Content {
		change, ok := all[yamldoc.Follow(n).Value]
		if !ok {
			p.mistake(n, "unknown schema change %s; there are column add, column delete, column type change and column index change", yamldoc.KindOf(yamldoc.Follow(n)))
			continue
		}
		changes[change] = true
	}
	return changes
}
