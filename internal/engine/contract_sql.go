package engine

import (
	"strconv"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/contract"
	"github.com/sodalite-dq/sodalite/internal/dq"
)

// Names and values of contracts are data, unlike those of SodaCL, which are SQL: they are quoted here, whatever they hold.

// name quotes an identifier.
func (d *Dialect) name(name string) string {
	return d.Quote + strings.ReplaceAll(name, d.Quote, d.Quote+d.Quote) + d.Quote
}

// path quotes a dataset with its containers.
func (d *Dialect) path(ref dq.DatasetRef) string {
	parts := make([]string, 0, len(ref.Prefix)+1)
	for _, part := range ref.Prefix {
		parts = append(parts, d.name(part))
	}
	return strings.Join(append(parts, d.name(ref.Name)), ".")
}

// text quotes a text.
func (d *Dialect) text(s string) string {
	if d.EscapeRegex { // the database reads backslashes in texts
		s = strings.ReplaceAll(s, `\`, `\\`)
	}
	return Text(s)
}

// literal is a value of a list. Days and times are texts, which all databases compare with such columns.
func (d *Dialect) literal(l contract.Literal) string {
	switch l.Kind {
	case contract.Null:
		return "NULL"
	case contract.Number:
		return l.Text
	case contract.Bool:
		return strings.ToUpper(l.Text)
	}
	return d.text(l.Text)
}

// oneOf is the condition that x is one of the values, NULL apart; "" if there are none.
func (d *Dialect) oneOf(x string, values []contract.Literal) string {
	var list []string
	for _, v := range values {
		if v.Kind != contract.Null {
			list = append(list, d.literal(v))
		}
	}
	if len(list) == 0 {
		return ""
	}
	return x + " IN (" + strings.Join(list, ", ") + ")"
}

// isMissing is the condition that x is missing.
func (d *Dialect) isMissing(x string, v contract.Values) string {
	parts := []string{x + " IS NULL"}
	if in := d.oneOf(x, v.Missing); in != "" {
		parts = append(parts, in)
	}
	if v.MissingFormat != "" {
		parts = append(parts, d.Regex(x, d.text(v.MissingFormat)))
	}
	return strings.Join(parts, " OR ")
}

// isInvalid is the condition that x breaks a rule, "" if there is none. What is in a reference is not looked at.
func (d *Dialect) isInvalid(x string, v contract.Values) string {
	var parts []string
	add := func(part string) { parts = append(parts, part) }
	if v.Valid != nil {
		if in := d.oneOf(x, v.Valid); in != "" {
			add("NOT (" + in + ")")
		} else {
			add("1 = 1") // nothing is valid
		}
	}
	if in := d.oneOf(x, v.Invalid); in != "" {
		add(in)
	} else if v.Invalid != nil {
		add("1 = 0")
	}
	if v.ValidFormat != "" {
		add("NOT (" + d.Regex(x, d.text(v.ValidFormat)) + ")")
	}
	if v.InvalidFormat != "" {
		add(d.Regex(x, d.text(v.InvalidFormat)))
	}
	if v.Min != nil {
		add(x + " < " + d.literal(*v.Min))
	}
	if v.Max != nil {
		add(x + " > " + d.literal(*v.Max))
	}
	for _, length := range []struct {
		op string
		n  *int64
	}{{"<>", v.Length}, {"<", v.MinLength}, {">", v.MaxLength}} {
		if length.n != nil {
			add("LENGTH(" + x + ") " + length.op + " " + strconv.FormatInt(*length.n, 10))
		}
	}
	return strings.Join(parts, " OR ")
}

// both joins a filter, which may be empty, and a condition.
func both(filter, condition string) string {
	if filter == "" {
		return condition
	}
	return "(" + filter + ") AND (" + condition + ")"
}
