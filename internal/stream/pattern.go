package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Pattern is one event filter pattern in the language of Lambda's event filtering for DynamoDB.
type Pattern struct {
	text string
	root node
}

// String is the pattern as it was written.
func (p *Pattern) String() string { return p.text }

// Matches tells whether an event fits. The event is decoded JSON, with numbers as float64 or json.Number.
func (p *Pattern) Matches(event map[string]any) bool { return p.root.matches(event) }

const (
	maxPattern      = 4096 // characters, Lambda's limit
	maxPatternDepth = 32
)

// ParsePattern reads a pattern. What Lambda does not document for DynamoDB is refused, so that nothing is filtered here
// otherwise than there.
func ParsePattern(text string) (*Pattern, error) {
	if len(text) > maxPattern {
		return nil, fmt.Errorf("pattern has %d bytes, at most %d", len(text), maxPattern)
	}
	v, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("pattern is not JSON: %w", err)
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("pattern is not a JSON object")
	}
	root, err := parseNode(fields, 0)
	if err != nil {
		return nil, fmt.Errorf("pattern%w", err)
	}
	return &Pattern{text: text, root: root}, nil
}

// decode reads exactly one JSON value.
func decode(text string) (any, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more after its end")
	}
	return v, nil
}

// node is a pattern object: all fields must fit, and one of either.
type node struct {
	leaves   map[string][]rule
	children map[string]node
	either   []node
}

// rule tells whether a value fits; present is false if the event has no such value.
type rule func(value any, present bool) bool

func parseNode(fields map[string]any, depth int) (node, error) {
	n := node{leaves: map[string][]rule{}, children: map[string]node{}}
	if len(fields) == 0 {
		return n, errors.New(": an empty object matches nothing")
	}
	if depth > maxPatternDepth {
		return n, errors.New(": too deep")
	}
	for name, value := range fields {
		var err error
		switch v := value.(type) {
		case map[string]any:
			n.children[name], err = parseNode(v, depth+1)
		case []any:
			if name == "$or" {
				n.either, err = parseEither(v, depth+1)
			} else {
				n.leaves[name], err = parseRules(v)
			}
		default:
			err = errors.New(": needs a list of what it may be")
		}
		if err != nil {
			return n, fmt.Errorf(".%s%w", name, err)
		}
	}
	return n, nil
}

func parseEither(list []any, depth int) ([]node, error) {
	if len(list) < 2 {
		return nil, errors.New(": needs at least two patterns")
	}
	var either []node
	for i, item := range list {
		fields, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("[%d]: is not an object", i)
		}
		n, err := parseNode(fields, depth)
		if err != nil {
			return nil, fmt.Errorf("[%d]%w", i, err)
		}
		either = append(either, n)
	}
	return either, nil
}

func (n node) matches(event map[string]any) bool {
	for name, rules := range n.leaves {
		value, present := event[name]
		if !slices.ContainsFunc(rules, func(r rule) bool { return fits(r, value, present) }) {
			return false
		}
	}
	for name, child := range n.children {
		inner, _ := event[name].(map[string]any) // absent is empty: only "exists": false fits in there
		if !child.matches(inner) {
			return false
		}
	}
	return len(n.either) == 0 || slices.ContainsFunc(n.either, func(o node) bool { return o.matches(event) })
}

// fits applies a rule to a value; an array fits if one of its elements does, and an object is no value.
func fits(r rule, value any, present bool) bool {
	switch v := value.(type) {
	case map[string]any:
		return r(nil, false)
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return fits(r, e, true) }) || len(v) == 0 && r(nil, false)
	default:
		return r(value, present)
	}
}

