package contract

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

// Parse reads a contract. It never fails as a whole: what cannot be understood is a mistake.
func Parse(f sodacl.File, in Inputs) *Contract {
	if in.DataTime.IsZero() {
		in.DataTime = in.Now
	}
	p := &parser{Contract: &Contract{File: f.Name}, in: in, paths: map[string]sodacl.Position{}}
	p.parse(f.Text)
	p.sort()
	return p.Contract
}

type parser struct {
	*Contract
	in         Inputs
	attributes []dq.Attribute
	paths      map[string]sodacl.Position
	// unknown counts the keys that have no meaning.
	unknown int
	// review is for Review, blank then the value of variables that have none, open whether there were such.
	review bool
	blank  any
	open   bool
}

func (p *parser) sort() {
	slices.SortStableFunc(p.Mistakes, func(a, b sodacl.Mistake) int { return a.Line - b.Line })
}

func (p *parser) mistake(n *yaml.Node, format string, args ...any) {
	p.Mistakes = append(p.Mistakes, sodacl.Mistake{Position: p.at(n), Message: fmt.Sprintf(format, args...)})
}

func (p *parser) warning(n *yaml.Node, format string, args ...any) {
	p.Mistakes = append(p.Mistakes, sodacl.Mistake{Position: p.at(n), Message: fmt.Sprintf(format, args...), Warning: true})
}

func (p *parser) at(n *yaml.Node) sodacl.Position {
	if n == nil {
		return sodacl.Position{File: p.File}
	}
	return sodacl.Position{File: p.File, Line: n.Line, Column: n.Column}
}

// topKeys are the keys of a contract. Those of the second list are sections of extensions, whose checks nobody would miss if
// they were silently left out.
var (
	topKeys   = []string{"dataset", "columns", "checks", "filter", "variables", "check_attributes", "kind", "description", "soda_runner", "soda_agent"}
	extraKeys = []string{"reconciliation", "scopes"}
)

func (p *parser) parse(text []byte) {
	root, err := yamldoc.Parse(text, MaxFileSize, MaxNodes)
	var refused *yamldoc.Error
	if errors.As(err, &refused) {
		p.mistake(&yaml.Node{Line: refused.Line, Column: refused.Column}, "%s", refused.Message)
		if p.review {
			p.Dataset = lineOfDataset(text)
		}
		return
	}
	if root == nil || root.Kind != yaml.MappingNode {
		what := "empty"
		if root != nil {
			what = yamldoc.KindOf(root)
		}
		p.mistake(root, "a contract must be a mapping with the keys dataset, columns and checks, it is %s", what)
		return
	}
	p.variables(root)
	root = p.resolved(without(root, "variables"))
	p.dataset(root)
	if p.foreignKind(root) {
		return
	}
	for key := range yamldoc.Entries(root) {
		if slices.Contains(extraKeys, key.Value) {
			p.foreign(key, "%s cannot be run here: it needs an extension of Soda", key.Value)
		}
	}
	p.unknownKeys(root, "a contract", append(slices.Clone(topKeys), extraKeys...)...)
	p.Filter = strings.TrimSpace(p.text(root, "filter"))
	p.attributes = p.readAttributes(p.mapping(root, "check_attributes"), nil)
	p.body(root)
}

// without is a mapping without a key.
func without(n *yaml.Node, name string) *yaml.Node {
	c := *n
	c.Content = nil
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != name {
			c.Content = append(c.Content, n.Content[i], n.Content[i+1])
		}
	}
	return &c
}

// body reads columns and checks; those of the dataset come first where they are written first.
func (p *parser) body(root *yaml.Node) {
	var ofDataset, ofColumns []*Check
	checksFirst, seen := false, ""
	for key, value := range yamldoc.Entries(root) {
		switch key.Value {
		case "columns":
			ofColumns = p.columns(value)
			seen = "columns"
		case "checks":
			checksFirst = seen == ""
			ofDataset = p.checks(value, nil)
		}
	}
	if yamldoc.Member(root, "columns") == nil {
		p.mistake(root, "a contract needs columns, which may be an empty list: columns: []")
	}
	if checksFirst {
		p.Checks = append(ofDataset, ofColumns...)
	} else {
		p.Checks = append(ofColumns, ofDataset...)
	}
	if len(p.Checks) > MaxChecks {
		p.mistake(root, "the contract has %d checks, at most %d are read", len(p.Checks), MaxChecks)
		p.Checks = nil
	}
	for _, c := range p.Checks {
		c.Excluded = !selected(p.in.Select, c)
	}
}

