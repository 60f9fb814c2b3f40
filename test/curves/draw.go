package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The picture: two columns of panels, growth with the services and with the members, each with one curve for each size
// of the other.
const (
	panelWidth, panelHeight = 420, 150
	left, top, gap          = 64, 46, 64
)

// panels are the rows of the picture: what is drawn, and how it is called.
var panels = []struct{ column, title string }{
	{"start s", "start, seconds"},
	{"p50 ms", "change to plan, p50 ms"},
	{"p99 ms", "change to plan, p99 ms"},
	{"allocs", "allocations a change"},
	{"B/shard", "live heap, bytes a shard"},
}

// shades are the colours of the curves, from the smallest size up.
var shades = []string{"#8ab4d8", "#3f7cac", "#14324a"}

// axis is one of the two sizes that grow.
type axis struct {
	name, other string
	of, by      func(size) int
}

var axes = []axis{
	{"services", "members", func(s size) int { return s.services }, func(s size) int { return s.members }},
	{"members", "services", func(s size) int { return s.members }, func(s size) int { return s.services }},
}

// draw returns the picture as SVG.
func draw(sizes []size) string {
	var b strings.Builder
	width := left + len(axes)*(panelWidth+gap)
	height := top + len(panels)*(panelHeight+gap)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d" `+
		`font-family="sans-serif" font-size="12" fill="#222">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	for row, p := range panels {
		for column, a := range axes {
			x, y := left+column*(panelWidth+gap), top+row*(panelHeight+gap)
			drawPanel(&b, x, y, p.title, p.column, a, sizes)
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// drawPanel draws one panel, its upper left corner at x and y: the axis of the size is logarithmic, that of the value
// begins at 0.
func drawPanel(b *strings.Builder, x, y int, title, column string, a axis, sizes []size) {
	most := 0.0
	var ticks, curves []int
	for _, s := range sizes {
		most = max(most, s.values[column])
		ticks = append(ticks, a.of(s))
		curves = append(curves, a.by(s))
	}
	slices.Sort(ticks)
	slices.Sort(curves)
	ticks, curves = slices.Compact(ticks), slices.Compact(curves)
	most = round(most)
	low, high := math.Log(float64(ticks[0])), math.Log(float64(ticks[len(ticks)-1]))
	at := func(n int, v float64) (float64, float64) {
		along := 0.5
		if high > low {
			along = (math.Log(float64(n)) - low) / (high - low)
		}
		return float64(x) + along*panelWidth, float64(y) + (1-v/most)*panelHeight
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s, by %s</text>`+"\n", x, y-22, title, a.name)
	for _, part := range []float64{0, 0.5, 1} {
		_, v := at(ticks[0], part*most)
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", x,
			v, x+panelWidth, x-6, v+4, short(part*most))
	}
	for _, n := range ticks {
		h, _ := at(n, 0)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", h, y+panelHeight+16,
			short(float64(n)))
	}
	for i, by := range curves {
		shade := shades[i*(len(shades)-1)/max(len(curves)-1, 1)]
		drawCurve(b, a, sizes, by, column, shade, at)
		fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s">%s %s</text>`+"\n", x+i*110, y-6, shade, short(float64(by)),
			a.other)
	}
}

// drawCurve draws the values at the sizes with one size of the other axis.
func drawCurve(b *strings.Builder, a axis, sizes []size, by int, column, shade string, at func(int, float64) (float64,
	float64)) {
	var points []size
	for _, s := range sizes {
		if a.by(s) == by {
			points = append(points, s)
		}
	}
	slices.SortFunc(points, func(s, o size) int { return a.of(s) - a.of(o) })
	path := make([]string, len(points))
	for i, s := range points {
		h, v := at(a.of(s), s.values[column])
		path[i] = fmt.Sprintf("%.1f %.1f", h, v)
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", h, v, shade)
	}
	fmt.Fprintf(b, `<path d="M%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(path, "L"), shade)
}

// round returns the next number up that an axis may end at.
func round(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 5} {
		if v <= n*unit {
			return n * unit
		}
	}
	return 10 * unit
}

// short is a number for an axis.
func short(v float64) string {
	if v >= 1000 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v/1000), ".0") + "k"
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
}
