package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// viewCache keeps decoded views by version, so that a page decodes only what changed since the last one. What it holds is
// never changed, only replaced.
type viewCache struct {
	mu     sync.Mutex
	checks map[string]cachedChecks
	states map[string]cachedState
	size   int // checks held
}

type cachedChecks struct {
	version int64
	checks  []Check
}

type cachedState struct {
	version int64
	state   datasetState
}

// maxCachedChecks bounds memory: about 1.5 KB a check.
const maxCachedChecks = 60_000

func newViewCache() *viewCache {
	return &viewCache{checks: map[string]cachedChecks{}, states: map[string]cachedState{}}
}

// get gives the cached checks of a dataset if they are at least as new as version.
func (c *viewCache) get(id string, version int64) ([]Check, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.checks[id]
	return e.checks, ok && e.version >= version
}

func (c *viewCache) put(id string, version int64, checks []Check) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, ok := c.checks[id]
	if ok && old.version > version {
		return
	}
	c.size += len(checks) - len(old.checks)
	c.checks[id] = cachedChecks{version, checks}
	for other, e := range c.checks {
		if c.size <= maxCachedChecks {
			return
		}
		if other != id {
			c.size -= len(e.checks)
			delete(c.checks, other)
		}
	}
}

// state decodes the head of a dataset's STATE item, or remembers it.
func (c *viewCache) state(it table.Item, d *datasetState) error {
	c.mu.Lock()
	e, ok := c.states[it.PK]
	c.mu.Unlock()
	if ok && e.version == it.Version {
		*d = e.state
		return nil
	}
	if err := json.Unmarshal(it.Head, d); err != nil {
		return fmt.Errorf("head of %v: %w", it.Key, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.states) > maxCachedChecks {
		clear(c.states)
	}
	c.states[it.PK] = cachedState{it.Version, *d}
	return nil
}

// checksOf gives the checks of datasets, in their order, leaving out those that do not exist. versions are what the index
// said: a cached list at least as new is good enough. A dataset without a version is read as it is now.
func (h *Hub) checksOf(ctx context.Context, ids []string, versions map[string]int64) ([][]Check, error) {
	lists := make([][]Check, len(ids))
	var missing []int
	for i, id := range ids {
		version, known := versions[id]
		if cached, ok := h.cache.get(id, version); ok && known {
			lists[i] = cached
		} else {
			missing = append(missing, i)
		}
	}
	if err := h.readChecks(ctx, ids, missing, lists); err != nil {
		return nil, err
	}
	found := lists[:0]
	for _, l := range lists {
		if l != nil {
			found = append(found, l)
		}
	}
	return found, nil
}

// readChecks fills lists at the places in missing from the table.
func (h *Hub) readChecks(ctx context.Context, ids []string, missing []int, lists [][]Check) error {
	if len(missing) == 0 {
		return nil
	}
	keys, place := make([]table.Key, len(missing)), make(map[string]int, len(missing))
	for n, i := range missing {
		keys[n] = checksKey(ids[i], 0)
		place[keys[n].PK] = i
	}
	items, err := h.table.BatchGet(ctx, keys)
	if err != nil {
		return fmt.Errorf("read checks: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, it := range items {
		i := place[it.PK]
		g.Go(func() (err error) {
			lists[i], err = h.openChecks(ctx, ids[i], it)
			return err
		})
	}
	return g.Wait()
}

// openChecks decodes the checks of which first is the first part, unless the cache has them.
func (h *Hub) openChecks(ctx context.Context, id string, first table.Item) ([]Check, error) {
	if cached, ok := h.cache.get(id, first.Version); ok {
		return cached, nil
	}
	_, p, err := h.unpackChecks(ctx, first)
	if errors.Is(err, errTorn) {
		var v *datasetViews
		if v, err = h.loadViews(ctx, id, false); err == nil {
			p, first.Version = v.checks, v.version
		}
	}
	if err != nil {
		return nil, fmt.Errorf("checks of dataset %q: %w", id, err)
	}
	p.expire(h.now().Add(-h.keep.Results))
	checks := p.views(id)
	if checks == nil {
		checks = []Check{}
	}
	h.cache.put(id, first.Version, checks)
	return checks, nil
}