func (p *parser) dataset(root *yaml.Node) {
	n := yamldoc.Member(root, "dataset")
	if n == nil || yamldoc.IsNull(n) {
		p.mistake(root, "a contract needs a dataset, such as dataset: warehouse/sales/public/orders")
		return
	}
	p.Dataset = p.qualified(n, p.text(root, "dataset"))
}

// qualified reads a dataset's qualified name: source, containers and name, with slashes between.
func (p *parser) qualified(n *yaml.Node, name string) dq.DatasetRef {
	ref, ok := dq.ParseQualifiedName(name)
	if !ok && n.Kind == yaml.ScalarNode {
		p.mistake(n, "the dataset %q must be the data source, its containers and the dataset's name, with slashes between: warehouse/sales/public/orders", yamldoc.Clip(name))
	}
	return ref
}

// columnKeys, valueKeys and checkKeys are what columns and checks may have.
var (
	valueKeys = []string{
		"missing_values", "missing_format", "valid_values", "invalid_values", "valid_format", "invalid_format", "valid_min", "valid_max",
		"valid_length", "valid_min_length", "valid_max_length", "valid_reference_data",
	}
	columnKeys = append([]string{
		"name", "data_type", "character_maximum_length", "numeric_precision", "numeric_scale", "datetime_precision", "column_expression",
		"checks", "description", "optional",
	}, valueKeys...)
)

func (p *parser) columns(list *yaml.Node) []*Check {
	if list.Kind != yaml.SequenceNode {
		p.mistake(list, "columns must be a list, it is %s", yamldoc.KindOf(list))
		return nil
	}
	if len(list.Content) > MaxColumns {
		p.mistake(list, "the contract has %d columns, at most %d are read", len(list.Content), MaxColumns)
		return nil
	}
	var checks []*Check
	lines := map[string]int{}
	for _, n := range list.Content {
		if n.Kind != yaml.MappingNode {
			p.mistake(n, "a column must be a mapping with a name, it is %s", yamldoc.KindOf(n))
			continue
		}
		var column *Column
		p.lenient(func() { column = p.column(n) })
		if line, ok := lines[column.Name]; ok && column.Name != "" {
			p.mistake(n, "the column %s is already in line %d", column.Name, line)
		}
		lines[column.Name] = n.Line
		p.Columns = append(p.Columns, column)
		if list := yamldoc.Member(n, "checks"); list != nil {
			checks = append(checks, p.checks(list, column)...)
		}
	}
	return checks
}

func (p *parser) column(n *yaml.Node) *Column {
	p.unknownKeys(n, "a column", columnKeys...)
	c := &Column{
		Name: p.text(n, "name"), At: p.at(n), Type: p.text(n, "data_type"), Expression: strings.TrimSpace(p.text(n, "column_expression")), Values: p.values(n),
		Length: p.whole(n, "character_maximum_length"), Precision: p.whole(n, "numeric_precision"), Scale: p.whole(n, "numeric_scale"), Fraction: p.whole(n, "datetime_precision"),
	}
	if c.Name == "" {
		p.mistake(n, "a column needs a name")
	}
	for name := range parameters {
		if value := yamldoc.Member(n, name); value != nil && c.Type != "" && !takesParameter(c.Type, name) {
			p.mistake(value, "a column of type %s has no %s; it is of %s", c.Type, name, strings.Join(parameters[name], ", "))
		}
	}
	if strings.Contains(c.Type, "(") {
		p.warning(yamldoc.Member(n, "data_type"), "the type %s never equals a column's: give its parameters as character_maximum_length, numeric_precision, numeric_scale or datetime_precision", c.Type)
	}
	return c
}

// values reads what a column or check says of missing and valid values.
func (p *parser) values(n *yaml.Node) Values {
	v := Values{
		Missing: p.literals(n, "missing_values"), MissingFormat: p.format(n, "missing_format"),
		Valid: p.literals(n, "valid_values"), Invalid: p.literals(n, "invalid_values"),
		ValidFormat: p.format(n, "valid_format"), InvalidFormat: p.format(n, "invalid_format"),
		Min: p.limit(n, "valid_min"), Max: p.limit(n, "valid_max"),
		Length: p.whole(n, "valid_length"), MinLength: p.whole(n, "valid_min_length"), MaxLength: p.whole(n, "valid_max_length"),
	}
	if ref := p.mapping(n, "valid_reference_data"); ref != nil {
		p.unknownKeys(ref, "valid_reference_data", "dataset", "column")
		dataset := p.needed(ref, "dataset")
		v.Reference = &Reference{Column: p.needed(ref, "column")}
		if dataset != "" {
			v.Reference.Dataset = p.qualified(yamldoc.Member(ref, "dataset"), dataset)
		}
	}
	return v
}

