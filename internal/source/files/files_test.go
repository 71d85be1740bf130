package files_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source/files"
	"github.com/sodalite-dq/sodalite/internal/source/sourcetest"
)

const slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000000) SELECT MAX(i) FROM n"

// text writes a value into a file of text.
func text(v any, kind sourcetest.Kind) string {
	if kind == sourcetest.TimestampZone && v != nil {
		return v.(time.Time).Format(time.RFC3339)
	}
	return sourcetest.Text(v)
}

func writeCSV(t *testing.T, folder string, table sourcetest.Table) {
	t.Helper()
	f, err := os.Create(filepath.Join(folder, table.Name+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	w := csv.NewWriter(f)
	var names []string
	for _, c := range table.Columns {
		names = append(names, c.Name)
	}
	_ = w.Write(names) // Error tells
	for _, row := range table.Rows {
		fields := make([]string, len(row))
		for i, v := range row {
			fields[i] = text(v, table.Columns[i].Kind)
		}
		_ = w.Write(fields)
	}
	w.Flush()
	if err := w.Error(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func writeJSON(t *testing.T, folder string, table sourcetest.Table) {
	t.Helper()
	f, err := os.Create(filepath.Join(folder, table.Name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range table.Rows {
		line := []byte("{")
		for i, v := range row {
			switch v.(type) {
			case time.Time, engine.Date:
				v = text(v, table.Columns[i].Kind)
			}
			name, err1 := json.Marshal(table.Columns[i].Name)
			value, err2 := json.Marshal(v)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if i > 0 {
				line = append(line, ", "...)
			}
			line = append(append(append(line, name...), ": "...), value...)
		}
		if _, err := f.Write(append(line, "}\n"...)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// types of columns in Parquet, by kind.
var types = map[sourcetest.Kind]parquet.Node{
	sourcetest.Integer: parquet.Int(64), sourcetest.Decimal: parquet.Decimal(2, 10, parquet.Int64Type), sourcetest.Float: parquet.Leaf(parquet.DoubleType),
	sourcetest.Boolean: parquet.Leaf(parquet.BooleanType), sourcetest.String: parquet.String(), sourcetest.Day: parquet.Date(),
	sourcetest.Timestamp: parquet.TimestampAdjusted(parquet.Microsecond, false), sourcetest.TimestampZone: parquet.Timestamp(parquet.Millisecond),
}

func parquetValue(v any, kind sourcetest.Kind) parquet.Value {
	switch v := v.(type) {
	case nil:
		return parquet.NullValue()
	case engine.Date:
		return parquet.Int32Value(int32(v.Unix() / 86400))
	case time.Time:
		if kind == sourcetest.TimestampZone {
			return parquet.Int64Value(v.UnixMilli())
		}
		return parquet.Int64Value(v.UnixMicro())
	case float64:
		if kind == sourcetest.Decimal {
			return parquet.Int64Value(int64(v * 100))
		}
		return parquet.DoubleValue(v)
	default:
		return parquet.ValueOf(v)
	}
}

// inOrder is a group whose fields are in the order of a table's columns; they are sorted by name otherwise.
type inOrder struct {
	parquet.Group
	columns []sourcetest.Column
}

func (g inOrder) Fields() []parquet.Field {
	place := func(f parquet.Field) int {
		return slices.IndexFunc(g.columns, func(c sourcetest.Column) bool { return c.Name == f.Name() })
	}
	fields := g.Group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int { return place(a) - place(b) })
	return fields
}

// writeParquet writes row groups of two rows each.
func writeParquet(t *testing.T, folder string, table sourcetest.Table) {
	t.Helper()
	f, err := os.Create(filepath.Join(folder, table.Name+".parquet"))
	if err != nil {
		t.Fatal(err)
	}
	group := parquet.Group{}
	for _, c := range table.Columns {
		group[c.Name] = parquet.Optional(types[c.Kind])
	}
	schema := parquet.NewSchema(table.Name, inOrder{group, table.Columns})
	at := map[string]int{}
	for i, path := range schema.Columns() {
		at[path[0]] = i
	}
	w := parquet.NewWriter(f, schema, parquet.MaxRowsPerRowGroup(2), parquet.Compression(&parquet.Zstd))
	for _, values := range table.Rows {
		row := make(parquet.Row, len(values))
		for i, v := range values {
			column := at[table.Columns[i].Name]
			definition := 1
			if v == nil {
				definition = 0
			}
			row[column] = parquetValue(v, table.Columns[i].Kind).Level(0, definition, column)
		}
		if _, err := w.WriteRows([]parquet.Row{row}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSuite(t *testing.T) {
	for name, write := range map[string]func(*testing.T, string, sourcetest.Table){"CSV": writeCSV, "JSON lines": writeJSON, "Parquet": writeParquet} {
		t.Run(name, func(t *testing.T) {
			folder, broken := t.TempDir(), t.TempDir()
			for _, table := range sourcetest.Tables() {
				write(t, folder, table)
			}
			for name, text := range map[string]string{"notes.txt": "x", "a.csv": "x\n1\n", "a.json": "{}\n"} {
				if err := os.WriteFile(filepath.Join(broken, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var lacks []string
			if name == "JSON lines" {
				lacks = []string{sourcetest.EmptyColumns}
			}
			sourcetest.Run(t, sourcetest.Subject{
				Lacks: lacks, New: files.New, Kind: "files", Settings: map[string]string{"path": folder}, Numbers: true, Slow: slow,
				Broken: map[string]sourcetest.Broken{
					"no path":               sourcetest.Says("path", "path", ""),
					"no file":               sourcetest.Says("no such file", "path", filepath.Join(folder, "none.csv")),
					"no file of pattern":    sourcetest.Says("there are no data files at", "path", filepath.Join(folder, "*.none")),
					"a bad pattern":         sourcetest.Says("syntax error in pattern", "path", filepath.Join(folder, "[.csv")),
					"no data file":          sourcetest.Says("is no data file", "path", filepath.Join(broken, "notes.txt")),
					"two files of one name": sourcetest.Says("the dataset a is both", "path", broken),
					"a bad delimiter":       sourcetest.Says("is not one character", "delimiter", "::"),
					"a bad size":            sourcetest.Says("is no size", "max_size", "much"),
					"here and in S3":        sourcetest.Says("make two data sources", "tables.a", "s3://bucket/a.csv"),
					"half a key":            sourcetest.Says("both access_key_id and secret_access_key", "path", "s3://bucket/a.csv", "secret_access_key", sourcetest.Secret),
				},
			})
		})
	}
}
