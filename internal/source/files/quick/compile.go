package quick

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/source/files/column"
)

// scope is the table of a query, by the name that it has there, and the columns that the query needs.
type scope struct {
	*column.Table
	alias  string
	needed []int
}

// column gives the place of a column among those needed.
func (s *scope) column(at int) int {
	i := slices.Index(s.needed, at)
	if i < 0 {
		i = len(s.needed)
		s.needed = append(s.needed, at)
	}
	return i
}

// find gives the place of a column in the table.
func (s *scope) find(x columnx) int {
	i := slices.IndexFunc(s.Columns, func(c column.Column) bool { return strings.EqualFold(c.Name, x.name) })
	if i < 0 || x.table != "" && !strings.EqualFold(x.table, s.alias) {
		unsupported()
	}
	return i
}

// compile makes an expression over the columns of a table ready. It panics with ErrUnsupported.
func compile(x expr, t *scope) *node {
	switch x := x.(type) {
	case literal:
		return constantNode(x.value)
	case columnx:
		i := t.find(x)
		return columnNode(t.column(i), t.Columns[i].Type)
	case not:
		return negated(compile(x.x, t))
	case minus:
		if l, ok := x.x.(literal); ok {
			switch v := l.value.(type) {
			case int64:
				return constantNode(-v)
			case float64:
				return constantNode(-v)
			}
		}
	case isNull:
		return nullTest(compile(x.x, t), x.no)
	case in:
		return among(compile(x.x, t), x.list, x.no)
	case operation:
		return compileBinary(x, t)
	case choose:
		return compileChoice(x, t)
	case call:
		if x.name == "length" && len(x.args) == 1 && !x.distinct {
			return length(compile(x.args[0], t))
		}
	}
	unsupported()
	return nil
}

func compileBinary(x operation, t *scope) *node {
	l, r := compile(x.l, t), compile(x.r, t)
	switch x.op {
	case "and", "or":
		return both(l, r, x.op == "or")
	case "+", "-", "*":
		return arithmetic(x.op, l, r)
	case "like", "regexp":
		pattern, ok := r.constant.(string)
		if !ok {
			unsupported()
		}
		if x.op == "like" {
			pattern = likePattern(pattern)
		}
		p, err := newPattern(pattern)
		if err != nil {
			unsupported()
		}
		return matching(l, p)
	case "/":
		unsupported()
	}
	return comparison(x.op, l, r)
}

// likePattern is a pattern of LIKE as a regular expression.
func likePattern(pattern string) string {
	return `(?s)\A` + strings.NewReplacer("%", ".*", "_", ".").Replace(regexp.QuoteMeta(pattern)) + `\z`
}

func compileChoice(x choose, t *scope) *node {
	var conditions, results []*node
	for i := range x.conditions {
		conditions, results = append(conditions, asBools(compile(x.conditions[i], t))), append(results, asInts(compile(x.results[i], t)))
	}
	var otherwise *node
	if l, ok := x.otherwise.(literal); x.otherwise != nil && (!ok || l.value != nil) {
		otherwise = asInts(compile(x.otherwise, t))
	}
	return chosen(conditions, results, otherwise)
}
