package sodacl

import (
	"slices"
	"strconv"
	"strings"

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
	case Distribution:
		p.completeDistribution(c, line)
	case Metric, Anomaly:
		if problem := c.unknown(); problem != "" && !p.nested {
			p.mistake(line, "the check %q cannot be evaluated: %s", yamldoc.Clip(c.Line), problem)
			c.Problem = problem
		} else if c.Kind == Metric && c.Pass == nil && c.Warn == nil && c.Fail == nil {
			p.mistake(line, "the check %q has no threshold, so it cannot pass or fail; write for instance \"%s > 0\"", clip(c.Line), c.Line)
		} else if problem := c.incomparable(); problem != "" && c.Kind == Metric && !p.nested {
			p.mistake(line, "the check %q cannot be evaluated: %s", yamldoc.Clip(c.Line), problem)
			c.Incomparable = problem
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
			p.mistake(key, "%q is no configuration of this check, it has no effect%s", key.Value, suggest(key.Value, keysOf(c.Kind)))
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
		} else if c.SamplesLimit != 0 { // 0 is the last word
			c.SamplesLimit = n
		}
	case "samples columns", "collect failed rows":
		return p.samplesKey(c, key, value), true
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

// samplesKey reads keys that only Soda's commercial client knows. They keep rows back, so they are heeded.
func (p *parser) samplesKey(c *Check, key, value *yaml.Node) (known bool) {
	if c.Kind != Metric && c.Kind != FailedRows && c.Kind != Reference {
		return false
	}
	p.mistake(key, "%q is no configuration of this check for the reference client; it is used here", key.Value)
	if key.Value == "samples columns" {
		c.SamplesColumns = append([]string{}, p.names(key, value)...)
	} else if on, err := strconv.ParseBool(value.Value); err != nil || !on {
		c.SamplesLimit = 0
	}
	return true
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
	if c.Kind == Distribution {
		if known, keep := p.distributionKey(c, key, value); known {
			return true, keep
		}
	}
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
	case key.Value == "failed rows query":
		s, ok := p.text(key, value)
		c.FailedRows = dedent(s)
		return true, ok
	case key.Value == "failed rows sql_file":
		var ok bool
		c.FailedRows, ok = p.readFile(value)
		return true, ok
	case what == "expression", what == "query", what == "sql_file":
		return true, p.ownMetric(c, key, value, prefix, what)
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
