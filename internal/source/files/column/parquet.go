package column

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// maxRows bounds what room is made for a column because a file says so; writers put some millions into a row group.
const maxRows = 1 << 27

// OpenParquet reads what columns a Parquet file has. Their values are read and decoded when they are asked for. Columns of
// lists, maps and structs are left out.
func OpenParquet(r io.ReaderAt, size int64) (_ *Table, err error) {
	defer damaged(&err)
	if err := footerFits(r, size); err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("it is no Parquet file: %w", err)
	}
	t := &Table{}
	var leaves []*parquet.Column
	for _, c := range file.Root().Columns() {
		if c.Leaf() && !c.Repeated() {
			leaves = append(leaves, c)
			t.Columns = append(t.Columns, Column{c.Name(), parquetType(c)})
		}
	}
	for _, group := range file.RowGroups() {
		rows := int(group.NumRows())
		if rows < 0 || rows > maxRows {
			return nil, fmt.Errorf("a row group has %d rows, more than %d are not read", rows, maxRows)
		}
		if rows == 0 {
			continue
		}
		chunks := group.ColumnChunks()
		t.Chunks = append(t.Chunks, keeping(rows, t.Columns, make([]*Vector, len(leaves)), func(i int) (*Vector, error) {
			v, err := readChunk(chunks[leaves[i].Index()], rows, leaves[i], t.Columns[i].Type)
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", t.Columns[i].Name, err)
			}
			return v, nil
		}))
	}
	return t, nil
}

// footerFits looks at the length of the metadata, for which the library makes room without a look at the file's size
// (parquet.apache.org, File Format: metadata, four bytes of length, PAR1).
func footerFits(r io.ReaderAt, size int64) error {
	var end [8]byte
	if size >= 12 {
		if _, err := r.ReadAt(end[:], size-8); err != nil {
			return err
		}
	}
	if string(end[4:]) != "PAR1" {
		return errors.New("it is no Parquet file, or one that was cut off: it does not end with PAR1")
	}
	if n := int64(binary.LittleEndian.Uint32(end[:])); n > size-12 {
		return fmt.Errorf("the Parquet file is damaged: of %d bytes, %d are said to be metadata", size, n)
	}
	return nil
}

// damaged makes an error of the library's panic on a file that is not as it says.
func damaged(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the Parquet file is damaged: %v", r)
	}
}

func logical(c *parquet.Column) format.LogicalTypeValue {
	if l := c.Type().LogicalType(); l != nil {
		return l.Value
	}
	return nil
}

func parquetType(c *parquet.Column) Type {
	switch l := logical(c).(type) {
	case *format.DateType:
		return Date
	case *format.TimestampType:
		if l.IsAdjustedToUTC {
			return TimestampZone
		}
		return Timestamp
	case *format.DecimalType:
		return Double
	case *format.TimeType:
		return Text
	}
	switch c.Type().Kind() {
	case parquet.Boolean:
		return Boolean
	case parquet.Int32, parquet.Int64:
		return Integer
	case parquet.Int96:
		return Timestamp
	case parquet.Float, parquet.Double:
		return Double
	}
	return Text
}

// readChunk decodes one column of a row group.
func readChunk(chunk parquet.ColumnChunk, rows int, c *parquet.Column, t Type) (_ *Vector, err error) {
	defer damaged(&err)
	v := &Vector{}
	put := setter(v, rows, c, t)
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	buffer := make([]parquet.Value, 1024)
	at := 0
	for {
		page, err := pages.ReadPage()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		values := page.Values()
		for {
			n, err := values.ReadValues(buffer)
			if at+n > rows {
				return nil, errors.New("it has more values than the row group has rows")
			}
			for i := range n {
				if buffer[i].IsNull() || isNaN(buffer[i]) {
					if v.Null == nil {
						v.Null = make([]bool, rows)
					}
					v.Null[at+i] = true
					continue
				}
				put(at+i, buffer[i])
			}
			at += n
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, err
			}
		}
		parquet.Release(page)
	}
	if at != rows {
		return nil, fmt.Errorf("it has %d values where the row group has %d rows", at, rows)
	}
	return v, nil
}

