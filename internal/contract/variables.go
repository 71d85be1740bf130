package contract

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

// Inputs are what a contract is read with.
type Inputs struct {
	// Variables are values for the variables that the contract declares: string, int64 or float64.
	Variables map[string]any
	// Env looks a name up in the environment; nil for none.
	Env func(name string) (string, bool)
	// Now is the time of the run, DataTime the logical time of the data, Now if zero.
	Now, DataTime time.Time
	// Select says which checks are run; none for all.
	Select []Selector
}

// Value reads a variable's value as it is given on a command line: what looks like a number is one.
func Value(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	if plainFloat.MatchString(text) {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f
		}
	}
	return text
}

var (
	plainFloat = regexp.MustCompile(`^[-+]?([0-9]+\.[0-9]*|\.?[0-9]+)([eE][-+]?[0-9]+)?$`)
	reference  = regexp.MustCompile(`\$\{ *([a-z]+)\.([a-zA-Z_][a-zA-Z_0-9]*) *\}`)
)

const isoSeconds = "2006-01-02T15:04:05-07:00"

// variables reads the declarations and gives each its value.
func (p *parser) variables(root *yaml.Node) {
	p.Variables = map[string]any{}
	if now, ok := p.in.Variables["NOW"]; ok { // known without being declared
		p.Variables["NOW"] = now
	}
	section := yamldoc.Member(root, "variables")
	if section == nil || yamldoc.IsNull(section) {
		return
	}
	if section.Kind != yaml.MappingNode {
		p.mistake(section, "variables must be a mapping of names to declarations such as {default: 1}, it is %s", yamldoc.KindOf(section))
		return
	}
	declared := map[string]*yaml.Node{}
	for key, value := range yamldoc.Entries(section) {
		declared[key.Value] = key
		if given, ok := p.in.Variables[key.Value]; ok {
			p.Variables[key.Value] = given
		} else {
			p.Variables[key.Value] = p.defaultOf(key, value)
		}
		switch {
		case p.Variables[key.Value] != nil:
		case p.review:
			p.Variables[key.Value], p.open = p.blank, true
		default:
			p.mistake(key, "the variable %s has no value: give it one with --set %s=…, or a default", key.Value, key.Value)
		}
	}
	filled := maps.Clone(p.Variables)
	for name, value := range p.Variables { // a default may name other variables, as they were given
		if text, ok := value.(string); ok && reference.MatchString(text) {
			filled[name] = p.fill(declared[name], text, false)
		}
	}
	p.Variables = filled
}

// defaultOf reads the default of a declaration, nil if there is none.
func (p *parser) defaultOf(key, n *yaml.Node) any {
	if yamldoc.IsNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		p.mistake(n, "the variable %s must be declared by a mapping such as {default: 1}, or by nothing, it is %s", key.Value, yamldoc.KindOf(n))
		return nil
	}
	p.unknownKeys(n, "a variable", "default", "type", "required", "description")
	value := yamldoc.Member(n, "default")
	if value == nil || yamldoc.IsNull(value) {
		return nil
	}
	switch v := plain(value).(type) {
	case string, int64, float64:
		return v
	}
	p.mistake(value, "the default of the variable %s must be a text or a number, it is %s", key.Value, yamldoc.KindOf(value))
	return ""
}

// plain is the value of a scalar as Go has it: nil, string, int64, float64, bool or time.Time. What is no scalar is nil.
func plain(n *yaml.Node) any {
	if n.Kind != yaml.ScalarNode {
		return nil
	}
	if n.ShortTag() == "!!str" {
		return n.Value
	}
	var v any
	if n.Decode(&v) != nil {
		return n.Value
	}
	if i, ok := v.(int); ok {
		return int64(i)
	}
	return v
}

// resolved copies a node with its aliases and merge keys followed and its variables filled in. Descriptions are for people
// and stay as they are.
func (p *parser) resolved(n *yaml.Node) *yaml.Node {
	n = yamldoc.Follow(n)
	c := *n
	c.Content, c.Anchor, c.HeadComment, c.LineComment, c.FootComment = nil, "", "", "", ""
	switch n.Kind {
	case yaml.MappingNode:
		for key, value := range yamldoc.Entries(n) {
			k := *key
			k.Anchor, k.HeadComment, k.LineComment, k.FootComment = "", "", "", ""
			if key.Value != "description" {
				value = p.resolved(value)
			}
			c.Content = append(c.Content, &k, value)
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			c.Content = append(c.Content, p.resolved(item))
		}
	case yaml.ScalarNode:
		if n.ShortTag() == "!!str" && reference.MatchString(n.Value) {
			set(&c, p.fill(n, n.Value, true))
		}
	}
	return &c
}

// set makes a scalar of a value.
func set(n *yaml.Node, value any) {
	n.Style = 0
	switch v := value.(type) {
	case nil:
		n.Tag, n.Value = "!!null", "null"
	case int64:
		n.Tag, n.Value = "!!int", strconv.FormatInt(v, 10)
	case float64:
		n.Tag, n.Value = "!!float", number(v)
	default:
		n.Tag, n.Value = "!!str", fmt.Sprint(v)
	}
}

// number writes a float so that it is seen to be one.
func number(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return strconv.FormatInt(n, 10) + ".0"
	}
	return s
}

// fill replaces each ${namespace.name} in text. A text that is one reference and nothing else becomes the value, whatever
// its type. env tells whether the environment may be looked up.
func (p *parser) fill(at *yaml.Node, text string, env bool) any {
	if m := reference.FindStringSubmatch(text); m != nil && m[0] == text {
		value, _ := p.lookup(at, m[1], m[2], env)
		return value
	}
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		if value, ok := p.lookup(at, m[1], m[2], env); ok {
			return valueText(value)
		}
		return ref
	})
}

func valueText(value any) string {
	if f, ok := value.(float64); ok {
		return number(f)
	}
	return fmt.Sprint(value)
}

func (p *parser) lookup(at *yaml.Node, namespace, name string, env bool) (any, bool) {
	switch namespace {
	case "var":
		if value, ok := p.Variables[name]; ok {
			return value, value != nil
		}
		p.mistake(at, "the variable %s is not declared; add it to the variables of the contract", name)
	case "soda":
		switch name {
		case "NOW":
			return p.in.Now.UTC().Format(isoSeconds), true
		case "DATA_TIMESTAMP":
			return p.in.DataTime.UTC().Format(isoSeconds), true
		}
		p.mistake(at, "${soda.%s} is not known; there are NOW and DATA_TIMESTAMP", name)
	case "env":
		if !env {
			p.mistake(at, "the default of a variable cannot use ${env.%s}", name)
			return nil, false
		}
		if p.in.Env != nil {
			if value, ok := p.in.Env(name); ok {
				return value, true
			}
		}
		p.warning(at, "the environment variable %s is not set", name)
	default:
		p.mistake(at, "${%s.%s}: there are the namespaces var, soda and env", namespace, name)
	}
	return nil, false
}
