package sodacl

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

// checkList reads the entries of a list of checks. overall means the data-source level, where only some kinds are possible.
func (p *parser) checkList(header string, list *yaml.Node, overall bool) []*Check {
	if list.Kind != yaml.SequenceNode {
		p.mistake(list, "%q must be a list of checks (lines that begin with \"- \"), it is %s; the section is left out", header, yamldoc.KindOf(list))
		return nil
	}
	var checks []*Check
	for _, n := range list.Content {
		c := p.entry(header, yamldoc.Follow(n))
		if c == nil {
			continue
		}
		if overall && c.Query == "" {
			p.mistake(n, "%q is left out: without a dataset, only failed rows with a \"fail query\" and metrics with a query of their own are possible; put it below \"checks for DATASET\"", c.Line)
			continue
		}
		if p.checks++; p.checks > MaxChecks {
			p.mistake(n, "there are more than %d checks in the file; the rest is left out", MaxChecks)
			return checks
		}
		checks = append(checks, c)
	}
	return checks
}

// entry reads one list entry, nil if it is no check.
func (p *parser) entry(header string, n *yaml.Node) *Check {
	c := &Check{Header: header, At: p.at(n), SamplesLimit: -1}
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		return p.check(c, n, nil)
	case n.Kind == yaml.MappingNode && len(n.Content) > 0:
		key, config := yamldoc.Follow(n.Content[0]), yamldoc.Follow(n.Content[1])
		if key.Value == "attributes" {
			p.attributes = append(p.attributes, p.readAttributes(config)...)
			return nil
		}
		for i := 2; i < len(n.Content); i += 2 {
			p.warning(n.Content[i], "%q is beside the check line and has no effect; indent it further to put it below", n.Content[i].Value)
		}
		if config.Kind != yaml.MappingNode {
			p.mistake(key, "%q ends with a colon, but what follows is %s and not its configuration; the check is left out", clip(key.Value), yamldoc.KindOf(config))
			return nil
		}
		return p.check(c, key, config)
	}
	p.mistake(n, "want a check such as \"row_count > 0\", found %s", yamldoc.KindOf(n))
	return nil
}

func (p *parser) check(c *Check, line, config *yaml.Node) *Check {
	if err := readCheckLine(c, line.Value); err != nil {
		p.mistake(column(line, err.offset), "the check %q is left out: %s", clip(line.Value), err.problem)
		return nil
	}
	c.line, c.Config = line, config
	c.Attributes = slices.Clone(p.attributes)
	if config != nil {
		if !p.configure(c, config) {
			return nil
		}
	}
	return p.complete(c, line)
}

// complete tells what a check lacks, nil if it cannot be kept.
func (p *parser) complete(c *Check, line *yaml.Node) *Check {
	for _, condition := range []*Condition{c.Pass, c.Warn, c.Fail} {
		if condition != nil && condition.empty() {
			p.mistake(line, "%q: the lower end of the range is above its upper end, so nothing is in it", condition.Text)
		}
	}
	switch c.Kind {
	case Schema:
		if c.Config == nil {
			p.mistake(line, "a schema check needs rules below it: fail: or warn: with \"when required column missing\" and the like; the check is left out")
			return nil
		}
	case FailedRows:
		if c.Condition == "" && c.Query == "" {
			p.mistake(line, "a failed rows check needs a \"fail condition\" or a \"fail query\"; the check is left out")
			return nil
		}
	case GroupBy:
		if c.Query == "" || c.Groups == nil || len(c.Groups.Fields) == 0 || len(c.Groups.Checks) == 0 {
			p.mistake(line, "a group by check needs query, fields and checks; the check is left out")
			return nil
		}
	case GroupEvolution:
		if c.Query == "" {
			p.mistake(line, "a group evolution check needs a query; the check is left out")
			return nil
		}
	case Metric:
		if c.Pass == nil && c.Warn == nil && c.Fail == nil {
			p.mistake(line, "the check %q has no threshold, so it cannot pass or fail; write for instance \"%s > 0\"", clip(c.Line), c.Line)
		}
	}
	if c.SameAs != nil && c.SameAs.Partition != "" {
		if !p.filters[c.SameAs.Table+"\x00"+c.SameAs.Partition] {
			p.mistake(line, "the partition %q of the other dataset has no \"filter %s [%s]\" section above in the same file; the check is left out", c.SameAs.Partition, c.SameAs.Table, c.SameAs.Partition)
			return nil
		}
		c.SameAs.Filter = p.Table(c.SameAs.Table).Partition(c.SameAs.Partition).Filter
	}
	return c
}