// isNaN tells what is no number, which counts as NULL, as in SQLite.
func isNaN(x parquet.Value) bool {
	return x.Kind() == parquet.Double && math.IsNaN(x.Double()) || x.Kind() == parquet.Float && math.IsNaN(float64(x.Float()))
}

// setter makes room for a column's values, and gives what keeps one of them.
func setter(v *Vector, rows int, c *parquet.Column, t Type) func(int, parquet.Value) {
	switch t {
	case Boolean:
		v.Ints = make([]int64, rows)
		return func(i int, x parquet.Value) {
			if x.Boolean() {
				v.Ints[i] = 1
			}
		}
	case Integer:
		v.Ints = make([]int64, rows)
		unsigned := false
		if l, ok := logical(c).(*format.IntType); ok {
			unsigned = !l.IsSigned
		}
		if c.Type().Kind() == parquet.Int64 {
			return func(i int, x parquet.Value) { v.Ints[i] = x.Int64() }
		}
		return func(i int, x parquet.Value) {
			if v.Ints[i] = int64(x.Int32()); unsigned {
				v.Ints[i] = int64(x.Uint32())
			}
		}
	case Double:
		v.Floats = make([]float64, rows)
		return func(i int, x parquet.Value) { v.Floats[i] = parquetDouble(x, c) }
	}
	v.Texts = make([]string, rows)
	last, text := parquet.Value{}, "" // neighbours are often equal
	return func(i int, x parquet.Value) {
		if last.IsNull() || !parquet.Equal(last, x) {
			last, text = x.Clone(), parquetText(x, c, t)
		}
		v.Texts[i] = text
	}
}

func parquetDouble(x parquet.Value, c *parquet.Column) float64 {
	scale := 0
	if d, ok := logical(c).(*format.DecimalType); ok {
		scale = int(d.Scale)
	}
	unscaled := 0.0
	switch x.Kind() {
	case parquet.Float:
		return float64(x.Float())
	case parquet.Double:
		return x.Double()
	case parquet.Int32:
		unscaled = float64(x.Int32())
	case parquet.Int64:
		unscaled = float64(x.Int64())
	default: // two's complement, most significant byte first (Parquet, logical types, DECIMAL)
		b := x.ByteArray()
		n := new(big.Int).SetBytes(b)
		if len(b) > 0 && b[0] >= 0x80 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
		unscaled, _ = new(big.Float).SetInt(n).Float64()
	}
	return unscaled / math.Pow10(scale)
}

func parquetText(x parquet.Value, c *parquet.Column, t Type) string {
	switch l := logical(c).(type) {
	case *format.DateType:
		return time.Unix(int64(x.Int32())*86400, 0).UTC().Format(time.DateOnly)
	case *format.TimestampType:
		return stamp(ticks(x.Int64(), l.Unit), t)
	case *format.TimeType:
		n := x.Int64()
		if x.Kind() == parquet.Int32 {
			n = int64(x.Int32())
		}
		return ticks(n, l.Unit).Format("15:04:05.999999")
	case *format.UUIDType:
		b := x.ByteArray()
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	}
	if x.Kind() == parquet.Int96 { // nanoseconds of the day and Julian day number, as Impala writes
		n := x.Int96()
		return stamp(time.Unix((int64(n[2])-2440588)*86400, int64(uint64(n[1])<<32|uint64(n[0]))).UTC(), t)
	}
	return strings.ToValidUTF8(string(x.ByteArray()), "\uFFFD")
}

func ticks(n int64, unit format.TimeUnit) time.Time {
	switch unit.Value.(type) {
	case *format.MilliSeconds:
		return time.UnixMilli(n).UTC()
	case *format.MicroSeconds:
		return time.UnixMicro(n).UTC()
	}
	return time.Unix(0, n).UTC()
}

func stamp(t time.Time, kind Type) string {
	if kind == TimestampZone {
		return t.Format(zonedTime)
	}
	return t.Format(plainTime)
}
