package notifytest

import (
	"fmt"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/notify"
)

// DataTime is the data time of the samples.
var DataTime = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// PublicURL is the address of the pages in the samples.
const PublicURL = "https://dq.example.com"

// Alert is a sample of n failing checks, ten to a dataset.
func Alert(scanID string, n int) dq.Alert {
	a := dq.Alert{ScanID: scanID, Definition: "nightly warehouse", DataTime: DataTime, Received: DataTime.Add(time.Minute)}
	for i := range n {
		a.Checks = append(a.Checks, Check(i))
	}
	return a
}

// Check is the i-th sample of a failing check.
func Check(i int) dq.AlertCheck {
	dataset := dq.DatasetRef{DataSource: "warehouse", Prefix: []string{"shop", "public"}, Name: fmt.Sprintf("orders_%03d", i/10)}
	c := dq.AlertCheck{
		ID:      dq.CheckID(dataset.ID(), "nightly warehouse", fmt.Sprint(i)),
		Name:    fmt.Sprintf("row_count of part %d > 0", i),
		Dataset: dataset,
		Source:  fmt.Sprintf("checks for %s:\n  - row_count > 0", dataset.Name),
		Owner:   "data-team@example.com",
		Value:   "0",
		Fail:    &dq.Threshold{LessThanOrEqual: "0.0"},
		Since:   DataTime,
	}
	if i%2 == 1 {
		c.Previous, c.Since = dq.Fail, DataTime.Add(-24*time.Hour)
	} else {
		c.Previous = dq.Pass
	}
	return c
}

// Message is a sample message of n failing checks.
func Message(n int) notify.Message {
	a := Alert("scan-1", n)
	return notify.Message{
		ID: "msg_sample", ScanID: a.ScanID, Definition: a.Definition, DataTime: a.DataTime, Checks: a.Checks, PublicURL: PublicURL,
	}
}
