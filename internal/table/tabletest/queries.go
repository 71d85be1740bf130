package tabletest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/table"
)

var queryCases = []testCase{
	{"query ranges", queryRanges},
	{"query gives whole items", queryWhole},
	{"query in pages", queryPages},
	{"query page ends at its size", queryPageSize},
	{"query continues where an item was deleted", queryDeletedToken},
	{"ranges that mean nothing", badRanges},
	{"tokens from elsewhere", badTokens},
}

// ordered are sort keys in the order of their bytes, which is neither that of letters nor that of UTF-16.
var ordered = []string{
	"\x00", "\x00\x00", " ", "A", "AT#1", "AT#10", "AT#2", "AT#2\x00", "AT#20", "AT$", "B", "Z", "a", "a\x00", "aa", "ab", "b",
	"\u007f", "\u0080", "\u00bf", "\u00bfx", "\u00c0", "é", "é!", "\u07ff", "日本", "日本語", "\uff5e", "\uffff", "\U00010000", "😀", "😀a", "\U0010ffff",
	"\U0010ffff\U0010ffff",
}

// rangeRows are ranges and how they say which of ordered they hold.
var rangeRows = []struct {
	name  string
	r     table.Range
	holds func(sk string) bool
}{
	{"all", table.Range{}, func(string) bool { return true }},
	{"prefix", table.Range{Prefix: "AT#"}, func(sk string) bool { return strings.HasPrefix(sk, "AT#") }},
	{"prefix that is a key", table.Range{Prefix: "AT#2"}, func(sk string) bool { return strings.HasPrefix(sk, "AT#2") }},
	{"prefix of nothing", table.Range{Prefix: "AT#3"}, func(string) bool { return false }},
	{"prefix with a last byte of 7f", table.Range{Prefix: "\u007f"}, func(sk string) bool { return sk == "\u007f" }},
	{"prefix with a last byte of bf", table.Range{Prefix: "\u00bf"}, func(sk string) bool { return strings.HasPrefix(sk, "\u00bf") }},
	{"prefix of the last character", table.Range{Prefix: "\U0010ffff"}, func(sk string) bool { return strings.HasPrefix(sk, "\U0010ffff") }},
	{"prefix is not a pattern", table.Range{Prefix: "AT%"}, func(string) bool { return false }},
	{"prefix is in its case", table.Range{Prefix: "at#"}, func(string) bool { return false }},
	{"prefix of zero", table.Range{Prefix: "\x00"}, func(sk string) bool { return sk[0] == 0 }},
	{"from", table.Range{From: "AT#2"}, func(sk string) bool { return sk >= "AT#2" }},
	{"from between", table.Range{From: "AT#1x"}, func(sk string) bool { return sk >= "AT#1x" }},
	{"from high", table.Range{From: "\uff5e"}, func(sk string) bool { return sk >= "\uff5e" }},
	{"to", table.Range{To: "AT#2"}, func(sk string) bool { return sk <= "AT#2" }},
	{"to high", table.Range{To: "\uffff"}, func(sk string) bool { return sk <= "\uffff" }},
	{"to before all", table.Range{To: "\x00"}, func(sk string) bool { return sk == "\x00" }},
	{"from to", table.Range{From: "AT#10", To: "a"}, func(sk string) bool { return sk >= "AT#10" && sk <= "a" }},
	{"from to the same", table.Range{From: "é", To: "é"}, func(sk string) bool { return sk == "é" }},
	{"from after to", table.Range{From: "b", To: "a"}, func(string) bool { return false }},
}

func shuffled(list []string) []string {
	list = slices.Clone(list)
	for i := range list { // any order but the right one
		j := i * 7 % len(list)
		list[i], list[j] = list[j], list[i]
	}
	return list
}