// format reads the regular expression of a format.
func (p *parser) format(n *yaml.Node, key string) string {
	f := p.mapping(n, key)
	if f == nil {
		return ""
	}
	p.unknownKeys(f, key, "regex", "name")
	p.needed(f, "name")
	return p.needed(f, "regex")
}

func (p *parser) limit(n *yaml.Node, key string) *Literal {
	if _, ok := p.finite(n, key); !ok {
		return nil
	}
	return literal(yamldoc.Member(n, key))
}

// literals reads a list of values, nil if there is none.
func (p *parser) literals(n *yaml.Node, key string) []Literal {
	list := yamldoc.Member(n, key)
	if list == nil || yamldoc.IsNull(list) {
		return nil
	}
	if list.Kind != yaml.SequenceNode {
		p.mistake(list, "%s must be a list, it is %s", key, yamldoc.KindOf(list))
		return nil
	}
	out := []Literal{}
	for _, item := range list.Content {
		if l := literal(item); l != nil {
			out = append(out, *l)
		} else {
			p.mistake(item, "%s is a list of texts, numbers, dates and true or false; %s is none", key, yamldoc.KindOf(item))
		}
	}
	return out
}

// literal is a scalar as a literal, nil for anything else.
func literal(n *yaml.Node) *Literal {
	if yamldoc.IsNull(n) {
		return &Literal{Kind: Null}
	}
	switch v := plain(n).(type) {
	case string:
		return &Literal{Text, v}
	case int64:
		return &Literal{Number, fmt.Sprint(v)}
	case float64:
		return &Literal{Number, number(v)}
	case bool:
		return &Literal{Bool, fmt.Sprint(v)}
	case time.Time:
		if len(n.Value) <= len(time.DateOnly) {
			return &Literal{Date, v.Format(time.DateOnly)}
		}
		return &Literal{Time, v.Format("2006-01-02T15:04:05.999999Z07:00")}
	}
	return nil
}

// unknownKeys warns of keys that have no meaning.
func (p *parser) unknownKeys(n *yaml.Node, what string, known ...string) {
	for key := range yamldoc.Entries(n) {
		if !slices.Contains(known, key.Value) {
			p.unknown++
			p.warning(key, "%s has no key %q; it has no effect", what, yamldoc.Clip(key.Value))
		}
	}
}

// mapping is the value of a key that must be a mapping, nil if it is not given.
func (p *parser) mapping(n *yaml.Node, key string) *yaml.Node {
	value := yamldoc.Member(n, key)
	if value == nil || yamldoc.IsNull(value) {
		return nil
	}
	if value.Kind != yaml.MappingNode {
		p.mistake(value, "%s must be a mapping, it is %s", key, yamldoc.KindOf(value))
		return nil
	}
	return value
}

// text is the value of a key that must be a text, "" if it is not given.
func (p *parser) text(n *yaml.Node, key string) string {
	value := yamldoc.Member(n, key)
	if value == nil || yamldoc.IsNull(value) {
		return ""
	}
	if value.Kind != yaml.ScalarNode || value.ShortTag() != "!!str" {
		p.mistake(value, "%s must be a text, it is %s; put it in quotes", key, yamldoc.KindOf(value))
		return ""
	}
	return value.Value
}

// needed is the value of a key that must be given as a text.
func (p *parser) needed(n *yaml.Node, key string) string {
	text := p.text(n, key)
	if value := yamldoc.Member(n, key); text == "" && (value == nil || yamldoc.IsNull(value) || value.Value == "") {
		p.mistake(n, "%s is missing", key)
	}
	return text
}

// whole is the value of a key that must be a whole number, nil if it is not given.
func (p *parser) whole(n *yaml.Node, key string) *int64 {
	value := yamldoc.Member(n, key)
	if value == nil || yamldoc.IsNull(value) {
		return nil
	}
	number, ok := plain(value).(int64)
	if !ok {
		p.mistake(value, "%s must be a whole number, it is %s", key, yamldoc.KindOf(value))
		return nil
	}
	return &number
}

// flag is the value of a key that must be true or false.
func (p *parser) flag(n *yaml.Node, key string) bool {
	value := yamldoc.Member(n, key)
	if value == nil || yamldoc.IsNull(value) {
		return false
	}
	b, ok := plain(value).(bool)
	if !ok {
		p.mistake(value, "%s must be true or false, it is %s", key, yamldoc.KindOf(value))
	}
	return b
}