// configure reads the check's nested configuration. It gives false if the check cannot be kept without what was wrong.
func (p *parser) configure(c *Check, config *yaml.Node) bool {
	ok := true
	for key, value := range yamldoc.Entries(config) {
		known, keep := p.common(c, key, value)
		if !known {
			switch c.Kind {
			case Metric, Freshness, Anomaly, Distribution:
				known, keep = p.metricKey(c, key, value)
			case FailedRows:
				known, keep = p.failedRowsKey(c, key, value)
			case GroupBy:
				known, keep = p.groupByKey(c, key, value)
			case GroupEvolution:
				known, keep = p.groupEvolutionKey(c, key, value)
			case Schema:
				known = p.schemaKey(c, key, value)
			}
		}
		if !known && c.Kind != Distribution && c.Kind != GroupBy {
			p.mistake(key, "%q is no configuration of this check; it has no effect", key.Value)
		}
		ok = ok && keep
	}
	return ok
}

// common reads the keys that (nearly) every kind of check has.
func (p *parser) common(c *Check, key, value *yaml.Node) (known, keep bool) {
	switch key.Value {
	case "name":
		if s, ok := p.text(key, value); ok {
			c.Name = s
		}
	case "identity":
		if c.Kind == FailedRows {
			p.mistake(key, "a failed rows check takes no identity in SodaCL; it has no effect for the reference client, and is used here")
		}
		if s, ok := p.text(key, value); ok {
			c.Identity = s
		}
	case "attributes":
		c.Attributes = append(p.readAttributes(value), c.Attributes...)
		c.Attributes = lastWins(c.Attributes)
	case "samples limit":
		if c.Kind == Schema || c.Kind == SameRowCount || c.Kind == GroupEvolution {
			return false, true
		}
		if n, err := strconv.Atoi(value.Value); err != nil || value.Tag != "!!int" || n < 0 {
			p.mistake(value, "samples limit must be a whole number, it is %s", yamldoc.KindOf(value))
		} else {
			c.SamplesLimit = n
		}
	case "warn", "fail":
		if c.Kind == Schema || c.Kind == GroupEvolution || c.Kind == Reference || c.Kind == SameRowCount {
			return false, true
		}
		condition := p.alert(key, value)
		if key.Value == "warn" {
			c.Warn = condition
		} else {
			c.Fail = condition
		}
	default:
		return false, true
	}
	return true, true
}

// lastWins keeps the last value of each attribute, at the place of the first.
func lastWins(list []Attribute) []Attribute {
	var out []Attribute
	for _, a := range list {
		if i := slices.IndexFunc(out, func(b Attribute) bool { return a.Name == b.Name }); i >= 0 {
			out[i] = a
		} else {
			out = append(out, a)
		}
	}
	return out
}

// alert reads "when CONDITION". What follows a complete condition is ignored, as the reference client does.
func (p *parser) alert(key, value *yaml.Node) *Condition {
	if value.Kind != yaml.ScalarNode || value.Tag != "!!str" {
		p.mistake(value, "%s must be a condition such as \"when > 10\", it is %s", key.Value, yamldoc.KindOf(value))
		return nil
	}
	var c *Condition
	var rest string
	err := read(value.Value, func(s *scanner) {
		if !s.take("when ") {
			s.fail("a condition begins with \"when \", this is %s", s.found())
		}
		c = s.condition()
		rest = s.rest()
	})
	if err != nil {
		p.mistake(column(value, err.offset), "%s has no effect: %s", key.Value, err.problem)
		return nil
	}
	if strings.TrimSpace(rest) != "" {
		p.warning(value, "%q behind the condition %q is ignored; write a range with between", strings.TrimSpace(rest), c.Text)
	}
	c.Text = value.Value
	return c
}

