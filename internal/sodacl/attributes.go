package sodacl

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

// lastWins keeps the last value of each attribute, at the place of the first.
func lastWins(list []Attribute) []Attribute {
	var out []Attribute
	for _, a := range list {
		if i := slices.IndexFunc(out, func(b Attribute) bool { return a.Name == b.Name }); i >= 0 {
			out[i] = a
		} else {
			out = append(out, a)
		}
	}
	return out
}

func (p *parser) readAttributes(n *yaml.Node) []Attribute {
	if n.Kind != yaml.MappingNode {
		p.mistake(n, "attributes must be a mapping of names to values, it is %s", yamldoc.KindOf(n))
		return nil
	}
	var out []Attribute
	for key, value := range yamldoc.Entries(n) {
		v, ok := attributeValue(value)
		if !ok {
			p.mistake(value, "the attribute %s must be a text, number, date, true, false, or a list of these", key.Value)
			continue
		}
		out = append(out, Attribute{key.Value, v})
	}
	return out
}

func attributeValue(n *yaml.Node) (any, bool) {
	if n.Kind == yaml.SequenceNode {
		list := []any{}
		for _, c := range n.Content {
			v, ok := attributeValue(yamldoc.Follow(c))
			if _, nested := v.([]any); !ok || nested {
				return nil, false
			}
			list = append(list, v)
		}
		return list, true
	}
	if n.Kind != yaml.ScalarNode {
		return nil, false
	}
	switch n.Tag {
	case "!!bool":
		return strings.EqualFold(n.Value, "true"), true
	case "!!int":
		v, err := strconv.ParseInt(n.Value, 0, 64)
		return v, err == nil
	case "!!float":
		v, err := strconv.ParseFloat(n.Value, 64)
		return v, err == nil
	case "!!timestamp":
		var t time.Time
		err := n.Decode(&t)
		return t, err == nil
	case "!!str":
		return n.Value, true
	}
	return nil, false
}
