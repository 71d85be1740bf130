package quick

import (
	"strconv"
	"strings"
)

// query is a statement: what is selected from a table, or from the answer to another query.
type query struct {
	items []item // none for *
	table string
	alias string
	from  *query
	join  *join
	where expr
	group []string
}

// join is another table, of which rows are put to those that they equal in columns. Rows that none equals stay.
type join struct {
	table, alias string
	on           []operation
}

type item struct {
	x    expr
	name string
}

// expr is one of the types below.
type expr any

type (
	literal   struct{ value any }          // nil, int64, float64, string, bool
	columnx   struct{ table, name string } // table is its alias, if written
	not       struct{ x expr }
	minus     struct{ x expr }
	operation struct {
		op   string
		l, r expr
	}
	isNull struct {
		x  expr
		no bool
	}
	in struct {
		x    expr
		list []any
		no   bool
	}
	choose struct {
		conditions, results []expr
		otherwise           expr
	}
	call struct {
		name     string
		args     []expr
		star     bool
		distinct bool
	}
)

// parser reads tokens. It panics with ErrUnsupported at what it does not know; parse recovers.
type parser struct {
	tokens []token
	at     int
	depth  int
	ctes   map[string]*query
}

// maxDepth is how deep expressions may be nested.
const maxDepth = 200

// attempt calls f, and gives the error with which it gave up.
func attempt(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(error)
			if !ok || e != ErrUnsupported {
				panic(r)
			}
			err = e
		}
	}()
	f()
	return nil
}

func unsupported() { panic(ErrUnsupported) }

func parse(sql string) (q *query, err error) {
	tokens, err := lex(sql)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, ctes: map[string]*query{}}
	err = attempt(func() {
		q = p.query()
		if p.peek().kind != end {
			unsupported()
		}
	})
	return q, err
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != end {
		p.at++
	}
	return t
}

// take consumes a keyword or sign if it is next.
func (p *parser) take(s string) bool {
	if p.peek().is(s) {
		p.at++
		return true
	}
	return false
}

func (p *parser) must(s string) {
	if !p.take(s) {
		unsupported()
	}
}

// reserved words are no names unless quoted.
var reserved = map[string]bool{
	"select": true, "from": true, "where": true, "group": true, "by": true, "having": true, "order": true, "limit": true, "as": true, "and": true, "or": true,
	"not": true, "in": true, "is": true, "null": true, "case": true, "when": true, "then": true, "else": true, "end": true, "between": true, "like": true,
	"regexp": true, "distinct": true, "union": true, "join": true, "left": true, "on": true, "over": true, "filter": true, "escape": true, "collate": true,
	"cast": true, "exists": true, "with": true, "inner": true, "cross": true, "natural": true, "except": true, "intersect": true, "offset": true, "glob": true,
	"match": true, "window": true, "values": true, "isnull": true, "notnull": true, "current_date": true, "current_time": true, "current_timestamp": true,
}

func (p *parser) name() string {
	t := p.next()
	if t.kind != quotedWord && (t.kind != word || reserved[strings.ToLower(t.text)]) {
		unsupported()
	}
	return t.text
}

func (p *parser) query() *query {
	if p.take("with") {
		for {
			name := p.name()
			p.must("as")
			p.must("(")
			q := p.query()
			p.must(")")
			p.ctes[strings.ToLower(name)] = q
			if !p.take(",") {
				break
			}
		}
	}
	p.must("select")
	q := &query{}
	for all := p.take("*"); !all; {
		i := item{x: p.or()}
		if p.take("as") {
			i.name = p.name()
		}
		q.items = append(q.items, i)
		if !p.take(",") {
			break
		}
	}
	p.must("from")
	if p.take("(") {
		q.from = p.query()
		p.must(")")
	} else {
		q.table = p.name()
		q.from = p.ctes[strings.ToLower(q.table)]
	}
	q.alias = p.alias(q.table)
	if p.take("left") {
		p.must("join")
		q.join = p.join()
	}
	if p.take("where") {
		q.where = p.or()
	}
	if p.take("group") {
		p.must("by")
		for {
			q.group = append(q.group, p.name())
			if !p.take(",") {
				break
			}
		}
	}
	return q
}

// alias is the name that a table gets in a statement.
func (p *parser) alias(table string) string {
	if p.take("as") || p.peek().kind == quotedWord || p.peek().kind == word && !reserved[strings.ToLower(p.peek().text)] {
		return p.name()
	}
	return table
}

func (p *parser) join() *join {
	j := &join{table: p.name()}
	j.alias = p.alias(j.table)
	p.must("on")
	for {
		equal, ok := p.comparison().(operation)
		if !ok || equal.op != "=" {
			unsupported()
		}
		j.on = append(j.on, equal)
		if !p.take("and") {
			return j
		}
	}
}

