package runs

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// found is what the parts of a run have found so far, and what they left for further ones.
type found struct {
	// Version is of the definition that they ran: another one would not know what is left.
	Version int64    `json:"version"`
	Scan    *dq.Scan `json:"scan"`
	Left    []string `json:"left"`
	// Tables are those of which some slices are measured.
	Tables []engine.SlicedTable `json:"tables,omitempty"`
}

// pieceSize is how many bytes of a found document go into one item, with room for keys.
const pieceSize = 350 << 10

// maxFound is how many bytes it may have, so that it fits into one write.
const maxFound = table.MaxWriteSize - pieceSize

func foundKey(id string, piece int) table.Key {
	return table.Key{PK: "RUN#" + id, SK: fmt.Sprintf("FOUND#%02d", piece)}
}

// handOver keeps what the run has found, in one write with the run's wish for a further part, and asks for that. It gives
// false if too much was found to be kept beside a run, or the run has ended.
func (s *Store) handOver(ctx context.Context, id string, f found) (bool, error) {
	body, err := hub.Pack(f)
	if err != nil || len(body) > maxFound {
		return false, err
	}
	for {
		run, item, err := s.read(ctx, id)
		if err != nil || run.State.Finished() {
			return false, err
		}
		run.HandedOver, run.Parts = s.Now().UTC(), run.Parts+1
		put, err := s.put(run, item.Version)
		if err != nil {
			return false, err
		}
		err = s.Table.Write(ctx, append(s.pieces(id, body), put)...)
		if err == nil {
			return true, s.dispatch(ctx, id)
		}
		if !lostRace(err) || ctx.Err() != nil {
			return false, err
		}
	}
}

func (s *Store) pieces(id string, body []byte) []table.Op {
	expires := s.Now().Add(7 * 24 * time.Hour) // long after the run
	count := (len(body) + pieceSize - 1) / pieceSize
	var ops []table.Op
	for n := range count {
		piece := body[n*pieceSize : min(len(body), (n+1)*pieceSize)]
		ops = append(ops, table.Put(table.Item{
			Key: foundKey(id, n), Entity: entityFound, Version: 1, Expires: expires, Head: fmt.Appendf(nil, `{"pieces":%d}`, count), Body: piece,
		}, table.Always()))
	}
	return ops
}

// found reads what was handed over last.
func (s *Store) found(ctx context.Context, id string) (*found, error) {
	items, err := table.All(ctx, s.Table.Query, table.Range{PK: "RUN#" + id, Prefix: "FOUND#"})
	if err != nil {
		return nil, fmt.Errorf("what run %s has found: %w", id, err)
	}
	var head struct{ Pieces int }
	if len(items) > 0 {
		err = json.Unmarshal(items[0].Head, &head)
	}
	if err != nil || head.Pieces == 0 || head.Pieces > len(items) {
		return nil, fmt.Errorf("what run %s has found is not there whole: %w", id, err)
	}
	var body []byte
	for _, piece := range items[:head.Pieces] {
		body = append(body, piece.Body...)
	}
	var f found
	return &f, hub.Unpack(body, &f)
}
