package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// Digest folds a stored scan into the views: its definition's state, then each of its datasets in one transaction of
// state, checks and timeline entry, then, if a check failed and no newer result was known, the alert. It may run twice, late
// or out of order: a dataset's timeline entry says that the scan is folded in, and remembers which failures were current
// then, so that a crash before the alert does not lose it. A scan that is gone (expired, deleted) is nothing to do.
func (h *Hub) Digest(ctx context.Context, scanID string) error {
	s, err := h.Scan(ctx, scanID)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	fresh, err := h.digest(ctx, &s)
	if err == nil && fresh > 0 && h.OnDigest != nil {
		h.OnDigest(ctx, &s)
	}
	return err
}

// Digesters are what is digested, by the prefix of the partition key that a stream record has: scans, and published
// contracts.
func (h *Hub) Digesters() map[string]func(ctx context.Context, id string) error {
	return map[string]func(context.Context, string) error{"SCAN#": h.Digest, "CONTRACT#": h.DigestContract}
}

// digest returns how many datasets had not been folded in before. A scan that somebody canceled changes no view.
func (h *Hub) digest(ctx context.Context, s *dq.Scan) (fresh int, err error) {
	if !s.State.Finished() || s.State == dq.Canceled {
		return 0, nil
	}
	if err := h.foldDefinition(ctx, s); err != nil {
		return 0, err
	}
	if err := h.ensureDatasets(ctx, s); err != nil {
		return 0, err
	}
	byDataset := groupByDataset(s)
	alert := dq.Alert{ScanID: s.ID, Definition: s.Definition, DataTime: s.Order().Data, Received: s.Received}
	for _, ref := range s.Datasets() {
		part := byDataset[ref.ID()]
		part.ref = ref
		failures, isNew, err := h.foldDataset(ctx, s, part)
		if err != nil {
			return fresh, fmt.Errorf("dataset %q: %w", ref.QualifiedName(), err)
		}
		if isNew {
			fresh++
		}
		addFailures(&alert, s, part, failures)
	}
	if alert.Failures() == 0 {
		return fresh, nil
	}
	return fresh, h.putAlert(ctx, alert)
}

// datasetPart is what one scan says of one dataset.
type datasetPart struct {
	ref          dq.DatasetRef
	results      []*dq.Result
	measurements []dq.Measurement
	report       *dq.DatasetReport
}

func groupByDataset(s *dq.Scan) map[string]datasetPart {
	parts := map[string]datasetPart{}
	edit := func(d dq.DatasetRef, change func(*datasetPart)) {
		p := parts[d.ID()]
		change(&p)
		parts[d.ID()] = p
	}
	for i := range s.Results {
		edit(s.Results[i].Dataset, func(p *datasetPart) { p.results = append(p.results, &s.Results[i]) })
	}
	for _, m := range s.Measurements {
		edit(m.Dataset, func(p *datasetPart) { p.measurements = append(p.measurements, m) })
	}
	for i := range s.Reports {
		edit(s.Reports[i].Dataset, func(p *datasetPart) { p.report = mergeReports(p.report, &s.Reports[i]) })
	}
	return parts
}

// mergeReports joins two reports of one scan on the same dataset; what b says wins.
func mergeReports(a, b *dq.DatasetReport) *dq.DatasetReport {
	if a == nil {
		return b
	}
	m := *a
	if b.Schema != nil {
		m.Schema = b.Schema
	}
	if b.RowCount != nil {
		m.RowCount = b.RowCount
	}
	if b.Profile != nil {
		m.Profile = b.Profile
	}
	if b.Sample != "" {
		m.Sample = b.Sample
	}
	return &m
}

// datasetViews are the stored views of a dataset, decoded.
type datasetViews struct {
	version    int64
	expires    time.Time
	state      datasetState
	checks     packedChecks
	report     datasetReport
	chunks     int // parts of CHECKS that are stored now
	reportItem bool
}

