package column

import (
	"bytes"
	"context"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// ReadJSON reads JSON: one object a line, objects one after the other, or one array of objects. Members become columns in the
// order in which they are first seen; objects and arrays within become text. A mistake in the file is an error with the line.
func ReadJSON(ctx context.Context, r io.ReaderAt, size int64) (*Table, error) {
	return readJSON(ctx, r, size, blockSize)
}

func readJSON(ctx context.Context, r io.ReaderAt, size int64, blockSize int) (*Table, error) {
	cuts, err := jsonBlocks(r, size, blockSize)
	if err != nil {
		return nil, err
	}
	parts := make([]jsonPart, len(cuts)-1)
	if err := parallel(len(parts), func(i int) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return parts[i].read(r, cuts[i], cuts[i+1])
	}); err != nil {
		return nil, err
	}
	t := &Table{Columns: jsonColumns(parts)}
	types := typesOf(t.Columns)
	for i := range parts {
		if p := &parts[i]; p.rows > 0 {
			t.Chunks = append(t.Chunks, &Chunk{Rows: p.rows, types: types, load: func(columns []int, types []Type) ([]*Vector, error) {
				return p.values(t.Columns, columns, types), nil
			}})
		}
	}
	return t, nil
}

func jsonColumns(parts []jsonPart) []Column {
	var columns []Column
	at := map[string]int{}
	for _, p := range parts {
		for _, m := range p.members {
			i, ok := at[m.name]
			if !ok {
				i = len(columns)
				at[m.name] = i
				columns = append(columns, Column{Name: m.name})
			}
			columns[i].Type = join(columns[i].Type, m.kind)
		}
	}
	for i := range columns {
		if columns[i].Type == Unknown {
			columns[i].Type = Text
		}
	}
	return columns
}

// jsonBlocks cuts at line ends where lines are objects; all else is one piece. A byte order mark is left out.
func jsonBlocks(r io.ReaderAt, size int64, blockSize int) ([]int64, error) {
	head := make([]byte, min(size, int64(blockSize)))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return nil, err
	}
	cuts := []int64{0}
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		head, cuts[0] = head[3:], 3
	}
	head = bytes.TrimLeft(head, " \t\r\n")
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	if len(line) == 0 || line[0] != '{' || !jsontext.Value(line).IsValid(jsontext.AllowDuplicateNames(true)) {
		return append(cuts, size), nil
	}
	for at := cuts[0] + int64(blockSize); at < size; at += int64(blockSize) {
		var err error
		if at, err = behindLine(r, at, size); err != nil {
			return nil, err
		}
		if at < size {
			cuts = append(cuts, at)
		}
	}
	return append(cuts, size), nil
}

// behindLine is the offset behind the first line end from an offset on, or behind all.
func behindLine(r io.ReaderAt, at, size int64) (int64, error) {
	buffer := make([]byte, 4096)
	for at < size {
		n, err := r.ReadAt(buffer[:min(size-at, int64(len(buffer)))], at)
		if end := bytes.IndexByte(buffer[:n], '\n'); end >= 0 {
			return at + int64(end) + 1, nil
		}
		if at += int64(n); n == 0 {
			return 0, err
		}
	}
	return size, nil
}
