package engine_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
)

// want is what the reference client concluded from a scan.
type want struct {
	Exit    int
	Queries *int
	Checks  []wantCheck
	// Errors and Metrics are there in the differential test only: error messages, and values by metric identity.
	Errors  []string
	SQL     []string
	Metrics map[string]json.RawMessage
}

type wantCheck struct {
	Name                       string
	Dataset, Column, Partition *string
	Outcome                    *string
	Value                      json.RawMessage
	Zones                      struct{ Warn, Fail *dq.Threshold }
	// Identities, Metrics and Attributes are there in the differential test only.
	Identities json.RawMessage
	Metrics    []string
	Attributes []dq.Attribute
}

func logText(s *dq.Scan) string {
	var out bytes.Buffer
	for _, l := range s.Logs {
		fmt.Fprintf(&out, "%s %s\n", l.Level, l.Message)
	}
	return out.String()
}

// difference is one way in which a scan is not as the reference client concluded.
type difference struct {
	// check is the name and dataset of the check, "" for the scan as a whole.
	check string
	// what is one of exit, lost, extra, outcome, value, zones, identity, metrics, attributes.
	what, text string
	got        *dq.Result
	want       *wantCheck
}

// differences compares a scan with what the reference client concluded. Checks that it lost (an error ended its scan, or the
// file) must not be evaluated, or absent, here.
func differences(w want, scan *dq.Scan) []difference {
	var out []difference
	if got := engine.ExitCode(scan); got != w.Exit {
		out = append(out, difference{what: "exit", text: fmt.Sprintf("exit code %d, want %d", got, w.Exit)})
	}
	left := map[string][]*dq.Result{}
	for i := range scan.Results {
		r := &scan.Results[i]
		key := r.Name + "|" + r.Dataset.Name
		left[key] = append(left[key], r)
	}
	for i := range w.Checks {
		c := &w.Checks[i]
		list := left[c.key()]
		if len(list) == 0 {
			if c.outcome() != dq.NotEvaluated {
				out = append(out, difference{c.key(), "lost", fmt.Sprintf("check %q is lost, want %s", c.key(), c.outcome()), nil, c})
			}
			continue
		}
		left[c.key()] = list[1:]
		out = append(out, c.differences(list[0])...)
	}
	for key, list := range left {
		for _, r := range list {
			if r.Outcome.Evaluated() {
				out = append(out, difference{key, "extra", fmt.Sprintf("check %q: %s, the reference has no such check", key, r.Outcome), r, nil})
			}
		}
	}
	return out
}

// key tells a check within a scan.
func (c *wantCheck) key() string {
	if c.Dataset == nil {
		return c.Name + "|"
	}
	return c.Name + "|" + strings.Trim(*c.Dataset, `"`)
}

func (c *wantCheck) outcome() dq.Outcome {
	if c.Outcome == nil {
		return dq.NotEvaluated
	}
	return dq.Outcome(*c.Outcome)
}

func (c *wantCheck) differences(got *dq.Result) []difference {
	var out []difference
	say := func(what, format string, args ...any) {
		out = append(out, difference{c.key(), what, fmt.Sprintf("check %q: ", c.key()) + fmt.Sprintf(format, args...), got, c})
	}
	outcome := c.outcome()
	if got.Outcome != outcome {
		say("outcome", "%s (value %s), want %s (value %s)", got.Outcome, got.Value, outcome, c.Value)
	} else if outcome.Evaluated() {
		if got.Measure == "" && !sameNumber(got.Value, c.Value) {
			say("value", "%s, want %s", got.Value, c.Value)
		}
		if got.Kind != "reference" && got.Kind != "failed_rows" && (!sameZone(got.Warn, c.Zones.Warn) || !sameZone(got.Fail, c.Zones.Fail)) {
			say("zones", "%+v %+v, want %+v %+v", got.Warn, got.Fail, c.Zones.Warn, c.Zones.Fail)
		}
	}
	if c.Identities == nil || got.Group != nil {
		return out
	}
	identities := map[string]string{}
	for i, id := range append([]string{got.Identity}, got.Aliases...) {
		version := len(got.Aliases) + 1 - i
		identities[fmt.Sprintf("v%d", version)] = id
	}
	if want := *cmp.Or(c.Column, new(string)); got.Column != want {
		say("column", "%q, want %q", got.Column, want)
	}
	var want map[string]string
	if json.Unmarshal(c.Identities, &want) != nil || !maps.Equal(identities, want) {
		say("identity", "%v, want %s", identities, c.Identities)
	}
	for _, m := range got.Metrics {
		if !slices.Contains(c.Metrics, m) {
			say("metrics", "metric %s, want one of %s", m, c.Metrics)
		}
	}
	if a, b := attributes(got.Attributes), attributes(c.Attributes); a != b {
		say("attributes", "%s, want %s", a, b)
	}
	return out
}

func attributes(list []dq.Attribute) string {
	var out []string
	for _, a := range list {
		var value any
		_ = json.Unmarshal(a.Value, &value) // it comes from JSON
		out = append(out, fmt.Sprintf("%s=%#v", a.Name, value))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func sameNumber(got json.Number, want json.RawMessage) bool {
	if string(want) == "null" || len(want) == 0 {
		return got == ""
	}
	a, err1 := got.Float64()
	b, err2 := json.Number(want).Float64()
	if err1 != nil || err2 != nil {
		return strings.Trim(string(want), `"`) == "nan" && got == ""
	}
	return math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b))
}

func sameZone(got, want *dq.Threshold) bool {
	if got == nil || want == nil {
		return got == want
	}
	same := func(a, b json.Number) bool {
		return (a == "") == (b == "") && (a == "" || sameNumber(a, json.RawMessage(b)))
	}
	return same(got.GreaterThan, want.GreaterThan) && same(got.GreaterThanOrEqual, want.GreaterThanOrEqual) && same(got.LessThan, want.LessThan) && same(got.LessThanOrEqual, want.LessThanOrEqual)
}
