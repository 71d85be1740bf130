package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// Lists are drawn from the dataset states in the index and the packed checks behind them, which are kept decoded by version
// (see cache.go). So a page costs one index query a shard, and a batch of reads for datasets that changed.

// listedDataset is a dataset's state as the index has it.
type listedDataset struct {
	id      string
	version int64
	datasetState
}

// listDatasets reads the state of every dataset.
func (h *Hub) listDatasets(ctx context.Context) ([]listedDataset, error) {
	shards := make([][]listedDataset, indexShards)
	g, ctx := errgroup.WithContext(ctx)
	for n := range indexShards {
		g.Go(func() error {
			items, err := table.All(ctx, h.table.QueryIndex, table.Range{PK: fmt.Sprintf("%s%d", indexDatasets, n)})
			if err != nil {
				return fmt.Errorf("list datasets: %w", err)
			}
			for _, it := range items {
				d := listedDataset{id: it.IndexSK, version: it.Version}
				if err := h.cache.state(it, &d.datasetState); err != nil {
					return err
				}
				shards[n] = append(shards[n], d)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(shards...), nil
}

// Checks lists checks. The order is total, so that pages do not overlap.
func (h *Hub) Checks(ctx context.Context, f CheckFilter) (CheckPage, error) {
	page := CheckPage{Page: max(f.Page, 0), Size: clamp(f.Size, DefaultPageSize, MaxPageSize)}
	all, err := h.allChecks(ctx, f)
	if err != nil {
		return page, err
	}
	matches := newCheckMatcher(f)
	facets := newFacetCollector()
	var rows []*Check
	for _, list := range all {
		for i := range list {
			c := &list[i]
			if c.Archived != f.Archived || h.outdated(c.At, c.Created) {
				continue
			}
			facets.add(c)
			if !matches.rest(c) {
				continue
			}
			page.Counts.Add(c.Outcome)
			if matches.outcome(c) {
				rows = append(rows, c)
			}
		}
	}
	slices.SortFunc(rows, checkOrder(f.Sort, f.Desc))
	page.Total, page.Facets = len(rows), facets.facets()
	for _, c := range window(rows, page.Page, page.Size) {
		page.Rows = append(page.Rows, *c)
	}
	return page, nil
}

// outdated tells whether a check's newest verdict (or first sight, if it has none) is past the retention.
func (h *Hub) outdated(at, created time.Time) bool {
	return later(at, created).Before(h.now().Add(-h.keep.Results))
}

// allChecks gives the checks of all datasets, or of those that the filter names by id.
func (h *Hub) allChecks(ctx context.Context, f CheckFilter) ([][]Check, error) {
	if f.DatasetID != "" || len(f.IDs) > 0 {
		ids := map[string]bool{f.DatasetID: true}
		for _, id := range f.OrDatasets {
			ids[id] = true
		}
		for _, id := range f.IDs {
			ids[dq.DatasetOfCheck(id)] = true
		}
		delete(ids, "")
		return h.checksOf(ctx, slices.Sorted(maps.Keys(ids)), nil)
	}
	datasets, err := h.listDatasets(ctx)
	if err != nil {
		return nil, err
	}
	ids, versions := make([]string, len(datasets)), make(map[string]int64, len(datasets))
	for i, d := range datasets {
		ids[i], versions[d.id] = d.id, d.version
	}
	return h.checksOf(ctx, ids, versions)
}

// Check reads one check. ErrNotFound if there is none.
func (h *Hub) Check(ctx context.Context, id string) (Check, error) {
	list, err := h.datasetChecks(ctx, dq.DatasetOfCheck(id))
	if err != nil {
		return Check{}, fmt.Errorf("check %q: %w", id, err)
	}
	for _, c := range list {
		if c.ID == id {
			return c, nil
		}
	}
	return Check{}, fmt.Errorf("check %q: %w", id, ErrNotFound)
}

// datasetChecks reads the checks of one dataset as they are now. ErrNotFound if there is no such dataset.
func (h *Hub) datasetChecks(ctx context.Context, datasetID string) ([]Check, error) {
	if datasetID == "" {
		return nil, ErrNotFound
	}
	lists, err := h.checksOf(ctx, []string{datasetID}, nil)
	if err != nil {
		return nil, err
	}
	if len(lists) == 0 {
		return nil, ErrNotFound
	}
	return lists[0], nil
}

type checkMatcher struct {
	f        CheckFilter
	text     string
	ids      map[string]bool
	outcomes map[dq.Outcome]bool
}

func newCheckMatcher(f CheckFilter) *checkMatcher {
	m := &checkMatcher{f: f, text: strings.ToLower(f.Text), ids: map[string]bool{}, outcomes: map[dq.Outcome]bool{}}
	for _, id := range f.IDs {
		m.ids[id] = true
	}
	for _, o := range f.Outcomes {
		m.outcomes[o] = true
	}
	return m
}

func (m *checkMatcher) outcome(c *Check) bool { return len(m.outcomes) == 0 || m.outcomes[c.Outcome] }

func (m *checkMatcher) rest(c *Check) bool {
	return (len(m.ids) == 0 || m.ids[c.ID]) &&
		(same(m.f.DatasetID, c.DatasetID) || slices.Contains(m.f.OrDatasets, c.DatasetID)) && same(m.f.Dataset, c.Dataset.Name) && same(m.f.DataSource, c.Dataset.DataSource) &&
		same(m.f.Definition, c.Definition) && (m.f.Owner == "" || m.f.Owner == c.Owner()) &&
		(m.text == "" || contains(c.Name, m.text) || contains(c.Column, m.text) || named(c.Dataset, m.text) || contains(c.Source, m.text)) &&
		m.attributes(c)
}

func (m *checkMatcher) attributes(c *Check) bool {
	for _, term := range m.f.Attributes {
		if !slices.ContainsFunc(c.Attributes, func(a dq.Attribute) bool { return hasAttribute(a, term) }) {
			return false
		}
	}
	return true
}

func hasAttribute(a dq.Attribute, term AttributeTerm) bool {
	if a.Name != term.Name {
		return false
	}
	if term.Value == "" || strings.EqualFold(a.Text(), term.Value) {
		return true
	}
	var list []json.RawMessage
	return json.Unmarshal(a.Value, &list) == nil && slices.ContainsFunc(list, func(v json.RawMessage) bool {
		return strings.EqualFold(dq.Attribute{Value: v}.Text(), term.Value)
	})
}

func same(want, have string) bool { return want == "" || want == have }

// contains looks for lower, which is in lower case, in s.
func contains(s, lower string) bool { return strings.Contains(strings.ToLower(s), lower) }

// named tells whether a dataset has the text, in lower case, in its name; one with a slash in its qualified name.
func named(d dq.DatasetRef, lower string) bool {
	return contains(d.Name, lower) || strings.Contains(lower, "/") && contains(d.QualifiedName(), lower)
}

// checkOrder compares checks for a sort name, ties broken by name, dataset and id.
func checkOrder(sort string, desc bool) func(a, b *Check) int {
	first := func(a, b *Check) int { return 0 }
	switch sort {
	case "outcome":
		first = func(a, b *Check) int { return cmp.Compare(b.Outcome.Rank(), a.Outcome.Rank()) }
	case "dataset":
		first = func(a, b *Check) int { return cmp.Compare(a.Dataset.QualifiedName(), b.Dataset.QualifiedName()) }
	case "value":
		first = func(a, b *Check) int { return cmp.Compare(number(a.Value), number(b.Value)) }
	case "evaluated":
		first = func(a, b *Check) int { return b.At.Compare(a.At) }
	case "since":
		first = func(a, b *Check) int { return b.Since.Compare(a.Since) }
	case "owner":
		first = func(a, b *Check) int { return cmp.Compare(a.Owner(), b.Owner()) }
	case "definition":
		first = func(a, b *Check) int { return cmp.Compare(a.Definition, b.Definition) }
	}
	return func(a, b *Check) int {
		c := cmp.Or(first(a, b), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Dataset.Name, b.Dataset.Name), cmp.Compare(a.ID, b.ID))
		if desc {
			return -c
		}
		return c
	}
}

func number(n json.Number) float64 {
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil && f == 0 {
		return -1e308
	}
	return f
}

func window[T any](rows []T, page, size int) []T {
	if page > len(rows)/size {
		return nil
	}
	from := page * size
	return rows[from:min(from+size, len(rows))]
}

const maxFacet = 200

type facetCollector struct{ datasets, sources, owners, definitions, attributes map[string]bool }

func newFacetCollector() *facetCollector {
	return &facetCollector{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
}

func (f *facetCollector) add(c *Check) {
	f.datasets[c.Dataset.Name] = true
	f.sources[c.Dataset.DataSource] = true
	f.definitions[c.Definition] = true
	for _, a := range c.Attributes {
		f.attributes[a.Name] = true
		if strings.EqualFold(a.Name, "owner") {
			f.owners[a.Text()] = true
		}
	}
}

func (f *facetCollector) facets() Facets {
	return Facets{
		Datasets: sorted(f.datasets), DataSources: sorted(f.sources), Owners: sorted(f.owners),
		Definitions: sorted(f.definitions), Attributes: sorted(f.attributes),
	}
}

func sorted(set map[string]bool) []string {
	delete(set, "")
	list := slices.Sorted(maps.Keys(set))
	return list[:min(len(list), maxFacet)]
}

// Datasets lists datasets with the warnings that stand on them.
func (h *Hub) Datasets(ctx context.Context, f DatasetFilter) (DatasetPage, error) {
	page := DatasetPage{Page: max(f.Page, 0), Size: clamp(f.Size, DefaultPageSize, MaxPageSize)}
	listed, err := h.listDatasets(ctx)
	if err != nil {
		return page, err
	}
	definitions, err := h.definitions(ctx)
	if err != nil {
		return page, err
	}
	sources, covered := map[string]bool{}, map[string]bool{}
	var rows []Dataset
	twins := pairs(listed)
	for _, l := range listed {
		d := l.view(definitions)
		d.Same = twins[l.id]
		for _, w := range d.Warnings {
			covered[w.Definition] = true
		}
		sources[d.DataSource] = true
		if !f.matches(&d) {
			continue
		}
		page.ByHealth.add(&d)
		if f.matchesHealth(&d) {
			rows = append(rows, d)
		}
	}
	slices.SortFunc(rows, datasetOrder(f.Sort, f.Desc))
	page.Uncovered = uncovered(definitions, covered)
	page.Total, page.DataSources = len(rows), sorted(sources)
	page.Rows = window(rows, page.Page, page.Size)
	return page, nil
}

// uncovered lists the warnings that stand on no dataset, newest first.
func uncovered(definitions map[string]definitionState, covered map[string]bool) []ScanWarning {
	var out []ScanWarning
	for name, d := range definitions {
		if w, ok := d.warning(); ok && !covered[name] {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, newestWarning)
	return out
}

func newestWarning(a, b ScanWarning) int {
	return cmp.Or(b.Since.Compare(a.Since), cmp.Compare(a.Definition, b.Definition))
}

// matches looks at all but the health.
func (f DatasetFilter) matches(d *Dataset) bool {
	return same(f.DataSource, d.DataSource) && (f.Text == "" || named(d.DatasetRef, strings.ToLower(f.Text))) &&
		(f.UpdatedAfter.IsZero() || d.Updated.After(f.UpdatedAfter))
}

func (f DatasetFilter) matchesHealth(d *Dataset) bool {
	switch f.Health {
	case "fail", "warn", "pass":
		return d.Counts.Worst() == dq.Outcome(f.Health)
	case "warning":
		return len(d.Warnings) > 0
	}
	return true
}

// badness orders datasets by how much needs a look: those with scan warnings, then by the share of checks that do not pass.
// What was never evaluated has nothing to look at.
func badness(d *Dataset) int {
	switch health := d.Health(); {
	case len(d.Warnings) > 0:
		return 200 - max(health, 0)
	case health < 0:
		return -1
	default:
		return 100 - health
	}
}

func datasetOrder(sort string, desc bool) func(a, b Dataset) int {
	first := func(a, b *Dataset) int { return 0 }
	switch sort {
	case "health":
		first = func(a, b *Dataset) int {
			return cmp.Compare(badness(b), badness(a))
		}
	case "checks":
		first = func(a, b *Dataset) int { return cmp.Compare(b.Counts.Total(), a.Counts.Total()) }
	case "failing":
		first = func(a, b *Dataset) int { return cmp.Compare(b.Counts.Fail, a.Counts.Fail) }
	case "scanned":
		first = func(a, b *Dataset) int { return b.LastData.Compare(a.LastData) }
	}
	return func(a, b Dataset) int {
		c := cmp.Or(first(&a, &b), cmp.Compare(a.Name, b.Name), cmp.Compare(a.DataSource, b.DataSource), cmp.Compare(a.ID, b.ID))
		if desc {
			return -c
		}
		return c
	}
}

// view adds what the dataset's definitions say to its own state.
func (l *listedDataset) view(definitions map[string]definitionState) Dataset {
	d := Dataset{
		DatasetRef: l.Ref, ID: l.id, SourceType: l.SourceType, Counts: l.Counts, LastScan: l.Last.Scan,
		LastScanState: l.LastState, LastData: l.Last.Data, Updated: l.Updated, Definitions: l.Definitions, Version: l.version,
	}
	newest := l.Last
	for _, def := range covering(l.id, l.Definitions, definitions) {
		if w, ok := def.warning(); ok {
			d.Warnings = append(d.Warnings, w)
		}
		if u := def.Newest; !u.State.Clean() && u.Order.After(newest) {
			newest = u.Order
			d.LastScan, d.LastScanState, d.LastData = u.Order.Scan, u.State, u.Order.Data
			d.Updated = later(d.Updated, u.Received)
		}
	}
	slices.SortFunc(d.Warnings, newestWarning)
	return d
}

// covering picks the definitions that cover a dataset: those that report on it, and those with an unclean scan that names it.
func covering(datasetID string, names []string, definitions map[string]definitionState) []definitionState {
	var out []definitionState
	for _, n := range names {
		if d, ok := definitions[n]; ok {
			out = append(out, d)
		}
	}
	for _, d := range definitions {
		if slices.Contains(d.Named, datasetID) && !slices.Contains(names, d.Name) {
			out = append(out, d)
		}
	}
	return out
}

// Known tells whether a scan ever said something about the dataset.
func (h *Hub) Known(ctx context.Context, datasetID string) (bool, error) {
	_, err := h.get(ctx, stateKey(datasetID))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("dataset %q: %w", datasetID, err)
	}
	return true, nil
}

// KnownSource tells whether the data source of any known dataset has the name. It reads the list of all.
func (h *Hub) KnownSource(ctx context.Context, name string) (bool, error) {
	all, err := h.listDatasets(ctx)
	return slices.ContainsFunc(all, func(d listedDataset) bool { return d.Ref.DataSource == name }), err
}

// Dataset reads one dataset with all that scans learned of it. ErrNotFound if there is none.
func (h *Hub) Dataset(ctx context.Context, id string) (DatasetDetail, error) {
	var detail DatasetDetail
	if id == "" {
		return detail, ErrNotFound
	}
	items, err := h.table.BatchGet(ctx, []table.Key{stateKey(id), reportKey(id)})
	if err != nil {
		return detail, fmt.Errorf("dataset %q: %w", id, err)
	}
	found := false
	var report datasetReport
	listed := listedDataset{id: id}
	for _, it := range items {
		if it.SK == skState {
			found, listed.version = true, it.Version
			err = json.Unmarshal(it.Head, &listed.datasetState)
		} else {
			err = Unpack(it.Body, &report)
		}
		if err != nil {
			return detail, fmt.Errorf("%v: %w", it.Key, err)
		}
	}
	if !found {
		return detail, fmt.Errorf("dataset %q: %w", id, ErrNotFound)
	}
	definitions, err := h.definitions(ctx)
	if err != nil {
		return detail, err
	}
	detail = DatasetDetail{
		Dataset: listed.view(definitions), Schema: report.Schema, SchemaAt: report.SchemaAt.Data, RowCount: report.RowCount,
		Profile: report.Profile, Sample: report.Sample,
	}
	if seen := listed.Contract; seen != nil {
		detail.Verified, detail.VerifiedBy = &seen.ContractRef, seen.At.Scan
	}
	for _, def := range covering(id, listed.Definitions, definitions) {
		for _, u := range def.Unclean {
			detail.unclean = append(detail.unclean, ScanHead{
				ID: u.Order.Scan, Definition: def.Name, State: u.State, DataTime: u.Order.Data, Ended: u.Order.Ended, Received: u.Received, Why: u.Why,
			})
		}
	}
	return detail, nil
}

// Scans lists scans, newest arrival first.
func (h *Hub) Scans(ctx context.Context, f ScanFilter) (ScanPage, error) {
	var page ScanPage
	size := clamp(f.Size, DefaultPageSize, MaxPageSize)
	shards := make([]*scanShard, indexShards)
	for n := range shards {
		shards[n] = &scanShard{r: table.Range{PK: fmt.Sprintf("%s%d", indexScans, n), To: f.Before, Desc: true, Limit: size + 1}}
	}
	for read := 0; len(page.Rows) <= size; read++ {
		if read > maxScansRead {
			page.Next = page.Rows[len(page.Rows)-1].Cursor()
			return page, nil
		}
		newest, err := newestOf(ctx, h.table, shards)
		if err != nil {
			return page, fmt.Errorf("list scans: %w", err)
		}
		if newest == nil {
			return page, nil
		}
		head, err := scanHead(*newest)
		if err != nil {
			return page, err
		}
		if head.Cursor() != f.Before && same(f.Definition, head.Definition) && same(string(f.State), string(head.State)) {
			page.Rows = append(page.Rows, head)
		}
	}
	page.Rows = page.Rows[:size]
	page.Next = page.Rows[size-1].Cursor()
	return page, nil
}

// maxScansRead bounds how far one page looks for scans that match its filter.
const maxScansRead = 20_000

// scanShard reads one shard of the scans list page by page.
type scanShard struct {
	r     table.Range
	items []table.Item
	done  bool
}

// newestOf takes the newest scan off the shards, nil if all are at their end.
func newestOf(ctx context.Context, t table.Table, shards []*scanShard) (*table.Item, error) {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range shards {
		if len(s.items) == 0 && !s.done {
			g.Go(func() error { return s.fill(ctx, t) })
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var best *scanShard
	for _, s := range shards {
		if len(s.items) > 0 && (best == nil || s.items[0].IndexSK > best.items[0].IndexSK) {
			best = s
		}
	}
	if best == nil {
		return nil, nil
	}
	item := best.items[0]
	best.items = best.items[1:]
	return &item, nil
}

func (s *scanShard) fill(ctx context.Context, t table.Table) error {
	for len(s.items) == 0 && !s.done {
		page, err := t.QueryIndex(ctx, s.r)
		if err != nil {
			return err
		}
		s.items, s.r.Token = page.Items, page.Token
		s.done = page.Token == ""
	}
	return nil
}
