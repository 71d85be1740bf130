package tabletest_test

import (
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
	"github.com/sodalite-dq/sodalite/internal/table/tabletest"
)

func TestModel(t *testing.T) {
	tabletest.Run(t, func(_ testing.TB, now func() time.Time) table.Table { return tabletest.NewModel(now) })
}
