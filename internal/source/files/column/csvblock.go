package column

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"runtime"
	"slices"
	"sync"
	"unicode/utf8"
)

// blockSize is about how many bytes of a text file become a chunk.
const blockSize = 2 << 20

// csvBlock is a part of the file that becomes a chunk: whole records.
type csvBlock struct {
	at    int64
	size  int
	sum   uint64   // of the bytes, to see that they are the same later
	rows  []uint32 // where each record begins, or blank lines before it
	types []Type   // the narrowest of the values of each column
	err   error
}

// look reads the file from an offset to its end. Whoever is free reads the next block, and looks at it while others read on.
func (f *csvFile) look(ctx context.Context, start int64) ([]*csvBlock, error) {
	var blocks []*csvBlock
	var reading sync.Mutex
	next := start
	take := func(buffer []byte) (*csvBlock, []byte) {
		reading.Lock()
		defer reading.Unlock()
		if next >= f.size {
			return nil, nil
		}
		b := &csvBlock{at: next}
		blocks = append(blocks, b)
		if b.err = context.Cause(ctx); b.err == nil {
			buffer, b.err = f.cut(next, buffer)
		}
		b.size = len(buffer)
		if next += int64(b.size); b.err != nil {
			next = f.size
		}
		return b, buffer
	}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for b, data := take(nil); b != nil; b, data = take(data) {
				if b.err == nil {
					b.err = f.tell(b, data)
				}
				if b.err != nil {
					reading.Lock()
					next = f.size
					reading.Unlock()
				}
			}
		})
	}
	workers.Wait()
	for _, b := range blocks {
		if b.err != nil {
			return nil, b.err
		}
	}
	return blocks, nil
}

// cut reads the block that begins at an offset, into a buffer if that is large enough. It ends with a line that is not within
// quotes: there the number of quotes before is even, which is what makes blocks that can be read side by side.
func (f *csvFile) cut(from int64, buffer []byte) ([]byte, error) {
	more := f.blockSize/32 + 1 // in which the line may end
	data, err := f.read(from, int(min(f.size-from, int64(f.blockSize+more))), buffer)
	if err != nil || len(data) <= f.blockSize {
		return data, err
	}
	quotes := bytes.Count(data[:f.blockSize], []byte{'"'})
	for at := f.blockSize; ; at++ {
		if at == len(data) {
			if from+int64(at) == f.size {
				return data, nil
			}
			if at > math.MaxUint32/2 {
				return nil, f.mistake(from, 0, errors.New("the record that is here, or begins soon after, has more than 2 GiB"))
			}
			if data, err = f.read(from, int(min(f.size-from, 2*int64(at))), nil); err != nil {
				return nil, err
			}
		}
		if data[at] == '"' {
			quotes++
		} else if data[at] == '\n' && quotes%2 == 0 {
			return data[:at+1], nil
		}
	}
}

var errChanged = errors.New("the file was changed while it was scanned")

func (f *csvFile) read(from int64, size int, buffer []byte) ([]byte, error) {
	if cap(buffer) < size {
		buffer = make([]byte, size)
	}
	buffer = buffer[:size]
	n, err := f.from.ReadAt(buffer, from)
	if n == size {
		return buffer, nil
	}
	if err == io.EOF {
		err = errChanged
	}
	return nil, err
}

// tell finds the number of rows of a block and the types of its columns.
func (f *csvFile) tell(b *csvBlock, data []byte) error {
	if !utf8.Valid(data) {
		return f.mistake(b.at, invalidUTF8(data), errors.New("the file is not in UTF-8"))
	}
	b.sum, b.types = maphash.Bytes(f.seed, data), make([]Type, len(f.columns))
	var fields []field
	for at := 0; at < len(data); {
		begin := at
		var err error
		if fields, at, err = f.record(data, at, fields[:0], math.MaxInt); err != nil {
			return f.mistake(b.at, begin, err)
		}
		if len(fields) == 0 {
			break
		}
		if len(fields) != len(f.columns) {
			return f.mistake(b.at, begin, fmt.Errorf("it has %d fields, the header has %d", len(fields), len(f.columns)))
		}
		for i := range fields {
			if t := b.types[i]; t != Text {
				if s := fields[i].text(data); s != "" && s != f.Null {
					b.types[i] = wider(t, s)
				}
			}
		}
		b.rows = append(b.rows, uint32(begin))
	}
	return nil
}

func invalidUTF8(data []byte) int {
	at := 0
	for at < len(data) {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}

// scratch is room to read a block in.
type scratch struct {
	data     []byte
	fields   []field
	builders []builder
}

// values reads columns of a block again, as types that they have or wider ones.
func (f *csvFile) values(b *csvBlock, columns []int, types []Type) ([]*Vector, error) {
	room := f.rooms.Get().(*scratch)
	defer f.rooms.Put(room)
	var err error
	if room.data, err = f.read(b.at, b.size, room.data); err != nil {
		return nil, err
	}
	if maphash.Bytes(f.seed, room.data) != b.sum {
		return nil, errChanged
	}
	for len(room.builders) < len(columns) {
		room.builders = append(room.builders, builder{})
	}
	for i, t := range types {
		room.builders[i].start(t, len(b.rows))
	}
	most := slices.Max(columns) + 1
	for row, at := range b.rows {
		room.fields, _, _ = f.record(room.data, int(at), room.fields[:0], most) // it was read without a mistake before
		for i, column := range columns {
			s := room.fields[column].text(room.data)
			if s == f.Null {
				s = ""
			}
			room.builders[i].set(row, s)
		}
	}
	vectors := make([]*Vector, len(columns))
	for i := range vectors {
		vectors[i] = room.builders[i].vector()
	}
	return vectors, nil
}

// mistake puts the line before an error at an offset of a block.
func (f *csvFile) mistake(block int64, offset int, err error) error {
	if e, ok := err.(*placedError); ok {
		offset = e.offset
	}
	return atLine(f.from, block+int64(offset), err)
}
