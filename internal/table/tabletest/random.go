package tabletest

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

var randomCases = []testCase{
	{"random operations", func(s *suite) { s.random(randomSeed(s), 400) }},
	{"random operations, seed 1", func(s *suite) { s.random(1, 400) }},
}

// randomSeed is new in each run, unless SODALITE_SEED asks for the one of a run that failed.
func randomSeed(s *suite) uint64 {
	if text := os.Getenv("SODALITE_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			s.Fatalf("SODALITE_SEED: %v", err)
		}
		return seed
	}
	return rand.Uint64()
}

// random does the same random things to the store and to the model.
func (s *suite) random(seed uint64, steps int) {
	s.Logf("seed %d; SODALITE_SEED=%d does it again", seed, seed)
	r := &randomRun{suite: s, rnd: rand.New(rand.NewPCG(seed, 0)), model: NewModel(s.clock.Now)}
	for step := range steps {
		what := r.step()
		if s.Failed() {
			s.Fatalf("seed %d: step %d, %s, is not as in the model", seed, step, what)
		}
	}
}

type randomRun struct {
	*suite
	rnd     *rand.Rand
	model   *Model
	version int64
}

func (r *randomRun) step() string {
	switch n := r.rnd.IntN(20); {
	case n < 7:
		return r.write(1)
	case n < 10:
		return r.write(2 + r.rnd.IntN(5))
	case n < 12:
		return r.get()
	case n < 13:
		return r.batch()
	case n < 16:
		return r.query(false)
	case n < 19:
		return r.query(true)
	}
	r.clock.Advance(time.Duration(r.rnd.IntN(30_000)) * time.Millisecond)
	return "advance"
}

// The key space is small, so that operations meet.
var randomSKs = []string{"a", "a\x00", "ab", "b", "é", "\u00bf", "\uff5e", "😀", "😀z", "zz", "#", "~"}

func pick[T any](r *randomRun, list ...T) T { return list[r.rnd.IntN(len(list))] }

func (r *randomRun) key() table.Key {
	return table.Key{PK: pick(r, "P", "Q"), SK: pick(r, randomSKs...)}
}

func (r *randomRun) item(k table.Key) table.Item {
	r.version++
	it := table.Item{Key: k, Entity: pick(r, "", "e", "f"), Version: r.version%5 + 1}
	if r.rnd.IntN(2) == 0 {
		it.Expires = r.clock.Now().Add(time.Duration(r.rnd.IntN(60_000)-10_000) * time.Millisecond)
	}
	if r.rnd.IntN(3) > 0 {
		it.IndexPK, it.IndexSK = pick(r, "P", "I"), pick(r, randomSKs[:6]...)
	}
	if r.rnd.IntN(2) == 0 {
		it.Head = fmt.Appendf(nil, `{"n":%d}`, r.version)
	}
	if size := pick(r, 0, 1, 50, 5000, 40_000, 200_000); r.rnd.IntN(2) == 0 && size > 0 {
		it.Body = make([]byte, size)
		for i := range it.Body {
			it.Body[i] = byte(r.rnd.Uint32())
		}
	}
	return it
}

// condition is often one that holds.
func (r *randomRun) condition(k table.Key) table.Condition {
	it, err := r.model.Get(r.Context(), k)
	if err == nil && r.rnd.IntN(3) > 0 {
		return table.IfVersion(it.Version)
	}
	if err != nil && r.rnd.IntN(3) > 0 {
		return table.IfAbsent()
	}
	return pick(r, table.Always(), table.IfAbsent(), table.IfVersion(int64(r.rnd.IntN(6))))
}

func (r *randomRun) op(k table.Key) table.Op {
	c := r.condition(k)
	if r.rnd.IntN(4) == 0 {
		c = table.Always()
	}
	switch n := r.rnd.IntN(10); {
	case n < 6:
		return table.Put(r.item(k), c)
	case n < 8 || c == table.Always():
		return table.Delete(k, c)
	}
	return table.Check(k, c)
}

