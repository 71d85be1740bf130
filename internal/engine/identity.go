package engine

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/blake2b"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// Identities are Soda Core's own (BLAKE2b of 4 bytes over the parts), so that a check keeps its history when it moves from
// the reference client to this engine. Those of checks differ where YAML is written in a way that the two libraries print
// differently; docs/sodacl.md says where.

func hash(parts ...string) string {
	h, err := blake2b.New(4, nil)
	if err != nil {
		panic(err) // the size is a constant
	}
	for _, p := range parts {
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// identity is the key of a metric's history: metric-<definition>-<source>-<table>[-<partition>][-<column>]-<name>[-<hash>].
func (r *run) identity(c *planned, column, name string, parts ...string) string {
	words := []string{"metric"}
	for _, word := range []string{r.Definition, c.source.Name, c.table, c.partition.Name, column, name} {
		if word != "" {
			words = append(words, word)
		}
	}
	if len(parts) > 0 && strings.Join(parts, "") != "" {
		words = append(words, hash(parts...))
	}
	return strings.Join(words, "-")
}

// placeless is the identity of a metric of the whole data source.
func (r *run) placeless(c *planned, name, part string) string {
	return r.identity(&planned{source: c.source, partition: &sodacl.Partition{}}, "", name, part)
}

// parts are what tells two metrics of one name and column apart: further arguments, filter, validity.
func (r *run) parts(c *planned) []string {
	var parts []string
	for _, arg := range c.Args[min(1, len(c.Args)):] {
		if n, err := strconv.ParseFloat(arg, 64); err == nil {
			arg = pythonFloat(n)
		}
		parts = append(parts, arg)
	}
	if c.Filter != "" {
		parts = append(parts, c.Filter)
	}
	v := c.Validity
	if c.Column() != "" {
		v = c.validity(r)
	}
	list := func(name string, values []sodacl.Literal) {
		if values != nil {
			parts = append(parts, name)
			for _, l := range values {
				parts = append(parts, l.Text)
			}
		}
	}
	word := func(name string, value *string) {
		if value != nil {
			parts = append(parts, name, *value)
		}
	}
	whole := func(name string, value *int) {
		if value != nil {
			parts = append(parts, name, strconv.Itoa(*value))
		}
	}
	float := func(name string, value *float64) {
		if value != nil {
			parts = append(parts, name, pythonFloat(*value))
		}
	}
	list("missing_values", v.MissingValues)
	word("missing_format", v.MissingFormat)
	word("missing_regex", v.MissingRegex)
	list("valid_values", v.ValidValues)
	word("valid_format", v.ValidFormat)
	word("valid_regex", v.ValidRegex)
	whole("valid_length", v.ValidLength)
	whole("valid_min_length", v.ValidMinLength)
	whole("valid_max_length", v.ValidMaxLength)
	float("valid_min", v.ValidMin)
	float("valid_max", v.ValidMax)
	if v.IncludeNull {
		parts = append(parts, "include_null", "True")
	}
	return parts
}

// section is the heading that the check is under, which for a "for each" section tells the dataset too.
func (c *planned) section() string {
	if alias, ok := strings.CutPrefix(c.Header, "checks for "); ok && c.table != "" && alias != c.table && !strings.HasPrefix(alias, c.table+" ") {
		return "checks for " + alias + " being " + c.table
	}
	return c.Header
}

// identities gives the check's identity, and others that the same check may have had.
func identities(c *planned) (string, []string) {
	parts := []string{c.section(), c.Line}
	if text := c.IdentityText(); text != "" {
		parts = append(parts, text)
	}
	v1 := hash(parts...)
	v2 := hash(append(slices.Clone(parts), c.source.Name)...)
	v3 := hash(append(slices.Clone(parts), c.source.Name, filepath.Base(c.At.File))...)
	if c.Identity != "" {
		return c.Identity, []string{v3, v2, v1}
	}
	return v3, []string{v2, v1}
}

// attribute resolves an attribute as it is reported: numbers are texts, days are midnights.
func attribute(a sodacl.Attribute, vars sodacl.Variables) dq.Attribute {
	resolve := func(s string) string {
		if resolved, err := vars.Resolve(s); err == nil {
			return resolved
		}
		return s
	}
	var value any
	switch v := a.Value.(type) {
	case string:
		value = resolve(v)
	case int64, float64:
		value = fmt.Sprint(v)
	case time.Time:
		value = v.Format("2006-01-02T15:04:05-07:00")
	default:
		value = v
	}
	body, err := json.Marshal(value)
	if err != nil {
		body = nil
	}
	return dq.Attribute{Name: resolve(a.Name), Value: body}
}
