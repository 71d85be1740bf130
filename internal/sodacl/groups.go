package sodacl

import (
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

func (p *parser) groupByKey(c *Check, key, value *yaml.Node) (known, keep bool) {
	if c.Groups == nil {
		c.Groups = &Groups{Limit: 1000}
	}
	switch key.Value {
	case "query":
		s, ok := p.text(key, value)
		c.Query = dedent(s)
		return true, ok
	case "fields":
		c.Groups.Fields = p.names(key, value)
	case "group_limit":
		n, err := strconv.Atoi(value.Value)
		if err != nil {
			p.mistake(value, "group_limit must be a whole number, it is %s", yamldoc.KindOf(value))
			return true, true
		}
		c.Groups.Limit = n
	case "checks":
		p.nested = true
		c.Groups.Checks = p.checkList(c.Header, value, false)
		p.nested = false
	default:
		return false, true
	}
	return true, true
}

func (p *parser) groupEvolutionKey(c *Check, key, value *yaml.Node) (known, keep bool) {
	if c.Groups == nil {
		c.Groups = &Groups{}
	}
	switch key.Value {
	case "query":
		s, ok := p.text(key, value)
		c.Query = dedent(s)
		return true, ok
	case "warn":
		p.groupRules(&c.Groups.Warn, value)
		return true, true
	case "fail":
		p.groupRules(&c.Groups.Fail, value)
		return true, true
	}
	return false, true
}

func (p *parser) groupRules(r *GroupRules, rules *yaml.Node) {
	for rule, v := range yamldoc.Entries(rules) {
		switch rule.Value {
		case "when required group missing":
			r.Required = p.names(rule, v)
		case "when forbidden group present":
			r.Forbidden = p.names(rule, v)
		case "when groups change":
			p.groupChanges(r, v)
		default:
			p.mistake(rule, "unknown rule %q; there are when required group missing, when forbidden group present and when groups change", rule.Value)
		}
	}
}

func (p *parser) groupChanges(r *GroupRules, v *yaml.Node) {
	if v.Kind == yaml.ScalarNode && v.Value == "any" {
		r.Added, r.Deleted = true, true
		return
	}
	if v.Kind != yaml.SequenceNode {
		p.mistake(v, "\"when groups change\" must be any, or a list of group add and group delete")
	}
	for _, n := range v.Content {
		switch n = yamldoc.Follow(n); n.Value {
		case "group add":
			r.Added = true
		case "group delete":
			r.Deleted = true
		default:
			p.mistake(n, "unknown group change %s; there are group add and group delete", yamldoc.KindOf(n))
		}
	}
}
