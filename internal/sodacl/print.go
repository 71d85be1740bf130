package sodacl

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

// Checks are printed to the byte as the reference client does (the Python library ruamel.yaml: quotes as people wrote them,
// lines folded at 80), because check identities are hashes of such text.

// Source is the check as it could be written in a file of its own, under the heading of a section.
func (c *Check) Source(section string) string {
	if c.Config == nil {
		return section + ":\n  " + c.Line
	}
	p := &printer{}
	p.write(section + ":")
	p.newline(2)
	p.write("- ")
	p.member(c.line, c.Config, 4)
	return strings.TrimRight(p.out.String(), "\n")
}

// withoutIdentity are the keys of a check's configuration that may change without it becoming another check.
var withoutIdentity = []string{"name", "samples limit", "identity", "attributes", "template", "warn_only"}

// tuning are further keys of anomaly checks that may change so.
var tuning = []string{"take_over_existing_anomaly_score_check", "training_dataset_parameters", "model", "severity_level_parameters"}

// IdentityText is what of the check's configuration makes it another check when it changes, as an ordered map; empty if
// there is nothing of the kind.
func (c *Check) IdentityText() string {
	if c.Config == nil {
		return ""
	}
	var members [][2]*yaml.Node
	for key, value := range yamldoc.Entries(c.Config) {
		if !slices.Contains(withoutIdentity, key.Value) && !(c.Kind == Anomaly && slices.Contains(tuning, key.Value)) {
			members = append(members, [2]*yaml.Node{key, value})
		}
	}
	if len(members) == 0 {
		return ""
	}
	slices.SortFunc(members, func(a, b [2]*yaml.Node) int { return strings.Compare(a[0].Value, b[0].Value) })
	p := &printer{}
	p.write("!!omap")
	for _, m := range members {
		p.newline(2)
		p.write("- ")
		p.member(m[0], m[1], 4)
	}
	p.newline(0)
	return p.out.String()
}

// width is the column behind which texts are folded.
const width = 80

// printer writes YAML and knows in which column it is.
type printer struct {
	out    strings.Builder
	column int
}

func (p *printer) write(s string) {
	p.out.WriteString(s)
	p.column += utf8.RuneCountInString(s)
}

func (p *printer) newline(indent int) {
	p.out.WriteString("\n" + strings.Repeat(" ", indent))
	p.column = indent
}

func (p *printer) member(key, value *yaml.Node, indent int) {
	p.scalar(key, indent, false)
	p.write(":")
	value = yamldoc.Follow(value)
	switch {
	case yamldoc.IsNull(value):
	case value.Kind == yaml.ScalarNode:
		p.write(" ")
		p.scalar(value, indent+2, true)
	case value.Style&yaml.FlowStyle != 0 || len(value.Content) == 0:
		p.write(" ")
		p.flow(value, indent)
	case value.Kind == yaml.SequenceNode:
		for _, item := range value.Content {
			p.newline(indent + 2)
			p.write("- ")
			p.item(yamldoc.Follow(item), indent+4)
		}
	default:
		p.newline(indent + 2)
		p.mapping(value, indent+2)
	}
}

func (p *printer) mapping(n *yaml.Node, indent int) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if i > 0 {
			p.newline(indent)
		}
		p.member(n.Content[i], n.Content[i+1], indent)
	}
}

// item is one of a list in block style.
func (p *printer) item(n *yaml.Node, indent int) {
	switch {
	case yamldoc.IsNull(n):
	case n.Kind == yaml.ScalarNode:
		p.scalar(n, indent+2, true)
	case n.Style&yaml.FlowStyle != 0 || len(n.Content) == 0:
		p.flow(n, indent)
	case n.Kind == yaml.MappingNode:
		p.mapping(n, indent)
	default:
		for i, inner := range n.Content {
			if i > 0 {
				p.newline(indent + 2)
			}
			p.write("- ")
			p.item(yamldoc.Follow(inner), indent+4)
		}
	}
}

