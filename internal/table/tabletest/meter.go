package tabletest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"sync"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// Usage is what a table was asked to do, in DynamoDB's units.
type Usage struct {
	Gets, BatchGets, Queries, IndexQueries, Writes int
	// WriteUnits are those of items and of the index; ReadUnits count strong reads of items and eventual reads of the index.
	WriteUnits, ReadUnits float64
}

// Calls is the number of calls of any kind.
func (u Usage) Calls() int { return u.Gets + u.BatchGets + u.Queries + u.IndexQueries + u.Writes }

// Meter counts what goes through it by the rules of DynamoDB's on-demand mode: a write unit for each started KB of an item,
// twice in a transaction; as many for the index when what it projects has changed, and one more pair when the index key
// has; a read unit for each started 4 KB, half for the index, whose reads are eventually consistent
// (docs.aws.amazon.com/amazondynamodb, "Read and write capacity").
type Meter struct {
	table.Table
	mu    sync.Mutex
	usage Usage
	heat  map[string]float64
	reads map[string]float64
}

// Heat is the write units so far of each partition: "table PK" or "index PK".
func (m *Meter) Heat() map[string]float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.heat)
}

// ReadHeat is the read units so far of each partition, named as those of [Meter.Heat].
func (m *Meter) ReadHeat() map[string]float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.reads)
}

// NewMeter counts what is asked of t.
func NewMeter(t table.Table) *Meter {
	return &Meter{Table: t, heat: map[string]float64{}, reads: map[string]float64{}}
}

// read adds read units of a partition.
func (m *Meter) read(u *Usage, partition string, units float64) {
	u.ReadUnits += units
	m.reads[partition] += units
}

// Take gives the usage so far and begins anew.
func (m *Meter) Take() Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.usage
	m.usage = Usage{}
	return u
}

func (m *Meter) add(change func(*Usage)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.usage)
}

func units(size, unit int) float64 { return float64(max(1, (size+unit-1)/unit)) }

// Get implements [table.Table].
func (m *Meter) Get(ctx context.Context, k table.Key) (table.Item, error) {
	it, err := m.Table.Get(ctx, k)
	m.add(func(u *Usage) {
		u.Gets++
		m.read(u, "table "+k.PK, units(it.Size(), 4<<10))
	})
	return it, err
}

// BatchGet implements [table.Table].
func (m *Meter) BatchGet(ctx context.Context, keys []table.Key) ([]table.Item, error) {
	items, err := m.Table.BatchGet(ctx, keys)
	m.add(func(u *Usage) {
		u.BatchGets += (len(keys) + table.MaxBatchGet - 1) / table.MaxBatchGet
		for i := range items {
			m.read(u, "table "+items[i].PK, units(items[i].Size(), 4<<10))
		}
	})
	return items, err
}

// Query implements [table.Table].
func (m *Meter) Query(ctx context.Context, r table.Range) (table.Page, error) {
	page, err := m.Table.Query(ctx, r)
	m.add(func(u *Usage) {
		u.Queries++
		m.read(u, "table "+r.PK, units(pageSize(page), 4<<10))
	})
	return page, err
}

// QueryIndex implements [table.Table].
func (m *Meter) QueryIndex(ctx context.Context, r table.Range) (table.Page, error) {
	page, err := m.Table.QueryIndex(ctx, r)
	m.add(func(u *Usage) {
		u.IndexQueries++
		m.read(u, "index "+r.PK, units(pageSize(page), 4<<10)/2)
	})
	return page, err
}

func pageSize(p table.Page) (size int) {
	for i := range p.Items {
		size += p.Items[i].Size()
	}
	return size
}

// Write implements [table.Table].
func (m *Meter) Write(ctx context.Context, ops ...table.Op) error {
	before := make([]table.Item, len(ops))
	for i := range ops {
		before[i], _ = m.Table.Get(ctx, ops[i].Item.Key) // absent or unreadable counts as new
	}
	err := m.Table.Write(ctx, ops...)
	factor := 1.0
	if len(ops) > 1 {
		factor = 2
	}
	m.add(func(u *Usage) {
		u.Writes++
		for i := range ops {
			it := ops[i].Item
			if ops[i].Kind() != table.OpPut {
				it = table.Item{}
			}
			own, index := factor*units(max(it.Size(), before[i].Size()), 1<<10), 0.0
			if err == nil && ops[i].Kind() != table.OpCheck {
				index = indexUnits(before[i], it)
			}
			u.WriteUnits += own + index
			m.heat["table "+ops[i].Item.PK] += own
			if index > 0 {
				m.heat["index "+cmp.Or(it.IndexPK, before[i].IndexPK)] += index
			}
		}
	})
	return err
}

// indexUnits is what keeping the index up to date costs.
func indexUnits(before, after table.Item) float64 {
	cost := func(it table.Item) float64 {
		it.Body = nil
		return units(it.Size(), 1<<10)
	}
	switch {
	case before.IndexPK == "" && after.IndexPK == "":
		return 0
	case before.IndexPK == "":
		return cost(after)
	case after.IndexPK == "":
		return cost(before)
	case before.IndexPK != after.IndexPK || before.IndexSK != after.IndexSK:
		return cost(before) + cost(after)
	case bytes.Equal(before.Head, after.Head) && before.Version == after.Version && before.Entity == after.Entity && before.Expires.Equal(after.Expires):
		return 0
	}
	return max(cost(before), cost(after))
}
