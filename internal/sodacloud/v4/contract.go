package v4

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// ContractError is a contract that cannot be published: what is wrong, and where if that is known (counted from 1).
type ContractError struct {
	Line, Column int
	Problem      string
}

func (e *ContractError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Problem)
	}
	return e.Problem
}

// ContractDataset reads whose contract a text is (Soda Core 4 protocol, contract language), and refuses with a
// [*ContractError] what cannot be a contract: text that is not YAML, or without a usable dataset or columns. What the
// client tolerates is tolerated. Of broken YAML the dataset is still told if one of its lines names it.
func ContractDataset(text string) (dq.DatasetRef, error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		return datasetLine(text), yamlError(err)
	}
	if len(root.Content) == 0 {
		return dq.DatasetRef{}, &ContractError{Problem: "the contract is empty; it needs at least dataset and columns"}
	}
	top := root.Content[0]
	if top.Kind != yaml.MappingNode {
		return dq.DatasetRef{}, problem(top, "a contract is a mapping with the keys dataset, columns and checks")
	}
	ref, err := readDataset(top)
	if err != nil {
		return ref, err
	}
	if columns := valueOf(top, "columns"); columns != nil && columns.Kind != yaml.SequenceNode && columns.Tag != "!!null" {
		return ref, problem(columns, "columns: want a list of columns, each with a name")
	}
	if checks := valueOf(top, "checks"); checks != nil && checks.Kind != yaml.SequenceNode && checks.Tag != "!!null" {
		return ref, problem(checks, "checks: want a list of checks")
	}
	return ref, nil
}

func readDataset(top *yaml.Node) (dq.DatasetRef, error) {
	node := valueOf(top, "dataset")
	if node == nil {
		return dq.DatasetRef{}, problem(top, "dataset is missing; want the qualified name, such as warehouse/shop/public/orders")
	}
	ref, ok := dq.ParseQualifiedName(node.Value)
	if node.Kind != yaml.ScalarNode || !ok {
		return ref, problem(node, fmt.Sprintf("dataset: %q is no qualified name; want data source and path joined by slashes, such as warehouse/shop/public/orders", dq.Truncate(node.Value, 100)))
	}
	return ref, nil
}

func problem(at *yaml.Node, text string) error {
	return &ContractError{Line: at.Line, Column: at.Column, Problem: text}
}

// valueOf finds the value of a key in a mapping, nil if it has none.
func valueOf(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; mapping != nil && mapping.Kind == yaml.MappingNode && i+1 < len(mapping.Content); i += 2 {
		if value := mapping.Content[i+1]; mapping.Content[i].Value != key {
			continue
		} else if value.Kind == yaml.AliasNode {
			return value.Alias
		} else {
			return value
		}
	}
	return nil
}

// yamlError words the parser's message, "yaml: line 3: did not find …". Its line may be the one before.
func yamlError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		text = "near line " + rest
	}
	return &ContractError{Problem: "not YAML, " + text}
}

// datasetLine finds the dataset of a text that is not YAML as a whole.
func datasetLine(text string) dq.DatasetRef {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "dataset:"); ok {
			ref, _ := dq.ParseQualifiedName(strings.Trim(strings.TrimSpace(value), `"'`))
			return ref
		}
	}
	return dq.DatasetRef{}
}
