//go:build linux

package main

import (
	"fmt"
	"html"
	"io"
	"math"
)

// plotName is the plot's file, beside RESULTS.md.
const plotName = "bridge.svg"

// A panel is one figure of all contenders, as bars.
type panel struct {
	title  string
	format string
	log    bool // bars grow with the logarithm
	values func(contender string) []float64
}

// Measures of the plot, in pixels.
const (
	plotWidth  = 860
	labelWidth = 130
	barWidth   = 540 // at most
	rowHeight  = 22
	headHeight = 40
)

// style has colours for both grounds, since the picture has none of its own.
const style = `<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.bar { fill: #8c959f } .ours { fill: #0969da }
.range { stroke: #24292f; stroke-width: 1.5; fill: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .bar { fill: #6e7681 } .ours { fill: #4493f8 } .range { stroke: #e6edf3 }
}
</style>
`

func (r *results) panels() []panel {
	cpu := r.perGiB(cpuOf)
	return []panel{
		{"Download, MSS 1448: CPU seconds of the contender per GiB", "%.2f", false, r.plainly("", "", downEthernet, cpu).values},
		{"Download, MSS 1448: MiB/s", "%.0f", false, r.plainly("", "", downEthernet, rate).values},
		{"Upload, MSS 1448: CPU seconds of the contender per GiB", "%.2f", false, r.plainly("", "", upEthernet, cpu).values},
		{"4 KiB requests, 16 in flight: per second", "%.0f", false, r.plainly("", "", depth16, iops).values},
		{"Idle session after traffic: KiB of PSS (logarithmic)", "%.1f", true, r.idlePSS},
	}
}

// idlePSS is among as many sessions as were measured.
func (r *results) idlePSS(name string) []float64 {
	if many := r.values(idleMany, name, pss); len(many) > 0 {
		return many
	}
	return r.values(idleFew, name, pss)
}

// plot draws bars for medians, and a line from the lowest to the highest.
func (r *results) plot(w io.Writer) {
	panels, rows := r.panels(), 0
	for _, p := range panels {
		rows += len(p.rows())
	}
	height := len(panels)*headHeight + rows*rowHeight + 10
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", plotWidth, height, plotWidth, height)
	fmt.Fprintf(w, "<title>%s</title>\n%s", escape("The bridge beside others: medians, lowest and highest"), style)
	y := 0
	for _, p := range panels {
		y = p.draw(w, y)
	}
	fmt.Fprintln(w, "</svg>")
}

// A bar is one contender in a panel.
type bar struct {
	name string
	spread
}

// rows leaves out who has no figure, and direct where it costs nothing.
func (p panel) rows() []bar {
	var bars []bar
	for _, name := range names() {
		if s := spreadOf(p.values(name)); s.high > 0 {
			bars = append(bars, bar{name, s})
		}
	}
	return bars
}

func (p panel) draw(w io.Writer, y int) int {
	bars, most := p.rows(), 0.0
	for _, b := range bars {
		most = max(most, b.high)
	}
	fmt.Fprintf(w, `<text class="title" x="4" y="%d">%s</text>`+"\n", y+26, escape(p.title))
	y += headHeight
	for _, b := range bars {
		p.drawBar(w, y, b, most)
		y += rowHeight
	}
	return y
}

func (p panel) drawBar(w io.Writer, y int, b bar, most float64) {
	class := "bar"
	if b.name == ourSplice || b.name == ourCopy {
		class = "bar ours"
	}
	low, median, high := p.length(b.low, most), p.length(b.median, most), p.length(b.high, most)
	fmt.Fprintf(w, `<text x="4" y="%d">%s</text>`, y+13, escape(b.name))
	fmt.Fprintf(w, `<rect class="%s" x="%d" y="%d" width="%.1f" height="16" rx="2"/>`, class, labelWidth, y, median)
	fmt.Fprintf(w, `<path class="range" d="M%.1f %dv8M%.1f %dh%.1fm0 -4v8"/>`, labelWidth+low, y+4, labelWidth+low, y+8, high-low)
	fmt.Fprintf(w, `<text x="%.1f" y="%d">%s</text>`+"\n", labelWidth+high+8, y+13, escape(show(b.spread, p.format)))
}

// length of a bar, in pixels. Logarithmic ones begin at 1.
func (p panel) length(v, most float64) float64 {
	if p.log {
		v, most = math.Log(max(v, 1)), math.Log(max(most, 2))
	}
	return barWidth * max(v, 0) / most
}

func escape(s string) string { return html.EscapeString(s) }