// foldDataset folds one scan into one dataset, unless it is already, and returns the failures that were current when it
// was.
func (h *Hub) foldDataset(ctx context.Context, s *dq.Scan, part datasetPart) (failures []failure, fresh bool, err error) {
	id := part.ref.ID()
	for attempt := 1; ; attempt++ {
		v, err := h.loadViews(ctx, id, part.report != nil)
		if err != nil {
			return nil, false, err
		}
		ops, failures, err := h.foldOps(ctx, s, part, v)
		if err != nil {
			return nil, false, err
		}
		err = h.table.Write(ctx, ops...)
		if err == nil {
			return failures, true, nil
		}
		if !errors.Is(err, table.ErrCondition) || attempt == maxAttempts {
			return nil, false, err
		}
		entry, err := h.timelineEntry(ctx, timelineKey(id, s.Order()))
		if err == nil {
			return entry.Failures, false, nil
		}
		if !errors.Is(err, table.ErrNotFound) {
			return nil, false, err
		}
		if err := pause(ctx, attempt); err != nil {
			return nil, false, err
		}
	}
}

// loadViews reads the views of a dataset; those of one never seen are empty.
func (h *Hub) loadViews(ctx context.Context, id string, withReport bool) (*datasetViews, error) {
	for attempt := 1; ; attempt++ {
		v, err := h.tryLoadViews(ctx, id, withReport)
		if !errors.Is(err, errTorn) || attempt == maxAttempts {
			return v, err
		}
		if err := pause(ctx, attempt); err != nil {
			return nil, err
		}
	}
}

// errTorn means that the views changed between two reads of their parts.
var errTorn = errors.New("views changed while being read")

func (h *Hub) tryLoadViews(ctx context.Context, id string, withReport bool) (*datasetViews, error) {
	keys := []table.Key{stateKey(id), checksKey(id, 0)}
	if withReport {
		keys = append(keys, reportKey(id))
	}
	items, err := h.table.BatchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	v := &datasetViews{}
	var checks table.Item
	for _, it := range items {
		switch it.SK {
		case skState:
			v.version, v.expires = it.Version, it.Expires
			err = json.Unmarshal(it.Head, &v.state)
		case skChecks:
			checks = it
		case skReport:
			v.reportItem = true
			err = Unpack(it.Body, &v.report)
		}
		if err != nil {
			return nil, fmt.Errorf("%v: %w", it.Key, err)
		}
	}
	if checks.Version != v.version {
		return nil, errTorn
	}
	if v.version == 0 {
		return v, nil
	}
	v.chunks, v.checks, err = h.unpackChecks(ctx, checks)
	return v, err
}

// unpackChecks joins and decodes the CHECKS body of which first is the first part, and counts its parts.
func (h *Hub) unpackChecks(ctx context.Context, first table.Item) (parts int, p packedChecks, err error) {
	if parts, err = partsOf(first); err != nil {
		return 0, p, err
	}
	rest, err := h.parts(ctx, first.Key, 1, parts)
	if err != nil {
		return 0, p, err
	}
	for _, it := range rest {
		if it.Version != first.Version {
			return 0, p, errTorn
		}
	}
	return parts, p, Unpack(join(first, rest), &p)
}

