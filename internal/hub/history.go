package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// A dataset's timeline has one entry for each scan over it, so what history costs depends on the range that is asked for,
// not on how much there is. Bounds on entries read keep one odd check from reading a dataset's whole past.
const (
	timelinePage   = 100
	maxTimeline    = 3000 // entries read to answer one question
	DefaultHistory = 100  // results when no limit is given
	MaxHistory     = 1000
)

// timelineEntry reads one entry. ErrNotFound of package table if there is none.
func (h *Hub) timelineEntry(ctx context.Context, k table.Key) (timeline, error) {
	item, err := h.table.Get(ctx, k)
	if err != nil {
		return timeline{}, err
	}
	_, entry, err := h.openTimeline(ctx, item)
	return entry, err
}

func (h *Hub) openTimeline(ctx context.Context, item table.Item) (ScanHead, timeline, error) {
	var entry timeline
	head, err := scanHead(item)
	if err != nil {
		return head, entry, err
	}
	rest, err := h.parts(ctx, moreKey(item.Key), 1, head.Parts)
	if err != nil {
		return head, entry, err
	}
	return head, entry, Unpack(join(item, rest), &entry)
}

// span is a range of data time; zero ends are open. To is inclusive to the millisecond.
type span struct{ from, to time.Time }

func (s span) timelineRange(datasetID string, desc bool) table.Range {
	r := table.Range{PK: stateKey(datasetID).PK, From: timePrefix, To: timePrefix + "~", Desc: desc, Limit: timelinePage}
	if !s.from.IsZero() {
		r.From = timePrefix + sortableTime(s.from)
	}
	if !s.to.IsZero() {
		r.To = timePrefix + sortableTime(s.to) + "#~"
	}
	return r
}

// walkTimeline gives the entries of a range to visit, until that returns false or maxTimeline entries were read; more tells
// whether entries were left.
func (h *Hub) walkTimeline(ctx context.Context, r table.Range, visit func(table.Item) (bool, error)) (more bool, err error) {
	if r.From > r.To {
		return false, nil
	}
	for read := 0; read < maxTimeline; {
		page, err := h.table.Query(ctx, r)
		if err != nil {
			return false, fmt.Errorf("read timeline: %w", err)
		}
		for i, item := range page.Items {
			read++
			goOn, err := visit(item)
			if err != nil {
				return false, err
			}
			if !goOn {
				return i+1 < len(page.Items) || page.Token != "", nil
			}
		}
		if page.Token == "" {
			return false, nil
		}
		r.Token = page.Token
	}
	return true, nil
}

// History lists the results of a check with data times in [from, to], newest first, at most limit (default
// [DefaultHistory], at most [MaxHistory]); zero times are open ends. more tells whether older ones were left out.
func (h *Hub) History(ctx context.Context, checkID string, from, to time.Time, limit int) (points []Point, more bool, err error) {
	c, err := h.Check(ctx, checkID)
	if err != nil {
		return nil, false, err
	}
	limit = clamp(limit, DefaultHistory, MaxHistory)
	more, err = h.walkTimeline(ctx, span{from, to}.timelineRange(c.DatasetID, true), func(item table.Item) (bool, error) {
		head, entry, err := h.openTimeline(ctx, item)
		if err != nil || head.Definition != c.Definition {
			return true, err
		}
		if r := entry.result(c.Identity); r != nil {
			points = append(points, Point{
				At: head.DataTime, ScanID: head.ID, Outcome: r.Outcome, Value: r.Value, ValueLabel: r.Label, Warn: r.Warn, Fail: r.Fail, Definition: head.Definition,
			})
		}
		return len(points) < limit, nil
	})
	return points, more, err
}

func (t *timeline) result(identity string) *timelineResult {
	for i := range t.Results {
		if t.Results[i].Identity == identity {
			return &t.Results[i]
		}
	}
	return nil
}

// nextVerdict finds the oldest verdict on a check after an order; see judgeLate.
func (h *Hub) nextVerdict(ctx context.Context, datasetID, definition, identity string, after dq.Order) (found dq.Order, err error) {
	_, err = h.walkTimeline(ctx, span{from: after.Data}.timelineRange(datasetID, false), func(item table.Item) (bool, error) {
		head, entry, err := h.openTimeline(ctx, item)
		if err != nil || head.Definition != definition || entry.result(identity) == nil {
			return true, err
		}
		o := dq.NewOrder(head.DataTime, head.Ended, head.Received, head.ID)
		if !o.After(after) {
			return true, nil
		}
		found = o
		return false, nil
	})
	if err == nil && found.IsZero() {
		err = fmt.Errorf("no verdict on %q after %s in the timeline", identity, after.Data)
	}
	return found, err
}

// DatasetScans lists the newest scans over a dataset, by data time: those folded in, and those of its definitions that
// were not clean and so may name no dataset. Counts are the dataset's own.
func (h *Hub) DatasetScans(ctx context.Context, datasetID string, limit int) ([]ScanHead, error) {
	limit = clamp(limit, DefaultPageSize, MaxHistory)
	d, err := h.Dataset(ctx, datasetID)
	if err != nil {
		return nil, err
	}
	var heads []ScanHead
	_, err = h.walkTimeline(ctx, span{}.timelineRange(datasetID, true), func(item table.Item) (bool, error) {
		head, err := scanHead(item)
		head.Datasets, head.DatasetCount = []string{d.QualifiedName()}, 1
		heads = append(heads, head)
		return len(heads) < limit, err
	})
	if err != nil {
		return nil, err
	}
	heads = append(heads, d.unclean...)
	slices.SortStableFunc(heads, func(a, b ScanHead) int { return b.DataTime.Compare(a.DataTime) })
	heads = slices.CompactFunc(heads, func(a, b ScanHead) bool { return a.ID == b.ID })
	return heads[:min(len(heads), limit)], nil
}

