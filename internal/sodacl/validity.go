package sodacl

import (
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

// validity reads one key of "missing …", "valid …", "invalid …" into v; known is false if the key is none of them.
func (p *parser) validity(v *Validity, key string, value *yaml.Node) (known bool) {
	switch key {
	case "missing values":
		v.MissingValues = p.literals(key, value)
	case "valid values":
		v.ValidValues = p.literals(key, value)
	case "invalid values":
		v.InvalidValues = p.literals(key, value)
	case "missing format":
		v.MissingFormat = p.format(key, value)
	case "valid format":
		v.ValidFormat = p.format(key, value)
	case "invalid format":
		v.InvalidFormat = p.format(key, value)
	case "missing regex":
		v.MissingRegex = p.pattern(key, value)
	case "valid regex":
		v.ValidRegex = p.pattern(key, value)
	case "invalid regex":
		v.InvalidRegex = p.pattern(key, value)
	case "valid length":
		v.ValidLength = p.whole(key, value)
	case "valid min length":
		v.ValidMinLength = p.whole(key, value)
	case "valid max length":
		v.ValidMaxLength = p.whole(key, value)
	case "valid min":
		v.ValidMin = p.number(key, value)
	case "valid max":
		v.ValidMax = p.number(key, value)
	case "include null":
		if value.Tag != "!!bool" {
			p.mistake(value, "include null must be true or false, it is %s", yamldoc.KindOf(value))
		}
		v.IncludeNull = value.Tag == "!!bool" && strings.EqualFold(value.Value, "true")
	default:
		return false
	}
	return true
}

// literals reads a list of values, all texts or all numbers. A single text is read as the list of its characters, as the
// reference client does.
func (p *parser) literals(key string, value *yaml.Node) []Literal {
	if value.Kind == yaml.ScalarNode && value.Tag == "!!str" {
		p.warning(value, "%q is the text %q and is read as the list of its %d characters; write [%s] for one value", key, value.Value, len([]rune(value.Value)), value.Value)
		var out []Literal
		for _, r := range value.Value {
			out = append(out, Literal{Text: string(r)})
		}
		return out
	}
	if value.Kind != yaml.SequenceNode {
		p.mistake(value, "%q must be a list, it is %s", key, yamldoc.KindOf(value))
		return nil
	}
	out := []Literal{}
	for _, n := range value.Content {
		n = yamldoc.Follow(n)
		l := Literal{Text: n.Value}
		switch {
		case n.Kind == yaml.ScalarNode && (n.Tag == "!!int" || n.Tag == "!!float"):
			l.Number = true
			if f, err := strconv.ParseFloat(n.Value, 64); err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
				p.mistake(n, "%q cannot hold %s", key, n.Value)
				return nil
			}
		case n.Kind == yaml.ScalarNode && n.Tag == "!!bool":
			l = Literal{Text: strings.ToUpper(n.Value[:1]) + strings.ToLower(n.Value[1:]), Number: true}
		case n.Kind != yaml.ScalarNode || n.Tag != "!!str":
			p.mistake(n, "%q cannot hold %s, only texts or numbers; the list has no effect", key, yamldoc.KindOf(n))
			return nil
		}
		if len(out) > 0 && out[0].Number != l.Number {
			p.mistake(n, "%q mixes texts and numbers; put all values in quotes, or none. The list has no effect", key)
			return nil
		}
		out = append(out, l)
	}
	return out
}

func (p *parser) format(key string, value *yaml.Node) *string {
	if value.Kind != yaml.ScalarNode || value.Tag != "!!str" {
		p.mistake(value, "%q must be the name of a format, it is %s", key, yamldoc.KindOf(value))
		return nil
	}
	if _, ok := Formats[value.Value]; !ok {
		p.mistake(value, "unknown format %q%s", value.Value, hint(value.Value, formatNames()))
		return nil
	}
	return &value.Value
}

func (p *parser) pattern(key string, value *yaml.Node) *string {
	if value.Kind != yaml.ScalarNode || value.Tag != "!!str" {
		p.mistake(value, "%q must be a regular expression, it is %s; put it in quotes", key, yamldoc.KindOf(value))
		return nil
	}
	return &value.Value
}

func (p *parser) number(key string, value *yaml.Node) *float64 {
	f, err := strconv.ParseFloat(value.Value, 64)
	if err != nil || value.Kind != yaml.ScalarNode || math.IsInf(f, 0) || math.IsNaN(f) {
		p.mistake(value, "%q must be a number, it is %s", key, yamldoc.KindOf(value))
		return nil
	}
	return &f
}

func (p *parser) whole(key string, value *yaml.Node) *int {
	f := p.number(key, value)
	if f == nil || math.Abs(*f) > math.MaxInt32 {
		return nil
	}
	n := int(*f)
	return &n
}
