package tabletest

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sodalite-dq/sodalite/internal/table"
)

var batchCases = []testCase{
	{"batch get", batchGet},
	{"batch get of nothing", batchGetNothing},
	{"batch get of much", batchGetMuch},
}

func batchGet(s *suite) {
	var keys []table.Key
	want := map[table.Key]table.Item{}
	for i := range 2*table.MaxBatchGet + 30 {
		it := item(fmt.Sprint("P", i%13), fmt.Sprint("S", i))
		if keys = append(keys, it.Key); i%3 > 0 {
			s.mustPut(it)
			want[it.Key] = it
		}
	}
	keys = append(append(keys, keys...), keys[0], keys[1], keys[1])
	got, err := s.BatchGet(s.Context(), keys)
	if err != nil {
		s.Fatal(err)
	}
	s.sameItems(want, got)
}

// sameItems compares without regard to order.
func (s *suite) sameItems(want map[table.Key]table.Item, got []table.Item) {
	s.Helper()
	if len(got) != len(want) {
		s.Errorf("got %d items, want %d", len(got), len(want))
	}
	slices.SortFunc(got, func(a, b table.Item) int { return cmp.Or(cmp.Compare(a.PK, b.PK), cmp.Compare(a.SK, b.SK)) })
	for _, it := range got {
		if d := diff(stored(want[it.Key]), it); d != "" {
			s.Errorf("%q (-want +got):\n%s", it.Key, clip(d))
		}
	}
}

func batchGetNothing(s *suite) {
	for name, keys := range map[string][]table.Key{"no keys": nil, "absent": {{PK: "P", SK: "S"}, {PK: "P", SK: "S"}}} {
		if got, err := s.BatchGet(s.Context(), keys); err != nil || len(got) != 0 {
			s.Errorf("%s: got %d items, %v, want none", name, len(got), err)
		}
	}
}

// batchGetMuch asks for more than DynamoDB gives in one answer, 16 MB.
func batchGetMuch(s *suite) {
	want := map[table.Key]table.Item{}
	var keys []table.Key
	for i := range 45 {
		it := sized("P", fmt.Sprint("S", i), table.MaxItemSize)
		s.mustPut(it)
		want[it.Key] = it
		keys = append(keys, it.Key)
	}
	got, err := s.BatchGet(s.Context(), keys)
	if err != nil {
		s.Fatal(err)
	}
	s.sameItems(want, got)
}
