//go:build linux

package main

import "fmt"

// A verdict is a target and what came of it.
type verdict struct {
	target string
	bound  string
	got    spread
	format string // of a figure
	met    bool
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// Bounds of the targets.
const (
	mostOfPlain   = 1.25     // CPU per GiB
	mostOfWebsock = 0.5      // CPU per GiB
	leastOfBetter = 0.9      // throughput, and requests per second
	mostIdle      = 32 << 10 // bytes of RSS per session
	mostStalled   = 8 << 10  // bytes: less than any buffer; RSS says 3 KiB of proxies that only splice
	leastUnharmed = 0.9      // throughput of a session beside stalled ones
)

func (r *results) verdicts() []verdict {
	cpu := r.against(downEthernet, cpuOf)
	return []verdict{
		atMost("Download, MSS 1448: CPU per GiB, of the plain TCP proxy's", cpu(namePlain), mostOfPlain),
		atMost("Download, MSS 1448: CPU per GiB, of websockify's", cpu(nameWebsock), mostOfWebsock),
		atLeast("Download, MSS 1448: throughput, of the better of these two", r.ofBetter(), leastOfBetter),
		atLeast("Requests of 4 KiB at depth 16: per second, of the plain TCP proxy's", r.against(depth16, iops)(namePlain), leastOfBetter),
		r.bytes("Memory of an idle session, among few: RSS", idleFew, mostIdle),
		r.bytes("Memory of an idle session, among many: RSS", idleMany, mostIdle),
		r.bytes("Memory that a stalled session adds: RSS", stalledCell, mostStalled),
		atLeast("Throughput of a session beside stalled ones, of that without them", r.values(stalledCell, ourSplice, unharmed), leastUnharmed),
	}
}

// Figures of samples.
func cpuOf(s sample) float64      { return s.CPU }
func allCPU(s sample) float64     { return s.AllCPU }
func rate(s sample) float64       { return s.Rate / mib } // MiB/s
func iops(s sample) float64       { return s.IOPS }
func p50(s sample) float64        { return s.P50 * 1e6 } // µs
func p99(s sample) float64        { return s.P99 * 1e6 }
func rss(s sample) float64        { return s.RSS / kib } // KiB
func pss(s sample) float64        { return s.PSS / kib }
func kernel(s sample) float64     { return s.Kernel / kib }
func sessions(s sample) float64   { return float64(s.Sessions) }
func rateBefore(s sample) float64 { return s.Before / mib }
func unharmed(s sample) float64   { return s.Rate / s.Before }
func perRequest(s sample) float64 { return s.CPU * 1e6 / max(s.Requests, 1) } // µs

// against compares the splicing bridge with another, round by round.
func (r *results) against(cell string, pick func(sample) float64) func(other string) []float64 {
	return func(other string) []float64 {
		return pairwise(r.values(cell, ourSplice, pick), r.values(cell, other, pick), ratio)
	}
}

// ofBetter is throughput of the better of the plain proxy and websockify.
func (r *results) ofBetter() []float64 {
	better := pairwise(r.values(downEthernet, namePlain, rate), r.values(downEthernet, nameWebsock, rate), func(a, b float64) float64 { return max(a, b) })
	return pairwise(r.values(downEthernet, ourSplice, rate), better, ratio)
}

func atMost(target string, values []float64, bound float64) verdict {
	s := spreadOf(values)
	return verdict{target, fmt.Sprintf("at most %.2f ×", bound), s, "%.2f ×", len(values) > 0 && s.median <= bound}
}

func atLeast(target string, values []float64, bound float64) verdict {
	s := spreadOf(values)
	return verdict{target, fmt.Sprintf("at least %.2f ×", bound), s, "%.2f ×", s.median >= bound}
}

func (r *results) bytes(target, cell string, bound float64) verdict {
	values := r.values(cell, ourSplice, rss)
	s := spreadOf(values)
	return verdict{target, fmt.Sprintf("at most %.0f KiB", bound/kib), s, "%.1f KiB", len(values) > 0 && s.median <= bound/kib}
}
