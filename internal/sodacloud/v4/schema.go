package v4

import (
	"encoding/json"

	"github.com/sodalite-dq/sodalite/internal/contract"
	"github.com/sodalite-dq/sodalite/internal/dq"
)

// readSchema computes the differences of a schema check that does not pass, which the client does not send, and adds them to
// its diagnostics.
func readSchema(r *dq.Result, rest map[string]json.RawMessage, written definition) {
	var v4 struct{ Expected, Actual []dq.Column }
	if json.Unmarshal(rest["v4"], &v4) != nil || r.Outcome != dq.Fail && r.Outcome != dq.Warn {
		return
	}
	same := func(expected dq.Column, actual string) bool { return contract.SameType(expected.Type, actual) }
	diff := contract.CompareSchemas(v4.Expected, v4.Actual, same, written.flag("allow_extra_columns"), written.flag("allow_other_column_order"))
	raw, err := json.Marshal(diff)
	var members map[string]json.RawMessage
	if err != nil || json.Unmarshal(raw, &members) != nil {
		return
	}
	for name, value := range members {
		rest[name] = value
	}
	switch n := string(r.Value); {
	case n == "0" && len(diff.Order) > 0:
		r.ValueLabel = "columns in another order"
	case n == "1":
		r.ValueLabel = "1 schema difference"
	case n != "":
		r.ValueLabel = n + " schema differences"
	}
}
