package sodacl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

// Parse reads files, in their order, into one program. It never fails as a whole: what cannot be understood is a mistake and
// left out. Files that checks name (sql_file) are read beside the file of checks.
func Parse(files []File, vars Variables) *Program { return ParseWith(files, vars, os.ReadFile) }

// ParseWith is Parse with another place for the files that checks name. read gets their paths, those of files of checks joined
// with the names.
func ParseWith(files []File, vars Variables, read func(path string) ([]byte, error)) *Program {
	values := map[string]string{}
	for name, value := range vars.Values {
		values[name] = value
	}
	vars.Values = values
	p := &Program{Variables: vars, Columns: map[string]map[string]Validity{}}
	for _, f := range files {
		(&parser{Program: p, file: f.Name, read: read}).parse(f.Text)
	}
	return p
}

// parser reads one file into the program.
type parser struct {
	*Program
	file string
	read func(path string) ([]byte, error)
	// filters are the partitions that this file declared so far.
	filters map[string]bool
	// attributes are those of "- attributes" entries, for the checks that follow in this file.
	attributes []Attribute
	checks     int
	// nested: the checks at hand are of a group by, whose metrics are columns of its query.
	nested bool
}

func (p *parser) mistake(n *yaml.Node, format string, args ...any) {
	p.Mistakes = append(p.Mistakes, Mistake{Position: p.at(n), Message: fmt.Sprintf(format, args...)})
}

func (p *parser) warning(n *yaml.Node, format string, args ...any) {
	p.Mistakes = append(p.Mistakes, Mistake{Position: p.at(n), Message: fmt.Sprintf(format, args...), Warning: true})
}

func (p *parser) at(n *yaml.Node) Position {
	if n == nil {
		return Position{File: p.file}
	}
	return Position{p.file, n.Line, n.Column}
}

func (p *parser) parse(text []byte) {
	root, err := yamldoc.Parse(text, MaxFileSize, MaxNodes)
	var refused *yamldoc.Error
	if errors.As(err, &refused) {
		p.mistake(&yaml.Node{Line: refused.Line, Column: refused.Column}, "%s", refused.Message)
	}
	if root == nil {
		return
	}
	if root.Kind != yaml.MappingNode {
		p.mistake(root, `the file must be a mapping of sections such as "checks for orders:", it is %s`, yamldoc.KindOf(root))
		return
	}
	p.filters = map[string]bool{}
	for key, value := range yamldoc.Entries(root) {
		p.section(key, value)
	}
}

// Table gives the table as written, made if it was not mentioned yet.
func (p *Program) Table(name string) *Table {
	for _, t := range p.Tables {
		if t.Name == name {
			return t
		}
	}
	t := &Table{Name: name}
	p.Tables = append(p.Tables, t)
	return t
}

// Partition gives the partition of the table, made if it is not there yet.
func (t *Table) Partition(name string) *Partition {
	for _, part := range t.Partitions {
		if part.Name == name {
			return part
		}
	}
	part := &Partition{Name: name}
	t.Partitions = append(t.Partitions, part)
	return part
}

// readFile reads a file that a check names, from beside the file of checks.
func (p *parser) readFile(n *yaml.Node) (string, bool) {
	name := n.Value
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(p.file), name)
	}
	text, err := p.read(name)
	if err == nil && len(text) > MaxFileSize {
		err = fmt.Errorf("%d bytes are more than %d", len(text), MaxFileSize)
	}
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		p.mistake(n, "cannot read the file %s: %s", n.Value, err)
		return "", false
	}
	return strings.TrimSpace(string(text)), true
}

// dedent takes the common indentation off all lines, as Python's textwrap.dedent does.
func dedent(text string) string {
	lines := strings.Split(text, "\n")
	margin := -1
	for _, l := range lines {
		if trimmed := strings.TrimLeft(l, " \t"); trimmed != "" && (margin < 0 || len(l)-len(trimmed) < margin) {
			margin = len(l) - len(trimmed)
		}
	}
	for i, l := range lines {
		lines[i] = l[min(max(margin, 0), len(l)):]
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// sorted puts checks without a column first, and reference checks, then those of each column in order of its first check.
func sorted(checks []*Check) []*Check {
	column := func(c *Check) string {
		if c.Kind == Reference {
			return ""
		}
		return c.Column()
	}
	order := map[string]int{"": 0}
	for _, c := range checks {
		if _, ok := order[column(c)]; !ok {
			order[column(c)] = len(order)
		}
	}
	out := slices.Clone(checks)
	slices.SortStableFunc(out, func(a, b *Check) int { return order[column(a)] - order[column(b)] })
	return out
}

// InOrder gives the partition's checks in the order in which they are evaluated and reported.
func (part *Partition) InOrder() []*Check { return sorted(part.Checks) }