func queryRanges(s *suite) {
	s.mustPut(items("P", shuffled(ordered)...)...)
	s.mustPut(items("P2", ordered[:3]...)...)
	s.mustPut(items("O", ordered[:3]...)...)
	for _, row := range rangeRows {
		for _, desc := range []bool{false, true} {
			row.r.PK, row.r.Desc = "P", desc
			var want []string
			for _, sk := range ordered {
				if row.holds(sk) {
					want = append(want, sk)
				}
			}
			if desc {
				slices.Reverse(want)
			}
			s.sub(fmt.Sprintf("%s/desc=%v", row.name, desc), func(s *suite) { s.pages(s.Query, row.r, want) })
		}
	}
	if page, err := s.Query(s.Context(), table.Range{PK: "nobody"}); err != nil || len(page.Items) != 0 || page.Token != "" {
		s.Errorf("empty partition: got %+v, %v, want an empty page", page, err)
	}
}

type queryFunc = func(context.Context, table.Range) (table.Page, error)

// pages checks that a range gives the sort keys in their order, in one go and in pages of several sizes.
func (s *suite) pages(query queryFunc, r table.Range, want []string) {
	s.Helper()
	for _, limit := range []int{0, 1, 2, 5, len(want), len(want) + 1} {
		r.Limit, r.Token = limit, ""
		var got []string
		for n := 0; ; n++ {
			page, err := query(s.Context(), r)
			if err != nil {
				s.Fatalf("limit %d, page %d: %v", limit, n, err)
			}
			if limit > 0 && len(page.Items) > limit {
				s.Fatalf("limit %d, page %d: got %d items", limit, n, len(page.Items))
			}
			got = append(got, sortKeys(page.Items)...)
			if page.Token == "" {
				break
			}
			if n > 2*len(want)+100 {
				s.Fatalf("limit %d: no end after %d pages", limit, n)
			}
			r.Token = page.Token
		}
		if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
			s.Errorf("%+v in pages of %d (-want +got):\n%s", r, limit, diff)
		}
	}
}

func queryWhole(s *suite) {
	it := wholeItem(s)
	s.mustPut(it)
	page, err := s.Query(s.Context(), table.Range{PK: it.PK})
	if diff := diff([]table.Item{stored(it)}, page.Items); diff != "" || err != nil {
		s.Errorf("query: %v (-want +got):\n%s", err, diff)
	}
}

func queryPages(s *suite) {
	want := numbered("S%03d", 60)
	s.mustPut(items("P", want...)...)
	all, err := table.All(s.Context(), s.Query, table.Range{PK: "P"})
	if diff := cmp.Diff(want, sortKeys(all)); diff != "" || err != nil {
		s.Errorf("all: %v (-want +got):\n%s", err, diff)
	}
	some, err := table.All(s.Context(), s.Query, table.Range{PK: "P", Desc: true, Limit: 3})
	if diff := cmp.Diff([]string{"S059", "S058", "S057"}, sortKeys(some)); diff != "" || err != nil {
		s.Errorf("newest three: %v (-want +got):\n%s", err, diff)
	}
	// The limit may change from page to page.
	first, err := s.Query(s.Context(), table.Range{PK: "P", Limit: 10})
	if err != nil || first.Token == "" {
		s.Fatalf("first page: got %d items, token %q, %v", len(first.Items), first.Token, err)
	}
	rest, err := table.All(s.Context(), s.Query, table.Range{PK: "P", Token: first.Token})
	if diff := cmp.Diff(want, append(sortKeys(first.Items), sortKeys(rest)...)); diff != "" || err != nil {
		s.Errorf("ten and the rest: %v (-want +got):\n%s", err, diff)
	}
}

func queryPageSize(s *suite) {
	const each = 300 << 10
	sks := numbered("S%d", 9)
	for _, sk := range sks {
		s.mustPut(sized("P", sk, each))
	}
	for _, r := range []table.Range{{PK: "P"}, {PK: "P", Desc: true}, {PK: "P", Limit: 8}} {
		page, err := s.Query(s.Context(), r)
		if err != nil || page.Token == "" || len(page.Items) == 0 || (len(page.Items)-1)*each >= table.PageSize {
			s.Errorf("%+v: got %d items of %d bytes, token %q, %v, want a page of about %d bytes and a token", r, len(page.Items), each, page.Token, err, table.PageSize)
		}
		all, err := table.All(s.Context(), s.Query, r)
		want := slices.Clone(sks)
		if r.Desc {
			slices.Reverse(want)
		}
		if r.Limit > 0 {
			want = want[:r.Limit]
		}
		if diff := cmp.Diff(want, sortKeys(all)); diff != "" || err != nil {
			s.Errorf("%+v, all: %v (-want +got):\n%s", r, err, diff)
		}
	}
}

