package contract

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

// Review reads a contract that is kept, to be run later and elsewhere. Its variables need no values yet, and the environment
// is that of whoever runs it. What this engine does not know, newer clients and extensions may: it is only a warning, and so
// is what else is wrong beside it. Of a text that is not YAML the dataset is still told if one of its lines names it.
func Review(f sodacl.File) *Contract {
	c, open := review(f, int64(1))
	if !open {
		return c
	}
	other, _ := review(f, "x") // a variable without a value may be a number or a text: wrong is what is wrong either way
	c.Mistakes = slices.DeleteFunc(c.Mistakes, func(m sodacl.Mistake) bool { return !slices.Contains(other.Mistakes, m) })
	if c.Dataset.QualifiedName() != other.Dataset.QualifiedName() {
		at := sodacl.Position{File: f.Name}
		c.Mistakes = append(c.Mistakes, sodacl.Mistake{Position: at, Message: "which dataset the contract is about depends on a variable without a default; give it one"})
		c.Dataset = dq.DatasetRef{}
	}
	return c
}

// review reads a contract with a value for the variables that have none, and tells whether it was needed.
func review(f sodacl.File, blank any) (c *Contract, open bool) {
	p := &parser{Contract: &Contract{File: f.Name}, paths: map[string]sodacl.Position{}, review: true, blank: blank}
	p.in.Env = func(string) (string, bool) { return "x", true }
	p.parse(f.Text)
	p.sort()
	return p.Contract, p.open
}

// foreign is something that this engine cannot run, and that other clients may.
func (p *parser) foreign(n *yaml.Node, format string, args ...any) {
	if p.review {
		p.warning(n, format, args...)
	} else {
		p.mistake(n, format, args...)
	}
}

// lenient reads a part of a contract. In a review, mistakes beside keys that are not known are warnings: the keys may be of a
// newer version, in which nothing is wrong.
func (p *parser) lenient(read func()) {
	first, unknown := len(p.Mistakes), p.unknown
	read()
	if !p.review || p.unknown == unknown {
		return
	}
	for i := range p.Mistakes[first:] {
		p.Mistakes[first+i].Warning = true
	}
}

// lineOfDataset finds the dataset of a text that is not YAML as a whole.
func lineOfDataset(text []byte) dq.DatasetRef {
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "dataset:"); ok {
			ref, _ := dq.ParseQualifiedName(strings.Trim(strings.TrimSpace(value), `"'`)) // none: the zero dataset
			return ref
		}
	}
	return dq.DatasetRef{}
}

// foreignKind tells of a file of another kind than a contract, which has keys of its own.
func (p *parser) foreignKind(root *yaml.Node) bool {
	kind := yamldoc.Member(root, "kind")
	if kind == nil || kind.Value == "contract" {
		return false
	}
	p.foreign(kind, "the kind %s cannot be run here, only contract can", yamldoc.KindOf(kind))
	return p.review
}