// flow prints [a, b] and {a: b}.
func (p *printer) flow(n *yaml.Node, indent int) {
	brackets, step := "[]", 1
	indent += 4
	if n.Kind == yaml.MappingNode {
		brackets, step = "{}", 2
		indent -= 2
	}
	p.write(brackets[:1])
	for i := 0; i+step <= len(n.Content); i += step {
		if i > 0 {
			p.write(",")
		}
		switch {
		case p.column > width:
			p.newline(indent)
		case i > 0:
			p.write(" ")
		}
		if step == 2 {
			p.scalar(n.Content[i], indent, false)
			p.write(": ")
		}
		p.flowValue(yamldoc.Follow(n.Content[i+step-1]), indent)
	}
	p.write(brackets[1:])
}

func (p *printer) flowValue(n *yaml.Node, indent int) {
	switch {
	case yamldoc.IsNull(n):
		p.write("null")
	case n.Kind == yaml.ScalarNode:
		p.scalar(n, indent+2, true)
	default:
		p.flow(n, indent)
	}
}

// scalar prints a text as it was quoted. With fold, long lines are folded to indent.
func (p *printer) scalar(n *yaml.Node, indent int, fold bool) {
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		p.double(n.Value, indent, fold)
	case n.Style&yaml.SingleQuotedStyle != 0:
		p.write("'")
		p.words(strings.ReplaceAll(n.Value, "'", "''"), indent, fold, true)
		p.write("'")
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		p.block(n, indent)
	case n.Tag == "!!bool":
		p.write(strings.ToLower(n.Value))
	default:
		p.words(n.Value, indent, fold, false)
	}
}

// words prints a text of one line, and breaks it at single spaces behind the width. Quoted texts keep a break as an empty line.
func (p *printer) words(text string, indent int, fold, quoted bool) {
	for i := 0; i < len(text); {
		spaces := len(text[i:]) - len(strings.TrimLeft(text[i:], " "))
		if spaces > 0 {
			inside := !quoted || i > 0 && i+spaces < len(text)
			if spaces == 1 && p.column > width && fold && inside {
				p.newline(indent)
			} else {
				p.write(text[i : i+spaces])
			}
			i += spaces
			continue
		}
		breaks := len(text[i:]) - len(strings.TrimLeft(text[i:], "\n"))
		if breaks > 0 {
			p.out.WriteString(strings.Repeat("\n", breaks))
			p.newline(indent)
			i += breaks
			continue
		}
		end := strings.IndexAny(text[i:], " \n")
		if end < 0 {
			end = len(text) - i
		}
		if end > width && !quoted && p.column > indent {
			p.newline(indent)
		}
		p.write(text[i : i+end])
		i += end
	}
}

// block prints | and > texts. Those of > are printed with their lines joined; the reference client remembers where they were folded.
func (p *printer) block(n *yaml.Node, indent int) {
	mark := "|"
	if n.Style&yaml.FoldedStyle != 0 {
		mark = ">"
	}
	if strings.HasPrefix(n.Value, " ") || strings.HasPrefix(n.Value, "\n") {
		mark += "2"
	}
	switch {
	case !strings.HasSuffix(n.Value, "\n"):
		mark += "-"
	case n.Value == "\n" || strings.HasSuffix(n.Value, "\n\n"):
		mark += "+"
	}
	p.write(mark)
	for _, line := range strings.Split(strings.TrimSuffix(n.Value, "\n"), "\n") {
		if line == "" {
			p.newline(0)
			continue
		}
		p.newline(indent)
		p.write(line)
	}
}

var escapes = map[rune]string{
	0: "0", '\a': "a", '\b': "b", '\t': "t", '\n': "n", '\v': "v", '\f': "f", '\r': "r", 0x1b: "e", '"': `"`, '\\': `\`, 0x85: "N", 0xa0: "_", 0x2028: "L", 0x2029: "P",
}

// double prints a text in double quotes.
func (p *printer) double(text string, indent int, fold bool) {
	p.write(`"`)
	runes := []rune(text)
	for i, r := range runes {
		if r == ' ' && fold && i > 0 && i < len(runes)-1 && p.column > width {
			p.breakDouble(runes, i, indent)
			continue
		}
		if e, ok := escapes[r]; ok && r != 0xa0 {
			p.write(`\` + e)
			continue
		}
		p.write(string(r))
	}
	p.write(`"`)
}

// breakDouble ends a line at the space at i; backslashes keep spaces that stand together.
func (p *printer) breakDouble(text []rune, i, indent int) {
	if text[i+1] != ' ' && text[i-1] != ' ' {
		p.newline(indent)
		return
	}
	p.write(`\`)
	p.newline(indent)
	p.write(`\ `)
}
