package web

import "fmt"

// A zone is the range of values in which a check warns or fails, along the time axis of a chart. Most stand still; those of
// anomaly detection move with what the model expects.
type zone struct {
	class string     // warn or fail
	at    []interval // one for each point of the chart, or just one if it stands still
}

// zones are those of the chart, from the ranges that each point was judged by.
func (d *drawing) zones() []zone {
	warn := func(p *chartPoint) []interval { return minus(p.Warn, p.Fail) }
	fail := func(p *chartPoint) []interval { return p.Fail }
	return append(d.zonesOf("warn", warn), d.zonesOf("fail", fail)...)
}

func (d *drawing) zonesOf(class string, ranges func(*chartPoint) []interval) []zone {
	newest := ranges(&d.Points[len(d.Points)-1])
	zones := make([]zone, len(newest))
	for k := range newest {
		zones[k] = zone{class, []interval{newest[k]}}
	}
	moving := make([]zone, len(newest))
	moves := false
	for i := range d.Points {
		here := ranges(&d.Points[i])
		if len(here) != len(newest) {
			return zones
		}
		for k, r := range here {
			moving[k].class = class
			moving[k].at = append(moving[k].at, r)
			moves = moves || r != newest[k]
		}
	}
	if moves {
		return moving
	}
	return zones
}

// corners are where the edges of a zone bend, from the left end of the chart to the right.
func (d *drawing) corners(z zone) (xs []float64, at []interval) {
	left, right := d.left, d.width-d.right
	if len(z.at) == 1 {
		return []float64{left, right}, []interval{z.at[0], z.at[0]}
	}
	xs, at = append(xs, left), append(at, z.at[0])
	for i, r := range z.at {
		xs, at = append(xs, d.x(d.Points[i].At)), append(at, r)
	}
	return append(xs, right), append(at, z.at[len(z.at)-1])
}

// fill draws the areas of zones and their edges.
func (d *drawing) fill(zones []zone) {
	d.printf(`<defs><pattern id="hatch-%s" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">`+
		`<path class="hatch" d="M0 0V6"/></pattern></defs>`, d.name)
	for _, z := range zones {
		if !d.shows(z) {
			continue
		}
		xs, at := d.corners(z)
		var area, upper, lower string
		pen := "M"
		for i, x := range xs {
			upper += fmt.Sprintf("%s%.1f %.1f", pen, x, d.y(at[i].hi))
			lower += fmt.Sprintf("%s%.1f %.1f", pen, x, d.y(at[i].lo))
			pen = "L"
		}
		area = upper
		for i := len(xs) - 1; i >= 0; i-- {
			area += fmt.Sprintf("L%.1f %.1f", xs[i], d.y(at[i].lo))
		}
		d.printf(`<g class="zone %s"><path class="area" d="%sz"/>`, z.class, area)
		if z.class == "fail" {
			d.printf(`<path class="area texture" d="%sz"/>`, area)
		}
		if d.within(at, func(r interval) float64 { return r.hi }) {
			d.printf(`<path class="edge" d="%s"/>`, upper)
		}
		if d.within(at, func(r interval) float64 { return r.lo }) {
			d.printf(`<path class="edge" d="%s"/>`, lower)
		}
		d.WriteString("</g>")
	}
}

// shows tells whether some of the zone lies within the chart.
func (d *drawing) shows(z zone) bool {
	for _, r := range z.at {
		if r.hi >= d.lo && r.lo <= d.hi {
			return true
		}
	}
	return false
}

func (d *drawing) within(at []interval, end func(interval) float64) bool {
	for _, r := range at {
		if v := end(r); v >= d.lo && v <= d.hi {
			return true
		}
	}
	return false
}

// label names the zones, above all else that is drawn.
func (d *drawing) label(zones []zone) {
	const lineHeight = 15
	for _, z := range zones {
		top, bottom := d.y(z.at[0].hi), d.y(z.at[0].lo)
		if d.shows(z) && bottom-top >= lineHeight {
			d.printf(`<text class="zone-name %s" x="%.1f" y="%.1f">%s</text>`, z.class, d.left+6, top+12, z.class)
		}
	}
}