// foldOps folds the scan into v and gives the one transaction that stores it.
func (h *Hub) foldOps(ctx context.Context, s *dq.Scan, part datasetPart, v *datasetViews) ([]table.Op, []failure, error) {
	id := part.ref.ID()
	v.checks.expire(s.Received.Add(-h.keep.Results))
	failures, err := v.checks.fold(s, part.results, func(definition, identity string, after dq.Order) (dq.Order, error) {
		return h.nextVerdict(ctx, id, definition, identity, after)
	})
	if err != nil {
		return nil, nil, err
	}
	if v.version == 0 {
		if err := h.joinFamily(ctx, part.ref); err != nil {
			return nil, nil, err
		}
	}
	if err := h.putAliases(ctx, id, part, &v.checks); err != nil {
		return nil, nil, err
	}
	v.state.fold(s, part.ref, &v.checks)
	v.expires = later(v.expires, s.Received.Add(h.keep.Results))

	ops, err := h.timelineOps(s, part, failures)
	if err != nil {
		return nil, nil, err
	}
	checkOps, err := v.checksOps(id)
	if err != nil {
		return nil, nil, err
	}
	ops = append(ops, checkOps...)
	if part.report != nil {
		v.report.fold(s.Order(), part.report)
		op, err := v.reportOp(id)
		if err != nil {
			return nil, nil, err
		}
		ops = append(ops, op)
	}
	stateOp, err := v.stateOp(id)
	if err != nil {
		return nil, nil, err
	}
	return append(ops, stateOp), failures, nil
}

// timelineOps put the scan's entry into the dataset's timeline. Its absence guards against folding twice.
func (h *Hub) timelineOps(s *dq.Scan, part datasetPart, failures []failure) ([]table.Op, error) {
	body, err := Pack(timelineOf(s, part.results, part.measurements, failures))
	if err != nil {
		return nil, err
	}
	head := headOf(s)
	head.Datasets, head.DatasetCount, head.Why, head.Content = nil, 0, "", ""
	head.Counts = dq.Counts{}
	for _, r := range part.results {
		if !r.Excluded {
			head.Counts.Add(r.Outcome)
		}
	}
	k := timelineKey(part.ref.ID(), s.Order())
	items := splitUnder(table.Item{Key: k, Entity: entityTimeline, Version: 1, Expires: s.Received.Add(h.keep.Results)}, body, moreKey(k))
	head.Parts = len(items)
	if items[0].Head, err = json.Marshal(head); err != nil {
		return nil, err
	}
	ops := []table.Op{table.Put(items[0], table.IfAbsent())}
	for _, it := range items[1:] {
		ops = append(ops, table.Put(it, table.Always()))
	}
	return ops, nil
}

func (v *datasetViews) checksOps(id string) ([]table.Op, error) {
	body, err := Pack(&v.checks)
	if err != nil {
		return nil, err
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("%w: the state of the dataset's checks has %d bytes, at most %d", ErrTooLarge, len(body), maxBody)
	}
	items := split(table.Item{Key: checksKey(id, 0), Entity: entityChecks, Version: v.version + 1, Expires: v.expires}, body)
	items[0].Head = partsHead(len(items))
	var ops []table.Op
	for _, it := range items {
		ops = append(ops, table.Put(it, table.Always()))
	}
	for n := len(items); n < v.chunks; n++ {
		ops = append(ops, table.Delete(checksKey(id, n), table.Always()))
	}
	return ops, nil
}

func (v *datasetViews) reportOp(id string) (table.Op, error) {
	body, err := Pack(&v.report)
	if err != nil {
		return table.Op{}, err
	}
	if len(body) > partSize {
		return table.Op{}, fmt.Errorf("%w: the dataset's schema and profile have %d bytes, at most %d", ErrTooLarge, len(body), partSize)
	}
	return table.Put(table.Item{Key: reportKey(id), Entity: entityReport, Version: v.version + 1, Expires: v.expires, Body: body}, table.Always()), nil
}

// stateOp guards the transaction: all views of a dataset change together with its state's version.
func (v *datasetViews) stateOp(id string) (table.Op, error) {
	head, err := json.Marshal(v.state)
	if err != nil {
		return table.Op{}, err
	}
	return table.Put(table.Item{
		Key: stateKey(id), Entity: entityDataset, Version: v.version + 1, Expires: v.expires,
		IndexPK: shardOf(indexDatasets, id), IndexSK: id, Head: head,
	}, table.IfVersion(v.version)), nil
}

