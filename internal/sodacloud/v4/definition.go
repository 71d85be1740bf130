package v4

import (
	"bytes"
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

// definition is how a check is written. The wire has the body of the check without its type, and it is the only place that
// tells count from percent, the level, and the number of an equality (Soda Core 4 protocol, check object).
type definition struct {
	// text is the definition as a contract has it: with the type of check.
	text       string
	body       *yaml.Node // nil if it cannot be read
	thresholds []threshold
}

// threshold is one comparison.
type threshold struct {
	level, metric, unit string
	equal, notEqual     json.Number
}

// Bounds of a definition that is read; larger ones are shown as they are.
const (
	maxDefinition = 100_000
	maxNodes      = 10_000
)

func readDefinition(text, checkType string) definition {
	d := definition{text: text}
	root, err := yamldoc.Parse([]byte(text), maxDefinition, maxNodes)
	if err != nil || root == nil {
		return d
	}
	checks := yamldoc.Member(root, "checks")
	if columns := yamldoc.Member(root, "columns"); first(columns) != nil {
		checks = yamldoc.Member(first(columns), "checks")
	}
	if d.body = first(checks); d.body == nil {
		return d
	}
	main := threshold{level: "fail"}
	if node := yamldoc.Member(d.body, "threshold"); node != nil {
		main = readThreshold(node, "fail")
		if more := yamldoc.Member(node, "additional"); more != nil {
			other := map[string]string{"fail": "warn", "warn": "fail"}[main.level]
			extra := readThreshold(more, other)
			extra.metric, extra.unit = main.metric, main.unit
			d.thresholds = append(d.thresholds, extra)
		}
	} else {
		main.equal = "0" // the default of every kind of check whose threshold is an equality
	}
	d.thresholds = append(d.thresholds, main)
	d.text = withType(root, checks, d.body, checkType, text)
	return d
}

// first is the first element of a list, nil if there is none.
func first(list *yaml.Node) *yaml.Node {
	if list == nil || list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		return nil
	}
	return yamldoc.Follow(list.Content[0])
}

func readThreshold(node *yaml.Node, level string) threshold {
	t := threshold{level: level}
	for key, value := range yamldoc.Entries(node) {
		switch key.Value {
		case "level":
			if value.Value == "warn" || value.Value == "fail" {
				t.level = value.Value
			}
		case "metric":
			t.metric = value.Value
		case "unit":
			t.unit = value.Value
		case "must_be":
			t.equal = number(value)
		case "must_not_be":
			t.notEqual = number(value)
		}
	}
	return t
}

func number(node *yaml.Node) json.Number {
	var n json.Number
	if node.Kind != yaml.ScalarNode || json.Unmarshal([]byte(node.Value), &n) != nil {
		return ""
	}
	return n
}

// equality is the bad range of must_be or must_not_be: everything else, or just that.
func (t threshold) equality() *dq.Threshold {
	switch {
	case t.equal != "":
		return &dq.Threshold{GreaterThan: t.equal, LessThan: t.equal}
	case t.notEqual != "":
		return &dq.Threshold{GreaterThanOrEqual: t.notEqual, LessThanOrEqual: t.notEqual}
	}
	return nil
}

func (d definition) level(name string) *threshold {
	for i := range d.thresholds {
		if d.thresholds[i].level == name {
			return &d.thresholds[i]
		}
	}
	return nil
}

// only tells whether all thresholds are of the level.
func (d definition) only(level string) bool {
	for _, t := range d.thresholds {
		if t.level != level {
			return false
		}
	}
	return len(d.thresholds) > 0
}

func (d definition) percent() bool {
	return len(d.thresholds) > 0 && d.thresholds[0].metric == "percent"
}

// unit is that of a freshness threshold, in milliseconds; an hour if it does not say.
func (d definition) unit() int64 {
	const minute = 60_000
	if len(d.thresholds) > 0 {
		switch d.thresholds[0].unit {
		case "minute":
			return minute
		case "day":
			return 24 * 60 * minute
		}
	}
	return 60 * minute
}

// flag is a boolean of the check's body.
func (d definition) flag(name string) bool {
	if d.body == nil {
		return false
	}
	node := yamldoc.Member(d.body, name)
	return node != nil && strings.EqualFold(node.Value, "true")
}

// withType writes the definition with the type of check around its body, as people write contracts.
func withType(root, checks, body *yaml.Node, checkType, text string) string {
	if checkType == "" || body.Kind != yaml.MappingNode {
		return text
	}
	value := body
	if len(body.Content) == 0 {
		value = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	}
	checks.Content[0] = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: checkType}, value}}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if e.Encode(root) != nil || e.Close() != nil {
		return text
	}
	return b.String()
}
