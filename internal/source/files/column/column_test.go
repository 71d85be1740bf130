package column_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/sodalite-dq/sodalite/internal/source/files/column"
)

func types(t *column.Table) string {
	var out []string
	for _, c := range t.Columns {
		out = append(out, c.Name+" "+string(c.Type))
	}
	return strings.Join(out, ", ")
}

func openCSV(t *testing.T, text string) (*column.Table, error) {
	return column.OpenCSV(t.Context(), strings.NewReader(text), int64(len(text)), column.CSV{})
}

func readJSON(t *testing.T, text string) (*column.Table, error) {
	return column.ReadJSON(t.Context(), strings.NewReader(text), int64(len(text)))
}

func TestTypesOfCSV(t *testing.T) {
	for text, want := range map[string]string{
		"a\n1\n\n-2\n": "a bigint", "a,b\n1,x\n2.5,\n": "a double, b varchar", "a,b\ntrue,1e3\nFALSE,.5\n": "a boolean, b double",
		"a;b\n2026-03-01;2026-03-01 10:00\n2026-02-28;\n": "a date, b timestamp", "a,b\n2026-03-01,x\n2026-03-01T10:00:00Z,y\n": "a timestamp with time zone, b varchar",
		"a,b,c\n2026-03-01 23:59:59,2026-03-01 24:00:00,1e999\n2026-03-01T00:00:00,2026-03-01 10:00:00,1\n": "a timestamp, b varchar, c varchar",
		"a,b,c\n1.2.3,2026-03-01 1a:00:00,2026-03-01 10-00:00\n":                                            "a varchar, b varchar, c varchar", "a,b,c\n-1.,1-,-\n": "a double, b varchar, c varchar",
		"a,b\n" + strings.Repeat("9", 299) + ".5," + strings.Repeat("9", 400) + "\n": "a double, b varchar",
		"a,b\n2026-02-30,nan\n2026-03-01,1\n":                                        "a varchar, b varchar", "a,a,\n9223372036854775808,1_0,0x1\n": "a double, a_1 varchar, column2 varchar",
		"\xef\xbb\xbf\"a\"\t\"b \"\"c\"\"\"\n1\t\"x\ny\"\n": `a bigint, b "c" varchar`, "a,b\n": "a varchar, b varchar", "a,b\n1,\ntrue,\n": "a varchar, b varchar",
	} {
		table, err := openCSV(t, text)
		if err != nil || types(table) != want {
			t.Errorf("%q: %v, want %s", text, err, want)
			if err == nil {
				t.Log(types(table))
			}
		}
	}
}