// putAliases stores whose timeline answers for what is new to the dataset of metrics, anomaly checks, and checks of contracts by
// the client's own identities. Scanners ask by
// these identities without naming the dataset. Before the fold, so that a crash between leaves nothing unanswerable.
func (h *Hub) putAliases(ctx context.Context, datasetID string, part datasetPart, p *packedChecks) error {
	var metrics, checks, fresh []string
	for _, m := range part.measurements {
		metrics = append(metrics, m.Identity)
	}
	for _, r := range part.results {
		switch {
		case r.Kind == KindAnomaly:
			checks = append(append(checks, r.Identity), r.Aliases...)
		case r.Origin == dq.OriginContract: // its path is that of many a dataset's
			checks = append(checks, r.Aliases...)
		}
	}
	var keys []table.Key
	fresh, p.Metrics = newIdentities(p.Metrics, metrics)
	for _, id := range fresh {
		keys = append(keys, aliasKey(metricAlias, aliasIdentity(id), datasetID))
	}
	fresh, p.Aliases = newIdentities(p.Aliases, checks)
	for _, id := range fresh {
		keys = append(keys, aliasKey(checkAlias, aliasIdentity(id), datasetID))
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, k := range keys {
		g.Go(func() error {
			return h.table.Write(ctx, table.Put(table.Item{Key: k, Entity: entityAlias, Version: 1}, table.Always()))
		})
	}
	return g.Wait()
}

// addFailures lists the failures of one dataset in the alert.
func addFailures(a *dq.Alert, s *dq.Scan, part datasetPart, failures []failure) {
	if len(failures) == 0 {
		return
	}
	byIdentity := make(map[string]*dq.Result, len(part.results))
	for _, r := range distinct(part.results) {
		byIdentity[r.Identity] = r
	}
	for _, f := range failures {
		r, ok := byIdentity[f.Identity]
		if !ok || len(a.Checks) >= maxAlertChecks {
			a.Omitted++
			continue
		}
		a.Checks = append(a.Checks, dq.AlertCheck{
			ID: dq.CheckID(part.ref.ID(), s.Definition, r.Identity), Name: r.Name, Dataset: part.ref, Column: r.Column,
			Source: r.Source, Owner: r.Owner(), Attributes: r.Attributes, Value: r.Value, ValueLabel: r.ValueLabel,
			Measure: r.Measure, Fail: r.Fail, Previous: f.Previous, Since: f.Since,
		})
	}
}

// maxAlertChecks is how many failing checks an alert lists; no destination shows more.
const maxAlertChecks = 1000

// putAlert stores the alert, whose stream record wakes the notifier. Once is enough.
func (h *Hub) putAlert(ctx context.Context, a dq.Alert) error {
	body, err := Pack(a)
	for err == nil && len(body) > partSize {
		keep := len(a.Checks) / 2
		a.Omitted += len(a.Checks) - keep
		a.Checks = a.Checks[:keep]
		body, err = Pack(a)
	}
	if err != nil {
		return err
	}
	err = h.table.Write(ctx, table.Put(table.Item{
		Key: alertKey(a.ScanID), Entity: entityAlert, Version: 1, Expires: a.Received.Add(h.keep.Results), Body: body,
	}, table.IfAbsent()))
	if errors.Is(err, table.ErrCondition) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("store alert: %w", err)
	}
	return nil
}

// Alert reads the alert of a scan. ErrNotFound if it has none.
func (h *Hub) Alert(ctx context.Context, scanID string) (dq.Alert, error) {
	var a dq.Alert
	item, err := h.get(ctx, alertKey(scanID))
	if err != nil {
		return a, fmt.Errorf("alert of scan %q: %w", scanID, err)
	}
	return a, Unpack(item.Body, &a)
}

// pause waits a little longer after each attempt, with jitter, but not beyond the context.
func pause(ctx context.Context, attempt int) error {
	d := time.Duration(1<<min(attempt, 7)) * time.Millisecond
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d/2 + rand.N(d)):
		return nil
	}
}
