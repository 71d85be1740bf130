package metrics_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/metrics"
)

func TestRecordWritesTheEmbeddedMetricFormat(t *testing.T) {
	var out bytes.Buffer
	r := metrics.New(&out, "Sodalite/prod", func() time.Time { return time.UnixMilli(1_700_000_000_123) })
	r.Record(t.Context(), "scan accepted", metrics.Count(metrics.ScansAccepted, 1), metrics.Bytes(metrics.PayloadBytes, 5100))
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, out.Bytes())
	}
	delete(got, "time")
	want := map[string]any{
		"level": "INFO", "msg": "scan accepted", "ScansAccepted": 1.0, "PayloadBytes": 5100.0,
		"_aws": map[string]any{"Timestamp": 1_700_000_000_123.0, "CloudWatchMetrics": []any{map[string]any{
			"Namespace": "Sodalite/prod", "Dimensions": []any{[]any{}},
			"Metrics": []any{map[string]any{"Name": "ScansAccepted", "Unit": "Count"}, map[string]any{"Name": "PayloadBytes", "Unit": "Bytes"}},
		}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutANamespaceNothingIsWritten(t *testing.T) {
	var out bytes.Buffer
	metrics.New(&out, "", time.Now).Record(t.Context(), "scan accepted", metrics.Count(metrics.ScansAccepted, 1))
	if out.Len() > 0 {
		t.Errorf("wrote %s", &out)
	}
}
