package tabletest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/table"
)

var indexCases = []testCase{
	{"index is sparse", indexSparse},
	{"index gives items without body", indexItems},
	{"index follows its items", indexFollows},
	{"index ranges", indexRanges},
	{"index in pages with equal sort keys", indexEqual},
	{"index page ends at its size", indexPageSize},
}

// indexed puts an item in the index.
func indexed(it table.Item, pk, sk string) table.Item {
	it.IndexPK, it.IndexSK = pk, sk
	return it
}

// inIndex is the item as the index gives it.
func inIndex(it table.Item) table.Item {
	it = stored(it)
	it.Body = nil
	return it
}

// indexHas waits for the index partition to hold just these items, in this order.
func (s *suite) indexHas(pk string, want ...table.Item) {
	s.Helper()
	for i := range want {
		want[i] = inIndex(want[i])
	}
	s.eventually(func() string {
		got, err := table.All(s.Context(), s.QueryIndex, table.Range{PK: pk})
		if err != nil {
			return err.Error()
		}
		if len(want)+len(got) == 0 {
			return ""
		}
		return diff(want, got)
	})
}

func indexSparse(s *suite) {
	in, out := indexed(item("P", "in"), "I", "J"), item("P", "out")
	s.mustPut(in, out)
	s.indexHas("I", in)
	s.indexHas("P")
	s.indexHas("i")
}

func indexItems(s *suite) {
	a, b := wholeItem(s), indexed(item("P", "T"), "I", "K")
	b.Head = nil
	s.mustPut(a, b)
	s.indexHas("I", a, b)
}

func indexFollows(s *suite) {
	it := indexed(item("P", "S"), "I", "a")
	s.mustPut(it)
	s.indexHas("I", it)
	it.Version, it.Head, it.Entity = 2, []byte(`{"new":1}`), "changed"
	s.mustPut(it)
	s.indexHas("I", it)
	moved := indexed(it, "I", "b")
	s.mustPut(moved)
	s.indexHas("I", moved)
	away := indexed(it, "I2", "b")
	s.mustPut(away)
	s.indexHas("I")
	s.indexHas("I2", away)
	s.mustPut(indexed(it, "", ""))
	s.indexHas("I2")
	s.mustPut(away)
	s.indexHas("I2", away)
	s.mustWrite(table.Delete(it.Key, table.Always()))
	s.indexHas("I2")
}

func indexRanges(s *suite) {
	for i, sk := range shuffled(ordered) {
		s.mustPut(indexed(item(fmt.Sprint("P", i), "S"), "I", sk))
	}
	s.mustPut(indexed(item("other", "S"), "I2", "AT#2"))
	s.eventually(func() string {
		got, err := table.All(s.Context(), s.QueryIndex, table.Range{PK: "I"})
		if err != nil {
			return err.Error()
		}
		return cmp.Diff(len(ordered), len(got))
	})
	for _, row := range rangeRows {
		for _, desc := range []bool{false, true} {
			row.r.PK, row.r.Desc = "I", desc
			var want []string
			for _, sk := range ordered {
				if row.holds(sk) {
					want = append(want, sk)
				}
			}
			if desc {
				slices.Reverse(want)
			}
			s.sub(fmt.Sprintf("%s/desc=%v", row.name, desc), func(s *suite) {
				s.pages(indexSortKeys(s.QueryIndex), row.r, want)
			})
		}
	}
}

// indexSortKeys makes the pages of an index comparable with those of the table.
func indexSortKeys(query queryFunc) queryFunc {
	return func(ctx context.Context, r table.Range) (table.Page, error) {
		page, err := query(ctx, r)
		for i := range page.Items {
			page.Items[i].SK = page.Items[i].IndexSK
		}
		return page, err
	}
}

func indexEqual(s *suite) {
	var want []string
	for i := range 30 {
		it := indexed(item(fmt.Sprint("P", i%4), fmt.Sprintf("S%02d", i)), "I", fmt.Sprint("J", i%3))
		s.mustPut(it)
		want = append(want, it.SK)
	}
	s.eventually(func() string {
		got, _ := table.All(s.Context(), s.QueryIndex, table.Range{PK: "I"})
		return cmp.Diff(len(want), len(got))
	})
	for _, desc := range []bool{false, true} {
		whole, err := table.All(s.Context(), s.QueryIndex, table.Range{PK: "I", Desc: desc})
		if err != nil {
			s.Fatal(err)
		}
		order := sortKeys(whole)
		s.sub(fmt.Sprintf("desc=%v", desc), func(s *suite) { s.pages(s.QueryIndex, table.Range{PK: "I", Desc: desc}, order) })
		slices.Sort(order)
		if diff := cmp.Diff(want, order); diff != "" {
			s.Errorf("desc %v (-want +got):\n%s", desc, diff)
		}
	}
}

func indexPageSize(s *suite) {
	const each = 300 << 10
	sks := numbered("S%d", 6)
	for _, sk := range sks {
		it := indexed(item("P", sk), "I", sk)
		it.Head = []byte(`"` + strings.Repeat("h", each) + `"`)
		s.mustPut(it)
	}
	s.eventually(func() string {
		page, err := s.QueryIndex(s.Context(), table.Range{PK: "I"})
		if err != nil || page.Token == "" || len(page.Items) == 0 || (len(page.Items)-1)*each >= table.PageSize {
			return fmt.Sprintf("got %d items, token %q, %v, want a page of about %d bytes and a token", len(page.Items), page.Token, err, table.PageSize)
		}
		all, err := table.All(s.Context(), s.QueryIndex, table.Range{PK: "I"})
		if err != nil {
			return err.Error()
		}
		return cmp.Diff(sks, sortKeys(all))
	})
}