func parseRules(list []any) ([]rule, error) {
	if len(list) == 0 {
		return nil, errors.New(": an empty list matches nothing")
	}
	var rules []rule
	for i, item := range list {
		r, err := parseRule(item)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func parseRule(item any) (rule, error) {
	operator, ok := item.(map[string]any)
	if !ok {
		return parseExact(item)
	}
	if len(operator) != 1 {
		return nil, fmt.Errorf("needs one operator, has %d", len(operator))
	}
	for name, operand := range operator {
		r, err := parseOperator(name, operand)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return r, nil
	}
	return nil, nil
}

func parseExact(want any) (rule, error) {
	if _, ok := want.([]any); ok {
		return nil, errors.New("a list in a list")
	}
	return func(got any, present bool) bool { return present && equal(got, want) }, nil
}

func equal(got, want any) bool {
	a, aOK := number(got)
	b, bOK := number(want)
	if aOK || bOK {
		return aOK && bOK && a == b
	}
	return got == want
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, true
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	}
	return 0, false
}

func parseOperator(name string, operand any) (rule, error) {
	switch name {
	case "prefix":
		return parseText(operand, strings.HasPrefix)
	case "suffix":
		return parseText(operand, strings.HasSuffix)
	case "equals-ignore-case":
		return parseText(operand, strings.EqualFold)
	case "exists":
		want, ok := operand.(bool)
		if !ok {
			return nil, errors.New("needs true or false")
		}
		return func(_ any, present bool) bool { return present == want }, nil
	case "numeric":
		return parseNumeric(operand)
	case "anything-but":
		return parseAnythingBut(operand)
	}
	return nil, errors.New("is not an operator of event filtering for DynamoDB")
}

// parseText makes a rule of a comparison of strings.
func parseText(operand any, compare func(got, want string) bool) (rule, error) {
	want, ok := operand.(string)
	if !ok || want == "" {
		return nil, errors.New("needs a text that is not empty")
	}
	return func(got any, _ bool) bool {
		text, ok := got.(string)
		return ok && compare(text, want)
	}, nil
}

// parseAnythingBut takes a text or number, a list of them, or one of the text operators.
func parseAnythingBut(operand any) (rule, error) {
	list, ok := operand.([]any)
	if !ok {
		list = []any{operand}
	}
	if len(list) == 0 {
		return nil, errors.New("needs something that it is not")
	}
	var not []rule
	for _, item := range list {
		r, err := parseExcluded(item, ok)
		if err != nil {
			return nil, err
		}
		not = append(not, r)
	}
	return func(got any, present bool) bool {
		return present && !slices.ContainsFunc(not, func(r rule) bool { return r(got, true) })
	}, nil
}

func parseExcluded(item any, inList bool) (rule, error) {
	switch v := item.(type) {
	case string, json.Number:
		return parseExact(v)
	case map[string]any:
		for name := range v {
			if !inList && (name == "prefix" || name == "suffix" || name == "equals-ignore-case") {
				return parseRule(v)
			}
		}
	}
	return nil, fmt.Errorf("takes texts, numbers, or one of prefix, suffix, equals-ignore-case; not %v", item)
}

// parseNumeric takes one or two comparisons: ["=", 1], [">", 0, "<=", 10].
func parseNumeric(operand any) (rule, error) {
	list, ok := operand.([]any)
	if !ok || len(list) != 2 && len(list) != 4 {
		return nil, errors.New("needs one or two pairs of sign and number")
	}
	var all []func(float64) bool
	for ; len(list) > 0; list = list[2:] {
		sign, _ := list[0].(string)
		limit, ok := number(list[1])
		compare := comparison(sign, limit)
		if !ok || compare == nil {
			return nil, fmt.Errorf("needs one of = < <= > >= and a number, not %v %v", list[0], list[1])
		}
		all = append(all, compare)
	}
	return func(got any, _ bool) bool {
		n, ok := number(got)
		return ok && !slices.ContainsFunc(all, func(c func(float64) bool) bool { return !c(n) })
	}, nil
}

func comparison(sign string, limit float64) func(float64) bool {
	switch sign {
	case "=":
		return func(n float64) bool { return n == limit }
	case "<":
		return func(n float64) bool { return n < limit }
	case "<=":
		return func(n float64) bool { return n <= limit }
	case ">":
		return func(n float64) bool { return n > limit }
	case ">=":
		return func(n float64) bool { return n >= limit }
	}
	return nil
}
