package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// A family is what may be one dataset under several names: SodaCL knows data source and table, contracts the containers
// between them too. Its members stay datasets of their own, which a late or missing scan cannot merge or part; they are joined
// when they are shown. See docs/decisions/004-one-dataset-two-generations.md.

// family is the reference without containers, whose id names the family.
func family(d dq.DatasetRef) dq.DatasetRef {
	return dq.DatasetRef{DataSource: d.DataSource, Name: d.Name}
}

// joinFamily stores that a dataset with containers is of its family. The one without needs no item: its id is the family's.
func (h *Hub) joinFamily(ctx context.Context, d dq.DatasetRef) error {
	if len(d.Prefix) == 0 || d.Name == "" {
		return nil
	}
	head, err := json.Marshal(d)
	if err != nil {
		return err
	}
	k := aliasKey(familyAlias, family(d).ID(), d.ID())
	if err := h.table.Write(ctx, table.Put(table.Item{Key: k, Entity: entityAlias, Version: 1, Head: head}, table.Always())); err != nil {
		return fmt.Errorf("family of dataset %q: %w", d.QualifiedName(), err)
	}
	return nil
}

// Kin are the other datasets of a dataset's family.
type Kin struct {
	// Same are those that are the dataset itself under another name: there is one with containers only.
	Same []dq.DatasetRef
	// Like are those that may be, of which there are several.
	Like []dq.DatasetRef
}

// maxFamily is how many datasets of a family are looked at.
const maxFamily = 50

// Kin finds the other datasets of a dataset's family that exist.
func (h *Hub) Kin(ctx context.Context, d dq.DatasetRef) (Kin, error) {
	var kin Kin
	if d.Name == "" {
		return kin, nil
	}
	short := family(d)
	items, err := table.All(ctx, h.table.Query, table.Range{PK: familyAlias + short.ID(), Limit: maxFamily})
	if err != nil {
		return kin, fmt.Errorf("family of dataset %q: %w", d.QualifiedName(), err)
	}
	var members []dq.DatasetRef
	for _, it := range items {
		var m dq.DatasetRef
		if err := json.Unmarshal(it.Head, &m); err != nil {
			return kin, fmt.Errorf("head of %v: %w", it.Key, err)
		}
		members = append(members, m)
	}
	if len(d.Prefix) > 0 {
		if known, err := h.Known(ctx, short.ID()); err != nil || !known {
			return kin, err
		}
	}
	slices.SortFunc(members, func(a, b dq.DatasetRef) int { return strings.Compare(a.QualifiedName(), b.QualifiedName()) })
	others := members
	if len(d.Prefix) > 0 {
		others = []dq.DatasetRef{short}
	}
	if len(members) == 1 {
		kin.Same = others
	} else {
		kin.Like = others
	}
	return kin, nil
}

// pairs finds, by id, the other name of each listed dataset that has exactly one.
func pairs(listed []listedDataset) map[string]*dq.DatasetRef {
	type name struct{ source, name string }
	short, long := map[name]*listedDataset{}, map[name][]*listedDataset{}
	for i := range listed {
		d := &listed[i]
		switch key := (name{d.Ref.DataSource, d.Ref.Name}); {
		case key.name == "":
		case len(d.Ref.Prefix) == 0:
			short[key] = d
		default:
			long[key] = append(long[key], d)
		}
	}
	out := map[string]*dq.DatasetRef{}
	for key, members := range long {
		if s := short[key]; s != nil && len(members) == 1 {
			out[s.id], out[members[0].id] = &members[0].Ref, &s.Ref
		}
	}
	return out
}

// ensureDatasets makes the datasets known that a failed scan was about, so that its warning has a place to stand. It writes
// nothing else of them, so that order does not matter.
func (h *Hub) ensureDatasets(ctx context.Context, s *dq.Scan) error {
	if s.State != dq.Failed {
		return nil
	}
	for _, d := range s.Covers {
		if err := h.ensureDataset(ctx, d, s.Received); err != nil {
			return fmt.Errorf("dataset %q: %w", d.QualifiedName(), err)
		}
	}
	return nil
}

// ensureDataset makes a dataset known that no scan has said anything of. heard is when it was first heard of.
func (h *Hub) ensureDataset(ctx context.Context, d dq.DatasetRef, heard time.Time) error {
	known, err := h.Known(ctx, d.ID())
	if err != nil || known {
		return err
	}
	if err := h.joinFamily(ctx, d); err != nil {
		return err
	}
	v := &datasetViews{state: datasetState{Ref: d}, expires: heard.Add(h.keep.Results)}
	ops, err := v.checksOps(d.ID())
	if err != nil {
		return err
	}
	op, err := v.stateOp(d.ID())
	if err != nil {
		return err
	}
	err = h.table.Write(ctx, append(ops, op)...)
	if errors.Is(err, table.ErrCondition) { // a scan was faster
		return nil
	}
	return err
}
