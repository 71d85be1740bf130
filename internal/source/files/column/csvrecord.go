package column

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
)

// csvForm tells fields apart.
type csvForm struct {
	CSV
	single     bool   // there is one column
	delimiters uint64 // eight times the delimiter
}

// field is where a field is in the data, without its quotes.
type field struct {
	begin, end int
	doubled    bool // it has doubled quotes
}

// text is the field's text: a part of the data, not a copy, unless it has doubled quotes.
func (f *field) text(data []byte) string {
	s := view(data[f.begin:f.end])
	if f.doubled {
		return strings.ReplaceAll(s, `""`, `"`)
	}
	return s
}

// placedError is a mistake at an offset of the data.
type placedError struct {
	offset  int
	message string
}

func (e *placedError) Error() string { return e.message }

// record reads the fields of the record that begins at an offset, and gives the offset of the next; or as many as are wanted, and
// an offset within it. Blank lines are left out, but where there is one column, whose NULL they are.
func (f *csvForm) record(data []byte, at int, fields []field, most int) ([]field, int, error) {
	for !f.single && at < len(data) && (data[at] == '\n' || data[at] == '\r') {
		at++
	}
	if at == len(data) {
		return fields, at, nil
	}
	for {
		begin := at
		at = f.special(data, at)
		switch {
		case at == len(data) || data[at] != '"':
			end := at
			if end > begin && data[end-1] == '\r' && (at == len(data) || data[at] == '\n') {
				end--
			}
			fields = append(fields, field{begin, end, false})
		case at > begin:
			return nil, 0, &placedError{at, "a quote within a field without quotes; put the field in quotes and double those within"}
		default:
			inner, err := quoted(data, at)
			if err != nil {
				return nil, 0, err
			}
			if at = inner.end + 1; at < len(data) && data[at] != f.Delimiter && data[at] != '\n' && data[at] != '\r' {
				return nil, 0, &placedError{at, fmt.Sprintf("there is %q after the closing quote of a field", data[at])}
			}
			fields = append(fields, inner)
		}
		if at == len(data) || len(fields) == most {
			return fields, at, nil
		}
		if data[at] == f.Delimiter {
			at++
			continue
		}
		if data[at] == '\r' && at+1 < len(data) && data[at+1] == '\n' {
			at++
		}
		return fields, at + 1, nil
	}
}

// Eight bytes at a time: each of a word's bytes, the lowest bit of each, the highest bit of each.
const (
	lineEnds = 0x0a0a0a0a0a0a0a0a
	quotes   = 0x2222222222222222
	lowest   = 0x0101010101010101
	highest  = 0x8080808080808080
)

func (f *csvForm) prepare() { f.delimiters = uint64(f.Delimiter) * lowest }

// special is the offset of the next delimiter, line end or quote, or of the end.
func (f *csvForm) special(data []byte, at int) int {
	for ; at+8 <= len(data); at += 8 {
		word := binary.LittleEndian.Uint64(data[at:])
		d, l, q := word^f.delimiters, word^lineEnds, word^quotes
		// The highest bit is set of bytes that are zero, and maybe of some above such.
		if zeros := ((d-lowest)&^d | (l-lowest)&^l | (q-lowest)&^q) & highest; zeros != 0 {
			return at + bits.TrailingZeros64(zeros)>>3
		}
	}
	for at < len(data) && data[at] != f.Delimiter && data[at] != '\n' && data[at] != '"' {
		at++
	}
	return at
}

// quoted reads the field whose opening quote is at an offset.
func quoted(data []byte, at int) (field, error) {
	inner := field{begin: at + 1}
	for i := inner.begin; ; {
		q := bytes.IndexByte(data[i:], '"')
		if q < 0 {
			return inner, &placedError{at, "the quote that opens here is never closed"}
		}
		if i += q + 1; i < len(data) && data[i] == '"' {
			inner.doubled = true
			i++
			continue
		}
		inner.end = i - 1
		return inner, nil
	}
}
