package engine_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/contract"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	v4 "github.com/sodalite-dq/sodalite/internal/sodacloud/v4"
	"github.com/sodalite-dq/sodalite/internal/source/sqlite"
)

// answering is a connection that answers every statement with one row of ones.
type answering struct {
	mu         sync.Mutex
	statements []string
}

func (a *answering) Query(_ context.Context, sql string, _ int) (*engine.Rows, error) {
	a.mu.Lock()
	a.statements = append(a.statements, sql)
	a.mu.Unlock()
	if strings.Contains(sql, "pragma_table_info") {
		return &engine.Rows{Rows: [][]any{{"id", "varchar(20)"}, {"amount", "integer"}}, Count: 2}, nil
	}
	head, _, _ := strings.Cut(sql, "\nFROM")
	row := make([]any, strings.Count(head, ",\n")+1)
	for i := range row {
		row[i] = int64(1)
	}
	return &engine.Rows{Rows: [][]any{row}, Count: 1}, nil
}

func (a *answering) Close() error { return nil }

func verify(t *testing.T, text string) (*dq.Scan, []string) {
	t.Helper()
	c := contract.Parse(sodacl.File{Name: "c.yml", Text: []byte(text)}, contract.Inputs{Now: time.Now()})
	if len(c.Mistakes) > 0 {
		t.Fatal(c.Mistakes)
	}
	a := &answering{}
	source := &engine.Source{Name: "shop", Type: "sqlite", Dialect: sqlite.Dialect(), Open: func(context.Context) (engine.Connection, error) { return a, nil }}
	return engine.Verify(t.Context(), c, engine.Options{Now: time.Now(), Sources: func(string) (*engine.Source, error) { return source, nil }}), a.statements
}

// TestContractsShareStatements holds a contract to one statement for all its aggregates, in which nothing stands twice.
func TestContractsShareStatements(t *testing.T) {
	scan, statements := verify(t, `dataset: shop/main/orders
columns:
  - name: id
    checks:
      - missing:
      - missing: {qualifier: percent, threshold: {metric: percent, must_be: 0}}
      - invalid: {valid_length: 2}
      - duplicate:
      - aggregate: {function: max, threshold: {must_be: 1}}
checks:
  - row_count:
  - failed_rows: {expression: id IS NULL}
  - metric: {expression: COUNT(*), threshold: {must_be: 1}}
`)
	if len(statements) != 1 {
		t.Fatalf("%d statements, want 1:\n%s", len(statements), strings.Join(statements, "\n\n"))
	}
	seen := map[string]bool{}
	head, _, _ := strings.Cut(strings.TrimPrefix(statements[0], "SELECT"), "\nFROM")
	for item := range strings.SplitSeq(head, ",\n") {
		if item = strings.TrimSpace(item); seen[item] {
			t.Errorf("%s is measured twice:\n%s", item, statements[0])
		}
		seen[item] = true
	}
	if len(scan.Results) != 8 || scan.Errored {
		t.Errorf("%d results, errors %v", len(scan.Results), scan.Errored)
	}
}

// TestContractResultsAreThoseOfTheWire sends the results of a contract over the wire of Soda Core 4, and wants them back.
func TestContractResultsAreThoseOfTheWire(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "contract", "testdata", "orders.yml"))
	if err != nil {
		t.Fatal(err)
	}
	scan, _ := verify(t, strings.Replace(string(text), "dataset: warehouse/", "dataset: shop/", 1))
	body, err := json.Marshal(v4.Results(scan))
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatal(err)
	}
	members["contract"] = json.RawMessage(`{"fileId":"f"}`)
	back, err := v4.Scan(members, "")
	if err != nil {
		t.Fatal(err)
	}
	if back.State != scan.State || back.Definition != scan.Definition || len(back.Results) != len(scan.Results) || len(back.Results) < 8 {
		t.Fatalf("%s of %s with %d results, want %s of %s with %d", back.State, back.Definition, len(back.Results), scan.State, scan.Definition, len(scan.Results))
	}
	for i := range scan.Results {
		want, got := scan.Results[i], back.Results[i]
		want.Reasons, want.Metrics, want.Diagnostics, got.Diagnostics = nil, nil, nil, nil // which the wire does not have, or has in other order
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(got)
		if string(a) != string(b) {
			t.Errorf("sent\n%s\nread\n%s", a, b)
		}
	}
}
