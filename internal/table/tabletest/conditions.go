package tabletest

import (
	"fmt"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

var conditionCases = []testCase{
	{"conditions, one operation", func(s *suite) { conditions(s, false) }},
	{"conditions, in a transaction", func(s *suite) { conditions(s, true) }},
}

// conditionRows say which conditions hold of which state: absent, live with version 3, expired with version 3.
var conditionRows = []struct {
	name                  string
	If                    table.Condition
	absent, live, expired bool
}{
	{"always", table.Always(), true, true, true},
	{"if absent", table.IfAbsent(), true, false, true},
	{"if version 0", table.IfVersion(0), true, false, true},
	{"if version 3", table.IfVersion(3), false, true, false},
	{"if version 4", table.IfVersion(4), false, false, false},
}

func conditions(s *suite, inTransaction bool) {
	for i, row := range conditionRows {
		for state, holds := range map[string]bool{"absent": row.absent, "live": row.live, "expired": row.expired} {
			for _, kind := range []table.OpKind{table.OpPut, table.OpDelete, table.OpCheck} {
				if kind == table.OpCheck && row.If == table.Always() {
					continue
				}
				k := table.Key{PK: fmt.Sprint("P", i), SK: fmt.Sprint(state, kind)}
				s.sub(fmt.Sprintf("%s/%s/%s", row.name, state, []string{"put", "delete", "check"}[kind]), func(s *suite) {
					condition{s: s, key: k, state: state, kind: kind, If: row.If}.try(holds, inTransaction)
				})
			}
		}
	}
}

// condition is one row with one state and one operation.
type condition struct {
	s     *suite
	key   table.Key
	state string
	kind  table.OpKind
	If    table.Condition
}

func (c condition) before() table.Item {
	it := table.Item{Key: c.key, Version: 3, Body: []byte("before")}
	if c.state == "expired" {
		it.Expires = c.s.clock.Now().Add(-time.Minute)
	}
	return it
}

func (c condition) after() table.Item {
	return table.Item{Key: c.key, Version: 9, Body: []byte("after")}
}

func (c condition) op() table.Op {
	switch c.kind {
	case table.OpPut:
		return table.Put(c.after(), c.If)
	case table.OpDelete:
		return table.Delete(c.key, c.If)
	}
	return table.Check(c.key, c.If)
}

func (c condition) try(holds, inTransaction bool) {
	s := c.s
	s.Helper()
	if c.state != "absent" {
		s.mustPut(c.before())
	}
	ops := []table.Op{c.op()}
	neighbour := item(c.key.PK, c.key.SK+" neighbour")
	if inTransaction {
		ops = append(ops, table.Put(neighbour, table.Always()))
	}
	if holds {
		s.mustWrite(ops...)
	} else {
		s.refused(table.ErrCondition, ops...)
	}
	c.check(holds)
	switch {
	case inTransaction && holds:
		s.has(neighbour)
	case inTransaction:
		s.lacks(neighbour.Key)
	}
}

func (c condition) check(done bool) {
	switch {
	case done && c.kind == table.OpPut:
		c.s.has(c.after())
	case c.state == "live" && (!done || c.kind == table.OpCheck):
		c.s.has(c.before())
	default:
		c.s.lacks(c.key)
	}
}