func queryDeletedToken(s *suite) {
	s.mustPut(items("P", "a", "b", "c", "d")...)
	r := table.Range{PK: "P", Limit: 2}
	page, err := s.Query(s.Context(), r)
	if err != nil || page.Token == "" {
		s.Fatalf("first page: got token %q, %v", page.Token, err)
	}
	s.mustWrite(table.Delete(table.Key{PK: "P", SK: "b"}, table.Always()))
	s.mustPut(item("P", "bb"), item("P", "aa"))
	r.Token = page.Token
	rest, err := table.All(s.Context(), s.Query, table.Range{PK: "P", Token: page.Token})
	if diff := cmp.Diff([]string{"bb", "c", "d"}, sortKeys(rest)); diff != "" || err != nil {
		s.Errorf("rest: %v (-want +got):\n%s", err, diff)
	}
}

func badRanges(s *suite) {
	s.mustPut(item("P", "S"))
	long := strings.Repeat("k", table.MaxKeyPart+1)
	rows := []struct {
		name string
		r    table.Range
		want error
	}{
		{"no partition", table.Range{}, table.ErrInvalid},
		{"prefix and from", table.Range{PK: "P", Prefix: "S", From: "S"}, table.ErrInvalid},
		{"prefix and to", table.Range{PK: "P", Prefix: "S", To: "S"}, table.ErrInvalid},
		{"negative limit", table.Range{PK: "P", Limit: -1}, table.ErrInvalid},
		{"long partition", table.Range{PK: long}, table.ErrTooLarge},
		{"long bound", table.Range{PK: "P", To: long}, table.ErrTooLarge},
		{"not UTF-8", table.Range{PK: "P", Prefix: "\xff"}, table.ErrInvalid},
	}
	for _, row := range rows {
		for name, query := range map[string]queryFunc{"query": s.Query, "index": s.QueryIndex} {
			if page, err := query(s.Context(), row.r); !errors.Is(err, row.want) {
				s.Errorf("%s, %s: got %d items, %v, want %v", row.name, name, len(page.Items), err, row.want)
			}
		}
	}
}

func badTokens(s *suite) {
	its := items("P", "a", "b", "c")
	for i := range its {
		its[i].IndexPK, its[i].IndexSK = "P", its[i].SK
	}
	s.mustPut(its...)
	s.mustPut(items("Q", "a", "b", "c")...)
	page, err := s.Query(s.Context(), table.Range{PK: "P", Limit: 2})
	if err != nil {
		s.Fatal(err)
	}
	rows := map[string]table.Range{
		"garbage":           {PK: "P", Token: "garbage"},
		"not base64":        {PK: "P", Token: "!?"},
		"cut":               {PK: "P", Token: page.Token[:len(page.Token)/2]},
		"empty object":      {PK: "P", Token: "e30"},
		"another partition": {PK: "Q", Token: page.Token},
		"another direction": {PK: "P", Desc: true, Token: page.Token},
		"another bound":     {PK: "P", To: "a", Token: page.Token},
		"another prefix":    {PK: "P", Prefix: "c", Token: page.Token},
	}
	for name, r := range rows {
		if page, err := s.Query(s.Context(), r); !errors.Is(err, table.ErrInvalid) {
			s.Errorf("%s: got %d items, %v, want %v", name, len(page.Items), err, table.ErrInvalid)
		}
	}
	if page, err := s.QueryIndex(s.Context(), table.Range{PK: "P", Token: page.Token}); !errors.Is(err, table.ErrInvalid) {
		s.Errorf("index with a token of the table: got %d items, %v, want %v", len(page.Items), err, table.ErrInvalid)
	}
}
