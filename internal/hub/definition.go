package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// scanRef is a scan as a definition remembers it.
type scanRef struct {
	Order    dq.Order     `json:"order"`
	State    dq.ScanState `json:"state"`
	Received time.Time    `json:"received"`
	Why      string       `json:"why,omitempty"`
}

// definitionState is the head of a DEFINITION item: how the newest scans of one definition went. The warning on datasets is
// drawn from it when they are shown, so a failed scan changes no dataset, however many it covers.
type definitionState struct {
	Name   string   `json:"name"`
	Newest scanRef  `json:"newest"`
	Clean  dq.Order `json:"clean,omitzero"` // newest clean scan
	// Unclean are the scans after it that failed, timed out, had errors or are incomplete, oldest first, at most maxUnclean:
	// the oldest, which tells since when, and the newest.
	Unclean []scanRef `json:"unclean,omitempty"`
	// Named are ids of datasets that those scans named though the definition may never have reported on them before.
	Named []string `json:"named,omitempty"`
}

const (
	maxUnclean = 12
	maxNamed   = 20
)

// fold works one finished scan in. Doing it twice is doing it once, and order does not matter.
func (d *definitionState) fold(s *dq.Scan) {
	ref := scanRef{Order: s.Order(), State: s.State, Received: s.Received, Why: dq.Truncate(s.Why(), 160)}
	d.Name = s.Definition
	if ref.Order.After(d.Newest.Order) {
		d.Newest = ref
	}
	if s.State.Clean() {
		if ref.Order.After(d.Clean) {
			d.Clean = ref.Order
			d.Unclean = slices.DeleteFunc(d.Unclean, func(u scanRef) bool { return !u.Order.After(d.Clean) })
		}
	} else if ref.Order.After(d.Clean) {
		d.addUnclean(ref)
		for _, b := range s.BrokenDatasets() {
			if id := b.ID(); !slices.Contains(d.Named, id) && len(d.Named) < maxNamed {
				d.Named = append(d.Named, id)
			}
		}
	}
	if len(d.Unclean) == 0 {
		d.Named = nil
	}
	slices.Sort(d.Named)
}

func (d *definitionState) addUnclean(ref scanRef) {
	i, found := slices.BinarySearchFunc(d.Unclean, ref, func(a, b scanRef) int { return a.Order.Compare(b.Order) })
	if found {
		return
	}
	d.Unclean = slices.Insert(d.Unclean, i, ref)
	if len(d.Unclean) > maxUnclean {
		d.Unclean = slices.Delete(d.Unclean, 1, 2)
	}
}

// warning is what stands on the definition's datasets, if its newest scan was not clean.
func (d *definitionState) warning() (ScanWarning, bool) {
	if len(d.Unclean) == 0 {
		return ScanWarning{}, false
	}
	newest := d.Unclean[len(d.Unclean)-1]
	return ScanWarning{
		ScanID: newest.Order.Scan, Definition: d.Name, State: newest.State, Since: d.Unclean[0].Order.Data, Why: newest.Why,
	}, true
}

// foldDefinition records how the scan of its definition went.
func (h *Hub) foldDefinition(ctx context.Context, s *dq.Scan) error {
	k := definitionKey(dq.DefinitionID(s.Definition))
	err := h.update(ctx, k, func(item *table.Item) error {
		var d definitionState
		if item.Head != nil {
			if err := json.Unmarshal(item.Head, &d); err != nil {
				return fmt.Errorf("head of %v: %w", k, err)
			}
		}
		d.fold(s)
		head, err := json.Marshal(d)
		if err != nil {
			return err
		}
		item.Entity, item.Head = entityDefinition, head
		item.IndexPK, item.IndexSK = indexDefinitions, k.PK
		item.Expires = later(item.Expires, s.Received.Add(h.keep.Results))
		return nil
	})
	if err != nil {
		return fmt.Errorf("scan definition %q: %w", s.Definition, err)
	}
	return nil
}

// Digested tells whether a scan of a definition, or a newer one, has been digested.
func (h *Hub) Digested(ctx context.Context, definition string, o dq.Order) (bool, error) {
	item, err := h.get(ctx, definitionKey(dq.DefinitionID(definition)))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("scan definition %q: %w", definition, err)
	}
	var d definitionState
	if err := json.Unmarshal(item.Head, &d); err != nil {
		return false, fmt.Errorf("head of %v: %w", item.Key, err)
	}
	return !o.After(d.Newest.Order), nil
}

// maxAttempts is how often a read-change-write is tried when others write the same item.
const maxAttempts = 10

// update reads the item under k (empty with version 0 if absent), lets change edit it, and writes it if nobody else did in
// the meantime; otherwise all again. change may run several times. Unchanged items are not written.
func (h *Hub) update(ctx context.Context, k table.Key, change func(*table.Item) error) error {
	for attempt := 1; ; attempt++ {
		item, err := h.table.Get(ctx, k)
		if err != nil && !errors.Is(err, table.ErrNotFound) {
			return err
		}
		if err != nil {
			item = table.Item{Key: k}
		}
		before, version := string(item.Head), item.Version
		if err := change(&item); err != nil {
			return err
		}
		if version > 0 && string(item.Head) == before {
			return nil
		}
		item.Version = version + 1
		err = h.table.Write(ctx, table.Put(item, table.IfVersion(version)))
		if err == nil || !errors.Is(err, table.ErrCondition) || attempt == maxAttempts {
			return err
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
}

// definitions reads the state of every definition, by name.
func (h *Hub) definitions(ctx context.Context) (map[string]definitionState, error) {
	items, err := table.All(ctx, h.table.QueryIndex, table.Range{PK: indexDefinitions})
	if err != nil {
		return nil, fmt.Errorf("list scan definitions: %w", err)
	}
	out := make(map[string]definitionState, len(items))
	for _, it := range items {
		var d definitionState
		if err := json.Unmarshal(it.Head, &d); err != nil {
			return nil, fmt.Errorf("head of %v: %w", it.Key, err)
		}
		out[d.Name] = d
	}
	return out, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
