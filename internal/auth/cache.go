package auth

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// cacheSize bounds each cache; strangers can fill it with ids that do not exist, which only costs reads.
const cacheSize = 4096

// cache remembers for a while what the table said under a name, also that there is nothing.
type cache[T any] struct {
	keep    time.Duration
	entries *lru.Cache[string, remembered[T]]
}

// remembered is a value, or nothing (found false), until a time.
type remembered[T any] struct {
	value T
	found bool
	until time.Time
}

func newCache[T any](keep time.Duration) *cache[T] {
	entries, err := lru.New[string, remembered[T]](cacheSize)
	if err != nil { // only for a size below 1
		panic(err)
	}
	return &cache[T]{keep: keep, entries: entries}
}

// get gives what is remembered; ok is false if that is nothing or too old.
func (c *cache[T]) get(name string, now time.Time) (r remembered[T], ok bool) {
	r, ok = c.entries.Get(name)
	return r, ok && now.Before(r.until)
}

func (c *cache[T]) put(name string, value T, found bool, now time.Time) {
	c.entries.Add(name, remembered[T]{value: value, found: found, until: now.Add(c.keep)})
}

func (c *cache[T]) forget(name string) { c.entries.Remove(name) }
