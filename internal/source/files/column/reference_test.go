package column_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/source/files/column"
)

// TestCSVLikeReference reads made-up files, in small blocks, as a reader does that has one rune after the other and tries what
// each text is: the same columns, types, rows and values come out.
func TestCSVLikeReference(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		o := column.CSV{Delimiter: ",;\t|"[r.IntN(4)], NoHeader: r.IntN(4) == 0}
		if r.IntN(2) == 0 {
			o.Null = "N\"A"
		}
		text := madeUpCSV(r, o)
		got, err := column.OpenCSVInBlocks(t.Context(), strings.NewReader(text), int64(len(text)), o, 1+r.IntN(3000))
		if err != nil {
			t.Fatalf("seed %d: %v\n%q", seed, err, text)
		}
		records := referenceRecords(text, rune(o.Delimiter))
		if !o.NoHeader {
			records = records[1:]
		}
		if got.Rows() != len(records) {
			t.Fatalf("seed %d: %d rows, want %d\n%q", seed, got.Rows(), len(records), text)
		}
		order := r.Perm(len(got.Columns))[:1+r.IntN(len(got.Columns))]
		for place, i := range order {
			var texts []string
			for _, record := range records {
				if record[i] == o.Null {
					record[i] = ""
				}
				texts = append(texts, record[i])
			}
			want := referenceType(texts)
			if got.Columns[i].Type != want {
				t.Fatalf("seed %d: column %d is %s, want %s\n%q", seed, i, got.Columns[i].Type, want, texts)
			}
			row := 0
			for _, c := range got.Chunks {
				vectors, err := c.Vectors(order...)
				if err != nil {
					t.Fatal(err)
				}
				for at := range c.Rows {
					if got, want := valueOf(vectors[place], at), referenceValue(texts[row], want); got != want {
						t.Fatalf("seed %d: column %d, row %d of %q is %v, want %v", seed, i, row, texts[row], got, want)
					}
					row++
				}
			}
		}
	}
}

func valueOf(v *column.Vector, at int) any {
	switch {
	case v.Null != nil && v.Null[at]:
		return nil
	case v.Ints != nil:
		return v.Ints[at]
	case v.Floats != nil:
		return v.Floats[at]
	}
	return v.Texts[at]
}

// madeUp are texts of each kind that a column may have.
var madeUp = [][]string{
	{"0", "7", "-12", "007", "9223372036854775807", "-9223372036854775808", "123456789012345678"},
	{"1.5", "-.5", "5.", "1e3", "2E-3", "9223372036854775808", "0.1000000000000000055511151231257827", "-1e+2", strings.Repeat("9", 310) + "e-5"},
	{"true", "FALSE", "True"},
	{"2026-03-01", "2024-02-29", "0000-02-29", "1999-12-31"},
	{"2026-03-01 10:00:00", "2026-03-01T23:59:59", "2026-03-01 10:00", "2026-03-01 10:00:00.123456", "2026-03-01T10:00:00.5"},
	{"2026-03-01 10:00:00Z", "2026-03-01T10:00:00+02:00", "2026-03-01 10:00:00.25-05", "2026-03-01 10:00+0130"},
	{"x", "--1", "1.2.3", "1e", "e5", "+1", "nan", "0x1", "1_0", "2026-02-29", "2026-13-01", "1900-02-29", "2026-03-01 24:00:00", "2026-03-01 1a:00:00", " 1", "tru", "é", "-", ".",
		"9e999", "a \"quoted\" text", "two\nlines", "two\r\nlines", "a,b;c\td|e", "\"", "\"\"", "2026-03-01 10:00:00\"", "1\""},
}

