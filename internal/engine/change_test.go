package engine_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
)

// TestChangeInPercent: to the last digit, and so on the edge of a threshold, as the reference client computes it.
func TestChangeInPercent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "empty.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := sources.Open(source.NewSettings("src", "sqlite", map[string]string{"path": path}))
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]struct {
		value   string
		outcome dq.Outcome
	}{
		"SELECT 107": {"7.000000000000001", dq.Fail},
		"SELECT 103": {"3.0", dq.Pass},
		"SELECT 93":  {"-7.000000000000001", dq.Pass},
		"SELECT 100": {"0.0", dq.Pass},
	} {
		program := parseChecks("checks:\n  - change percent for own <= 7 %:\n      own query: " + query + "\n")
		scan := engine.Run(t.Context(), program, engine.Options{Definition: "d", Source: "src", Now: time.Now(), History: fixedHistory{100}, Sources: func(string) (*engine.Source, error) { return src, nil }})
		if len(scan.Results) != 1 || string(scan.Results[0].Value) != want.value || scan.Results[0].Outcome != want.outcome {
			t.Errorf("%s: %+v\n%s", query, scan.Results, logText(scan))
		}
	}
}
