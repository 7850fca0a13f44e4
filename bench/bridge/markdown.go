//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
)

// A column is one figure of a table.
type column struct {
	title  string
	format string
	values func(contender string) []float64
}

func (r *results) markdown(w io.Writer) {
	r.preface(w)
	r.verdictTable(w)
	fmt.Fprintf(w, "\n![The figures that matter, as bars](%s)\n", plotName)
	r.bulkTables(w)
	r.requestTables(w)
	r.memoryTables(w)
}

func (r *results) preface(w io.Writer) {
	fmt.Fprintf(w, "# The bridge beside others\n\nWritten by `make bench-bridge` on %s; what is changed by hand is lost.\n\n",
		r.begin.UTC().Format("2006-01-02 15:04 UTC"))
	for _, line := range r.host {
		fmt.Fprintf(w, "- %s\n", line)
	}
	fmt.Fprintf(w, "- Load average (one minute) %s; the run took %s\n", r.load, r.took)
	if r.plan.quick {
		fmt.Fprint(w, "\n**A quick run, to try the program: its figures mean nothing.**\n")
	}
	r.method(w)
}

func (r *results) method(w io.Writer) {
	fmt.Fprintf(w, `
Source, contender and sink are three processes on this machine, over loopback; they share its CPUs, so MiB/s says what the three do together. CPU is the user and system time of the contender's processes alone, from a session that is already open to its last byte; "all three" adds source and sink. MSS 1448 is what Ethernet has: both ends of both connections are held to segments of 1448 bytes (measured: %s). "Native" is loopback's own, 64 KiB.

Figures are medians, with the lowest and the highest in parentheses, of %d rounds (memory: %d); in each, contenders take turns in a new random order, and each starts anew. Ratios are taken within a round first. The bridge and websockify speak WebSocket with the sink; the others carry the same bytes bare. HAProxy is told to splice, with pipes of 1 MiB (by %s it copied all of this), its other settings as they come; the plain TCP proxy is Go's %s between two sockets. "Direct" has nothing between source and sink.
`, r.segments(), r.plan.rounds, r.plan.memoryRounds, "`option splice-auto`", "`io.Copy`")
}

// segments are the payloads that sinks sent with the MSS forced.
func (r *results) segments() string {
	s := spreadOf(r.values(upEthernet, nameDirect, func(s sample) float64 { return float64(s.Segment) }))
	return fmt.Sprintf("%.0f", s.median)
}

func (r *results) verdictTable(w io.Writer) {
	fmt.Fprint(w, "\n## What the bridge is held to\n\n| the splicing bridge | target | measured | |\n|---|---|---|---|\n")
	for _, v := range r.verdicts() {
		word := "met"
		if !v.met {
			word = "**not met**"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", v.target, v.bound, show(v.got, v.format), word)
	}
}

// show writes a spread; a format is of each of its figures.
func show(s spread, format string) string {
	if s.low == s.high {
		return fmt.Sprintf(format, s.median)
	}
	bare, _, _ := strings.Cut(format, " ")
	return fmt.Sprintf(format+" ("+bare+"–"+bare+")", s.median, s.low, s.high)
}

func (r *results) table(w io.Writer, title, text string, columns []column) {
	fmt.Fprintf(w, "\n## %s\n\n%s\n\n|", title, text)
	for _, c := range columns {
		fmt.Fprintf(w, " | %s", c.title)
	}
	fmt.Fprintf(w, " |\n|---%s|\n", strings.Repeat("|--:", len(columns)))
	for _, name := range names() {
		if row, some := cells(name, columns); some {
			fmt.Fprintf(w, "| %s | %s |\n", name, strings.Join(row, " | "))
		}
	}
}

// cells are a contender's figures; some tells whether there is one. All zeros
// are none: what nothing relays costs nothing.
func cells(name string, columns []column) (row []string, some bool) {
	for _, c := range columns {
		s := spreadOf(c.values(name))
		if s == (spread{}) {
			row = append(row, "")
			continue
		}
		some = true
		row = append(row, show(s, c.format))
	}
	return row, some
}

// plainly is a column of figures as they were measured.
func (r *results) plainly(title, format, cell string, pick func(sample) float64) column {
	return column{title, format, func(name string) []float64 { return r.values(cell, name, pick) }}
}

// paired is a column that compares with another contender, round by round.
func (r *results) paired(title, format, cell, other string, pick func(sample) float64, combine func(a, b float64) float64) column {
	return column{title, format, func(name string) []float64 {
		return pairwise(r.values(cell, name, pick), r.values(cell, other, pick), combine)
	}}
}
