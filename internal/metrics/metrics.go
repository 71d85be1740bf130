// Package metrics hands numbers to CloudWatch by log lines in its embedded metric format, so that a function makes no call
// to publish them (docs.aws.amazon.com/AmazonCloudWatch, "Specification: Embedded metric format").
//
// It owns the names of the metrics and the form of the line. When something happened is told by who knows: sodacloud, hub,
// notify. Metrics have no dimensions: each combination of them would be charged as a metric of its own.
package metrics

import (
	"context"
	"io"
	"log/slog"
	"time"
)

// The metrics; docs/runbook.md tells what each means. Messages that failed for good are counted by a filter of template.yaml,
// so that their alarm does not depend on this package being switched on.
const (
	ScansAccepted         = "ScansAccepted"
	PayloadBytes          = "PayloadBytes"
	ChecksPassed          = "ChecksPassed"
	ChecksWarned          = "ChecksWarned"
	ChecksFailed          = "ChecksFailed"
	ChecksNotEvaluated    = "ChecksNotEvaluated"
	DigestLag             = "DigestLag"
	NotificationsSent     = "NotificationsSent"
	NotificationsDeferred = "NotificationsDeferred"
)

// Metric is one number with its unit in CloudWatch's words.
type Metric struct {
	Name, Unit string
	Value      float64
}

// Count is a number of things.
func Count(name string, n int) Metric { return Metric{name, "Count", float64(n)} }

// Bytes is a size.
func Bytes(name string, n int64) Metric { return Metric{name, "Bytes", float64(n)} }

// Milliseconds is a time.
func Milliseconds(name string, d time.Duration) Metric {
	return Metric{name, "Milliseconds", float64(d.Milliseconds())}
}

// Recorder writes metrics. A nil Recorder writes nothing.
type Recorder struct {
	namespace string
	log       *slog.Logger
	now       func() time.Time
}

// New makes a Recorder that writes JSON lines to out; nil if namespace is "".
func New(out io.Writer, namespace string, now func() time.Time) *Recorder {
	if namespace == "" {
		return nil
	}
	return &Recorder{namespace: namespace, log: slog.New(slog.NewJSONHandler(out, nil)), now: now}
}

// directive is what CloudWatch reads of the member _aws.
type directive struct {
	Timestamp         int64 // milliseconds since 1970
	CloudWatchMetrics []metricSet
}

type metricSet struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

type definition struct{ Name, Unit string }

// Record writes one line with the metrics of one event.
func (r *Recorder) Record(ctx context.Context, event string, values ...Metric) {
	if r == nil {
		return
	}
	set := metricSet{Namespace: r.namespace, Dimensions: [][]string{{}}}
	attrs := make([]slog.Attr, 0, len(values)+1)
	for _, v := range values {
		set.Metrics = append(set.Metrics, definition{v.Name, v.Unit})
		attrs = append(attrs, slog.Float64(v.Name, v.Value))
	}
	attrs = append(attrs, slog.Any("_aws", directive{Timestamp: r.now().UnixMilli(), CloudWatchMetrics: []metricSet{set}}))
	r.log.LogAttrs(ctx, slog.LevelInfo, event, attrs...)
}
