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
func Parse(files []File, vars Variables) *Program {
	values := map[string]string{}
	for name, value := range vars.Values {
		values[name] = value
	}
	vars.Values = values
	p := &Program{Variables: vars, Columns: map[string]map[string]Validity{}}
	for _, f := range files {
		(&parser{Program: p, file: f.Name}).parse(f.Text)
	}
	return p
}

// parser reads one file into the program.
type parser struct {
	*Program
	file string
	// filters are the partitions that this file declared so far.
	filters map[string]bool
	// attributes are those of "- attributes" entries, for the checks that follow in this file.
	attributes []Attribute
	checks     int
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

// section reads one top-level entry.
func (p *parser) section(key, value *yaml.Node) {
	header := key.Value
	switch {
	case header == "checks":
		p.Checks = append(p.Checks, p.checkList(header, value, true)...)
	case header == "variables":
		p.variables(value)
	case header == "automated monitoring":
		p.Monitor = append(p.Monitor, p.selection(key, value, "datasets", false))
	case strings.HasPrefix(header, "discover datasets"), strings.HasPrefix(header, "discover tables"):
		p.Discover = append(p.Discover, p.selection(key, value, "datasets", false))
	case strings.HasPrefix(header, "profile columns"):
		p.Profile = append(p.Profile, p.selection(key, value, "columns", true))
	case strings.HasPrefix(header, "sample datasets"), strings.HasPrefix(header, "sample tables"):
		p.Sample = append(p.Sample, p.selection(key, value, "datasets", false))
	default:
		p.namedSection(key, value)
	}
}

// namedSection reads the sections whose header names a dataset.
func (p *parser) namedSection(key, value *yaml.Node) {
	var read1 func(s *scanner)
	read1 = func(s *scanner) {
		switch {
		case s.take("checks for "):
			table, partition := p.tableName(s)
			p.checksFor(key, value, table, partition)
		case s.take("filter "):
			table, partition := p.tableName(s)
			if partition == "" {
				s.fail("want the name of the partition after the dataset: filter %s [name]", table)
			}
			p.filter(key, value, table, partition)
		case s.take("configurations for "):
			table, partition := p.tableName(s)
			if partition != "" {
				s.fail("configurations are for a whole dataset, not a partition")
			}
			p.configurations(value, table)
		case s.take("for each dataset "), s.take("for each table "):
			alias := s.name("a name for the dataset, such as D")
			s.end()
			p.forEach(key, value, alias)
		case s.take("for each column "):
			s.fail(`"for each column" is not implemented, by the reference client neither`)
		default:
			s.fail(`unknown section; there are "checks for DATASET", "filter DATASET [name]", "configurations for DATASET", "for each dataset NAME", "checks", "variables", "discover datasets", "profile columns", "sample datasets" and "automated monitoring"`)
		}
	}
	if err := read(key.Value, read1); err != nil {
		p.mistake(column(key, err.offset), "section %q is left out: %s", clip(key.Value), err.problem)
	}
}

// column is the place offset bytes into a scalar.
func column(n *yaml.Node, offset int) *yaml.Node {
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		offset++
	}
	return &yaml.Node{Line: n.Line, Column: n.Column + offset}
}

// tableName reads the dataset of a header and its partition, both resolved.
func (p *parser) tableName(s *scanner) (table, partition string) {
	table = p.resolve(s, s.name("the name of a dataset"))
	if s.take(" ") {
		partition = p.resolve(s, unbracket(s.name("the name of a partition")))
	}
	s.end()
	return table, partition
}

func (p *parser) resolve(s *scanner, text string) string {
	resolved, err := p.Variables.Resolve(text)
	if err != nil {
		s.fail("%s", err)
	}
	return resolved
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

func (p *parser) checksFor(key, value *yaml.Node, table, partition string) {
	if partition != "" && !p.filters[table+"\x00"+partition] {
		p.mistake(key, "the partition %q has no \"filter %s [%s]\" section above this one in the same file; the section is left out", partition, table, partition)
		return
	}
	resolved, _ := p.Variables.Resolve(key.Value) // it was resolved in parts just now
	checks := p.checkList(resolved, value, false)
	part := p.Table(table).Partition(partition)
	part.Checks = append(part.Checks, checks...)
}

func (p *parser) filter(key, value *yaml.Node, table, partition string) {
	part := p.Table(table).Partition(partition)
	p.filters[table+"\x00"+partition] = true
	where := yamldoc.Member(value, "where")
	if where == nil || where.Kind != yaml.ScalarNode || yamldoc.IsNull(where) {
		p.mistake(key, `the filter needs a "where" with an SQL condition; without one the partition is the whole dataset`)
		return
	}
	part.Filter = strings.TrimSpace(where.Value)
	for key := range yamldoc.Entries(value) {
		if key.Value != "where" {
			p.mistake(key, "unknown key %q in a filter, only \"where\" is known", key.Value)
		}
	}
}

func (p *parser) variables(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		p.mistake(n, "variables must be a mapping of names to texts, it is %s", yamldoc.KindOf(n))
		return
	}
	for key, value := range yamldoc.Entries(n) {
		if value.Kind != yaml.ScalarNode || value.Tag != "!!str" {
			p.mistake(value, "the variable %s must be a text; put the value in quotes", key.Value)
			continue
		}
		resolved, err := p.Variables.Resolve(value.Value)
		if err != nil {
			p.mistake(value, "the variable %s: %s", key.Value, err)
			continue
		}
		p.Variables.Values[key.Value] = resolved
	}
}

