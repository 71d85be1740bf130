package sodacl

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

// selection reads the patterns of one section from its member name.
func (p *parser) selection(key, value *yaml.Node, name string, columns bool) Selection {
	s := Selection{At: p.at(key)}
	list := yamldoc.Member(value, name)
	if list == nil {
		p.mistake(key, "%q needs %q, a list of patterns", key.Value, name)
		return s
	}
	s.Patterns = p.patterns(list, columns)
	return s
}

func (p *parser) patterns(list *yaml.Node, columns bool) []Pattern {
	if list.Kind != yaml.SequenceNode {
		p.mistake(list, "want a list of patterns, found %s", yamldoc.KindOf(list))
		return nil
	}
	var out []Pattern
	for _, n := range list.Content {
		n = yamldoc.Follow(n)
		if n.Kind != yaml.ScalarNode || yamldoc.IsNull(n) {
			p.mistake(n, "want a pattern such as orders%%, found %s", yamldoc.KindOf(n))
			continue
		}
		text, exclude := n.Value, false
		if rest, ok := strings.CutPrefix(text, "exclude "); ok {
			text, exclude = rest, true
		} else if rest, ok := strings.CutPrefix(text, "include "); ok {
			text = rest
		}
		pattern := Pattern{Exclude: exclude, Table: text, At: p.at(n)}
		if strings.ContainsAny(text, "\"'`;") {
			p.mistake(n, "the pattern %q has quotes in it; write names bare, with %% for any text", text)
			continue
		}
		parts := strings.Split(text, ".")
		switch {
		case columns && len(parts) == 2:
			pattern.Table, pattern.Column = parts[0], parts[1]
		case columns:
			p.mistake(n, "the pattern %q must be dataset.column, with one dot", text)
			continue
		case len(parts) == 2:
			pattern.Source, pattern.Table = parts[0], parts[1]
		}
		out = append(out, pattern)
	}
	return out
}
