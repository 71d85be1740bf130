package tabletest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/table"
)

var limitCases = []testCase{
	{"largest item", largestItem},
	{"largest keys", largestKeys},
	{"largest write", largestWrite},
	{"index key by halves", halfIndexKey},
	{"index key too long", longIndexKey},
	{"text that is not UTF-8", notText},
}

// sized is an item of so many bytes, names and values, which do not compress.
func sized(pk, sk string, size int) table.Item {
	it := table.Item{Key: table.Key{PK: pk, SK: sk}, Entity: "big", Version: 1, Body: []byte{0}}
	it.Body = make([]byte, size-it.Size()+1)
	rand.NewChaCha8([32]byte{1}).Read(it.Body)
	return it
}

func largestItem(s *suite) {
	fits, over := sized("P", "fits", table.MaxItemSize), sized("P", "over", table.MaxItemSize+1)
	s.mustPut(fits)
	s.has(fits)
	s.refused(table.ErrTooLarge, table.Put(over, table.Always()))
	s.refused(table.ErrTooLarge, table.Put(item("P", "small"), table.Always()), table.Put(over, table.Always()))
	s.lacks(over.Key, table.Key{PK: "P", SK: "small"})
	head := item("P", "head")
	head.Head, head.Body = []byte(`"`+strings.Repeat("h", table.MaxItemSize)+`"`), nil
	s.refused(table.ErrTooLarge, table.Put(head, table.Always()))
	s.lacks(head.Key)
}

func largestKeys(s *suite) {
	it := item(strings.Repeat("p", table.MaxKeyPart), strings.Repeat("s", table.MaxKeyPart))
	it.IndexPK, it.IndexSK = strings.Repeat("i", table.MaxKeyPart), strings.Repeat("j", table.MaxKeyPart)
	s.mustPut(it)
	s.has(it)
}

func largestWrite(s *suite) {
	const each = table.MaxWriteSize / 16
	var ops []table.Op
	for i := range 16 {
		ops = append(ops, table.Put(sized("P", fmt.Sprintf("S%02d", i), each), table.Always()))
	}
	one := ops[15]
	ops[15] = table.Put(sized("P", "S15", each+1), table.Always())
	s.refused(table.ErrTooLarge, ops...)
	for i := range ops {
		s.lacks(ops[i].Item.Key)
	}
	ops[15] = one
	s.mustWrite(ops...)
	for i := range ops {
		s.has(ops[i].Item)
	}
}

func halfIndexKey(s *suite) {
	first, second := item("P", "S"), item("P", "T")
	first.IndexPK, second.IndexSK = "I", "J"
	s.refused(table.ErrInvalid, table.Put(first, table.Always()))
	s.refused(table.ErrInvalid, table.Put(item("P", "fine"), table.Always()), table.Put(second, table.Always()))
	s.lacks(first.Key, second.Key, table.Key{PK: "P", SK: "fine"})
}

func longIndexKey(s *suite) {
	long := strings.Repeat("i", table.MaxKeyPart+1)
	first, second := item("P", "S"), item("P", "T")
	first.IndexPK, first.IndexSK = long, "J"
	second.IndexPK, second.IndexSK = "I", long
	s.refused(table.ErrTooLarge, table.Put(first, table.Always()))
	s.refused(table.ErrTooLarge, table.Put(second, table.Always()))
	s.lacks(first.Key, second.Key)
}

func notText(s *suite) {
	rows := []func(*table.Item){
		func(it *table.Item) { it.Entity = "\xff" },
		func(it *table.Item) { it.Head = []byte{'"', 0xc3, '"'} },
		func(it *table.Item) { it.IndexPK, it.IndexSK = "\xff", "J" },
		func(it *table.Item) { it.IndexPK, it.IndexSK = "I", "\xed\xa0\x80" },
	}
	for _, spoil := range rows {
		it := item("P", "S")
		spoil(&it)
		s.refused(table.ErrInvalid, table.Put(it, table.Always()))
		s.lacks(it.Key)
	}
}
