package stream

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// templateNode is a place in a CloudFormation template. Intrinsic functions are kept as they are written; only !Ref of a
// parameter with a default has a value here. Places that do not exist are nil and empty.
type templateNode struct {
	name string
	yaml *yaml.Node
}

func readTemplate(data []byte) (*templateNode, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("not a YAML mapping")
	}
	return &templateNode{yaml: doc.Content[0]}, nil
}

// members are the entries of a mapping, in order.
func (n *templateNode) members() []*templateNode {
	if n == nil || n.yaml.Kind != yaml.MappingNode {
		return nil
	}
	var list []*templateNode
	for i := 0; i+1 < len(n.yaml.Content); i += 2 {
		list = append(list, &templateNode{name: n.yaml.Content[i].Value, yaml: n.yaml.Content[i+1]})
	}
	return list
}

// elements are the entries of a sequence.
func (n *templateNode) elements() []*templateNode {
	if n == nil || n.yaml.Kind != yaml.SequenceNode {
		return nil
	}
	var list []*templateNode
	for _, c := range n.yaml.Content {
		list = append(list, &templateNode{yaml: c})
	}
	return list
}

// at follows names into mappings.
func (n *templateNode) at(names ...string) *templateNode {
	for _, name := range names {
		members := n.members()
		i := slices.IndexFunc(members, func(m *templateNode) bool { return m.name == name })
		if i < 0 {
			return nil
		}
		n = members[i]
	}
	return n
}

// text is a scalar as written.
func (n *templateNode) text() string {
	if n == nil || n.yaml.Kind != yaml.ScalarNode {
		return ""
	}
	return n.yaml.Value
}

// resolve follows !Ref (short or long) to the default of a parameter.
func (n *templateNode) resolve(template *templateNode) (string, error) {
	name := ""
	switch {
	case n.yaml.Tag == "!Ref":
		name = n.yaml.Value
	case n.at("Ref") != nil:
		name = n.at("Ref").text()
	case n.yaml.Kind == yaml.ScalarNode && len(n.yaml.Tag) > 1 && n.yaml.Tag[:2] == "!!":
		return n.yaml.Value, nil
	default:
		return "", fmt.Errorf("line %d: needs a plain value or a !Ref of a parameter", n.yaml.Line)
	}
	value := template.at("Parameters", name, "Default")
	if value == nil {
		return "", fmt.Errorf("line %d: parameter %q has no default", n.yaml.Line, name)
	}
	return value.text(), nil
}

// defaultTimeout is Lambda's.
const defaultTimeout = 3 * time.Second

// timeout is a function's own, or that of all functions.
func (n *templateNode) timeout(function *templateNode) time.Duration {
	for _, place := range []*templateNode{function.at("Properties", "Timeout"), n.at("Globals", "Function", "Timeout")} {
		if place == nil {
			continue
		}
		if text, err := place.resolve(n); err == nil {
			if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
				return time.Duration(seconds) * time.Second
			}
		}
	}
	return defaultTimeout
}

// propertyReader reads the properties of one event, and collects what is wrong with them.
type propertyReader struct {
	template, properties *templateNode
	known                map[string]bool
	errs                 []error
}

func (r *propertyReader) fail(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf(format, args...))
}

// done returns all that was wrong, unknown properties included.
func (r *propertyReader) done() error {
	for _, p := range r.properties.members() {
		if !r.known[p.name] {
			r.fail("line %d: property %s is not supported", p.yaml.Line, p.name)
		}
	}
	return errors.Join(r.errs...)
}

func (r *propertyReader) ignore(names ...string) {
	for _, name := range names {
		r.known[name] = true
	}
}

func (r *propertyReader) value(name string) (string, bool) {
	r.known[name] = true
	place := r.properties.at(name)
	if place == nil {
		return "", false
	}
	text, err := place.resolve(r.template)
	if err != nil {
		r.fail("%s: %w", name, err)
	}
	return text, err == nil
}

func (r *propertyReader) number(name string, missing, least, most int) int {
	text, ok := r.value(name)
	if !ok {
		return missing
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		r.fail("%s is %q, need a number from %d to %d", name, text, least, most)
	}
	return n
}

func (r *propertyReader) seconds(name string, missing, least, most int) time.Duration {
	n := r.number(name, missing, least, most)
	if n < 0 {
		return -1
	}
	return time.Duration(n) * time.Second
}

func (r *propertyReader) flag(name string, missing bool) bool {
	text, ok := r.value(name)
	if !ok {
		return missing
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		r.fail("%s is %q, need true or false", name, text)
	}
	return b
}

func (r *propertyReader) want(name, value string) {
	if text, ok := r.value(name); !ok || text != value {
		r.fail("%s is %q, need %s", name, text, value)
	}
}

func (r *propertyReader) reportsFailures() bool {
	const name, report = "FunctionResponseTypes", "ReportBatchItemFailures"
	r.known[name] = true
	types := r.properties.at(name).elements()
	for _, t := range types {
		if t.text() != report {
			r.fail("%s: unknown type %q", name, t.text())
		}
	}
	return len(types) > 0
}

func (r *propertyReader) filters() []*Pattern {
	const name = "FilterCriteria"
	r.known[name] = true
	place := r.properties.at(name)
	if place == nil {
		return nil
	}
	list := place.at("Filters").elements()
	if len(list) == 0 || len(list) > maxFilters {
		r.fail("%s has %d filters, need 1 to %d", name, len(list), maxFilters)
	}
	var patterns []*Pattern
	for i, f := range list {
		pattern := f.at("Pattern")
		if pattern == nil {
			r.fail("%s: filter %d has no pattern", name, i+1)
			continue
		}
		text, err := pattern.resolve(r.template)
		if err == nil {
			var p *Pattern
			p, err = ParsePattern(text)
			patterns = append(patterns, p)
		}
		if err != nil {
			r.fail("%s: filter %d: %w", name, i+1, err)
		}
	}
	return patterns
}