func (p *parser) text(key, value *yaml.Node) (string, bool) {
	if value.Kind != yaml.ScalarNode || value.Tag != "!!str" {
		p.mistake(value, "%s must be a text, it is %s; put it in quotes", key.Value, yamldoc.KindOf(value))
		return "", false
	}
	return value.Value, true
}

func (p *parser) metricKey(c *Check, key, value *yaml.Node) (known, keep bool) {
	prefix, what := cutLast(key.Value)
	switch {
	case key.Value == "filter", key.Value == "condition", key.Value == "method":
		s, ok := p.text(key, value)
		if key.Value == "filter" {
			c.Filter = strings.TrimSpace(s)
		}
		return true, ok
	case key.Value == "warn_only", key.Value == "model", key.Value == "training_dataset_parameters", key.Value == "severity_level_parameters",
		key.Value == "take_over_existing_anomaly_score_check":
		return true, true
	case key.Value == "failed rows query", key.Value == "failed rows sql_file":
		return true, true // samples only, see docs/sodacl.md
	case what == "expression", what == "query", what == "sql_file":
		return true, p.ownMetric(c, key, value, prefix, what)
	case c.Kind == Distribution && (key.Value == "distribution reference file" || key.Value == "sample"):
		return true, true
	}
	return p.validity(&c.Validity, key.Value, value), !yamldoc.IsNull(value)
}

func cutLast(s string) (before, last string) {
	i := strings.LastIndexByte(s, ' ')
	return s[:max(i, 0)], s[i+1:]
}

// ownMetric reads "<metric> expression", "<metric> query" and "<metric> sql_file".
func (p *parser) ownMetric(c *Check, key, value *yaml.Node, prefix, what string) bool {
	if prefix != c.Metric {
		p.mistake(key, "the key must begin with the metric's name: \"%s %s\"; it is used all the same", c.Metric, what)
	}
	text, ok := p.text(key, value)
	if !ok {
		return false
	}
	switch what {
	case "expression":
		c.Expression = strings.TrimSpace(text)
	case "query":
		c.Query = dedent(text)
	case "sql_file":
		c.Query, ok = p.readFile(value)
	}
	return ok
}

func (p *parser) failedRowsKey(c *Check, key, value *yaml.Node) (known, keep bool) {
	switch key.Value {
	case "fail condition":
		s, ok := p.text(key, value)
		c.Condition = strings.TrimSpace(s)
		return true, ok
	case "fail query":
		s, ok := p.text(key, value)
		c.Query = dedent(s)
		return true, ok
	}
	return false, true
}

func (p *parser) groupByKey(c *Check, key, value *yaml.Node) (known, keep bool) {
	if c.Groups == nil {
		c.Groups = &Groups{Limit: 1000}
	}
	switch key.Value {
	case "query":
		s, ok := p.text(key, value)
		c.Query = dedent(s)
		return true, ok
	case "fields":
		c.Groups.Fields = p.names(key, value)
	case "group_limit":
		n, err := strconv.Atoi(value.Value)
		if err != nil {
			p.mistake(value, "group_limit must be a whole number, it is %s", yamldoc.KindOf(value))
			return true, true
		}
		c.Groups.Limit = n
	case "checks":
		c.Groups.Checks = p.checkList(c.Header, value, false)
	default:
		return false, true
	}
	return true, true
}

func (p *parser) groupEvolutionKey(c *Check, key, value *yaml.Node) (known, keep bool) {
	if c.Groups == nil {
		c.Groups = &Groups{}
	}
	switch key.Value {
	case "query":
		s, ok := p.text(key, value)
		c.Query = dedent(s)
		return true, ok
	case "warn":
		p.groupRules(&c.Groups.Warn, value)
		return true, true
	case "fail":
		p.groupRules(&c.Groups.Fail, value)
		return true, true
	}
	return false, true
}

