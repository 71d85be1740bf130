package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// Errors that callers tell apart.
var (
	// ErrNotFound is an id that was never given out, or whose item has expired.
	ErrNotFound = table.ErrNotFound
	// ErrInvalid is a scan that cannot be kept; its text says what is wrong in the sender's terms.
	ErrInvalid = errors.New("not acceptable")
	// ErrTooLarge is a scan or sample over a limit; its text has the limit and the size.
	ErrTooLarge = errors.New("too large")
)

// The limits of one scan.
const (
	MaxChecks       = 10_000
	MaxMeasurements = 50_000
	MaxNameLength   = 1_000 // characters of a scan definition's, data source's or dataset's name
	MaxIdentity     = 4_000 // bytes of an identity of a check or metric
)

// Accepted tells under which id a scan is stored. Duplicate means that it had been before.
type Accepted struct {
	ID        string
	Duplicate bool
}

// Accept stores a finished scan as one immutable document and nothing else: when it returns, the scan is durable, and the
// change stream wakes [Hub.Digest]. The same id again changes nothing and says so. Received is set here; the id must be
// set, unique to the contents. Errors: [ErrInvalid], [ErrTooLarge], or the storage's.
func (h *Hub) Accept(ctx context.Context, s *dq.Scan) (Accepted, error) {
	s.Received = h.now().UTC()
	if err := validate(s); err != nil {
		return Accepted{}, err
	}
	noteClock(s)
	body, err := Pack(s)
	if err != nil {
		return Accepted{}, err
	}
	if len(body) > maxBody {
		return Accepted{}, fmt.Errorf("%w: the scan has %d bytes compressed, at most %d", ErrTooLarge, len(body), maxBody)
	}
	head := headOf(s)
	item := table.Item{
		Key: scanKey(s.ID), Entity: entityScan, Version: 1, Expires: s.Received.Add(h.keep.Results),
		IndexPK: shardOf(indexScans, s.ID), IndexSK: head.Cursor(),
	}
	items := split(item, body)
	head.Parts = len(items)
	if items[0].Head, err = json.Marshal(head); err != nil {
		return Accepted{}, fmt.Errorf("scan head: %w", err)
	}
	ops := make([]table.Op, len(items))
	for i, it := range items {
		ops[i] = table.Put(it, table.IfAbsent())
	}
	err = h.table.Write(ctx, ops...)
	if errors.Is(err, table.ErrCondition) {
		return Accepted{ID: s.ID, Duplicate: true}, nil
	}
	if err != nil {
		return Accepted{}, fmt.Errorf("store scan: %w", err)
	}
	return Accepted{ID: s.ID}, nil
}

// Cursor is the scan's place in the scans list: [ScanFilter.Before] goes on after it.
func (h *ScanHead) Cursor() string { return sortableTime(h.Received) + "#" + h.ID }

func validate(s *dq.Scan) error {
	if s.ID == "" {
		return fmt.Errorf("%w: a scan without id", ErrInvalid)
	}
	if strings.TrimSpace(s.Definition) == "" {
		return fmt.Errorf("%w: the scan definition has no name", ErrInvalid)
	}
	if err := CheckSize(len(s.Results), len(s.Measurements)); err != nil {
		return err
	}
	if err := validName("scan definition", s.Definition); err != nil {
		return err
	}
	for _, d := range append(s.Datasets(), s.Covers...) {
		if err := errors.Join(validName("data source", d.DataSource), validName("dataset", d.Name), validName("dataset's container", strings.Join(d.Prefix, "/"))); err != nil {
			return err
		}
	}
	for i := range s.Results {
		if n := len(s.Results[i].Identity); n == 0 || n > MaxIdentity {
			return fmt.Errorf("%w: checks[%d] has an identity of %d bytes, need 1 to %d", ErrInvalid, i, n, MaxIdentity)
		}
	}
	return nil
}

// CheckSize is an [ErrTooLarge] if a scan has more checks or metrics than are accepted.
func CheckSize(checks, metrics int) error {
	if checks > MaxChecks {
		return fmt.Errorf("%w: the scan has %d checks, at most %d; split the scan by dataset", ErrTooLarge, checks, MaxChecks)
	}
	if metrics > MaxMeasurements {
		return fmt.Errorf("%w: the scan has %d metrics, at most %d; split the scan by dataset", ErrTooLarge, metrics, MaxMeasurements)
	}
	return nil
}

func validName(what, name string) error {
	if n := utf8.RuneCountInString(name); n > MaxNameLength {
		return fmt.Errorf("%w: the %s's name has %d characters, at most %d", ErrInvalid, what, n, MaxNameLength)
	}
	return nil
}

