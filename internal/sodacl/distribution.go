package sodacl

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/distribution"
	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

// DistributionOf is what a check of distribution compares a column with.
type DistributionOf struct {
	distribution.Reference
	// Method is one of those of the reference.
	Method string
	// Sample is an SQL clause behind the table's name, "" for none.
	Sample string
	text   string // of the file with the reference, which is named in the check
	file   string
	at     *yaml.Node
}

func (p *parser) distributionKey(c *Check, key, value *yaml.Node) (known, keep bool) {
	if c.Distribution == nil {
		c.Distribution = &DistributionOf{}
	}
	d := c.Distribution
	switch key.Value {
	case "distribution reference file":
		d.file, d.at = value.Value, value
		var ok bool
		if d.text, ok = p.readFile(value); !ok {
			c.Problem = "the file with its reference distribution cannot be read"
		}
	case "method":
		s, ok := p.text(key, value)
		d.Method = strings.TrimSpace(s)
		return true, ok
	case "sample":
		s, ok := p.text(key, value)
		d.Sample = strings.TrimSpace(s)
		return true, ok
	default:
		return false, true
	}
	return true, true
}

// completeDistribution reads the reference that the check names. What is wrong with it is the check's problem.
func (p *parser) completeDistribution(c *Check, line *yaml.Node) {
	if c.Pass == nil && c.Warn == nil && c.Fail == nil {
		p.mistake(line, "the check %q has no threshold, so it cannot pass or fail; write for instance \"%s > 0.05\"", clip(c.Line), c.Line)
	}
	d := c.Distribution
	switch {
	case c.Problem != "":
		return // told already
	case d == nil || d.at == nil:
		c.Problem = "it needs a \"distribution reference file\" below it, with the distribution to compare with"
		d = &DistributionOf{at: line}
	case len(c.Args) == 0:
		c.Problem = "it needs a column: distribution_difference(COLUMN)"
	default:
		c.Problem = d.read(c.Args)
	}
	if c.Problem != "" {
		p.mistake(d.at, "the check %q cannot be evaluated: %s", clip(c.Line), c.Problem)
	}
}

// read reads the reference from its file, and gives what is wrong with it.
func (d *DistributionOf) read(args []string) (problem string) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(d.text), &doc); err != nil {
		return "the file " + d.file + " is not valid YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return "the file " + d.file + " must be a mapping with distribution_type and distribution_reference"
	}
	object := doc.Content[0]
	names, isNamed := namedObjects(object)
	if len(args) > 1 {
		if object = yamldoc.Member(object, args[1]); object == nil {
			return "the file " + d.file + " has no distribution named " + strconv.Quote(args[1]) + "; it has " + strings.Join(names, ", ")
		}
	} else if isNamed {
		return "the file " + d.file + " has several distributions; name one: distribution_difference(" + args[0] + ", " + names[0] + ")"
	}
	if problem := d.fill(object); problem != "" {
		return d.file + ": " + problem
	}
	if d.Method == "" {
		d.Method = d.Methods()[0]
	}
	if !slices.Contains(d.Methods(), d.Method) {
		return "the method " + strconv.Quote(d.Method) + " does not fit its distribution_type; use " + strings.Join(d.Methods(), ", ")
	}
	return ""
}

func (d *DistributionOf) fill(object *yaml.Node) (problem string) {
	switch kind := yamldoc.Member(object, "distribution_type"); {
	case kind == nil:
		return "distribution_type is missing; write continuous or categorical"
	case kind.Value == "continuous":
		d.Continuous = true
	case kind.Value != "categorical":
		return "distribution_type is " + strconv.Quote(yamldoc.Clip(kind.Value)) + "; write continuous or categorical"
	}
	reference := yamldoc.Member(object, "distribution_reference")
	if reference == nil {
		reference = yamldoc.Member(object, "distribution reference")
	}
	if reference == nil {
		return "distribution_reference with bins and weights is missing; soda update-dro writes it"
	}
	weights, ok := numbers(yamldoc.Member(reference, "weights"))
	if !ok {
		return "weights must be a list of numbers"
	}
	d.Weights = weights
	bins := yamldoc.Member(reference, "bins")
	if d.Continuous {
		if d.Bins, ok = numbers(bins); !ok {
			return "bins must be a list of numbers"
		}
	} else if bins != nil {
		for _, n := range bins.Content {
			d.Labels = append(d.Labels, labelOf(yamldoc.Follow(n)))
		}
	}
	if err := d.Check(); err != nil {
		return err.Error()
	}
	return ""
}

// labelOf is a value as [Label] writes it.
func labelOf(n *yaml.Node) string {
	switch n.Tag {
	case "!!null":
		return Label(nil)
	case "!!int", "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return Label(f)
		}
	}
	return n.Value
}

// Label is a value as a text, alike for values that are equal: nil, bool, int64, float64 or string.
func Label(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		if v == float64(int64(v)) {
			return strconv.FormatInt(int64(v), 10)
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		return v
	}
	return ""
}

// namedObjects lists the names in a mapping, and tells whether all its values are mappings.
func namedObjects(object *yaml.Node) (names []string, all bool) {
	all = len(object.Content) > 0
	for key, value := range yamldoc.Entries(object) {
		names = append(names, key.Value)
		all = all && value.Kind == yaml.MappingNode
	}
	return names, all
}

func numbers(list *yaml.Node) (out []float64, ok bool) {
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil, false
	}
	for _, n := range list.Content {
		f, err := strconv.ParseFloat(yamldoc.Follow(n).Value, 64)
		if err != nil {
			return nil, false
		}
		out = append(out, f)
	}
	return out, true
}
