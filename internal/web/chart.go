package web

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// chartPoint is one result. Text is its value in words, Warn and Fail the ranges that it was judged by.
type chartPoint struct {
	At         time.Time
	Value      float64
	Has        bool // whether there is a value
	Outcome    dq.Outcome
	Text       string
	ScanID     string
	Warn, Fail []interval
}

// chart is the history of a check as a drawing: values over time if there are any, else outcomes in lanes.
type chart struct {
	Title    string
	Points   []chartPoint // oldest first, at least one
	Measure  string
	From, To time.Time
}

// chartSize is one of the sizes that a chart is drawn in. Drawings are not scaled, since their text would be, too.
type chartSize struct {
	name                     string
	width, height            float64
	left, right, top, bottom float64
	xMarks, yMarks           int
}

var (
	wideChart   = chartSize{"wide", 760, 300, 58, 14, 12, 28, 8, 5}
	narrowChart = chartSize{"narrow", 350, 240, 46, 10, 10, 26, 4, 4}
)

// drawing is a chart on its way to markup.
type drawing struct {
	chart
	chartSize
	strings.Builder
	lo, hi float64
	values bool
}

// svg draws the chart. Points link to their scans for pointers; keyboards and screen readers have the table beside it.
func (c chart) svg(size chartSize) template.HTML {
	d := &drawing{chart: c, chartSize: size}
	d.lo, d.hi, d.values = c.domain()
	d.printf(`<svg class="chart %s" viewBox="0 0 %g %g" role="group" aria-labelledby="chart-%s-title chart-%s-desc">`,
		size.name, size.width, size.height, size.name, size.name)
	d.printf(`<title id="chart-%s-title">%s</title><desc id="chart-%s-desc">%s</desc><g aria-hidden="true">`, size.name, escape(c.Title), size.name, escape(c.describe()))
	d.xAxis()
	if d.values {
		zones := d.zones()
		d.fill(zones)
		d.yAxis()
		d.line()
		d.points()
		d.label(zones)
	} else {
		d.lanes()
		d.points()
	}
	d.WriteString("</g></svg>")
	return template.HTML(d.String())
}

func (d *drawing) printf(format string, args ...any) { fmt.Fprintf(d, format, args...) }

// domain is the range of the value axis; ok is false if there is no value to show. Thresholds are in it unless they lie
// so far off that the values would lie flat.
func (c chart) domain() (lo, hi float64, ok bool) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, p := range c.Points {
		if p.Has {
			lo, hi = math.Min(lo, p.Value), math.Max(hi, p.Value)
		}
	}
	if lo > hi {
		return 0, 0, false
	}
	floor := lo >= 0
	reach := math.Max(hi-lo, math.Max(math.Abs(hi), math.Abs(lo))*0.25)
	if reach == 0 {
		reach = 1
	}
	low, high := lo, hi
	for _, p := range c.Points {
		for _, t := range append(ends(p.Warn), ends(p.Fail)...) {
			if t >= lo-4*reach && t <= hi+4*reach {
				low, high = math.Min(low, t), math.Max(high, t)
				floor = floor && t >= 0
			}
		}
	}
	pad := (high - low) * 0.08
	if pad == 0 {
		pad = reach * 0.5
	}
	low, high = low-pad, high+pad
	if floor {
		low = math.Max(low, 0)
		if low < high*0.2 {
			low = 0
		}
	}
	if low >= high { // too close for numbers of this size
		return 0, 0, false
	}
	return low, high, true
}

func (d *drawing) x(t time.Time) float64 {
	span := d.To.Sub(d.From).Seconds()
	if span <= 0 {
		return (d.left + d.width - d.right) / 2
	}
	inset := 8.0 // so that the first and last point are whole
	return d.left + inset + t.Sub(d.From).Seconds()/span*(d.width-d.left-d.right-2*inset)
}

func (d *drawing) y(v float64) float64 {
	v = math.Max(d.lo, math.Min(d.hi, v))
	return d.top + (d.hi-v)/(d.hi-d.lo)*(d.base()-d.top)
}

// base is where the time axis lies. Results without a value stand below the values.
func (d *drawing) base() float64 { return d.height - d.bottom - d.gutter() }

func (d *drawing) gutter() float64 {
	if d.values && d.hasGaps() {
		return 16
	}
	return 0
}

func (d *drawing) hasGaps() bool {
	for _, p := range d.Points {
		if !p.Has {
			return true
		}
	}
	return false
}

func (d *drawing) xAxis() {
	bottom := d.height - d.bottom
	d.WriteString(`<g class="axis">`)
	for _, m := range timeMarks(d.From, d.To, d.xMarks) {
		x := d.x(m.At)
		d.printf(`<path class="grid" d="M%.1f %.1fV%.1f"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`,
			x, d.top, bottom, x, bottom+17, m.Text)
	}
	d.printf(`<path class="base" d="M%.1f %.1fH%.1f"/></g>`, d.left, bottom, d.width-d.right)
}

