package hub

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// sampleHead is the head of a SAMPLE item.
type sampleHead struct {
	Path     string    `json:"path"`
	Received time.Time `json:"received"`
	Rows     int       `json:"rows"`
	Parts    int       `json:"parts"`
}

// SaveSample stores an uploaded sample of rows (JSON Lines, any bytes) under a fresh id. The path is the scanner's name of
// the file, kept for people: it is not unique. Samples expire sooner than results. ErrTooLarge if it does not fit.
func (h *Hub) SaveSample(ctx context.Context, path string, data []byte) (id string, err error) {
	id = dq.OpaqueID(26, "sample", rand.Text())
	now := h.now().UTC()
	body := compress(data)
	if len(body) > maxBody {
		return "", fmt.Errorf("%w: the sample has %d bytes compressed, at most %d", ErrTooLarge, len(body), maxBody)
	}
	items := split(table.Item{Key: sampleKey(id), Entity: entitySample, Version: 1, Expires: now.Add(h.keep.Samples)}, body)
	items[0].Head, err = json.Marshal(sampleHead{Path: dq.Truncate(path, 500), Received: now, Rows: countLines(data), Parts: len(items)})
	if err != nil {
		return "", err
	}
	ops := make([]table.Op, len(items))
	for i, it := range items {
		ops[i] = table.Put(it, table.IfAbsent())
	}
	if err := h.table.Write(ctx, ops...); err != nil {
		return "", fmt.Errorf("store sample: %w", err)
	}
	return id, nil
}

func countLines(data []byte) int {
	n := bytes.Count(data, []byte("\n"))
	if len(data) > 0 && data[len(data)-1] != '\n' {
		n++
	}
	return n
}

// Sample reads an uploaded sample. ErrNotFound if there is none, or it has expired.
func (h *Hub) Sample(ctx context.Context, id string) (Sample, error) {
	first, body, err := h.document(ctx, sampleKey(id))
	if err != nil {
		return Sample{}, fmt.Errorf("sample %q: %w", id, err)
	}
	var head sampleHead
	if err := json.Unmarshal(first.Head, &head); err != nil {
		return Sample{}, fmt.Errorf("head of %v: %w", first.Key, err)
	}
	data, err := decompress(body)
	return Sample{ID: id, Path: head.Path, Received: head.Received, Rows: head.Rows, Data: data}, err
}
