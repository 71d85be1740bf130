package runs

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // Lambda's runtime has no database of time zones

	"github.com/robfig/cron/v3"
)

// schedule gives the times of a cron expression in a time zone.
//
// On the days when clocks change, an expression with fixed hours ("30 2 * * *") goes by the clock on the wall: a time that is
// skipped comes as much later as the clock jumped, one that occurs twice counts once, at the first. An expression for every
// hour, or every few ("*/15 * * * *"), goes by the time that passed.
type schedule struct {
	spec *cron.SpecSchedule // in UTC if the hours are fixed, else in the zone
	zone *time.Location
	wall bool
}

// anyHour is the bit of a cron field that was given as * or */n.
const anyHour = 1 << 63

// readSchedule reads a cron expression of five fields, or @hourly and the like, and the IANA name of a time zone.
func readSchedule(expression, zoneName string) (*schedule, error) {
	if strings.Contains(expression, "TZ=") {
		return nil, fmt.Errorf("%w: schedule %q: give the time zone as \"time zone\"", ErrInvalid, expression)
	}
	zone, err := time.LoadLocation(zoneName)
	if err != nil || zoneName == "Local" {
		return nil, fmt.Errorf("%w: time zone %q is not known; give a name such as Europe/Amsterdam", ErrInvalid, zoneName)
	}
	parsed, err := cron.ParseStandard(expression)
	if err != nil {
		return nil, fmt.Errorf("%w: schedule %q: %s; give five fields (minute hour day month weekday), such as \"0 6 * * *\"", ErrInvalid, expression, err)
	}
	spec, fixed := parsed.(*cron.SpecSchedule)
	if !fixed {
		return nil, fmt.Errorf("%w: schedule %q: @every has no fixed times; give five fields, such as \"*/15 * * * *\"", ErrInvalid, expression)
	}
	s := &schedule{spec: spec, zone: zone, wall: spec.Hour&anyHour == 0}
	spec.Location = zone
	if s.wall {
		spec.Location = time.UTC
	}
	if s.next(time.Now()).IsZero() {
		return nil, fmt.Errorf("%w: schedule %q: no such day comes in the next years", ErrInvalid, expression)
	}
	return s, nil
}

// maxJump is more than clocks ever jump.
const maxJump = 3 * time.Hour

// next is the first time after t, zero if there is none in the next years.
func (s *schedule) next(t time.Time) time.Time {
	if !s.wall {
		return s.spec.Next(t)
	}
	_, offset := t.In(s.zone).Zone()
	var first time.Time
	var until time.Time // on the wall: skipped times come late, so one a little further on may come first
	for wall := s.spec.Next(t.UTC().Add(time.Duration(offset)*time.Second - maxJump)); !wall.IsZero() && (first.IsZero() || wall.Before(until)); wall = s.spec.Next(wall) {
		at := onClock(wall, s.zone)
		if !at.After(t) {
			continue
		}
		if first.IsZero() {
			until = wall.Add(maxJump)
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// onClock is when clocks in the zone show what wall says in UTC: the first such time, or, if clocks skip it, that much after
// they jumped.
func onClock(wall time.Time, zone *time.Location) time.Time {
	_, before := wall.Add(-24 * time.Hour).In(zone).Zone()
	_, after := wall.Add(24 * time.Hour).In(zone).Zone()
	at := wall.Add(-time.Duration(before) * time.Second).In(zone)
	if _, offset := at.Zone(); offset == before {
		return at
	}
	late := wall.Add(-time.Duration(after) * time.Second).In(zone)
	if _, offset := late.Zone(); offset == after {
		return late
	}
	return at
}
