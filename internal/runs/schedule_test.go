package runs_test

import (
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/runs"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestSchedulesFollowTheirTimeZone looks at days when clocks change: in Amsterdam from 2:00 to 3:00 on 29 March 2026 and from
// 3:00 to 2:00 on 25 October, in São Paulo from 0:00 to 1:00 on 4 November 2018, on Lord Howe by half an hour on 5 April 2026.
func TestSchedulesFollowTheirTimeZone(t *testing.T) {
	for name, c := range map[string]struct {
		schedule, zone, from string
		want                 []string
	}{
		"winter":                    {"0 6 * * *", "Europe/Amsterdam", "2026-03-28T00:00:00Z", []string{"2026-03-28T06:00:00+01:00", "2026-03-29T06:00:00+02:00"}},
		"a time that is skipped":    {"30 2 * * *", "Europe/Amsterdam", "2026-03-28T12:00:00Z", []string{"2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"}},
		"before a skipped time":     {"30 1,2,3 * * *", "Europe/Amsterdam", "2026-03-29T00:00:00Z", []string{"2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00", "2026-03-30T01:30:00+02:00"}},
		"skipped times out of line": {"10,30 2,3 * * *", "Europe/Amsterdam", "2026-03-29T00:59:00Z", []string{"2026-03-29T03:10:00+02:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:10:00+02:00"}},
		"a time that comes twice":   {"30 2 * * *", "Europe/Amsterdam", "2026-10-24T12:00:00Z", []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		"after the first of two":    {"30 2 * * *", "Europe/Amsterdam", "2026-10-25T00:45:00Z", []string{"2026-10-26T02:30:00+01:00"}},
		"hourly when skipped":       {"30 * * * *", "Europe/Amsterdam", "2026-03-29T00:00:00Z", []string{"2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"}},
		"hourly when twice":         {"30 * * * *", "Europe/Amsterdam", "2026-10-25T00:00:00Z", []string{"2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"}},
		"midnight is skipped":       {"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", []string{"2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"}},
		"half an hour twice":        {"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", []string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"}},
		"no zone":                   {"0 6 * * 1", "", "2026-03-10T12:00:00Z", []string{"2026-03-16T06:00:00Z"}},
		"a word":                    {"@daily", "Asia/Kolkata", "2026-03-10T12:00:00Z", []string{"2026-03-11T00:00:00+05:30"}},
		"leap day":                  {"0 0 29 2 *", "", "2026-03-10T12:00:00Z", []string{"2028-02-29T00:00:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := runs.Definition{Schedule: c.schedule, TimeZone: c.zone}
			from := at(t, c.from)
			for _, want := range c.want {
				from = d.Next(from)
				if got := from.Format(time.RFC3339); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
}

func TestScheduledRunWhenClocksChange(t *testing.T) {
	w := start(t)
	d := definition("30 2 * * *")
	d.TimeZone = "Europe/Amsterdam"
	w.now = at(t, "2026-10-24T12:00:00Z")
	w.save(d)
	w.now = at(t, "2026-10-25T00:20:00Z")
	scheduled := 0
	for range 4 * 30 { // four hours, a tick every two minutes
		scheduled += w.tick().Scheduled
		for _, id := range w.dispatched {
			w.execute(id)
		}
		w.dispatched = nil
		w.wait(2 * time.Minute)
	}
	if scheduled != 1 {
		t.Errorf("%d runs in the night that has 2:30 twice, want 1", scheduled)
	}
}

func FuzzSchedule(f *testing.F) {
	f.Add("0 6 * * *", "Europe/Amsterdam", int64(1774746000))
	f.Add("*/15 1-3 29 2 mon", "America/New_York", int64(0))
	f.Fuzz(func(t *testing.T, schedule, zone string, unix int64) {
		d := runs.Definition{Name: "x", Source: "y", Schedule: schedule, TimeZone: zone, Files: []runs.File{{Name: "a.yml", Text: "checks for t:\n  - row_count > 0"}}}
		if d.Check() != nil {
			return
		}
		from := time.Unix(unix%4_000_000_000, 0)
		if next := d.Next(from); !next.IsZero() && !next.After(from) {
			t.Errorf("%q in %q: after %s comes %s", schedule, zone, from, next)
		}
	})
}
