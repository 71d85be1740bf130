package contract

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

// comparisons are the keys of a threshold that compare with one number, and what they mean.
var comparisons = map[string]string{
	"must_be": "=", "must_not_be": "!=", "must_be_greater_than": ">", "must_be_greater_than_or_equal": ">=",
	"must_be_less_than": "<", "must_be_less_than_or_equal": "<=",
}

// defaults of the check types that need no threshold: what must hold.
var defaults = map[string]sodacl.Condition{
	Missing: {Op: "="}, Invalid: {Op: "="}, Duplicate: {Op: "="}, FailedRows: {Op: "="}, RowCount: {Op: ">"},
}

// percentTypes are the types whose thresholds may be of the metric percent, and anyMetric those for which the metric is
// accepted and has no effect.
var (
	percentTypes = []string{Missing, Invalid, Duplicate, FailedRows}
	anyMetric    = []string{Aggregate, Metric, Freshness}
)

var units = map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

// threshold reads what a check's value is compared with.
func (p *parser) threshold(c *Check, body *yaml.Node) {
	usual, hasUsual := defaults[c.Type]
	c.Unit = time.Hour
	n := p.mapping(body, "threshold")
	if n == nil {
		if hasUsual {
			c.Fail = &usual
		} else {
			p.mistake(body, "a check of type %s needs a threshold, for instance threshold: {must_be_greater_than: 0}", c.Type)
		}
		return
	}
	p.unknownKeys(n, "a threshold", append(comparisonKeys(), "level", "additional", "metric", "unit")...)
	p.metric(c, n)
	p.unit(c, n)
	outer, count := p.condition(n)
	warns := p.warns(n)
	if additional := yamldoc.Member(n, "additional"); additional != nil {
		p.additional(c, n, outer, count, warns, additional)
		return
	}
	switch {
	case count == 0 && hasUsual:
		outer = &usual
	case count == 0:
		p.mistake(n, "the threshold compares with nothing; give one of %s", strings.Join(comparisonKeys(), ", "))
	case count > 1:
		p.warning(n, "the threshold has %d comparisons where one is needed; the check is not evaluated", count)
		outer = nil
	}
	if warns {
		c.Warn = outer
	} else {
		c.Fail = outer
	}
}