func (d *drawing) yAxis() {
	d.WriteString(`<g class="axis">`)
	for _, m := range valueMarks(d.lo, d.hi, d.yMarks, d.Measure) {
		y := d.y(m.At)
		d.printf(`<path class="grid" d="M%.1f %.1fH%.1f"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`,
			d.left, y, d.width-d.right, d.left-7, y+4, escape(m.Text))
	}
	if d.gutter() > 0 {
		d.printf(`<path class="base" d="M%.1f %.1fH%.1f"/>`, d.left, d.base(), d.width-d.right)
	}
	d.WriteString("</g>")
}

// line joins neighbouring values; it breaks where there is none.
func (d *drawing) line() {
	d.WriteString(`<path class="line" d="`)
	pen := "M"
	for _, p := range d.Points {
		if !p.Has {
			pen = "M"
			continue
		}
		d.printf("%s%.1f %.1f", pen, d.x(p.At), d.y(p.Value))
		pen = "L"
	}
	d.WriteString(`"/>`)
}

var laneOrder = []dq.Outcome{dq.Fail, dq.Warn, dq.Pass, dq.NotEvaluated}

// lanes draws one line for each outcome, for checks without values.
func (d *drawing) lanes() {
	d.WriteString(`<g class="axis">`)
	for _, o := range laneOrder {
		word := strings.ToLower(outcomeLook(o).word)
		if o == dq.NotEvaluated {
			word = "not eval."
		}
		y := d.lane(o)
		d.printf(`<path class="grid" d="M%.1f %.1fH%.1f"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`,
			d.left, y, d.width-d.right, d.left-7, y+4, word)
	}
	d.WriteString("</g>")
}

func (d *drawing) lane(o dq.Outcome) float64 {
	step := (d.height - d.bottom - d.top) / float64(len(laneOrder))
	for i, known := range laneOrder {
		if o == known {
			return d.top + step*(float64(i)+0.5)
		}
	}
	return d.lane(dq.NotEvaluated)
}

// place is where a point stands.
func (d *drawing) place(p chartPoint) (x, y float64) {
	switch {
	case !d.values:
		return d.x(p.At), d.lane(p.Outcome)
	case p.Has:
		return d.x(p.At), d.y(p.Value)
	}
	return d.x(p.At), d.base() + d.gutter()/2
}

func (d *drawing) points() {
	d.WriteString(`<g class="points">`)
	small := len(d.Points) > int(d.width/8)
	for _, p := range d.Points {
		x, y := d.place(p)
		d.printf(`<a href="/scans/%s" tabindex="-1"><path class="%s" d="%s"/><title>%s</title></a>`,
			escape(p.ScanID), outcomeClass(p.Outcome), marker(p.Outcome, x, y, small), escape(p.describe()))
	}
	d.WriteString("</g>")
}

// marker is the outline of a point: a disc for pass, a triangle for warn, a diamond for fail, a ring for not evaluated.
func marker(o dq.Outcome, x, y float64, small bool) string {
	r := 4.2
	if small {
		r = 2.8
	}
	switch o {
	case dq.Pass:
		return disc(x, y, r*0.85)
	case dq.Warn:
		return fmt.Sprintf("M%.1f %.1fl%.1f %.1fh%.1fz", x, y-r*1.3, r*1.25, r*2.2, -r*2.5)
	case dq.Fail:
		r *= 1.4
		return fmt.Sprintf("M%.1f %.1fl%.1f %.1fl%.1f %.1fl%.1f %.1fz", x, y-r, r, r, -r, r, -r, -r)
	}
	return disc(x, y, r*0.9)
}

// disc is two half circles. Its radius is rounded first: half circles that do not meet become ovals.
func disc(x, y, r float64) string {
	r = math.Round(r*10) / 10
	return fmt.Sprintf("M%.1f %.1fa%.1f %.1f 0 0 0 %.1f 0a%.1f %.1f 0 0 0 %.1f 0z", x-r, y, r, r, 2*r, r, r, -2*r)
}

func (p chartPoint) describe() string {
	return p.At.UTC().Format("2006-01-02 15:04 UTC") + ": " + p.Text + " (" + strings.ToLower(outcomeLook(p.Outcome).word) + ")"
}

// describe tells the chart in a sentence or three.
func (c chart) describe() string {
	var counts dq.Counts
	var lowest, highest *chartPoint
	for i := range c.Points {
		p := &c.Points[i]
		counts.Add(p.Outcome)
		if p.Has && (lowest == nil || p.Value < lowest.Value) {
			lowest = p
		}
		if p.Has && (highest == nil || p.Value > highest.Value) {
			highest = p
		}
	}
	newest := c.Points[len(c.Points)-1]
	text := fmt.Sprintf("%d results from %s to %s: %s.", len(c.Points), c.Points[0].At.UTC().Format("2006-01-02"),
		newest.At.UTC().Format("2006-01-02"), countsText(counts))
	if lowest != nil {
		text += fmt.Sprintf(" Values from %s to %s.", lowest.Text, highest.Text)
	}
	return text + " Newest: " + newest.Text + ", " + strings.ToLower(outcomeLook(newest.Outcome).word) + "."
}
