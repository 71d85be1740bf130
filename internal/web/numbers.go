package web

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/sodalite-dq/sodalite/internal/wording"
)

// digits is an integer with its thousands parted.
func digits(n int) string { return wording.FormatNumber(json.Number(strconv.Itoa(n))) }

// niceStep is the smallest of 1, 2 or 5 times a power of ten that parts span into at most n steps.
func niceStep(span float64, n int) float64 {
	rough := span / float64(n)
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*power >= rough*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// durationSteps are the steps of an axis of durations, in milliseconds.
var durationSteps = []float64{
	1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 15e3, 30e3, 60e3, 120e3, 300e3, 900e3, 1800e3, 3600e3, 7200e3,
	4 * 3600e3, 8 * 3600e3, 12 * 3600e3, 86400e3, 2 * 86400e3, 5 * 86400e3, 10 * 86400e3, 20 * 86400e3, 50 * 86400e3, 100 * 86400e3,
}

func durationStep(span float64, n int) float64 {
	for _, step := range durationSteps {
		if step*float64(n) >= span {
			return step
		}
	}
	return niceStep(span/86400e3, n) * 86400e3
}

// mark is a place on an axis and its words.
type mark struct {
	At   float64
	Text string
}

// valueMarks are the marks on an axis of values from lo to hi, at most n steps apart.
func valueMarks(lo, hi float64, n int, measure string) []mark {
	step := niceStep(hi-lo, n)
	if measure == wording.MeasureTime {
		step = durationStep(hi-lo, n)
	}
	var marks []mark
	for i := math.Ceil(lo/step - 1e-9); i*step <= hi+step*1e-9 && len(marks) <= n+1; i++ {
		v := i * step
		if v == 0 {
			v = 0 // not -0
		}
		text := axisNumber(v, step)
		switch {
		case measure == wording.MeasureTime && math.Abs(v) < 1e18:
			text = wording.FormatMillis(int64(v))
		case measure == wording.MeasurePercent:
			text += "%"
		}
		marks = append(marks, mark{v, text})
	}
	return marks
}

var magnitudes = []struct {
	from   float64
	suffix string
}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}}

// axisNumber is v short enough for an axis whose marks are step apart: 120k, 2.5M, 0.05.
func axisNumber(v, step float64) string {
	if v == 0 {
		return "0"
	}
	size := math.Max(math.Abs(v), step)
	if size >= 1e15 || step < 1e-6 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	for _, m := range magnitudes {
		unit := m.from
		if m.suffix == "k" {
			unit = 1e3
		}
		if size >= m.from {
			return strconv.FormatFloat(v/unit, 'f', decimals(step/unit), 64) + m.suffix
		}
	}
	return strconv.FormatFloat(v, 'f', decimals(step), 64)
}

// decimals is the number of places that tell multiples of step apart.
func decimals(step float64) int {
	return int(math.Max(0, math.Ceil(-math.Log10(step)-1e-9)))
}

// dayStep and monthStep are the ways to part a time axis; hours are parts of a day.
var timeSteps = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 2 * 24 * time.Hour, 4 * 24 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour,
}

var monthSteps = []int{1, 2, 3, 6, 12, 24, 60, 120}

// timeMark is a place on a time axis and its words.
type timeMark struct {
	At   time.Time
	Text string
}

// timeMarks are at most n+1 marks on a time axis, at whole hours, days or months (UTC).
func timeMarks(from, to time.Time, n int) []timeMark {
	for _, step := range timeSteps {
		if to.Sub(from) <= step*time.Duration(n) {
			return evenMarks(from, to, step)
		}
	}
	months := (to.Year()-from.Year())*12 + int(to.Month()) - int(from.Month())
	for _, step := range monthSteps {
		if months <= step*n {
			return monthMarks(from, to, step)
		}
	}
	return monthMarks(from, to, 12*(months/12/n+1))
}

func evenMarks(from, to time.Time, step time.Duration) []timeMark {
	var marks []timeMark
	for t := from.UTC().Truncate(step); !t.After(to); t = t.Add(step) {
		if t.Before(from) {
			continue
		}
		text := t.Format("Jan 2")
		if step < 24*time.Hour && (t.Hour() != 0 || t.Minute() != 0) {
			text = t.Format("15:04")
		}
		marks = append(marks, timeMark{t, text})
	}
	return marks
}

func monthMarks(from, to time.Time, step int) []timeMark {
	var marks []timeMark
	from = from.UTC()
	first := from.Year()*12 + int(from.Month()) - 1
	for m := first - first%step; ; m += step {
		t := time.Date(m/12, time.Month(m%12+1), 1, 0, 0, 0, 0, time.UTC)
		if t.After(to) {
			return marks
		}
		if t.Before(from) {
			continue
		}
		text := t.Format("Jan 2006")
		if step%12 == 0 {
			text = t.Format("2006")
		}
		marks = append(marks, timeMark{t, text})
	}
}
