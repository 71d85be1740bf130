package wording_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

func TestFormatNumber(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"zero", "0", "0"},
		{"float zero of a threshold", "0.0", "0"},
		{"minus zero", "-0", "0"},
		{"small integer", "2024", "2024"},
		{"grouped integer", "1234567", "1,234,567"},
		{"negative grouped", "-12345", "-12,345"},
		{"beyond float precision", "9007199254740993", "9,007,199,254,740,993"},
		{"beyond 64 bits", "123456789012345678901234567890", "123,456,789,012,345,678,901,234,567,890"},
		{"integer as float", "5.0", "5"},
		{"exponent that is an integer", "1e3", "1000"},
		{"exponent with fraction", "1.5e-3", "0.0015"},
		{"repeating decimal", "33.333333333333336", "33.3333"},
		{"large decimal", "1234567.8912", "1,234,567.89"},
		{"tiny", "0.000012345678", "0.00001235"},
		{"nearly one stays below one", "0.99999999999", "0.99999999999"},
		{"nearly zero stays above zero", "1000.0000001", "1000.0000001"},
		{"giant exponent is shown as sent", "1e999999999", "1e999999999"},
		{"three-digit exponent is shown as sent", "1e400", "1e400"},
		{"no number", "${limit}", "${limit}"},
		{"fraction sign is no number", "1/3", "1/3"},
		{"hex is no number", "0x10", "0x10"},
		{"empty", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := wording.FormatNumber(json.Number(c.in)); got != c.want {
				t.Errorf("FormatNumber(%q) = %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func TestFormatMillis(t *testing.T) {
	for _, c := range []struct {
		name string
		ms   int64
		want string
	}{
		{"zero", 0, "0s"},
		{"under a second", 250, "250ms"},
		{"seconds drop milliseconds", 1500, "1s"},
		{"minutes and seconds", 250_000, "4m 10s"},
		{"whole hour", 3_600_000, "1h"},
		{"days and hours", (32*24+9)*3_600_000 + 59*60_000, "32d 9h"},
		{"days without hours", 24*3_600_000 + 5*60_000, "1d"},
		{"negative", -(3*3_600_000 + 5*60_000), "-3h 5m"},
		{"smallest", math.MinInt64, "-106751991167d 7h"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := wording.FormatMillis(c.ms); got != c.want {
				t.Errorf("FormatMillis(%d) = %q, want %q", c.ms, got, c.want)
			}
		})
	}
}

func TestFormatValue(t *testing.T) {
	for _, c := range []struct{ name, value, label, measure, want string }{
		{"number", "3", "", "", "3"},
		{"label wins", "3", "3 schema events", "", "3 schema events"},
		{"plural of a label", "", "3 schema event(s)", "", "3 schema events"},
		{"singular of a label", "", "1 schema event(s)", "", "1 schema event"},
		{"percentage", "10.99", "", "percent", "10.99%"},
		{"label alone", "", "2 Failures, 0 Warnings", "", "2 Failures, 0 Warnings"},
		{"time", "2799000000", "", "time", "32d 9h"},
		{"time with fraction", "2799000000.9", "", "time", "32d 9h"},
		{"time out of range", "1e40", "", "time", "10,000,000,000,000,000,000,000,000,000,000,000,000,000 ms"},
		{"nothing", "", "", "", "no value"},
		{"no time", "", "", "time", "no value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := wording.FormatValue(json.Number(c.value), c.label, c.measure); got != c.want {
				t.Errorf("FormatValue(%q, %q, %q) = %q, want %q", c.value, c.label, c.measure, got, c.want)
			}
		})
	}
}

func TestFormatThreshold(t *testing.T) {
	for _, c := range []struct {
		name    string
		in      *dq.Threshold
		measure string
		want    string
	}{
		{"none", nil, "", ""},
		{"no bounds", &dq.Threshold{}, "", ""},
		{"row_count > 0", &dq.Threshold{LessThanOrEqual: "0.0"}, "", "<= 0"},
		{"< 10", &dq.Threshold{GreaterThanOrEqual: "10"}, "", ">= 10"},
		{"= 0", &dq.Threshold{GreaterThan: "0.0", LessThan: "0"}, "", "not 0"},
		{"!= 5", &dq.Threshold{GreaterThanOrEqual: "5.0", LessThanOrEqual: "5.0"}, "", "= 5"},
		{"between 0 and 1", &dq.Threshold{GreaterThan: "1.0", LessThan: "0.0"}, "", "< 0 or > 1"},
		{"outside, inclusive", &dq.Threshold{GreaterThanOrEqual: "10", LessThanOrEqual: "1"}, "", "<= 1 or >= 10"},
		{"when between 1 and 3", &dq.Threshold{GreaterThanOrEqual: "1.0", LessThanOrEqual: "3.0"}, "", "between 1 and 3"},
		{"half open", &dq.Threshold{GreaterThan: "1", LessThanOrEqual: "3"}, "", "> 1 and <= 3"},
		{"numbers are compared, not texts", &dq.Threshold{GreaterThanOrEqual: "9", LessThanOrEqual: "10"}, "", "between 9 and 10"},
		{"exact beyond floats", &dq.Threshold{GreaterThan: "9007199254740993", LessThan: "9007199254740992"}, "", "< 9,007,199,254,740,992 or > 9,007,199,254,740,993"},
		{"durations", &dq.Threshold{GreaterThan: "86400000"}, "time", "> 1d"},
		{"unresolved variable", &dq.Threshold{GreaterThan: "${max}"}, "", "> ${max}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := wording.FormatThreshold(c.in, c.measure); got != c.want {
				t.Errorf("FormatThreshold(%+v, %q) = %q, want %q", c.in, c.measure, got, c.want)
			}
		})
	}
}

