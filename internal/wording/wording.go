// Package wording puts measured values, thresholds, durations and times into words for people, the same words in
// messages and on pages.
//
// It owns the form only. It escapes nothing: that is left to whoever knows where the words go (package slack, the page
// templates). Integers stay exact whatever their length.
package wording

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// NoValue stands for a value that was not measured or not sent.
const NoValue = "no value"

// The measures of values. Of these scanners send only time, see [dq.Result].
const (
	MeasureTime    = "time"    // durations in milliseconds
	MeasurePercent = "percent" // of 100
)

// percentSource finds SodaCL metrics whose values are percentages. Their unit is not on the wire.
var percentSource = regexp.MustCompile(`\b(missing|valid|invalid|duplicate)_percent\b|\bchange\b[^\n]* percent for `)

// MeasureOf is the measure of a check's value: the one that its scanner sent, or percent if the check is written so.
func MeasureOf(measure, source string) string {
	if measure == "" && percentSource.MatchString(source) {
		return MeasurePercent
	}
	return measure
}

// FormatValue is a measured value in words: the scanner's own label if it gave one, a duration ("32d 9h") if measure is
// [MeasureTime], "2.5%" if it is [MeasurePercent], else the number. Without either it is [NoValue].
func FormatValue(value json.Number, label, measure string) string {
	if label != "" {
		return eventsPlural.ReplaceAllStringFunc(label, plural)
	}
	return formatMeasured(value, measure)
}

// Soda Core labels schema checks "1 schema event(s)".
var eventsPlural = regexp.MustCompile(`^[0-9]+ [a-z ]+\(s\)$`)

func plural(label string) string {
	word := strings.TrimSuffix(label, "(s)")
	if strings.HasPrefix(label, "1 ") {
		return word
	}
	return word + "s"
}

func formatMeasured(value json.Number, measure string) string {
	if value == "" {
		return NoValue
	}
	switch measure {
	case MeasurePercent:
		return FormatNumber(value) + "%"
	case MeasureTime:
		if ms, ok := millis(value); ok {
			return FormatMillis(ms)
		}
		return FormatNumber(value) + " ms"
	}
	return FormatNumber(value)
}

// FormatFailure is the value of a failing check with the range that it fails in, when that is known:
// "0 (fails when <= 0)". Tests that measure nothing have "failed".
func FormatFailure(c dq.AlertCheck) string {
	if c.Value == "" && c.ValueLabel == "" {
		return "failed"
	}
	measure := MeasureOf(c.Measure, c.Source)
	value := FormatValue(c.Value, c.ValueLabel, measure)
	if bad := FormatThreshold(c.Fail, measure); bad != "" {
		return value + " (fails when " + bad + ")"
	}
	return value
}

// FailingNote says since when a check fails, seen from a scan that it failed in: "new" for the first failure of a check
// that had another outcome, "first result" for a check not seen before, else "failing since …" with the time that passed
// between the data times.
func FailingNote(c dq.AlertCheck, dataTime time.Time) string {
	switch {
	case c.Previous == "":
		return "first result"
	case c.Previous != dq.Fail:
		return "new"
	case c.Since.IsZero():
		return "failing before"
	}
	note := "failing since " + FormatTime(c.Since)
	if d := dataTime.Sub(c.Since); d >= time.Minute {
		note += " (" + FormatDuration(d) + ")"
	}
	return note
}

// FormatTime is a point in time to the minute, in UTC: "2026-01-05 08:00 UTC". The zero time is "unknown time".
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return "unknown time"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// Ago is t seen from now: "3 hours ago", "5 minutes from now", "now". The zero time is "never".
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return humanize.RelTime(t, now, "ago", "from now")
}

// Count is a number with its noun: "1 check", "1,204 checks". The noun takes a plain s.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return groupDigits(strconv.Itoa(n)) + " " + noun + "s"
}
