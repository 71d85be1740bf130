package contract

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// Selector selects checks by one of their properties, or with Not leaves them out. Value may have * and ? as wildcards.
type Selector struct {
	Field string
	Value string
	Not   bool
}

// selectorFields are those a selector may name, but for attributes.NAME.
var selectorFields = []string{"check_path", "collection", "column", "name", "path", "qualifier", "relative_path", "scope", "source", "standard", "type"}

// Known tells whether the field is one, as an error that lists them all.
func (s Selector) Known() error {
	if !slices.Contains(selectorFields, s.Field) && !strings.HasPrefix(s.Field, "attributes.") {
		return fmt.Errorf("unknown field %q; there are %s and attributes.NAME", s.Field, strings.Join(selectorFields, ", "))
	}
	return nil
}

// ParseSelector reads a check filter: key=value, or key!=value.
func ParseSelector(text string) (Selector, error) {
	field, value, ok := strings.Cut(text, "=")
	if !ok {
		return Selector{}, fmt.Errorf("the check filter %q must be key=value, or key!=value", text)
	}
	field, not := strings.CutSuffix(strings.TrimSpace(field), "!")
	s := Selector{strings.TrimSpace(field), strings.TrimSpace(value), not}
	if err := s.Known(); err != nil {
		return Selector{}, fmt.Errorf("the check filter %q: %w", text, err)
	}
	if not && s.Value == "" {
		return Selector{}, fmt.Errorf("the check filter %q has no value, so it would leave nothing out", text)
	}
	return s, nil
}

// CheckPath selects the check at a path, which may have wildcards.
func CheckPath(path string) Selector { return Selector{Field: "check_path", Value: path} }

// selected tells whether a check is to be run: of each field that selectors name, one that is not negated must match, if
// there is one, and no negated one may.
func selected(selectors []Selector, c *Check) bool {
	fields := map[string]bool{} // whether one of the field's own selectors matched
	for _, s := range selectors {
		switch {
		case s.Not && s.matches(c):
			return false
		case !s.Not:
			fields[s.Field] = fields[s.Field] || s.matches(c)
		}
	}
	for _, matched := range fields {
		if !matched {
			return false
		}
	}
	return true
}

func (s Selector) matches(c *Check) bool {
	switch s.Field {
	case "type":
		return glob(s.Value, c.Type)
	case "name":
		return glob(s.Value, c.Name)
	case "column":
		return c.Column != nil && glob(s.Value, c.Column.Name)
	case "path", "relative_path", "check_path":
		return glob(s.Value, c.Path())
	case "qualifier":
		return c.Qualifier != "" && glob(s.Value, c.Qualifier)
	case "source":
		return glob(s.Value, "soda-contract")
	case "scope":
		return glob(s.Value, "base")
	}
	name, isAttribute := strings.CutPrefix(s.Field, "attributes.")
	return isAttribute && slices.ContainsFunc(c.Attributes, func(a dq.Attribute) bool { return a.Name == name && s.matchesAttribute(a) })
}

// matchesAttribute compares a list as a whole with [a,b], in any order, and else any of its members.
func (s Selector) matchesAttribute(a dq.Attribute) bool {
	var members []json.RawMessage
	if json.Unmarshal(a.Value, &members) != nil {
		return glob(s.Value, a.Text())
	}
	var texts []string
	for _, m := range members {
		texts = append(texts, dq.Attribute{Value: m}.Text())
	}
	if inner, ok := strings.CutPrefix(s.Value, "["); ok && strings.HasSuffix(inner, "]") {
		want := listMembers(strings.TrimSuffix(inner, "]"))
		slices.Sort(texts)
		slices.Sort(want)
		return slices.Equal(slices.Compact(texts), slices.Compact(want))
	}
	return slices.ContainsFunc(texts, func(text string) bool { return glob(s.Value, text) })
}

var listMember = regexp.MustCompile(`(?:"[^"]*"|[^,])+`)

func listMembers(text string) []string {
	var out []string
	for _, m := range listMember.FindAllString(text, -1) {
		if m = strings.TrimSpace(strings.ReplaceAll(m, `"`, "")); m != "" {
			out = append(out, m)
		}
	}
	return out
}

// glob matches text with * for any text and ? for one character; case counts.
func glob(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