func TestFormatFailure(t *testing.T) {
	for _, c := range []struct {
		name string
		in   dq.AlertCheck
		want string
	}{
		{"value and threshold", dq.AlertCheck{Value: "0", Fail: &dq.Threshold{LessThanOrEqual: "0"}}, "0 (fails when <= 0)"},
		{"no threshold sent", dq.AlertCheck{Value: "2799000000", Measure: "time"}, "32d 9h"},
		{"label", dq.AlertCheck{ValueLabel: "3 schema events"}, "3 schema events"},
		{"nothing known", dq.AlertCheck{}, "failed"},
		{"percentage", dq.AlertCheck{Value: "2", Fail: &dq.Threshold{GreaterThanOrEqual: "1.0"}, Source: "checks for t:\n  - missing_percent(a) < 1"}, "2% (fails when >= 1%)"},
		{"change of a percentage", dq.AlertCheck{Value: "2", Source: "checks for t:\n  - change percent for row_count < 1"}, "2%"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := wording.FormatFailure(c.in); got != c.want {
				t.Errorf("FormatFailure(%+v) = %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func TestFailingNote(t *testing.T) {
	at := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		in   dq.AlertCheck
		want string
	}{
		{"never seen", dq.AlertCheck{Since: at}, "first result"},
		{"passed before", dq.AlertCheck{Previous: dq.Pass, Since: at}, "new"},
		{"not evaluated before", dq.AlertCheck{Previous: dq.NotEvaluated, Since: at}, "new"},
		{"failed before", dq.AlertCheck{Previous: dq.Fail, Since: at.Add(-50 * time.Hour)}, "failing since 2026-01-03 06:00 UTC (2d 2h)"},
		{"failed before at an unknown time", dq.AlertCheck{Previous: dq.Fail}, "failing before"},
		{"same data time", dq.AlertCheck{Previous: dq.Fail, Since: at}, "failing since 2026-01-05 08:00 UTC"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := wording.FailingNote(c.in, at); got != c.want {
				t.Errorf("FailingNote(%+v) = %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 1, 5, 8, 0, 59, 0, time.FixedZone("CET", 3600))
	for name, c := range map[string]struct{ got, want string }{
		"time in UTC":    {wording.FormatTime(now), "2026-01-05 07:00 UTC"},
		"zero time":      {wording.FormatTime(time.Time{}), "unknown time"},
		"ago":            {wording.Ago(now.Add(-3*time.Hour), now), "3 hours ago"},
		"ahead":          {wording.Ago(now.Add(5*time.Minute), now), "5 minutes from now"},
		"now":            {wording.Ago(now, now), "now"},
		"never":          {wording.Ago(time.Time{}, now), "never"},
		"one":            {wording.Count(1, "check"), "1 check"},
		"none":           {wording.Count(0, "check"), "0 checks"},
		"many":           {wording.Count(12040, "check"), "12,040 checks"},
		"duration":       {wording.FormatDuration(90 * time.Second), "1m 30s"},
		"short duration": {wording.FormatDuration(time.Microsecond), "0s"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.got != c.want {
				t.Errorf("got %q, want %q", c.got, c.want)
			}
		})
	}
}

func FuzzFormatNumber(f *testing.F) {
	for _, s := range []string{"0", "-12345.678", "1e99", "0.9999999", "x", "1e-99", "--1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := wording.FormatNumber(json.Number(s))
		if len(got) > 2*len(s)+210 {
			t.Errorf("FormatNumber(%q) has %d characters", s, len(got))
		}
		if got == "0" && strings.ContainsAny(strings.SplitN(strings.ToLower(s), "e", 2)[0], "123456789") {
			t.Errorf("FormatNumber(%q) = 0", s)
		}
	})
}