// MeasurementQuery asks for past measurements of a metric, as scanners do for change over time and anomaly detection.
type MeasurementQuery struct {
	Identity string
	From, To time.Time // data times, inclusive; zero for open
	Limit    int       // default [DefaultHistory], at most [MaxHistory]
}

// Measured is one past measurement. ID is unique and the same each time.
type Measured struct {
	ID       string
	Identity string
	Value    json.RawMessage // as sent, never null
	DataTime time.Time
}

// Measurements answers q, newest data time first.
func (h *Hub) Measurements(ctx context.Context, q MeasurementQuery) ([]Measured, error) {
	limit := clamp(q.Limit, DefaultHistory, MaxHistory)
	datasets, err := h.aliased(ctx, metricAlias, q.Identity)
	if err != nil {
		return nil, err
	}
	var out []Measured
	for _, id := range datasets {
		found := 0
		_, err := h.walkTimeline(ctx, span{q.From, q.To}.timelineRange(id, true), func(item table.Item) (bool, error) {
			head, entry, err := h.openTimeline(ctx, item)
			if err != nil {
				return false, err
			}
			for _, m := range entry.Measurements {
				if m.Identity == q.Identity && hasValue(m.Value) {
					out = append(out, Measured{ID: measurementID(head.ID, m.Identity), Identity: m.Identity, Value: m.Value, DataTime: head.DataTime})
					found++
					break
				}
			}
			return found < limit, nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b Measured) int { return b.DataTime.Compare(a.DataTime) })
	return out[:min(len(out), limit)], nil
}

func hasValue(v json.RawMessage) bool { return len(v) > 0 && !bytes.Equal(v, []byte("null")) }

func measurementID(scanID, identity string) string {
	return dq.OpaqueID(20, "measurement", scanID, identity)
}

// CheckResultQuery asks for past results of a check, as anomaly detection and extensions of Soda Core 4 do.
type CheckResultQuery struct {
	Identity string
	From, To time.Time // data times, inclusive; zero for open
	Limit    int       // default [DefaultHistory], at most [MaxHistory]
}

// CheckResult is a past result of a check. Its ranges and diagnostics are those of an anomaly check, whose model asks for them.
type CheckResult struct {
	MeasurementID string // of the check's first metric in the same scan, "" if it had none
	Outcome       dq.Outcome
	DataTime      time.Time
	Value         json.Number
	Warn, Fail    *dq.Threshold
	Diagnostics   json.RawMessage // as sent, or nothing
}

// CheckResults lists past results of the anomaly checks and checks of contracts that have the identity, in whatever version,
// newest first, at most one for each measurement.
func (h *Hub) CheckResults(ctx context.Context, q CheckResultQuery) ([]CheckResult, error) {
	q.Limit = clamp(q.Limit, DefaultHistory, MaxHistory)
	datasets, err := h.aliased(ctx, checkAlias, q.Identity)
	if err != nil {
		return nil, err
	}
	var out []CheckResult
	for _, id := range datasets {
		found, err := h.datasetCheckResults(ctx, id, q)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	slices.SortStableFunc(out, func(a, b CheckResult) int { return b.DataTime.Compare(a.DataTime) })
	seen := map[string]bool{}
	out = slices.DeleteFunc(out, func(r CheckResult) bool {
		twice := r.MeasurementID != "" && seen[r.MeasurementID]
		seen[r.MeasurementID] = true
		return twice
	})
	return out[:min(len(out), q.Limit)], nil
}

// datasetCheckResults are the newest results of the checks on one dataset that have the identity.
func (h *Hub) datasetCheckResults(ctx context.Context, datasetID string, q CheckResultQuery) (out []CheckResult, err error) {
	checks, err := h.datasetChecks(ctx, datasetID)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	wanted := map[[2]string]bool{}
	for _, c := range checks {
		if c.Identity == q.Identity || slices.Contains(c.Aliases, q.Identity) {
			wanted[[2]string{c.Definition, c.Identity}] = true
		}
	}
	_, err = h.walkTimeline(ctx, span{q.From, q.To}.timelineRange(datasetID, true), func(item table.Item) (bool, error) {
		head, entry, err := h.openTimeline(ctx, item)
		for _, r := range entry.Results {
			if wanted[[2]string{head.Definition, r.Identity}] {
				out = append(out, checkResult(head, r))
			}
		}
		return len(out) < q.Limit, err
	})
	return out, err
}

func checkResult(head ScanHead, r timelineResult) CheckResult {
	c := CheckResult{Outcome: r.Outcome, DataTime: head.DataTime, Value: r.Value, Warn: r.Warn, Fail: r.Fail, Diagnostics: r.Diagnostics}
	if r.Metric != "" {
		c.MeasurementID = measurementID(head.ID, r.Metric)
	}
	return c
}

// aliased lists the datasets whose timelines answer for an identity.
func (h *Hub) aliased(ctx context.Context, kind, identity string) ([]string, error) {
	if identity == "" {
		return nil, nil
	}
	items, err := table.All(ctx, h.table.Query, table.Range{PK: kind + aliasIdentity(identity), Prefix: "OF#"})
	if err != nil {
		return nil, fmt.Errorf("look up %q: %w", identity, err)
	}
	ids := make([]string, len(items))
	for i, it := range items {
		ids[i] = it.SK[len("OF#"):]
	}
	return ids, nil
}

// clamp is n, the default for 0 or less, at most limit.
func clamp(n, byDefault, limit int) int {
	if n <= 0 {
		return byDefault
	}
	return min(n, limit)
}
