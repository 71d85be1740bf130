package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
	"github.com/sodalite-dq/sodalite/internal/table/tabletest"
)

func TestContract(t *testing.T) {
	tabletest.Run(t, func(tb testing.TB, now func() time.Time) table.Table { return mustOpen(tb, now) })
}

// mustOpen opens a new file.
func mustOpen(tb testing.TB, now func() time.Time, opts ...Option) *Table {
	tb.Helper()
	return mustOpenFile(tb, filepath.Join(tb.TempDir(), "test.db"), now, opts...)
}

func mustOpenFile(tb testing.TB, path string, now func() time.Time, opts ...Option) *Table {
	tb.Helper()
	t, err := Open(path, now, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := t.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return t
}
