package api

import (
	"encoding/json"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/hub"
)

// kindDiagnosed is what scanners say in diagnostics that the API words by kind of check.
type kindDiagnosed struct {
	MaxColumnTimestamp    string          `json:"maxColumnTimestamp"`
	MaxColumnTimestampUTC string          `json:"maxColumnTimestampUtc"`
	RowCount              json.RawMessage `json:"rowCount"`
	OtherRowCount         json.RawMessage `json:"otherRowCount"`
	Blocks                []struct {
		TotalFailingRows json.RawMessage `json:"totalFailingRows"`
	} `json:"blocks"`
}

// diagnosticsOf is the one kind of diagnostics that a check has (public API section 1.8), with the members that its scanner
// told; nil if it told none.
func diagnosticsOf(c *hub.Check, d *kindDiagnosed) map[string]json.RawMessage {
	kind, members := c.Kind, map[string]any{}
	put := func(name string, raw json.RawMessage) {
		if n := validNumber(json.Number(raw)); n != "" {
			members[name] = n
		}
	}
	switch kind {
	case "freshness":
		for name, text := range map[string]string{"actualTimestamp": d.MaxColumnTimestamp, "actualTimestampUtc": d.MaxColumnTimestampUTC} {
			if text != "" {
				members[name] = text
			}
		}
	case "missing", "invalid", "duplicate":
		for _, b := range d.Blocks {
			put("failedRowsCount", b.TotalFailingRows)
		}
		if percent := strings.Contains(c.Source, kind+"_percent"); percent {
			put("failedRowsPercent", json.RawMessage(c.Value))
		} else if strings.Contains(c.Source, kind+"_count") {
			put("failedRowsCount", json.RawMessage(c.Value))
		}
	case "failed_rows":
		put("failedRowsCount", json.RawMessage(c.Value))
	case "row_count":
		if d.OtherRowCount == nil {
			break
		}
		kind = "row_count_diff"
		put("rowCountDiff", json.RawMessage(c.Value))
		put("sourceDatasetRowsTested", d.RowCount)
		put("targetDatasetRowsTested", d.OtherRowCount)
	}
	raw, err := json.Marshal(members)
	if err != nil || len(members) == 0 {
		return nil
	}
	return map[string]json.RawMessage{kind: raw}
}
