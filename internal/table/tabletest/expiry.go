package tabletest

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/table"
)

var expiryCases = []testCase{
	{"expired is absent", expiredAbsent},
	{"expiry has seconds", expirySeconds},
	{"put of what is expired", putExpired},
	{"expiry is replaced", expiryReplaced},
	{"pages of live items", expiredPages},
}

// seen tells by which reads an item is found.
func (s *suite) seen(it table.Item) map[string]bool {
	s.Helper()
	found := map[string]bool{}
	_, err := s.Get(s.Context(), it.Key)
	found["get"] = err == nil
	if err != nil && !errors.Is(err, table.ErrNotFound) {
		s.Errorf("get: %v", err)
	}
	batch, err := s.BatchGet(s.Context(), []table.Key{it.Key})
	found["batch"] = len(batch) == 1
	if err != nil {
		s.Errorf("batch get: %v", err)
	}
	for name, r := range map[string]table.Range{"query": {PK: it.PK}, "prefix": {PK: it.PK, Prefix: it.SK}, "limit": {PK: it.PK, Limit: 1, Desc: true}} {
		got, err := table.All(s.Context(), s.Query, r)
		found[name] = len(got) == 1
		if err != nil {
			s.Errorf("%s: %v", name, err)
		}
	}
	for name, r := range map[string]table.Range{"index": {PK: it.IndexPK}, "index, limit": {PK: it.IndexPK, Limit: 1, Desc: true}} {
		got, err := table.All(s.Context(), s.QueryIndex, r)
		found[name] = len(got) == 1
		if err != nil {
			s.Errorf("%s: %v", name, err)
		}
	}
	return found
}

func (s *suite) seenEverywhere(it table.Item, want bool) {
	s.Helper()
	s.eventually(func() string {
		for name, found := range s.seen(it) {
			if found != want {
				return fmt.Sprintf("%s at %v, expires %v: got %v, want %v", name, s.clock.Now(), it.Expires, found, want)
			}
		}
		return ""
	})
}

func expiredAbsent(s *suite) {
	it := indexed(item("P", "S"), "I", "J")
	it.Expires = s.clock.Now().Add(time.Hour)
	s.mustPut(it)
	s.seenEverywhere(it, true)
	s.clock.Advance(time.Hour - time.Second)
	s.seenEverywhere(it, true)
	s.refused(table.ErrCondition, table.Put(it, table.IfAbsent()))
	s.clock.Advance(time.Second)
	s.seenEverywhere(it, false)
	s.refused(table.ErrCondition, table.Put(it, table.IfVersion(1)))
	s.mustWrite(table.Check(it.Key, table.IfAbsent()), table.Put(item("Q", "S"), table.Always()))
	s.mustWrite(table.Delete(it.Key, table.IfAbsent()))
	s.seenEverywhere(it, false)
}

func expirySeconds(s *suite) {
	it := indexed(item("P", "S"), "I", "J")
	it.Expires = s.clock.Now().Add(10*time.Second + 900*time.Millisecond)
	s.mustPut(it)
	s.has(it)
	s.clock.Advance(9*time.Second + 999*time.Millisecond)
	s.seenEverywhere(it, true)
	s.clock.Advance(time.Millisecond)
	s.seenEverywhere(it, false)
}

func putExpired(s *suite) {
	it := indexed(item("P", "S"), "I", "J")
	it.Expires = s.clock.Now()
	s.mustPut(it)
	s.seenEverywhere(it, false)
	it.Expires = time.Unix(1, 0)
	s.mustPut(it)
	s.seenEverywhere(it, false)
}

func expiryReplaced(s *suite) {
	it := indexed(item("P", "S"), "I", "J")
	it.Expires = s.clock.Now().Add(time.Minute)
	s.mustPut(it)
	s.clock.Advance(time.Hour)
	s.seenEverywhere(it, false)
	it.Expires, it.Version = time.Time{}, 2
	s.mustWrite(table.Put(it, table.IfAbsent()))
	s.seenEverywhere(it, true)
	s.clock.Advance(1000 * time.Hour)
	s.has(it)
}

// expiredPages has two of three items expired: pages may be short, but hold live items only, and lose none.
func expiredPages(s *suite) {
	var want []string
	for i, sk := range numbered("S%02d", 30) {
		it := indexed(item("P", sk), "I", sk)
		if i%3 > 0 {
			it.Expires = s.clock.Now().Add(time.Minute)
		} else {
			want = append(want, sk)
		}
		s.mustPut(it)
	}
	s.clock.Advance(time.Minute)
	s.pages(s.Query, table.Range{PK: "P"}, want)
	s.pages(s.QueryIndex, table.Range{PK: "I"}, want)
	got, err := table.All(s.Context(), s.Query, table.Range{PK: "P", Desc: true, Limit: 2})
	if diff := cmp.Diff([]string{"S27", "S24"}, sortKeys(got)); diff != "" || err != nil {
		s.Errorf("newest two: %v (-want +got):\n%s", err, diff)
	}
}
