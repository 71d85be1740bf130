package column

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// jsonPart is the objects between two offsets: a member for each name seen.
type jsonPart struct {
	rows    int
	members []jsonMember
	lookup  map[string]int
	next    int // the member that is expected: objects have them in the same order mostly
}

// jsonMember is the values of a member, one after the other, as they are written: strings without quotes and escapes.
type jsonMember struct {
	name  string
	kind  Type
	bytes []byte
	ends  []uint32
	null  []bool
}

func (p *jsonPart) read(r io.ReaderAt, from, to int64) error {
	if to-from > math.MaxUint32 {
		return errors.New("JSON that is not one object a line is read up to 4 GiB")
	}
	data := make([]byte, to-from)
	if n, err := r.ReadAt(data, from); n < len(data) {
		return err
	}
	p.lookup = map[string]int{}
	d := jsontext.NewDecoder(bytes.NewBuffer(data[:len(data):len(data)]), jsontext.AllowDuplicateNames(true))
	err := p.objects(d)
	if err == nil {
		return nil
	}
	offset := from + d.InputOffset()
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		offset, err = from+syntax.ByteOffset, syntax.Err
	}
	return atLine(r, min(offset, to), err)
}

func (p *jsonPart) objects(d *jsontext.Decoder) error {
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
				for i := range p.members {
					p.members[i].finish(p.rows)
				}
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
	p.next = 0
	for d.PeekKind() != '}' {
		name, err := d.ReadValue()
		if err != nil {
			return err
		}
		m, err := p.member(name)
		if err != nil {
			return err
		}
		value, err := d.ReadValue()
		if err != nil {
			return err
		}
		if err := m.put(p.rows, value); err != nil {
			return err
		}
	}
	p.rows++
	_, err := d.ReadToken()
	return err
}

// member gives the member of a name as it is written.
func (p *jsonPart) member(name jsontext.Value) (*jsonMember, error) {
	if inner := name[1 : len(name)-1]; p.next < len(p.members) && p.members[p.next].name == string(inner) && bytes.IndexByte(inner, '\\') < 0 {
		p.next++
		return &p.members[p.next-1], nil
	}
	text, err := jsontext.AppendUnquote(nil, name)
	if err != nil {
		return nil, err
	}
	i, ok := p.lookup[string(text)]
	if !ok {
		i = len(p.members)
		p.lookup[string(text)] = i
		p.members = append(p.members, jsonMember{name: string(text)})
	}
	p.next = i + 1
	return &p.members[i], nil
}

// put keeps the value of a row. If an object names a member twice, the last one counts.
func (m *jsonMember) put(row int, value jsontext.Value) error {
	m.cut(row)
	m.pad(row)
	begin, kind := len(m.bytes), Text
	var err error
	switch value.Kind() {
	case '{', '[':
		err = value.Compact()
		m.bytes = append(m.bytes, value...)
	case '"':
		m.bytes, err = jsontext.AppendUnquote(m.bytes, value)
		if t := timeType(view(m.bytes[begin:])); t != Unknown {
			kind = t
		}
	case 'n':
		kind = Unknown
	case 't', 'f':
		m.bytes, kind = append(m.bytes, value...), Boolean
	default:
		m.bytes, kind = append(m.bytes, value...), Double
		if isInteger(view(value)) {
			kind = Integer
		}
	}
	m.ends, m.null, m.kind = append(m.ends, uint32(len(m.bytes))), append(m.null, kind == Unknown), join(m.kind, kind)
	return err
}

// cut leaves the values before a row.
func (m *jsonMember) cut(row int) {
	if len(m.ends) > row {
		m.ends, m.null = m.ends[:row], m.null[:row]
		m.bytes = m.bytes[:m.begin(row)]
	}
}

// pad makes NULL of what is missing before a row.
func (m *jsonMember) pad(row int) {
	for len(m.ends) < row {
		m.ends, m.null = append(m.ends, uint32(len(m.bytes))), append(m.null, true)
	}
}

// finish makes a value of each row, and gives back the room that is left.
func (m *jsonMember) finish(rows int) {
	m.pad(rows)
	m.bytes, m.ends, m.null = bytes.Clone(m.bytes), slices.Clone(m.ends), slices.Clone(m.null)
}

func (m *jsonMember) begin(row int) uint32 {
	if row == 0 {
		return 0
	}
	return m.ends[row-1]
}

// values makes vectors of columns of the file, as types that they have or wider ones.
func (p *jsonPart) values(all []Column, columns []int, types []Type) []*Vector {
	out := make([]*Vector, len(columns))
	for i, column := range columns {
		at, ok := p.lookup[all[column].Name]
		if !ok {
			out[i] = nulls(p.rows, types[i])
			continue
		}
		m, b := &p.members[at], newBuilder(types[i], p.rows)
		for row, end := range m.ends {
			b.set(row, view(m.bytes[m.begin(row):end]))
		}
		out[i] = b.vector()
		out[i].Null = m.null // empty texts are none
	}
	return out
}
