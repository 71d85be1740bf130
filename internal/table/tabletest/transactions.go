package tabletest

import (
	"fmt"

	"github.com/sodalite-dq/sodalite/internal/table"
)

var transactionCases = []testCase{
	{"transaction of puts, deletes and checks", transactionMixed},
	{"transaction is all or nothing", transactionWhole},
	{"transaction of 100 operations", transactionLargest},
	{"key twice in one write", keyTwice},
	{"write of nothing", writeNothing},
	{"check without condition", checkAlways},
}

func transactionMixed(s *suite) {
	guard, gone, old := item("P", "guard"), item("P", "gone"), item("Q", "old")
	s.mustPut(guard, gone, old)
	next, fresh := item("Q", "old"), item("R", "fresh")
	next.Version, next.Body = 2, []byte("next")
	s.mustWrite(
		table.Check(guard.Key, table.IfVersion(1)), table.Check(table.Key{PK: "P", SK: "none"}, table.IfAbsent()),
		table.Delete(gone.Key, table.IfVersion(1)), table.Put(next, table.IfVersion(1)), table.Put(fresh, table.IfAbsent()),
	)
	s.has(guard)
	s.lacks(gone.Key, table.Key{PK: "P", SK: "none"})
	s.has(next)
	s.has(fresh)
}

func transactionWhole(s *suite) {
	kept, guard := item("P", "kept"), item("P", "guard")
	s.mustPut(kept, guard)
	changed := kept
	changed.Version, changed.Body = 2, []byte("changed")
	others := []table.Op{
		table.Put(changed, table.IfVersion(1)), table.Put(item("P", "new"), table.IfAbsent()), table.Delete(guard.Key, table.Always()),
	}
	fails := []table.Op{
		table.Check(table.Key{PK: "Q", SK: "none"}, table.IfVersion(1)), table.Put(item("Q", "none"), table.IfVersion(4)),
		table.Delete(table.Key{PK: "Q", SK: "none"}, table.IfVersion(2)),
	}
	for i, fail := range fails {
		for at := range len(others) + 1 { // the one that fails may be first, last, or between
			ops := append(append(append([]table.Op(nil), others[:at]...), fail), others[at:]...)
			s.refused(table.ErrCondition, ops...)
			s.has(kept)
			s.has(guard)
			s.lacks(table.Key{PK: "P", SK: "new"}, table.Key{PK: "Q", SK: "none"})
			if s.Failed() {
				s.Fatalf("with failing operation %d at place %d", i, at)
			}
		}
	}
}

func transactionLargest(s *suite) {
	ops := make([]table.Op, table.MaxWriteOps)
	for i := range ops {
		it := item(fmt.Sprint("P", i%7), fmt.Sprint("S", i))
		it.Body = make([]byte, 30<<10)
		ops[i] = table.Put(it, table.IfAbsent())
	}
	s.mustWrite(ops...)
	for i := range ops {
		s.has(ops[i].Item)
	}
	s.refused(table.ErrCondition, ops...)
	s.refused(table.ErrTooLarge, append(ops, table.Put(item("P", "one more"), table.Always()))...)
	s.lacks(table.Key{PK: "P", SK: "one more"})
}

func keyTwice(s *suite) {
	it := item("P", "S")
	s.refused(table.ErrInvalid, table.Put(it, table.Always()), table.Put(it, table.Always()))
	s.refused(table.ErrInvalid, table.Put(it, table.Always()), table.Delete(it.Key, table.Always()))
	s.refused(table.ErrInvalid, table.Put(item("P", "T"), table.Always()), table.Put(it, table.Always()), table.Check(it.Key, table.IfAbsent()))
	s.lacks(it.Key, table.Key{PK: "P", SK: "T"})
	s.mustWrite(table.Put(it, table.Always()), table.Put(item("S", "P"), table.Always()), table.Put(item("P", "T"), table.Always()))
}

func writeNothing(s *suite) { s.refused(table.ErrInvalid) }

func checkAlways(s *suite) {
	it := item("P", "S")
	s.refused(table.ErrInvalid, table.Check(it.Key, table.Always()))
	s.refused(table.ErrInvalid, table.Put(it, table.Always()), table.Check(table.Key{PK: "P", SK: "T"}, table.Always()))
	s.lacks(it.Key)
	s.refused(table.ErrCondition, table.Check(it.Key, table.IfVersion(1)))
	s.mustWrite(table.Check(it.Key, table.IfAbsent()))
	s.lacks(it.Key)
}