// madeUpCSV writes a file whose columns are of one kind mostly, and another in places.
func madeUpCSV(r *rand.Rand, o column.CSV) string {
	var out strings.Builder
	columns, rows := 1+r.IntN(5), r.IntN(200)
	kinds := make([][2]int, columns)
	for i := range kinds {
		kinds[i] = [2]int{r.IntN(len(madeUp)), r.IntN(len(madeUp))}
	}
	end := []string{"\n", "\r\n"}[r.IntN(2)]
	if r.IntN(5) == 0 {
		out.WriteString("\xef\xbb\xbf")
	}
	mixed, rare := r.IntN(2) == 0, 1+r.IntN(100)
	for row := range rows + 1 {
		for i, kind := range kinds {
			if i > 0 {
				out.WriteByte(o.Delimiter)
			}
			texts := madeUp[kind[0]]
			if mixed && r.IntN(rare) == 0 {
				texts = madeUp[kind[1]]
			}
			text := texts[r.IntN(len(texts))]
			switch {
			case row == 0:
				text = fmt.Sprintf("n%d", i)
			case r.IntN(8) == 0:
				text = o.Null
			}
			if row == 0 || text == "" || r.IntN(5) > 0 && !strings.ContainsAny(text, "\"\r\n"+string(o.Delimiter)) {
				out.WriteString(text)
			} else {
				out.WriteString(`"` + strings.ReplaceAll(text, `"`, `""`) + `"`)
			}
		}
		if row < rows || r.IntN(2) == 0 {
			out.WriteString(end)
		}
		for columns > 1 && r.IntN(20) == 0 {
			out.WriteString(end)
		}
	}
	if columns == 1 { // else whether a NULL is there at the end is a matter of taste
		out.WriteString(end + "last" + end)
	}
	return out.String()
}

// referenceRecords has one rune after the other.
func referenceRecords(text string, delimiter rune) (records [][]string) {
	var fields []string
	field, quoted, last := "", false, rune(0)
	record := func() {
		fields = append(fields, strings.TrimSuffix(field, "\r"))
		if len(fields) > 1 || fields[0] != "" || len(records) > 0 && len(records[0]) == 1 {
			records = append(records, fields)
		}
		fields, field = nil, ""
	}
	for _, c := range strings.TrimPrefix(text, "\xef\xbb\xbf") {
		switch {
		case c == '"':
			if quoted = !quoted; quoted && last == '"' {
				field += `"`
			}
		case quoted:
			field += string(c)
		case c == delimiter:
			fields, field = append(fields, field), ""
		case c == '\n':
			record()
		default:
			field += string(c)
		}
		last = c
	}
	if field != "" || len(fields) > 0 {
		record()
	}
	return records
}

func referenceType(texts []string) column.Type {
	all := map[column.Type]bool{}
	for _, s := range texts {
		if s != "" {
			all[referenceTypeOf(s)] = true
		}
	}
	only := func(types ...column.Type) bool {
		n := 0
		for _, t := range types {
			if all[t] {
				n++
			}
		}
		return n == len(all)
	}
	for _, narrow := range [][]column.Type{
		{column.Boolean}, {column.Integer}, {column.Double, column.Integer}, {column.Date}, {column.Timestamp, column.Date}, {column.TimestampZone, column.Timestamp, column.Date},
	} {
		if len(all) > 0 && only(narrow...) {
			return narrow[0]
		}
	}
	return column.Text
}

func referenceTypeOf(s string) column.Type {
	_, _, isTime := referenceTime(s)
	_, noInteger := strconv.ParseInt(s, 10, 64)
	_, noNumber := strconv.ParseFloat(s, 64)
	switch {
	case slices.Contains([]string{"true", "false"}, strings.ToLower(s)):
		return column.Boolean
	case s[0] == '+' || strings.ContainsAny(s, "xX_nN"): // which Go alone takes for numbers
		return column.Text
	case noInteger == nil:
		return column.Integer
	case noNumber == nil:
		return column.Double
	case isTime != column.Unknown:
		return isTime
	}
	return column.Text
}

func referenceTime(s string) (at time.Time, zoned bool, kind column.Type) {
	if at, err := time.Parse(time.DateOnly, s); err == nil {
		return at, false, column.Date
	}
	for _, clock := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
		if at, err := time.Parse(clock, s); err == nil {
			return at, false, column.Timestamp
		}
		for _, zone := range []string{"Z07:00", "Z07", "Z0700"} {
			if at, err := time.Parse(clock+zone, s); err == nil {
				return at.UTC(), true, column.TimestampZone
			}
		}
	}
	return time.Time{}, false, column.Unknown
}

func referenceValue(s string, t column.Type) any {
	at, _, _ := referenceTime(s)
	switch {
	case s == "":
		return nil
	case t == column.Boolean && strings.EqualFold(s, "true"):
		return int64(1)
	case t == column.Boolean:
		return int64(0)
	case t == column.Integer:
		n, _ := strconv.ParseInt(s, 10, 64)
		return n
	case t == column.Double:
		x, _ := strconv.ParseFloat(s, 64)
		return x
	case t == column.Timestamp:
		return at.Format("2006-01-02 15:04:05.999999")
	case t == column.TimestampZone:
		return at.Format("2006-01-02 15:04:05.999999+00:00")
	}
	return s
}