func (p *parser) groupRules(r *GroupRules, rules *yaml.Node) {
	for rule, v := range yamldoc.Entries(rules) {
		switch rule.Value {
		case "when required group missing":
			r.Required = p.names(rule, v)
		case "when forbidden group present":
			r.Forbidden = p.names(rule, v)
		case "when groups change":
			p.groupChanges(r, v)
		default:
			p.mistake(rule, "unknown rule %q; there are when required group missing, when forbidden group present and when groups change", rule.Value)
		}
	}
}

func (p *parser) groupChanges(r *GroupRules, v *yaml.Node) {
	if v.Kind == yaml.ScalarNode && v.Value == "any" {
		r.Added, r.Deleted = true, true
		return
	}
	if v.Kind != yaml.SequenceNode {
		p.mistake(v, "\"when groups change\" must be any, or a list of group add and group delete")
	}
	for _, n := range v.Content {
		switch n = yamldoc.Follow(n); n.Value {
		case "group add":
			r.Added = true
		case "group delete":
			r.Deleted = true
		default:
			p.mistake(n, "unknown group change %s; there are group add and group delete", yamldoc.KindOf(n))
		}
	}
}

// names reads a list of texts; anything else in it is a mistake, and the list is left out.
func (p *parser) names(key, list *yaml.Node) []string {
	if list.Kind != yaml.SequenceNode {
		p.mistake(list, "%q must be a list, it is %s", key.Value, yamldoc.KindOf(list))
		return nil
	}
	var out []string
	for _, n := range list.Content {
		n = yamldoc.Follow(n)
		if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
			p.mistake(n, "%q must be a list of texts, %s is none; put it in quotes", key.Value, yamldoc.KindOf(n))
			return nil
		}
		out = append(out, n.Value)
	}
	return out
}

func (p *parser) schemaKey(c *Check, key, value *yaml.Node) bool {
	if key.Value != "warn" && key.Value != "fail" {
		return false
	}
	if value.Kind != yaml.MappingNode {
		p.mistake(value, "%s of a schema check must be a mapping of rules such as \"when required column missing\", it is %s", key.Value, yamldoc.KindOf(value))
		return true
	}
	rules := &SchemaRules{}
	for rule, v := range yamldoc.Entries(value) {
		p.schemaRule(rules, rule, v)
	}
	if key.Value == "warn" {
		c.SchemaWarn = rules
	} else {
		c.SchemaFail = rules
	}
	return true
}

func (p *parser) schemaRule(r *SchemaRules, rule, v *yaml.Node) {
	switch rule.Value {
	case "when required column missing":
		r.Required = p.names(rule, v)
	case "when forbidden column present":
		r.Forbidden = p.names(rule, v)
	case "when wrong column type", "when mismatching columns":
		exact := rule.Value == "when mismatching columns"
		if r.Exact && !exact {
			return // mismatching columns come before wrong column type
		}
		if types, ok := p.columnTypes(rule, v); ok {
			r.Types, r.Exact = types, exact
		}
	case "with optional columns":
		r.Optional = p.names(rule, v)
	case "when wrong column index":
		r.Indexes = p.columnIndexes(rule, v)
	case "when schema changes":
		r.Changes = p.schemaChanges(v)
	default:
		p.mistake(rule, "unknown rule %q; there are when required column missing, when forbidden column present, when wrong column type, when wrong column index, when mismatching columns and when schema changes", rule.Value)
	}
}

func (p *parser) columnTypes(rule, v *yaml.Node) ([]ColumnType, bool) {
	if v.Kind != yaml.MappingNode {
		p.mistake(v, "%q must be a mapping of columns to types, it is %s", rule.Value, yamldoc.KindOf(v))
		return nil, false
	}
	types := []ColumnType{}
	for name, t := range yamldoc.Entries(v) {
		switch {
		case name.Tag != "!!str" || t.Kind != yaml.ScalarNode || t.Tag != "!!str" && !yamldoc.IsNull(t):
			p.mistake(t, "%q must be a mapping of columns to types; %s: %s is none", rule.Value, name.Value, yamldoc.KindOf(t))
			return nil, false
		case yamldoc.IsNull(t):
			types = append(types, ColumnType{Name: name.Value})
		default:
			types = append(types, ColumnType{name.Value, t.Value})
		}
	}
	return types, true
}