// noteClock tells the scan's readers when its times were not believed.
func noteClock(s *dq.Scan) {
	if t := s.DataTime; !t.IsZero() && !s.Order().Data.Equal(t) {
		s.Notes = append(s.Notes, fmt.Sprintf(
			"The data time %s is not plausible; the scan is ordered by its arrival instead. Check the scanner's clock.", t.UTC().Format("2006-01-02 15:04:05 UTC")))
	}
}

// maxHeadDatasets is how many datasets a scan's head names.
const maxHeadDatasets = 5

func headOf(s *dq.Scan) ScanHead {
	datasets := s.Datasets()
	if s.State == dq.Failed {
		datasets = s.Covers
	}
	h := ScanHead{
		ID: s.ID, Content: s.Content, Definition: s.Definition, Scanner: strings.TrimSpace(s.Scanner.Name + " " + s.Scanner.Version),
		DataSource: s.DataSource, State: s.State, DataTime: s.Order().Data, Started: s.Started, Ended: s.Ended,
		Received: s.Received, Counts: s.Counts(), Errors: s.Errors(), Why: s.Why(), DatasetCount: len(datasets),
	}
	for _, d := range datasets[:min(len(datasets), maxHeadDatasets)] {
		h.Datasets = append(h.Datasets, dq.Truncate(d.QualifiedName(), 120))
	}
	return h
}

// Scan reads a whole scan. ErrNotFound if there is none.
func (h *Hub) Scan(ctx context.Context, id string) (dq.Scan, error) {
	var s dq.Scan
	_, body, err := h.document(ctx, scanKey(id))
	if err != nil {
		return s, fmt.Errorf("scan %q: %w", id, err)
	}
	return s, Unpack(body, &s)
}

// ScanHead reads a scan without its contents. ErrNotFound if there is none.
func (h *Hub) ScanHead(ctx context.Context, id string) (ScanHead, error) {
	item, err := h.get(ctx, scanKey(id))
	if err != nil {
		return ScanHead{}, fmt.Errorf("scan %q: %w", id, err)
	}
	return scanHead(item)
}

func scanHead(item table.Item) (ScanHead, error) {
	var head ScanHead
	if err := json.Unmarshal(item.Head, &head); err != nil {
		return head, fmt.Errorf("head of %v: %w", item.Key, err)
	}
	return head, nil
}

// get reads one item; an unusable key is one that nothing is stored under.
func (h *Hub) get(ctx context.Context, k table.Key) (table.Item, error) {
	item, err := h.table.Get(ctx, k)
	if errors.Is(err, table.ErrInvalid) || errors.Is(err, table.ErrTooLarge) {
		return item, ErrNotFound
	}
	return item, err
}

// document reads an item with a head that counts its parts, and the body joined from them.
func (h *Hub) document(ctx context.Context, k table.Key) (table.Item, []byte, error) {
	first, err := h.get(ctx, k)
	if err != nil {
		return first, nil, err
	}
	parts, err := partsOf(first)
	if err != nil {
		return first, nil, err
	}
	rest, err := h.parts(ctx, k, 1, parts)
	if err != nil {
		return first, nil, err
	}
	return first, join(first, rest), nil
}

// partsOf is how many parts the body of a document has, by the head of its first.
func partsOf(first table.Item) (int, error) {
	var head struct {
		Parts int `json:"parts"`
	}
	if err := json.Unmarshal(first.Head, &head); err != nil {
		return 0, fmt.Errorf("head of %v: %w", first.Key, err)
	}
	return head.Parts, nil
}

func partsHead(n int) []byte { return fmt.Appendf(nil, `{"parts":%d}`, n) }

// parts reads the parts from up to to (exclusive) of the body under k, in order.
func (h *Hub) parts(ctx context.Context, k table.Key, from, to int) ([]table.Item, error) {
	if from >= to {
		return nil, nil
	}
	keys := make([]table.Key, 0, to-from)
	for n := from; n < to; n++ {
		keys = append(keys, partKey(k, n))
	}
	items, err := h.table.BatchGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	byKey := make(map[table.Key]table.Item, len(items))
	for _, it := range items {
		byKey[it.Key] = it
	}
	ordered := make([]table.Item, 0, len(keys))
	for _, key := range keys {
		it, ok := byKey[key]
		if !ok {
			return nil, fmt.Errorf("part %v: %w", key, errTorn)
		}
		ordered = append(ordered, it)
	}
	return ordered, nil
}

func join(first table.Item, rest []table.Item) []byte {
	body := first.Body
	for _, it := range rest {
		body = append(body[:len(body):len(body)], it.Body...)
	}
	return body
}
