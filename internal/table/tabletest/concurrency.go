package tabletest

import (
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/sodalite-dq/sodalite/internal/table"
)

var concurrencyCases = []testCase{
	{"no update is lost", countTogether},
	{"one of many creates", createTogether},
	{"transactions keep the sum", transferTogether},
	{"readers see whole writes", readWhileWriting},
}

const (
	workers = 8
	rounds  = 12
)

// together runs work in several goroutines and reports the first error.
func (s *suite) together(work func(worker int) error) {
	s.Helper()
	var g errgroup.Group
	for n := range workers {
		g.Go(func() error { return work(n) })
	}
	if err := g.Wait(); err != nil {
		s.Fatal(err)
	}
}

// change reads items, lets edit change them, and writes them guarded by their versions, until it is through.
func (s *suite) change(keys []table.Key, edit func([]table.Item)) error {
	for {
		ops := make([]table.Op, len(keys))
		list := make([]table.Item, len(keys))
		for i, k := range keys {
			it, err := s.Get(s.Context(), k)
			if err != nil && !errors.Is(err, table.ErrNotFound) {
				return err
			}
			it.Key = k
			list[i] = it
		}
		edit(list)
		for i, it := range list {
			it.Version++
			ops[i] = table.Put(it, table.IfVersion(it.Version-1))
		}
		err := s.Write(s.Context(), ops...)
		if !errors.Is(err, table.ErrCondition) && !errors.Is(err, table.ErrConflict) {
			return err
		}
	}
}

func number(it table.Item) int {
	n, _ := strconv.Atoi(string(it.Body)) // no body is 0
	return n
}

func add(it *table.Item, n int) { it.Body = strconv.AppendInt(nil, int64(number(*it)+n), 10) }

func countTogether(s *suite) {
	k := table.Key{PK: "P", SK: "counter"}
	s.together(func(int) error {
		for range rounds {
			if err := s.change([]table.Key{k}, func(list []table.Item) { add(&list[0], 1) }); err != nil {
				return err
			}
		}
		return nil
	})
	it, err := s.Get(s.Context(), k)
	if err != nil || number(it) != workers*rounds || it.Version != workers*rounds {
		s.Errorf("got %d at version %d, %v, want %d", number(it), it.Version, err, workers*rounds)
	}
}

func createTogether(s *suite) {
	for round := range rounds {
		var won atomic.Int32
		s.together(func(n int) error {
			it := item("P", fmt.Sprint("S", round)) // the same by all: only one made it
			err := write(s.Context(), s.Table, table.Put(it, table.IfAbsent()))
			if err == nil {
				won.Add(1)
			}
			if errors.Is(err, table.ErrCondition) {
				return nil
			}
			return err
		})
		if won.Load() != 1 {
			s.Errorf("round %d: %d created it, want 1", round, won.Load())
		}
	}
}

func transferTogether(s *suite) {
	const accounts = 3
	keys := make([]table.Key, accounts)
	for i := range keys {
		keys[i] = table.Key{PK: fmt.Sprint("P", i), SK: "S"}
		s.mustPut(table.Item{Key: keys[i], Version: 1, Body: []byte("100")})
	}
	s.together(func(n int) error {
		for i := range rounds / 2 {
			pair := []table.Key{keys[(n+i)%accounts], keys[(n+i+1)%accounts]}
			if err := s.change(pair, func(list []table.Item) { add(&list[0], -1); add(&list[1], 1) }); err != nil {
				return err
			}
		}
		return nil
	})
	got, err := s.BatchGet(s.Context(), keys)
	sum, versions := 0, int64(0)
	for _, it := range got {
		sum, versions = sum+number(it), versions+it.Version-1
	}
	if err != nil || sum != accounts*100 || versions != workers*(rounds/2)*2 {
		s.Errorf("got a sum of %d after %d changes, %v, want %d after %d", sum, versions, err, accounts*100, workers*(rounds/2)*2)
	}
}

// readWhileWriting reads an item that is replaced all the time: what it gets was written in one go.
func readWhileWriting(s *suite) {
	const size = 20 << 10
	whole := func(n int) table.Item {
		it := table.Item{Key: table.Key{PK: "P", SK: "S"}, Version: int64(n), Body: make([]byte, size)}
		for i := range it.Body {
			it.Body[i] = byte(n)
		}
		return it
	}
	s.mustPut(whole(1))
	s.together(func(n int) error {
		for round := range rounds {
			if n%2 == 0 {
				if err := write(s.Context(), s.Table, table.Put(whole(n*rounds+round), table.Always())); err != nil {
					return err
				}
				continue
			}
			page, err := s.Query(s.Context(), table.Range{PK: "P"})
			if err != nil || len(page.Items) != 1 {
				return fmt.Errorf("got %d items, %w", len(page.Items), err)
			}
			it := page.Items[0]
			if d := diff(whole(int(it.Version)), it); d != "" {
				return fmt.Errorf("a mixed item: %s", clip(d))
			}
		}
		return nil
	})
}