func (p *parser) columnIndexes(rule, v *yaml.Node) []ColumnIndex {
	if v.Kind != yaml.MappingNode {
		p.mistake(v, "%q must be a mapping of columns to places from 0, it is %s", rule.Value, yamldoc.KindOf(v))
		return nil
	}
	var out []ColumnIndex
	for name, index := range yamldoc.Entries(v) {
		n, err := strconv.Atoi(index.Value)
		if err != nil || index.Tag != "!!int" || name.Tag != "!!str" {
			p.mistake(index, "%q must be a mapping of columns to places from 0; %s: %s is none", rule.Value, name.Value, yamldoc.KindOf(index))
			return nil
		}
		out = append(out, ColumnIndex{name.Value, n})
	}
	return out
}

func (p *parser) schemaChanges(v *yaml.Node) map[string]bool {
	all := map[string]string{"column add": "add", "column delete": "delete", "column type change": "type", "column index change": "index"}
	changes := map[string]bool{}
	if v.Kind == yaml.ScalarNode && v.Value == "any" {
		for _, change := range all {
			changes[change] = true
		}
		return changes
	}
	if v.Kind != yaml.SequenceNode {
		p.mistake(v, "\"when schema changes\" must be any, or a list of column add, column delete, column type change and column index change")
		return nil
	}
	for _, n := range v.Content {
		change, ok := all[yamldoc.Follow(n).Value]
		if !ok {
			p.mistake(n, "unknown schema change %s; there are column add, column delete, column type change and column index change", yamldoc.KindOf(yamldoc.Follow(n)))
			continue
		}
		changes[change] = true
	}
	return changes
}

// validity reads one key of "missing …", "valid …", "invalid …" into v; known is false if the key is none of them.
func (p *parser) validity(v *Validity, key string, value *yaml.Node) (known bool) {
	switch key {
	case "missing values":
		v.MissingValues = p.literals(key, value)
	case "valid values":
		v.ValidValues = p.literals(key, value)
	case "invalid values":
		v.InvalidValues = p.literals(key, value)
	case "missing format":
		v.MissingFormat = p.format(key, value)
	case "valid format":
		v.ValidFormat = p.format(key, value)
	case "invalid format":
		v.InvalidFormat = p.format(key, value)
	case "missing regex":
		v.MissingRegex = p.pattern(key, value)
	case "valid regex":
		v.ValidRegex = p.pattern(key, value)
	case "invalid regex":
		v.InvalidRegex = p.pattern(key, value)
	case "valid length":
		v.ValidLength = p.whole(key, value)
	case "valid min length":
		v.ValidMinLength = p.whole(key, value)
	case "valid max length":
		v.ValidMaxLength = p.whole(key, value)
	case "valid min":
		v.ValidMin = p.number(key, value)
	case "valid max":
		v.ValidMax = p.number(key, value)
	case "include null":
		if value.Tag != "!!bool" {
			p.mistake(value, "include null must be true or false, it is %s", yamldoc.KindOf(value))
		}
		v.IncludeNull = value.Tag == "!!bool" && strings.EqualFold(value.Value, "true")
	default:
		return false
	}
	return true
}