func (p *parser) or() expr {
	if p.depth++; p.depth > maxDepth {
		unsupported()
	}
	defer func() { p.depth-- }()
	l := p.and()
	for p.take("or") {
		l = operation{"or", l, p.and()}
	}
	return l
}

func (p *parser) and() expr {
	l := p.negation()
	for p.take("and") {
		l = operation{"and", l, p.negation()}
	}
	return l
}

func (p *parser) negation() expr {
	negative := false
	for p.take("not") {
		negative = !negative
	}
	if negative {
		return not{p.comparison()}
	}
	return p.comparison()
}

var comparisons = map[string]string{"=": "=", "==": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

func (p *parser) comparison() expr {
	l := p.sum()
	for {
		switch {
		case p.take("is"):
			no := p.take("not")
			p.must("null")
			l = isNull{l, no}
		case p.peek().is("not") || p.peek().is("in") || p.peek().is("between") || p.peek().is("like") || p.peek().is("regexp"):
			l = p.membership(l)
		default:
			op, ok := comparisons[p.peek().text]
			if !ok || p.peek().kind != sign {
				return l
			}
			p.next()
			l = operation{op, l, p.sum()}
			if _, chained := comparisons[p.peek().text]; chained && p.peek().kind == sign {
				unsupported() // 1 < x < 3 means something else to each database
			}
		}
	}
}

// membership reads IN, BETWEEN, LIKE and REGEXP, perhaps after NOT.
func (p *parser) membership(l expr) expr {
	no := p.take("not")
	var x expr
	switch {
	case p.take("in"):
		p.must("(")
		list := in{x: l, no: no}
		for {
			list.list = append(list.list, p.constant())
			if !p.take(",") {
				break
			}
		}
		p.must(")")
		return list
	case p.take("between"):
		low := p.sum()
		p.must("and")
		x = operation{"and", operation{">=", l, low}, operation{"<=", l, p.sum()}}
	case p.take("like"):
		x = operation{"like", l, p.sum()}
		if p.peek().is("escape") {
			unsupported()
		}
	case p.take("regexp"):
		x = operation{"regexp", l, p.sum()}
	default:
		unsupported()
	}
	if no {
		return not{x}
	}
	return x
}

// constant is a value of a list.
func (p *parser) constant() any {
	switch x := p.sum().(type) {
	case literal:
		return x.value
	case minus:
		if l, ok := x.x.(literal); ok {
			switch v := l.value.(type) {
			case int64:
				return -v
			case float64:
				return -v
			}
		}
	}
	unsupported()
	return nil
}

func (p *parser) sum() expr {
	l := p.product()
	for {
		switch {
		case p.take("+"):
			l = operation{"+", l, p.product()}
		case p.take("-"):
			l = operation{"-", l, p.product()}
		default:
			return l
		}
	}
}

func (p *parser) product() expr {
	l := p.factor()
	for {
		switch {
		case p.take("*"):
			l = operation{"*", l, p.factor()}
		case p.take("/"):
			l = operation{"/", l, p.factor()}
		default:
			return l
		}
	}
}

func (p *parser) factor() expr {
	switch t := p.peek(); {
	case p.take("-"):
		if p.peek().is("-") {
			unsupported()
		}
		return minus{p.factor()}
	case p.take("("):
		x := p.or()
		p.must(")")
		return x
	case t.kind == number:
		p.next()
		if n, err := strconv.ParseInt(t.text, 10, 64); err == nil {
			return literal{n}
		}
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			unsupported()
		}
		return literal{f}
	case t.kind == text:
		p.next()
		return literal{t.text}
	case p.take("case"):
		return p.choice()
	case p.take("null"):
		return literal{}
	case t.is("true"), t.is("false"):
		p.next()
		return literal{t.is("true")}
	}
	name := p.name()
	if p.take("(") {
		return p.call(name)
	}
	if p.take(".") {
		return columnx{name, p.name()}
	}
	return columnx{name: name}
}

func (p *parser) choice() expr {
	c := choose{}
	for p.take("when") {
		c.conditions = append(c.conditions, p.or())
		p.must("then")
		c.results = append(c.results, p.or())
	}
	if p.take("else") {
		c.otherwise = p.or()
	}
	p.must("end")
	if len(c.conditions) == 0 {
		unsupported()
	}
	return c
}

func (p *parser) call(name string) expr {
	c := call{name: strings.ToLower(name)}
	if p.take("*") {
		c.star = true
		p.must(")")
		return c
	}
	c.distinct = p.take("distinct")
	for {
		c.args = append(c.args, p.or())
		if !p.take(",") {
			break
		}
	}
	p.must(")")
	if p.peek().is("over") || p.peek().is("filter") {
		unsupported()
	}
	return c
}
