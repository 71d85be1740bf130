package tabletest

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

var itemCases = []testCase{
	{"get of nothing", getNothing},
	{"put and get whole", putWhole},
	{"put replaces whole", putReplaces},
	{"empty head and body are none", emptyIsNone},
	{"keys of any text", anyKey},
	{"keys that are none", badKeys},
	{"versions of any size", anyVersion},
	{"bytes are copied", bytesCopied},
	{"delete", deleteItem},
	{"context done", contextDone},
}

func getNothing(s *suite) {
	s.lacks(table.Key{PK: "P", SK: "S"})
	s.mustPut(item("P", "S"))
	s.lacks(table.Key{PK: "P", SK: "s"}, table.Key{PK: "p", SK: "S"}, table.Key{PK: "S", SK: "P"}, table.Key{PK: "P", SK: "S "})
}

func wholeItem(s *suite) table.Item {
	var all [256]byte
	for i := range all {
		all[i] = byte(i)
	}
	return table.Item{
		Key: table.Key{PK: "P", SK: "S"}, Entity: "whole", Version: 7, Expires: s.clock.Now().Add(time.Hour),
		IndexPK: "I", IndexSK: "J", Head: []byte(`{"a":"é \" \\ 😀"}`), Body: append(all[:], all[:]...),
	}
}

func putWhole(s *suite) {
	it := wholeItem(s)
	s.mustPut(it)
	s.has(it)
	bare := table.Item{Key: table.Key{PK: "P", SK: "bare"}}
	s.mustPut(bare)
	s.has(bare)
}

func putReplaces(s *suite) {
	it := wholeItem(s)
	s.mustPut(it)
	next := table.Item{Key: it.Key, Entity: "other", Version: 8}
	s.mustPut(next)
	s.has(next)
	s.mustPut(it)
	s.has(it)
	s.mustPut(it) // an equal one
	s.has(it)
}

func emptyIsNone(s *suite) {
	it := table.Item{Key: table.Key{PK: "P", SK: "S"}, Head: []byte{}, Body: []byte{}}
	s.mustPut(it)
	s.has(it)
	got, err := s.BatchGet(s.Context(), []table.Key{it.Key})
	if err != nil || len(got) != 1 || got[0].Head != nil || got[0].Body != nil {
		s.Errorf("batch get: got %+v, %v, want nil head and body", got, err)
	}
	page, err := s.Query(s.Context(), table.Range{PK: "P"})
	if err != nil || len(page.Items) != 1 || page.Items[0].Head != nil || page.Items[0].Body != nil {
		s.Errorf("query: got %+v, %v, want nil head and body", page, err)
	}
}

// oddTexts are hard on quoting, collation, and encodings.
var oddTexts = []string{
	" ", "a'b\"c`d", "100%", "a_b", "line\nbreak\ttab", "nul\x00inside", "\x00", "#", "a#b", "a/b?c=d&e", "é", "e\u0301", "ß", "İ", "日本語", "😀",
	"\u007f", "\u0080", "\u07ff", "\uff5e", "\U00010000", "\U0010ffff", "null", "0", "00", "-1", "1e3", "$x", ":x", "{}", "?1", "A", "a",
}

func anyKey(s *suite) {
	for _, text := range oddTexts {
		a, b := item(text, "S"), item("P", text)
		a.Body, b.Body = []byte("partition "+text), []byte("sort "+text)
		s.mustPut(a, b)
	}
	for _, text := range oddTexts {
		a, b := item(text, "S"), item("P", text)
		a.Body, b.Body = []byte("partition "+text), []byte("sort "+text)
		s.has(a)
		s.has(b)
	}
	page, err := s.Query(s.Context(), table.Range{PK: "P"})
	if err != nil || len(page.Items) != len(oddTexts) {
		s.Errorf("query: got %d items, %v, want %d", len(page.Items), err, len(oddTexts))
	}
}

