package sodacl

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

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
	read1 := func(s *scanner) {
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
			s.fail("unknown section%s", hint(firstWords(s.text), sectionWords))
		}
	}
	if err := read(key.Value, read1); err != nil {
		p.mistake(column(key, err.offset), "section %q is left out: %s", clip(key.Value), err.problem)
	}
}

// firstWords are those of a header that say what section it is, without the names behind.
func firstWords(header string) string {
	if before, _, ok := strings.Cut(strings.ToLower(header), " for "); ok {
		return before + " for"
	}
	return strings.ToLower(header)
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
			p.mistake(key, "%q is no configuration of a column%s", parts[0], suggest(parts[0], validityKeys))
		case strings.HasPrefix(parts[0], "invalid "):
			p.warning(key, "%q has no effect here, by the reference client neither; write it below the check", parts[0])
		default:
			p.Columns[table][parts[1]] = v
		}
	}
}
