package quick

import (
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/source/files/column"
)

// Division is a statement of aggregates as two: of the items that are answered from columns, and of the others.
type Division struct {
	Own, Other string
	IsOwn      []bool // for each item of the whole
	Places     []int  // where it is in its part
}

// Divide divides a statement of which Run understands only some items, so that these need not be answered row by row because
// of the others. It gives [ErrUnsupported] if there are no such items, or the others may mean something else without them.
func Divide(sql string, tables func(name string) (*column.Table, error)) (*Division, error) {
	tokens, err := lex(sql)
	if err != nil {
		return nil, err
	}
	items, from := itemsOf(tokens)
	if len(items) < 2 {
		return nil, ErrUnsupported
	}
	d := &Division{}
	rest := sql[from.at:]
	var own, other []string
	for _, item := range items {
		text := strings.TrimSpace(sql[item[0].at:item[len(item)-1].at]) // the last token is what is behind it
		is, err := understood("SELECT "+text+" "+rest, tables)
		switch {
		case err != nil:
			return nil, err
		case is:
			d.Places, own = append(d.Places, len(own)), append(own, text)
		case isAggregate(item):
			d.Places, other = append(d.Places, len(other)), append(other, text)
		default:
			return nil, ErrUnsupported
		}
		d.IsOwn = append(d.IsOwn, is)
	}
	if own == nil || other == nil {
		return nil, ErrUnsupported
	}
	d.Own, d.Other = "SELECT "+strings.Join(own, ", ")+" "+rest, "SELECT "+strings.Join(other, ", ")+" "+rest
	return d, nil
}

// itemsOf are the tokens of what is selected from a table, each with the token behind it, and FROM; none if it is not so simple.
func itemsOf(tokens []token) (items [][]token, from token) {
	if !tokens[0].is("select") {
		return nil, from
	}
	depth, begin := 0, 1
	for i := 1; i < len(tokens); i++ {
		switch t := tokens[i]; {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case depth > 0:
		case t.is(","), t.is("from"):
			if begin == i {
				return nil, from
			}
			items = append(items, tokens[begin:i+1])
			if begin = i + 1; t.is("from") {
				return items, t
			}
		}
	}
	return nil, from
}

// understood tells whether Run answers a statement of one table.
func understood(sql string, tables func(name string) (*column.Table, error)) (bool, error) {
	q, err := parse(sql)
	if err != nil || q.from != nil || q.join != nil || q.group != nil || q.items == nil {
		return false, nil
	}
	t, err := named(q.table, q.alias, tables)
	if err == ErrUnsupported {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = q.plan(t)
	return err == nil, nil
}

// isAggregate tells whether an item is one call of an aggregate function of one value, which has the same value beside whatever
// else is selected. MIN and MAX of several values are something else.
func isAggregate(item []token) bool {
	item = item[:len(item)-1]
	if len(item) < 4 || item[0].kind != word || !item[1].is("(") {
		return false
	}
	name := strings.ToLower(item[0].text)
	if _, spread := deviations[name]; !spread && !slices.Contains([]string{"count", "sum", "avg", "min", "max"}, name) {
		return false
	}
	depth := 0
	for i, t := range item {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			if depth--; depth == 0 {
				return i == len(item)-1
			}
		case depth == 1 && t.is(","):
			return false
		}
	}
	return false
}