func badKeys(s *suite) {
	long := strings.Repeat("k", table.MaxKeyPart+1)
	rows := []struct {
		name string
		key  table.Key
		want error
	}{
		{"empty partition key", table.Key{SK: "S"}, table.ErrInvalid},
		{"empty sort key", table.Key{PK: "P"}, table.ErrInvalid},
		{"empty both", table.Key{}, table.ErrInvalid},
		{"long partition key", table.Key{PK: long, SK: "S"}, table.ErrTooLarge},
		{"long sort key", table.Key{PK: "P", SK: long}, table.ErrTooLarge},
		{"not UTF-8", table.Key{PK: "P", SK: "\xff"}, table.ErrInvalid},
		{"half a character", table.Key{PK: "\xc3", SK: "S"}, table.ErrInvalid},
	}
	good := item("P", "good")
	for _, row := range rows {
		bad := table.Item{Key: row.key, Version: 1}
		if _, err := s.Get(s.Context(), row.key); !errors.Is(err, row.want) {
			s.Errorf("%s: get: got %v, want %v", row.name, err, row.want)
		}
		if _, err := s.BatchGet(s.Context(), []table.Key{good.Key, row.key}); !errors.Is(err, row.want) {
			s.Errorf("%s: batch get: got %v, want %v", row.name, err, row.want)
		}
		s.refused(row.want, table.Put(bad, table.Always()))
		s.refused(row.want, table.Delete(row.key, table.Always()))
		s.refused(row.want, table.Put(good, table.Always()), table.Check(row.key, table.IfAbsent()))
	}
	s.lacks(good.Key)
}

func anyVersion(s *suite) {
	for _, version := range []int64{0, 1, -1, 1<<53 + 1, math.MaxInt64, math.MinInt64} {
		it := item("P", "S")
		it.Version = version
		s.mustPut(it)
		s.has(it)
		if version != 0 {
			s.mustWrite(table.Check(it.Key, table.IfVersion(version)), table.Put(item("P", "other"), table.Always()))
			s.refused(table.ErrCondition, table.Put(it, table.IfVersion(version-1)))
		}
	}
}

func bytesCopied(s *suite) {
	it := item("P", "S")
	want := item("P", "S")
	s.mustPut(it)
	it.Head[0], it.Body[0] = 'X', 'X'
	got, err := s.Get(s.Context(), it.Key)
	if err != nil {
		s.Fatal(err)
	}
	got.Head[0], got.Body[0] = 'X', 'X'
	s.has(want)
}

func deleteItem(s *suite) {
	it, other := item("P", "S"), item("P", "T")
	s.mustPut(it, other)
	s.mustWrite(table.Delete(it.Key, table.Always()))
	s.lacks(it.Key)
	s.has(other)
	s.mustWrite(table.Delete(it.Key, table.Always())) // what is absent already
	s.mustPut(it)
	s.has(it)
}

func contextDone(s *suite) {
	it := item("P", "S")
	s.mustPut(it)
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	calls := map[string]func() error{
		"get":         func() error { _, err := s.Get(ctx, it.Key); return err },
		"batch get":   func() error { _, err := s.BatchGet(ctx, []table.Key{it.Key}); return err },
		"query":       func() error { _, err := s.Query(ctx, table.Range{PK: "P"}); return err },
		"query index": func() error { _, err := s.QueryIndex(ctx, table.Range{PK: "P"}); return err },
		"put":         func() error { return s.Write(ctx, table.Put(item("P", "new"), table.Always())) },
		"transaction": func() error {
			return s.Write(ctx, table.Put(item("P", "new"), table.Always()), table.Delete(it.Key, table.Always()))
		},
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, context.Canceled) {
			s.Errorf("%s: got %v, want %v", name, err, context.Canceled)
		}
	}
	s.has(it)
	s.lacks(table.Key{PK: "P", SK: "new"})
}
