// Package yamldoc reads YAML files that people write: within limits, without repeated keys, positions kept.
//
// It owns what holds for every such file: what is refused as a whole, and how aliases and merge keys are followed. What the
// keys mean is the business of the language (packages sodacl and contract).
package yamldoc

import (
	"bytes"
	"fmt"
	"iter"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxDepth is how deep a document may be nested.
const MaxDepth = 100

// Error is why a document is refused. Line and Column count from 1; 0 is unknown.
type Error struct {
	Line, Column int
	Message      string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Message)
}

var (
	place = regexp.MustCompile(`^yaml: (?:unmarshal errors:\n\s*)?(?:line (\d+): )?`)
	// fromZero is of errors whose lines count from 0: those that the library's parser finds, not its scanner.
	fromZero = regexp.MustCompile(`did not find expected (key|'-' indicator|',' or)`)
)

// indentedByTab tells whether a line, counted from 1, begins with a tab or with spaces and a tab.
func indentedByTab(text []byte, line int) bool {
	for range line - 1 {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return line > 0 && bytes.HasPrefix(bytes.TrimLeft(text, " "), []byte("\t"))
}

// Parse gives the root node of a document, nil for an empty one. A document over maxSize bytes, over maxNodes nodes with its
// aliases followed, nested deeper than [MaxDepth], or with a key twice in a mapping (YAML 1.2, 3.2.1.1) is an *Error.
func Parse(text []byte, maxSize, maxNodes int) (*yaml.Node, error) {
	if len(text) > maxSize {
		return nil, &Error{Message: fmt.Sprintf("the file has %d bytes, at most %d are read", len(text), maxSize)}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		at := place.FindStringSubmatch(err.Error())
		line, _ := strconv.Atoi(at[1]) // none is line 0
		if fromZero.MatchString(err.Error()) {
			line++
		}
		message := "the file is not valid YAML: " + strings.TrimPrefix(err.Error(), at[0])
		if indentedByTab(text, line) {
			message += "; the line begins with a tab, YAML is indented with spaces"
		}
		return nil, &Error{Line: line, Message: message}
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	if err := (&walker{limit: maxNodes}).sane(&doc, 0); err != nil {
		return nil, err
	}
	root := Follow(doc.Content[0])
	if IsNull(root) {
		return nil, nil
	}
	return root, nil
}

// walker counts nodes.
type walker struct{ count, limit int }

func (w *walker) sane(n *yaml.Node, depth int) error {
	if w.count++; w.count > w.limit || depth > MaxDepth {
		return &Error{n.Line, n.Column, fmt.Sprintf("the file has more than %d nodes with its aliases followed, or is nested deeper than %d", w.limit, MaxDepth)}
	}
	if n.Kind == yaml.AliasNode {
		return w.sane(n.Alias, depth+1)
	}
	if n.Kind == yaml.MappingNode {
		seen := map[string]int{}
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i]
			if line, ok := seen[key.Value]; ok && key.Tag != "!!merge" {
				return &Error{key.Line, key.Column, fmt.Sprintf("the key %q is already in line %d; the file is left out", key.Value, line)}
			}
			seen[key.Value] = key.Line
		}
	}
	for _, c := range n.Content {
		if err := w.sane(c, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// Entries gives the keys and values of a mapping, aliases and merge keys (<<) followed. Anything else has none.
func Entries(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) { walk(n, map[string]bool{}, yield) }
}

func walk(n *yaml.Node, seen map[string]bool, yield func(key, value *yaml.Node) bool) bool {
	n = Follow(n)
	if n.Kind == yaml.SequenceNode { // of a merge key
		for _, c := range n.Content {
			if !walk(c, seen, yield) {
				return false
			}
		}
	}
	if n.Kind != yaml.MappingNode {
		return true
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := Follow(n.Content[i]), Follow(n.Content[i+1])
		if key.Tag == "!!merge" {
			merged = append(merged, value)
			continue
		}
		if seen[key.Value] {
			continue
		}
		seen[key.Value] = true
		if !yield(key, value) {
			return false
		}
	}
	for _, m := range merged {
		if !walk(m, seen, yield) {
			return false
		}
	}
	return true
}

// Follow gives what an alias stands for, any other node itself.
func Follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// Member is the value of a mapping's key, nil if there is none.
func Member(n *yaml.Node, name string) *yaml.Node {
	for key, value := range Entries(n) {
		if key.Value == name {
			return value
		}
	}
	return nil
}

// IsNull tells whether a value was left empty.
func IsNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// KindOf names a node in a message: "a mapping", "a list", "empty", or the value in quotes.
func KindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case IsNull(n):
		return "empty"
	}
	return strconv.Quote(Clip(n.Value))
}

// Clip cuts a text to one short line, for a message.
func Clip(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
