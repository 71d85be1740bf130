// Package hub holds the verbs: accept a scan, digest it into views, answer history, list views.
//
// It owns what is stored under which key (see keys.go), the packed views of a dataset, and the rules by which scans that
// arrive late, twice or out of order give the same views. It leaves wire formats to the edges (sodacloud, api, web),
// messages to package notify, and storage to package table.
package hub

import (
	"context"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// Hub is the system's memory of scans. The zero members get defaults from [New].
type Hub struct {
	table table.Table
	now   func() time.Time
	keep  Retention
	cache *viewCache

	// OnDigest, if set, hears of each scan that Digest folded in for the first time. It is set before use.
	OnDigest func(ctx context.Context, s *dq.Scan)
}

// Retention is how long things are kept after their arrival.
type Retention struct {
	Results time.Duration // scans, histories, alerts; default 13 months of 30.5 days
	Samples time.Duration // uploaded rows; default 30 days
}

// DefaultRetention is 13 months for results and 30 days for samples.
var DefaultRetention = Retention{Results: 13 * 732 * time.Hour, Samples: 30 * 24 * time.Hour}

// New makes a hub on a table. now is the clock; zero retentions mean the default.
func New(t table.Table, now func() time.Time, keep Retention) *Hub {
	if keep.Results == 0 {
		keep.Results = DefaultRetention.Results
	}
	if keep.Samples == 0 {
		keep.Samples = DefaultRetention.Samples
	}
	return &Hub{table: t, now: now, keep: keep, cache: newViewCache()}
}