// literals reads a list of values, all texts or all numbers. A single text is read as the list of its characters, as the
// reference client does.
func (p *parser) literals(key string, value *yaml.Node) []Literal {
	if value.Kind == yaml.ScalarNode && value.Tag == "!!str" {
		p.warning(value, "%q is the text %q and is read as the list of its %d characters; write [%s] for one value", key, value.Value, len([]rune(value.Value)), value.Value)
		var out []Literal
		for _, r := range value.Value {
			out = append(out, Literal{Text: string(r)})
		}
		return out
	}
	if value.Kind != yaml.SequenceNode {
		p.mistake(value, "%q must be a list, it is %s", key, yamldoc.KindOf(value))
		return nil
	}
	out := []Literal{}
	for _, n := range value.Content {
		n = yamldoc.Follow(n)
		l := Literal{Text: n.Value}
		switch {
		case n.Kind == yaml.ScalarNode && (n.Tag == "!!int" || n.Tag == "!!float"):
			l.Number = true
			if f, err := strconv.ParseFloat(n.Value, 64); err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
				p.mistake(n, "%q cannot hold %s", key, n.Value)
				return nil
			}
		case n.Kind == yaml.ScalarNode && n.Tag == "!!bool":
			l = Literal{Text: strings.ToUpper(n.Value[:1]) + strings.ToLower(n.Value[1:]), Number: true}
		case n.Kind != yaml.ScalarNode || n.Tag != "!!str":
			p.mistake(n, "%q cannot hold %s, only texts or numbers; the list has no effect", key, yamldoc.KindOf(n))
			return nil
		}
		if len(out) > 0 && out[0].Number != l.Number {
			p.mistake(n, "%q mixes texts and numbers; put all values in quotes, or none. The list has no effect", key)
			return nil
		}
		out = append(out, l)
	}
	return out
}

func (p *parser) format(key string, value *yaml.Node) *string {
	if value.Kind != yaml.ScalarNode || value.Tag != "!!str" {
		p.mistake(value, "%q must be the name of a format, it is %s", key, yamldoc.KindOf(value))
		return nil
	}
	if _, ok := Formats[value.Value]; !ok {
		p.mistake(value, "unknown format %q; there are %s", value.Value, strings.Join(formatNames(), ", "))
		return nil
	}
	return &value.Value
}

func (p *parser) pattern(key string, value *yaml.Node) *string {
	if value.Kind != yaml.ScalarNode || value.Tag != "!!str" {
		p.mistake(value, "%q must be a regular expression, it is %s; put it in quotes", key, yamldoc.KindOf(value))
		return nil
	}
	return &value.Value
}

func (p *parser) number(key string, value *yaml.Node) *float64 {
	f, err := strconv.ParseFloat(value.Value, 64)
	if err != nil || value.Kind != yaml.ScalarNode || math.IsInf(f, 0) || math.IsNaN(f) {
		p.mistake(value, "%q must be a number, it is %s", key, yamldoc.KindOf(value))
		return nil
	}
	return &f
}

func (p *parser) whole(key string, value *yaml.Node) *int {
	f := p.number(key, value)
	if f == nil || math.Abs(*f) > math.MaxInt32 {
		return nil
	}
	n := int(*f)
	return &n
}

func (p *parser) readAttributes(n *yaml.Node) []Attribute {
	if n.Kind != yaml.MappingNode {
		p.mistake(n, "attributes must be a mapping of names to values, it is %s", yamldoc.KindOf(n))
		return nil
	}
	var out []Attribute
	for key, value := range yamldoc.Entries(n) {
		v, ok := attributeValue(value)
		if !ok {
			p.mistake(value, "the attribute %s must be a text, number, date, true, false, or a list of these", key.Value)
			continue
		}
		out = append(out, Attribute{key.Value, v})
	}
	return out
}

func attributeValue(n *yaml.Node) (any, bool) {
	if n.Kind == yaml.SequenceNode {
		list := []any{}
		for _, c := range n.Content {
			v, ok := attributeValue(yamldoc.Follow(c))
			if _, nested := v.([]any); !ok || nested {
				return nil, false
			}
			list = append(list, v)
		}
		return list, true
	}
	if n.Kind != yaml.ScalarNode {
		return nil, false
	}
	switch n.Tag {
	case "!!bool":
		return strings.EqualFold(n.Value, "true"), true
	case "!!int":
		v, err := strconv.ParseInt(n.Value, 0, 64)
		return v, err == nil
	case "!!float":
		v, err := strconv.ParseFloat(n.Value, 64)
		return v, err == nil
	case "!!timestamp":
		var t time.Time
		err := n.Decode(&t)
		return t, err == nil
	case "!!str":
		return n.Value, true
	}
	return nil, false
}
