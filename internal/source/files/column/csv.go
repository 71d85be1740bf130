package column

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// CSV says how a CSV file is written (RFC 4180). Zero values mean what is usual.
type CSV struct {
	// Delimiter is told from the first line if 0: the most frequent of comma, semicolon, tab and bar.
	Delimiter byte
	// NoHeader: the first line is data; columns are named column0, column1 …
	NoHeader bool
	// Null is a text that means NULL, beside the empty one.
	Null string
}

// blockSize is about how many bytes of a text file become a chunk.
const blockSize = 2 << 20

// ReadCSV reads a CSV file. The table keeps the data. A mistake in the file is an error with the line.
func ReadCSV(ctx context.Context, data []byte, o CSV) (*Table, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if o.Delimiter == 0 {
		o.Delimiter = delimiterOf(data)
	}
	p := &csvParser{data: data, CSV: o}
	first, after, err := p.record(0, nil)
	if err != nil {
		return nil, p.at(0, err)
	}
	if len(first) == 0 {
		return nil, fmt.Errorf("the file is empty: not even a header is there")
	}
	start := after
	names := append([]string(nil), first...)
	if o.NoHeader {
		start = 0
		for i := range names {
			names[i] = fmt.Sprintf("column%d", i)
		}
	}
	p.columns = unique(names)
	return p.table(ctx, start)
}

// unique names columns that have none, or the name of another, as DuckDB does.
func unique(names []string) []Column {
	columns := make([]Column, len(names))
	seen := map[string]bool{}
	for i, name := range names {
		if name == "" {
			name = fmt.Sprintf("column%d", i)
		}
		for n, base := 1, name; seen[strings.ToLower(name)]; n++ {
			name = fmt.Sprintf("%s_%d", base, n)
		}
		seen[strings.ToLower(name)] = true
		columns[i].Name = name
	}
	return columns
}

func delimiterOf(data []byte) byte {
	line := data[:min(len(data), 64<<10)]
	best, most := byte(','), 0
	for _, d := range []byte{',', ';', '\t', '|'} {
		n, quoted := 0, false
		for _, c := range line {
			if c == '"' {
				quoted = !quoted
			} else if c == '\n' && !quoted {
				break
			} else if c == d && !quoted {
				n++
			}
		}
		if n > most {
			best, most = d, n
		}
	}
	return best
}

type csvParser struct {
	CSV
	data    []byte
	columns []Column
}

// lineError is a mistake at a place of the data.
type lineError struct {
	offset  int
	message string
}

func (e *lineError) Error() string { return e.message }

// at puts the line before a mistake.
func (p *csvParser) at(offset int, err error) error {
	if e, ok := err.(*lineError); ok {
		offset = e.offset
	}
	return fmt.Errorf("line %d: %w", bytes.Count(p.data[:offset], []byte("\n"))+1, err)
}

// record reads the fields of the record that begins at an offset, and gives the offset of the next. Blank lines are left out,
// but where there is one column, whose NULL they are. Fields are parts of the data, not copies, unless they have doubled quotes.
func (p *csvParser) record(at int, fields []string) ([]string, int, error) {
	data, n := p.data, len(p.data)
	for len(p.columns) != 1 && at < n && (data[at] == '\n' || data[at] == '\r') {
		at++
	}
	if at == n {
		return fields, n, nil
	}
	for {
		begin := at
		if at < n && data[at] == '"' {
			text, end, err := quoted(data, at)
			if err != nil {
				return nil, 0, err
			}
			if at = end; at < n && data[at] != p.Delimiter && data[at] != '\n' && data[at] != '\r' {
				return nil, 0, &lineError{at, fmt.Sprintf("there is %q after the closing quote of a field", data[at])}
			}
			fields = append(fields, text)
		} else {
			for at < n && data[at] != p.Delimiter && data[at] != '\n' {
				if data[at] == '"' {
					return nil, 0, &lineError{at, "a quote within a field without quotes; put the field in quotes and double those within"}
				}
				at++
			}
			end := at
			if end > begin && data[end-1] == '\r' && (at == n || data[at] == '\n') {
				end--
			}
			fields = append(fields, view(data[begin:end]))
		}
		switch {
		case at >= n:
			return fields, n, nil
		case data[at] == p.Delimiter:
			at++
		default:
			if data[at] == '\r' && at+1 < n && data[at+1] == '\n' {
				at++
			}
			return fields, at + 1, nil
		}
	}
}

// quoted reads the field whose opening quote is at an offset, and gives the offset behind its closing one.
func quoted(data []byte, at int) (string, int, error) {
	begin, doubled := at+1, false
	for i := begin; ; {
		q := bytes.IndexByte(data[i:], '"')
		if q < 0 {
			return "", 0, &lineError{at, "the quote that opens here is never closed"}
		}
		if i += q + 1; i < len(data) && data[i] == '"' {
			doubled = true
			i++
			continue
		}
		text := view(data[begin : i-1])
		if doubled {
			text = strings.ReplaceAll(text, `""`, `"`)
		}
		return text, i, nil
	}
}