func (p *parser) forEach(key, value *yaml.Node, alias string) {
	if strings.HasPrefix(key.Value, "for each table") {
		p.warning(key, `"for each table" is an old word for "for each dataset"`)
	}
	f := &ForEach{Alias: alias}
	list := yamldoc.Member(value, "datasets")
	if list == nil {
		list = yamldoc.Member(value, "tables")
	}
	if list == nil {
		p.mistake(key, `"for each" needs "datasets", a list of names or patterns`)
		return
	}
	f.Select = Selection{At: p.at(key), Patterns: p.patterns(list, false)}
	checks := yamldoc.Member(value, "checks")
	if checks == nil {
		p.mistake(key, `"for each" needs "checks", a list of checks`)
		return
	}
	f.Checks = p.checkList("checks for "+alias, checks, false)
	p.ForEach = append(p.ForEach, f)
}

// selection reads the patterns of one section from its member name.
func (p *parser) selection(key, value *yaml.Node, name string, columns bool) Selection {
	s := Selection{At: p.at(key)}
	list := yamldoc.Member(value, name)
	if list == nil {
		p.mistake(key, "%q needs %q, a list of patterns", key.Value, name)
		return s
	}
	s.Patterns = p.patterns(list, columns)
	return s
}

func (p *parser) patterns(list *yaml.Node, columns bool) []Pattern {
	if list.Kind != yaml.SequenceNode {
		p.mistake(list, "want a list of patterns, found %s", yamldoc.KindOf(list))
		return nil
	}
	var out []Pattern
	for _, n := range list.Content {
		n = yamldoc.Follow(n)
		if n.Kind != yaml.ScalarNode || yamldoc.IsNull(n) {
			p.mistake(n, "want a pattern such as orders%%, found %s", yamldoc.KindOf(n))
			continue
		}
		text, exclude := n.Value, false
		if rest, ok := strings.CutPrefix(text, "exclude "); ok {
			text, exclude = rest, true
		} else if rest, ok := strings.CutPrefix(text, "include "); ok {
			text = rest
		}
		pattern := Pattern{Exclude: exclude, Table: text, At: p.at(n)}
		if strings.ContainsAny(text, "\"'`;") {
			p.mistake(n, "the pattern %q has quotes in it; write names bare, with %% for any text", text)
			continue
		}
		parts := strings.Split(text, ".")
		switch {
		case columns && len(parts) == 2:
			pattern.Table, pattern.Column = parts[0], parts[1]
		case columns:
			p.mistake(n, "the pattern %q must be dataset.column, with one dot", text)
			continue
		case len(parts) == 2:
			pattern.Source, pattern.Table = parts[0], parts[1]
		}
		out = append(out, pattern)
	}
	return out
}

func (p *parser) configurations(n *yaml.Node, table string) {
	if n.Kind != yaml.MappingNode {
		p.mistake(n, "configurations must be a mapping of \"KEY for COLUMN\" to a value, it is %s", yamldoc.KindOf(n))
		return
	}
	if p.Columns[table] == nil {
		p.Columns[table] = map[string]Validity{}
	}
	for key, value := range yamldoc.Entries(n) {
		parts := strings.Split(key.Value, " for ")
		if len(parts) != 2 {
			p.mistake(key, "want \"KEY for COLUMN\", such as \"valid values for status\", found %q", key.Value)
			continue
		}
		v := p.Columns[table][parts[1]]
		switch known := p.validity(&v, parts[0], value); {
		case !known:
			p.mistake(key, "%q is no configuration of a column; see \"valid values\", \"missing values\" and their like", parts[0])
		case strings.HasPrefix(parts[0], "invalid "):
			p.warning(key, "%q has no effect here, by the reference client neither; write it below the check", parts[0])
		default:
			p.Columns[table][parts[1]] = v
		}
	}
}

// readFile reads a file that a check names, from beside the file of checks.
func (p *parser) readFile(n *yaml.Node) (string, bool) {
	name := n.Value
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(p.file), name)
	}
	text, err := os.ReadFile(name)
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
