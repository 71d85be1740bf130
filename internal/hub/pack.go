package hub

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// Bodies are JSON, compressed with Zstandard. JSON because it keeps numbers digit by digit and can be read for as long as
// anybody keeps the table; Zstandard because results of one dataset repeat themselves (about 10:1).

// maxUnpacked bounds what a stored body may expand to.
const maxUnpacked = 256 << 20

var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
			zstd.WithWindowSize(1<<20), zstd.WithEncoderLevel(zstd.SpeedDefault))
		if err != nil {
			panic("zstd options: " + err.Error())
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxUnpacked))
		if err != nil {
			panic("zstd options: " + err.Error())
		}
		return d
	})
)

func compress(data []byte) []byte { return encoder().EncodeAll(data, nil) }

func decompress(data []byte) ([]byte, error) {
	out, err := decoder().DecodeAll(data, nil)
	if err != nil {
		return nil, fmt.Errorf("stored body is damaged: %w", err)
	}
	return out, nil
}

// Pack writes v as it is stored in a body.
func Pack(v any) ([]byte, error) {
	var p packed
	if err := json.NewEncoder(&p).Encode(v); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return p, nil
}

// packed compresses what is written to it, without a copy of it. Frames that follow each other are read as one.
type packed []byte

func (p *packed) Write(data []byte) (int, error) {
	*p = encoder().EncodeAll(data, *p)
	return len(data), nil
}

// Unpack reads what [Pack] wrote.
func Unpack(data []byte, v any) error {
	plain, err := decompress(data)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("stored body is damaged: %w", err)
	}
	return nil
}

// partSize leaves room in an item of 400 KB for keys and head.
const partSize = 350 << 10

// split puts body into as many copies of first as needed: the first keeps head and index, the others, under [partKey] of
// the same key, carry body only.
func split(first table.Item, body []byte) []table.Item { return splitUnder(first, body, first.Key) }

// splitUnder is split with another key for the parts after the first.
func splitUnder(first table.Item, body []byte, more table.Key) []table.Item {
	items := []table.Item{first}
	items[0].Body = body[:min(len(body), partSize)]
	for rest := body[len(items[0].Body):]; len(rest) > 0; {
		n := min(len(rest), partSize)
		items = append(items, table.Item{
			Key: partKey(more, len(items)), Entity: entityPart, Version: first.Version, Expires: first.Expires, Body: rest[:n],
		})
		rest = rest[n:]
	}
	return items
}

// maxBody is what fits into one transaction, with room for what is written beside it.
const maxBody = table.MaxWriteSize - (400 << 10)