func (r *randomRun) write(n int) string {
	var ops []table.Op
	for range n {
		ops = append(ops, r.op(r.key())) // now and then a key twice
	}
	want := r.model.Write(r.Context(), ops...)
	got := write(r.Context(), r.Table, ops...)
	if sentinel(want) != sentinel(got) {
		r.Errorf("write %+v: got %v, want %v", brief(ops), got, want)
	}
	return fmt.Sprintf("write of %d", n)
}

func sentinel(err error) error {
	for _, s := range []error{table.ErrCondition, table.ErrInvalid, table.ErrTooLarge, table.ErrNotFound} {
		if errors.Is(err, s) {
			return s
		}
	}
	return err
}

func brief(ops []table.Op) []string {
	var list []string
	for _, op := range ops {
		list = append(list, fmt.Sprintf("kind %d %q v%d if %+v", op.Kind(), op.Item.Key, op.Item.Version, op.If))
	}
	return list
}

func (r *randomRun) get() string {
	k := r.key()
	want, wantErr := r.model.Get(r.Context(), k)
	got, err := r.Get(r.Context(), k)
	if d := diff(want, got); d != "" || sentinel(err) != sentinel(wantErr) {
		r.Errorf("get %q: got %v, want %v (-want +got):\n%s", k, err, wantErr, clip(d))
	}
	return "get"
}

func (r *randomRun) batch() string {
	var keys []table.Key
	for range r.rnd.IntN(30) {
		keys = append(keys, r.key())
	}
	want, _ := r.model.BatchGet(r.Context(), keys)
	got, err := r.BatchGet(r.Context(), keys)
	for _, list := range [][]table.Item{want, got} {
		slices.SortFunc(list, func(a, b table.Item) int { return cmp.Or(cmp.Compare(a.PK, b.PK), cmp.Compare(a.SK, b.SK)) })
	}
	if d := diff(want, got); d != "" && len(want)+len(got) > 0 || err != nil {
		r.Errorf("batch get of %q: %v (-want +got):\n%s", keys, err, clip(d))
	}
	return "batch get"
}

func (r *randomRun) ranges(index bool) table.Range {
	q := table.Range{PK: pick(r, "P", "Q"), Desc: r.rnd.IntN(2) == 0, Limit: pick(r, 0, 0, 1, 2, 3, 7, 100)}
	if index {
		q.PK = pick(r, "P", "I")
	}
	switch r.rnd.IntN(5) {
	case 0:
		q.Prefix = pick(r, "a", "\u00bf", "😀", "z")
	case 1:
		q.From = pick(r, randomSKs...)
	case 2:
		q.To = pick(r, randomSKs...)
	case 3:
		q.From, q.To = pick(r, randomSKs...), pick(r, randomSKs...)
	}
	return q
}

func (r *randomRun) query(index bool) string {
	q := r.ranges(index)
	ours, theirs, what := r.model.Query, r.Query, "query"
	if index {
		ours, theirs, what = r.model.QueryIndex, r.QueryIndex, "index query"
	}
	look := func() string {
		want, err := table.All(r.Context(), ours, q)
		if err != nil {
			return err.Error()
		}
		got, err := table.All(r.Context(), theirs, q)
		if err != nil {
			return err.Error()
		}
		if len(want)+len(got) == 0 {
			return ""
		}
		return diff(sameOrder(want, index), sameOrder(got, index))
	}
	if index {
		// Which of several with equal sort keys come before the limit is not defined.
		q.Limit = 0
		r.eventually(look)
	} else if d := look(); d != "" {
		r.Errorf("%+v (-want +got):\n%s", q, clip(d))
	}
	if r.Failed() {
		r.Logf("%s %+v", what, q)
	}
	return what
}

// sameOrder brings items with equal index sort keys, whose order is not defined, into one. Others stay where they are.
func sameOrder(list []table.Item, index bool) []table.Item {
	if !index {
		return list
	}
	for from := 0; from < len(list); {
		to := from
		for to < len(list) && list[to].IndexSK == list[from].IndexSK {
			to++
		}
		slices.SortFunc(list[from:to], func(a, b table.Item) int { return cmp.Or(cmp.Compare(a.PK, b.PK), cmp.Compare(a.SK, b.SK)) })
		from = to
	}
	return list
}
