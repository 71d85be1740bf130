package column

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// ReadJSON reads JSON: one object a line, objects one after the other, or one array of objects. Members become columns in the
// order in which they are first seen; objects and arrays within become text. A mistake in the file is an error with the line.
func ReadJSON(ctx context.Context, data []byte) (*Table, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	cuts := jsonBlocks(data)
	n := len(cuts) - 1
	parts := make([]jsonPart, n)
	read := func(i int) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return parts[i].read(data, cuts[i], cuts[i+1])
	}
	if err := parallel(n, read); err != nil {
		return nil, err
	}
	columns := map[string]int{}
	out := &Table{}
	for _, p := range parts {
		for i, name := range p.names {
			at, ok := columns[name]
			if !ok {
				at = len(out.Columns)
				columns[name] = at
				out.Columns = append(out.Columns, Column{Name: name})
			}
			out.Columns[at].Type = join(out.Columns[at].Type, p.types[i])
		}
	}
	for i := range out.Columns {
		if out.Columns[i].Type == Unknown {
			out.Columns[i].Type = Text
		}
	}
	vectors := make([][]*Vector, n)
	err := parallel(n, func(i int) error { vectors[i] = parts[i].settle(out.Columns); return nil })
	for i, p := range parts {
		if p.rows > 0 {
			out.Chunks = append(out.Chunks, NewChunk(p.rows, out.Columns, vectors[i]))
		}
	}
	return out, err
}

// jsonBlocks cuts at line ends where lines are objects; all else is one piece.
func jsonBlocks(data []byte) []int {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return []int{0, len(data)}
	}
	if line, _, _ := bytes.Cut(trimmed, []byte("\n")); !jsontext.Value(line).IsValid() {
		return []int{0, len(data)}
	}
	cuts := []int{0}
	for at := blockSize; at < len(data); at += blockSize {
		end := bytes.IndexByte(data[at:], '\n')
		if end < 0 {
			break
		}
		if at += end + 1; at < len(data) {
			cuts = append(cuts, at)
		}
	}
	return append(cuts, len(data))
}

// jsonPart is the objects between two offsets: a column for each member name seen.
type jsonPart struct {
	rows   int
	names  []string
	types  []Type
	texts  [][]string
	nulls  [][]bool
	lookup map[string]int
}

func (p *jsonPart) read(data []byte, from, to int) error {
	*p = jsonPart{lookup: map[string]int{}}
	d := jsontext.NewDecoder(bytes.NewBuffer(data[from:to:to]), jsontext.AllowDuplicateNames(true))
	err := p.values(d)
	if err == nil {
		return nil
	}
	offset := int64(from) + d.InputOffset()
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		offset, err = int64(from)+syntax.ByteOffset, syntax.Err
	}
	return fmt.Errorf("line %d: %w", bytes.Count(data[:min(offset, int64(len(data)))], []byte("\n"))+1, err)
}

func (p *jsonPart) values(d *jsontext.Decoder) error {
	if d.PeekKind() == '[' {
		if _, err := d.ReadToken(); err != nil {
			return err
		}
	}
	for {
		switch kind := d.PeekKind(); kind {
		case '{':
			if err := p.object(d); err != nil {
				return err
			}
		case ']':
			if _, err := d.ReadToken(); err != nil {
				return err
			}
		default:
			_, err := d.ReadToken()
			if err == io.EOF {
				p.pad()
				return nil
			}
			if err == nil {
				err = fmt.Errorf("there is a %s where an object is expected", kind)
			}
			return err
		}
	}
}

func (p *jsonPart) object(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		if err := p.value(name, d); err != nil {
			return err
		}
	}
	p.rows++
	_, err := d.ReadToken()
	return err
}

func (p *jsonPart) value(name string, d *jsontext.Decoder) error {
	i, ok := p.lookup[name]
	if !ok {
		i = len(p.names)
		p.lookup[name] = i
		p.names, p.types = append(p.names, name), append(p.types, Unknown)
		p.texts, p.nulls = append(p.texts, nil), append(p.nulls, nil)
	}
	kind := d.PeekKind()
	if kind == '{' || kind == '[' {
		v, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := v.Compact(); err != nil {
			return err
		}
		p.put(i, string(v), Text)
		return nil
	}
	token, err := d.ReadToken()
	if err != nil {
		return err
	}
	switch kind {
	case 'n':
		p.put(i, "", Unknown)
	case 't', 'f':
		p.put(i, token.String(), Boolean)
	case '0':
		text := token.String()
		t := Double
		if isInteger(text) {
			t = Integer
		}
		p.put(i, text, t)
	default:
		text := token.String()
		t := timeType(text)
		if t == Unknown {
			t = Text
		}
		p.put(i, text, t)
	}
	return nil
}

// put keeps a value of the present row. If an object names a member twice, the last one counts.
func (p *jsonPart) put(i int, text string, t Type) {
	p.texts[i], p.nulls[i] = p.texts[i][:min(len(p.texts[i]), p.rows)], p.nulls[i][:min(len(p.nulls[i]), p.rows)]
	for len(p.texts[i]) < p.rows {
		p.texts[i], p.nulls[i] = append(p.texts[i], ""), append(p.nulls[i], true)
	}
	p.texts[i], p.nulls[i] = append(p.texts[i], text), append(p.nulls[i], t == Unknown)
	p.types[i] = join(p.types[i], t)
}

// pad makes all columns as long as there are rows.
func (p *jsonPart) pad() {
	for i := range p.texts {
		for len(p.texts[i]) < p.rows {
			p.texts[i], p.nulls[i] = append(p.texts[i], ""), append(p.nulls[i], true)
		}
	}
}

// settle makes the vectors of all columns of the file.
func (p *jsonPart) settle(columns []Column) []*Vector {
	var vectors []*Vector
	for _, c := range columns {
		i, ok := p.lookup[c.Name]
		if !ok {
			vectors = append(vectors, nulls(p.rows, c.Type))
			continue
		}
		b := newBuilder(c.Type, p.rows)
		for row, text := range p.texts[i] {
			b.set(row, text)
		}
		v := b.vector()
		v.Null = p.nulls[i] // empty texts are none
		vectors = append(vectors, v)
		p.texts[i] = nil
	}
	return vectors
}