func TestMistakesInCSV(t *testing.T) {
	for text, want := range map[string]string{
		"": "the file is empty", "a,b\n1,2\n1,2,3\n": "line 3: it has 3 fields, the header has 2", "a,b\n1,x\"y\n": "line 2: a quote within a field",
		"a,b\n1,\"xy\n": "line 2: the quote that opens here is never closed", "a,b\n\"1\"2,3\n": "line 2: there is '2' after the closing quote", "a,b\n1,\xff\n": "line 2: the file is not in UTF-8",
	} {
		if _, err := openCSV(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestManyBlocks reads a file of many blocks whose columns change their type on the way, with quoted line ends, and finds
// what encoding/csv finds.
func TestManyBlocks(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("n,late,text\n")
	for i := range 200_000 {
		late := fmt.Sprint(i)
		if i == 190_000 {
			late = "0x"
		}
		fmt.Fprintf(&b, "%d,%s,\"line\n%d, \"\"quoted\"\"\"\n", i, late, i)
	}
	table, err := openCSV(t, b.String())
	if err != nil || types(table) != "n bigint, late varchar, text varchar" || len(table.Chunks) < 2 {
		t.Fatal(err)
	}
	want, err := csv.NewReader(&b).ReadAll()
	if err != nil || table.Rows() != len(want)-1 {
		t.Fatal(table.Rows(), err)
	}
	row := 1
	for _, c := range table.Chunks {
		v, err := c.Vectors(2, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.Rows {
			if fmt.Sprint(v[1].Ints[i]) != want[row][0] || v[2].Texts[i] != want[row][1] || v[0].Texts[i] != want[row][2] {
				t.Fatalf("row %d: %d %q %q, want %q", row, v[1].Ints[i], v[2].Texts[i], v[0].Texts[i], want[row])
			}
			row++
		}
	}
}

// TestMistakeOfManyBlocks: the first mistake of a file is told, wherever blocks begin.
func TestMistakeOfManyBlocks(t *testing.T) {
	text := "a,b\n" + strings.Repeat("1,\"x\ny\"\n", 500) + "1\n" + strings.Repeat("2,x\n", 500) + "3,\xff\n"
	for _, size := range []int{1, 7, 100, 5000, 100_000} {
		_, err := column.OpenCSVInBlocks(t.Context(), strings.NewReader(text), int64(len(text)), column.CSV{}, size)
		want := "line 1002: it has 1 fields, the header has 2"
		if size == 100_000 {
			want = "line 1503: the file is not in UTF-8"
		}
		if err == nil || err.Error() != want {
			t.Errorf("blocks of %d: %v, want %s", size, err, want)
		}
	}
}

// TestChangedCSV: a file that is not what it was when it was first read is an error, not a wrong value.
func TestChangedCSV(t *testing.T) {
	data := []byte("a,b\n1,x\n2,y\n")
	table, err := column.OpenCSV(t.Context(), bytes.NewReader(data), int64(len(data)), column.CSV{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.Chunks[0].Vectors(0); err != nil {
		t.Fatal(err)
	}
	data[4] = 'x'
	if _, err := table.Chunks[0].Vectors(0); err == nil || !strings.Contains(err.Error(), "changed while it was scanned") {
		t.Error(err)
	}
	table, err = column.OpenCSV(t.Context(), bytes.NewReader(data[:8]), int64(len(data)), column.CSV{})
	if err == nil || !strings.Contains(err.Error(), "changed while it was scanned") {
		t.Error(table, err)
	}
}

// TestCanceledCSV: reading ends between blocks.
func TestCanceledCSV(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	read := 0
	r := readerAt(func(p []byte, at int64) (int, error) {
		if read++; read == 10 {
			cancel(why)
		}
		return copy(p, strings.Repeat("1,2\n", len(p)/4+1)), nil
	})
	if _, err := column.OpenCSVInBlocks(ctx, r, 1<<40, column.CSV{}, 1000); err != why || read > 20 {
		t.Error(err, read)
	}
}

type readerAt func(p []byte, at int64) (int, error)

func (r readerAt) ReadAt(p []byte, at int64) (int, error) { return r(p, at) }

// TestUnion: a column has the type that holds the values of all tables, and its texts are as they were written.
func TestUnion(t *testing.T) {
	var tables []*column.Table
	for _, text := range []string{"zip,n\n01234,1\n", "n,zip,late\n2.50,AB12,true\n", "late\nfalse\n"} {
		table, err := openCSV(t, text)
		if err != nil {
			t.Fatal(err)
		}
		tables = append(tables, table)
	}
	other, err := readJSON(t, `{"zip": 7, "n": 3}`)
	if err != nil {
		t.Fatal(err)
	}
	union := column.Union(append(tables, other))
	if got := types(union); got != "zip varchar, n double, late boolean" {
		t.Fatal(got)
	}
	var rows []string
	for _, c := range union.Chunks {
		v, err := c.Vectors(2, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.Rows {
			rows = append(rows, fmt.Sprintf("%v %v %v", valueOf(v[0], i), valueOf(v[1], i), valueOf(v[2], i)))
		}
	}
	if want := []string{"<nil> 01234 1", "1 AB12 2.5", "0 <nil> <nil>", "<nil> 7 3"}; !slices.Equal(rows, want) {
		t.Errorf("%q, want %q", rows, want)
	}
}

func TestJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": 1, "b": "2026-03-01"}` + "\n" + `{"a": 2.5, "c": {"d": [1]}}`: "a double, b date, c varchar", `[{"a": "1"}, {"a": null}]`: "a varchar", `{"a\\u0062": 1}` + "\n" + `{"a\u0062": true}`: `a\u0062 bigint, ab boolean`, "": "", `{"a": null}`: "a varchar",
	} {
		table, err := readJSON(t, text)
		if err != nil || types(table) != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	for text, want := range map[string]string{"{\"a\": 1}\n{\"a\": }\n": "line 2", "{\"a\": 1}\n7\n": "where an object is expected", "{\"a\": 1": "line 1"} {
		if _, err := readJSON(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestJSONInBlocks reads lines whose members come late, change their type, or are written in another way, and finds what
// encoding/json finds.
func TestJSONInBlocks(t *testing.T) {
	var text strings.Builder
	var want []any
	for i := range 1000 {
		line := fmt.Sprintf(`{"n": %d, "text": "line\n%d \u00e9", "late": null, "deep": {"a" : [%d]}}`, i, i, i)
		switch {
		case i == 900:
			line = `{"text": "", "n": 0.5, "\u006eew": "2026-03-01", "n": 2.5}`
		case i > 700:
			line = fmt.Sprintf(`{"late": %v, "n": %d}`, i%2 == 0, i)
		}
		text.WriteString(line + "\n")
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		if row["deep"] != nil {
			row["deep"] = fmt.Sprintf(`{"a":[%d]}`, i)
		}
		if late, ok := row["late"].(bool); ok {
			row["late"] = map[bool]int64{true: 1}[late]
		}
		want = append(want, row["n"], row["text"], row["late"], row["deep"], row["new"])
	}
	for _, size := range []int{100, 1000, 10_000, 1 << 20} {
		table, err := column.ReadJSONInBlocks(t.Context(), strings.NewReader(text.String()), int64(text.Len()), size)
		if err != nil || types(table) != "n double, text varchar, late boolean, deep varchar, new date" || (len(table.Chunks) == 1) != (size == 1<<20) {
			t.Fatal(types(table), err)
		}
		if got := valuesOf(t, table); !slices.Equal(got, want) {
			t.Errorf("blocks of %d: %v, want %v", size, got, want)
		}
	}
}

// FuzzCSV: whatever a file is, its rows, types and values do not depend on how it is cut into blocks.
func FuzzCSV(f *testing.F) {
	for _, text := range []string{"a,b\n1,\"x\"\"\n\"\n", "a\n1\n\n-2\n", "\n\na;b\r\n2026-03-01;2026-03-01T10:00Z\r\n\r\n;2\r\n", "\"a\"\r\"b\"\r", "\xef\xbb\xbfa\tb\ntrue\t1e3\nx\t.5"} {
		f.Add([]byte(text), byte(0), "", false, uint16(3))
		f.Add([]byte(text), byte(';'), "1", true, uint16(9))
	}
	f.Fuzz(func(t *testing.T, data []byte, delimiter byte, null string, noHeader bool, size uint16) {
		if delimiter == '"' || delimiter == '\n' || delimiter == '\r' {
			return
		}
		o := column.CSV{Delimiter: delimiter, Null: null, NoHeader: noHeader}
		whole, err1 := column.OpenCSV(t.Context(), bytes.NewReader(data), int64(len(data)), o)
		cut, err2 := column.OpenCSVInBlocks(t.Context(), bytes.NewReader(data), int64(len(data)), o, 1+int(size))
		if (err1 == nil) != (err2 == nil) {
			t.Fatalf("%v in one block, %v in blocks of %d", err1, err2, size)
		}
		if err1 == nil && (types(whole) != types(cut) || !slices.Equal(valuesOf(t, whole), valuesOf(t, cut))) {
			t.Errorf("%s %v in one block, %s %v in blocks of %d", types(whole), valuesOf(t, whole), types(cut), valuesOf(t, cut), size)
		}
	})
}

// valuesOf are all values of a table.
func valuesOf(t *testing.T, table *column.Table) []any {
	t.Helper()
	var all []int
	for i := range table.Columns {
		all = append(all, i)
	}
	var out []any
	for _, c := range table.Chunks {
		vectors, err := c.Vectors(all...)
		if err != nil {
			t.Fatal(err)
		}
		for row := range c.Rows {
			for _, v := range vectors {
				out = append(out, valueOf(v, row))
			}
		}
	}
	return out
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a": [1], "b": "x"}`))
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = readJSON(t, string(data)) })
}

// parquetFile is a small file with columns of each kind.
func parquetFile(tb testing.TB) []byte {
	tb.Helper()
	type row struct {
		ID      int64     `parquet:"id"`
		Name    *string   `parquet:"name,optional,dict"`
		Price   float64   `parquet:"price"`
		Cents   int32     `parquet:"cents,decimal(2:9)"`
		Good    bool      `parquet:"good"`
		Day     int32     `parquet:"day,date"`
		Created time.Time `parquet:"created,timestamp(microsecond)"`
		Key     [16]byte  `parquet:"key,uuid"`
		Tags    []string  `parquet:"tags,list"`
	}
	name := "a"
	var out bytes.Buffer
	w := parquet.NewGenericWriter[row](&out, parquet.Compression(&parquet.Snappy))
	if _, err := w.Write([]row{{1, &name, 1.5, 150, true, 20000, time.Unix(1, 0), [16]byte{1}, nil}, {2, nil, -1, -1, false, 0, time.Unix(0, 0), [16]byte{}, []string{"x"}}}); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// TestDamagedParquet: a file that was cut off, or whose end is not as it says, is an error at once.
func TestDamagedParquet(t *testing.T) {
	whole := parquetFile(t)
	if table, err := column.OpenParquet(bytes.NewReader(whole), int64(len(whole))); err != nil || table.Rows() != 2 || len(table.Columns) != 8 {
		t.Fatalf("%v, %v", table, err)
	}
	long := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(long[len(long)-8:], 1<<31)
	for want, data := range map[string][]byte{"does not end with PAR1": whole[:len(whole)-1], "are said to be metadata": long, "no Parquet file": []byte("PAR1PAR1"), "or one that was cut off": nil} {
		if _, err := column.OpenParquet(bytes.NewReader(data), int64(len(data))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func FuzzParquet(f *testing.F) {
	f.Add(parquetFile(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := column.OpenParquet(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for _, c := range table.Chunks {
			for i := range table.Columns {
				_, _ = c.Vectors(i)
			}
		}
	})
}