// view is bytes as a string without a copy. They do not change any more.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// blocks cuts the data from an offset into pieces of whole records. Outside of quoted fields the number of quotes before is
// even, which is what makes pieces that can be read side by side.
func (p *csvParser) blocks(start int) []int {
	cuts := []int{start}
	quotes, at := 0, start
	for at+blockSize < len(p.data) {
		quotes += bytes.Count(p.data[at:at+blockSize], []byte{'"'})
		at += blockSize
		for at < len(p.data) && (p.data[at] != '\n' || quotes%2 == 1) {
			if p.data[at] == '"' {
				quotes++
			}
			at++
		}
		if at++; at < len(p.data) {
			cuts = append(cuts, at)
		}
	}
	return append(cuts, len(p.data))
}

func (p *csvParser) table(ctx context.Context, start int) (*Table, error) {
	cuts := p.blocks(start)
	n := len(cuts) - 1
	blocks := make([]block, n)
	work := func(i int) error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		return p.block(&blocks[i], cuts[i], cuts[i+1])
	}
	if err := parallel(n, work); err != nil {
		return nil, err
	}
	p.columns = settle(p.columns, blocks)
	if err := parallel(n, func(i int) error { // those that were read as something narrower or else
		if !blocks[i].reread(p.columns) {
			return nil
		}
		return work(i)
	}); err != nil {
		return nil, err
	}
	return assemble(p.columns, blocks), nil
}

// block is a part of a text file, read by itself: rows, and each column by the narrowest type of its values here, or the
// type that is wanted.
type block struct {
	rows    int
	wanted  []Type
	types   []Type
	vectors []*Vector
}

// settle finds the types that columns have in all blocks together.
func settle(columns []Column, blocks []block) []Column {
	out := append([]Column(nil), columns...)
	for _, b := range blocks {
		for i, t := range b.types {
			out[i].Type = join(out[i].Type, t)
		}
	}
	for i := range out {
		if out[i].Type == Unknown {
			out[i].Type = Text
		}
	}
	return out
}

// reread widens columns, and tells whether the block must be read again for that: what was read as a number or truth value
// does not tell any more how it was written.
func (b *block) reread(columns []Column) bool {
	again := false
	b.wanted = make([]Type, len(columns))
	for i, c := range columns {
		b.wanted[i] = c.Type
		switch {
		case b.rows == 0 || b.types[i] == c.Type:
		case c.Type == Text && b.types[i] != Unknown:
			again = true
		default:
			b.vectors[i] = b.vectors[i].as(b.types[i], c.Type)
		}
	}
	return again
}

func assemble(columns []Column, blocks []block) *Table {
	t := &Table{Columns: columns}
	for _, b := range blocks {
		if b.rows > 0 {
			t.Chunks = append(t.Chunks, NewChunk(b.rows, b.vectors))
		}
	}
	return t
}

// block reads the records between two offsets.
func (p *csvParser) block(b *block, from, to int) error {
	part := *p
	part.data = p.data[:to]
	texts := make([][]string, len(p.columns))
	guess := min((to-from)/(8*len(p.columns))+16, 1<<20)
	for i := range texts {
		texts[i] = make([]string, 0, guess)
	}
	if !utf8.Valid(p.data[from:to]) {
		return p.at(invalidUTF8(p.data, from, to), fmt.Errorf("the file is not in UTF-8"))
	}
	var fields []string
	for at := from; at < to; {
		begin := at
		var err error
		if fields, at, err = part.record(at, fields[:0]); err != nil {
			return p.at(begin, err)
		}
		if len(fields) == 0 {
			break
		}
		if len(fields) != len(texts) {
			return p.at(begin, fmt.Errorf("it has %d fields, the header has %d", len(fields), len(texts)))
		}
		for i, f := range fields {
			if f != "" && f == p.Null {
				f = ""
			}
			texts[i] = append(texts[i], f)
		}
	}
	b.fill(texts)
	return nil
}

func invalidUTF8(data []byte, from, to int) int {
	for from < to {
		r, size := utf8.DecodeRune(data[from:to])
		if r == utf8.RuneError && size == 1 {
			break
		}
		from += size
	}
	return from
}

// fill makes vectors of the texts of each column, by the types wanted, or those the texts have.
func (b *block) fill(texts [][]string) {
	b.types, b.vectors, b.rows = make([]Type, len(texts)), make([]*Vector, len(texts)), 0
	for i, column := range texts {
		b.rows = len(column)
		t := Unknown
		if b.wanted != nil {
			t = b.wanted[i]
		} else {
			t = narrowest(column)
		}
		b.types[i], b.vectors[i] = t, vector(column, t)
	}
}

// narrowest is the narrowest type that all texts have.
func narrowest(texts []string) Type {
	t := Unknown
	for _, s := range texts {
		if s == "" || t != Unknown && fits(s, t) {
			continue
		}
		if t = join(t, typeOf(s)); t == Text {
			break
		}
	}
	return t
}