func comparisonKeys() []string {
	keys := []string{"must_be_between", "must_be_not_between"}
	for key := range comparisons {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (p *parser) metric(c *Check, n *yaml.Node) {
	metric := p.text(n, "metric")
	at := yamldoc.Member(n, "metric")
	switch {
	case metric == "":
	case !slices.Contains(percentTypes, c.Type) && !slices.Contains(anyMetric, c.Type):
		p.mistake(at, "a threshold of a check of type %s has no metric", c.Type)
	case metric != "count" && metric != "percent":
		p.mistake(at, "the metric of a threshold is count or percent, not %q", yamldoc.Clip(metric))
	}
	c.Percent = metric == "percent" && slices.Contains(percentTypes, c.Type)
}

func (p *parser) unit(c *Check, n *yaml.Node) {
	text := p.text(n, "unit")
	if text == "" {
		return
	}
	at := yamldoc.Member(n, "unit")
	unit, known := units[text]
	switch {
	case c.Type != Freshness:
		p.mistake(at, "only a threshold of a freshness check has a unit")
	case !known:
		p.mistake(at, "the unit of a threshold is minute, hour or day, not %q", yamldoc.Clip(text))
	default:
		c.Unit = unit
	}
}

// warns tells whether a threshold is of the level warn. Any other level but fail is taken for fail.
func (p *parser) warns(n *yaml.Node) bool {
	level := strings.ToLower(p.text(n, "level"))
	if level != "" && level != "fail" && level != "warn" {
		p.warning(yamldoc.Member(n, "level"), "the level of a threshold is fail or warn; %q is taken for fail", yamldoc.Clip(level))
	}
	return level == "warn"
}

// additional reads the second comparison of a threshold, which is of the other level.
func (p *parser) additional(c *Check, n *yaml.Node, outer *sodacl.Condition, count int, warns bool, additional *yaml.Node) {
	if additional.Kind != yaml.MappingNode {
		p.mistake(additional, "an additional threshold is a mapping of one comparison and its level, it is %s", yamldoc.KindOf(additional))
		return
	}
	for key := range yamldoc.Entries(additional) {
		if key.Value != "level" && !slices.Contains(comparisonKeys(), key.Value) {
			p.mistake(key, "an additional threshold has one comparison and a level, and no %q", yamldoc.Clip(key.Value))
		}
	}
	inner, innerCount := p.condition(additional)
	if count != 1 {
		p.mistake(n, "a threshold with an additional one needs exactly one comparison itself, it has %d", count)
	}
	if innerCount != 1 {
		p.mistake(additional, "an additional threshold needs exactly one comparison, it has %d", innerCount)
		return
	}
	if p.warns(additional) == warns {
		p.mistake(additional, "a threshold and its additional one must be of different levels, one fail and one warn; without a level it is fail")
		return
	}
	if c.Fail, c.Warn = outer, inner; warns {
		c.Fail, c.Warn = inner, outer
	}
}

// condition reads the comparison of a threshold and counts how many there are. A range that is wrong is a mistake.
func (p *parser) condition(n *yaml.Node) (*sodacl.Condition, int) {
	var found *sodacl.Condition
	count := 0
	for key, value := range yamldoc.Entries(n) {
		op, single := comparisons[key.Value]
		switch {
		case yamldoc.IsNull(value):
		case single:
			count++
			if number, ok := p.finite(n, key.Value); ok {
				found = &sodacl.Condition{Op: op, Low: sodacl.Value{Number: number}}
			}
		case key.Value == "must_be_between", key.Value == "must_be_not_between":
			found, count = p.rangeOf(key, value), count+1
		}
	}
	return found, count
}

// rangeOf reads a range: between passes inside of it, not between outside.
func (p *parser) rangeOf(key, n *yaml.Node) *sodacl.Condition {
	if n.Kind != yaml.MappingNode {
		p.mistake(n, "%s must be a mapping such as {greater_than: 1, less_than: 9}, it is %s", key.Value, yamldoc.KindOf(n))
		return nil
	}
	p.unknownKeys(n, "a range", "greater_than", "greater_than_or_equal", "less_than", "less_than_or_equal")
	side := func(strict, orEqual string) (value float64, open, ok bool) {
		a, isStrict := p.finite(n, strict)
		b, isOrEqual := p.finite(n, orEqual)
		if isStrict == isOrEqual {
			p.mistake(n, "%s needs one of %s and %s", key.Value, strict, orEqual)
			return 0, false, false
		}
		if isStrict {
			return a, true, true
		}
		return b, false, true
	}
	above, aboveOpen, ok1 := side("greater_than", "greater_than_or_equal")
	below, belowOpen, ok2 := side("less_than", "less_than_or_equal")
	if !ok1 || !ok2 {
		return nil
	}
	if key.Value == "must_be_between" {
		if above >= below {
			p.mistake(n, "nothing is above %v and below %v", above, below)
		}
		return &sodacl.Condition{Op: "between", Low: sodacl.Value{Number: above}, High: sodacl.Value{Number: below}, LowOpen: aboveOpen, HighOpen: belowOpen}
	}
	if above <= below {
		p.mistake(n, "everything is above %v or below %v; the number of greater_than must be the larger one", above, below)
	}
	// What is in the range does not pass, so an end that passes is not part of it.
	return &sodacl.Condition{Op: "not between", Low: sodacl.Value{Number: below}, High: sodacl.Value{Number: above}, LowOpen: !belowOpen, HighOpen: !aboveOpen}
}

// finite reads a number of a mapping.
func (p *parser) finite(n *yaml.Node, key string) (float64, bool) {
	value := yamldoc.Member(n, key)
	if value == nil || yamldoc.IsNull(value) {
		return 0, false
	}
	var f float64
	switch v := plain(value).(type) {
	case int64:
		f = float64(v)
	case float64:
		f = v
	default:
		p.mistake(value, "%s must be a number, it is %s", key, yamldoc.KindOf(value))
		return 0, false
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		p.mistake(value, "%s must be a finite number, it is %s", key, fmt.Sprint(f))
		return 0, false
	}
	return f, true
}
