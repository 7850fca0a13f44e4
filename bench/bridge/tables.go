//go:build linux

package main

import (
	"fmt"
	"io"
)

func (r *results) bulkTables(w io.Writer) {
	size := fmt.Sprintf("%d MiB in one session", r.plan.cells[0].task.Bytes/mib)
	up := fmt.Sprintf("%s, in messages of %d KiB. Browsers must mask them, so each byte passes through a bridge's hands.", size, upMessage/kib)
	r.table(w, "Download, MSS 1448", size+".", r.bulkColumns(downEthernet))
	r.table(w, "Upload, MSS 1448", up, r.bulkColumns(upEthernet))
	r.table(w, "Download, native MSS", size+".", r.bulkColumns(downNative))
	r.table(w, "Upload, native MSS", up, r.bulkColumns(upNative))
}

func (r *results) bulkColumns(cell string) []column {
	return []column{
		r.plainly("CPU-s/GiB", "%.3f", cell, r.perGiB(cpuOf)),
		r.paired("of the plain proxy's", "%.2f ×", cell, namePlain, cpuOf, ratio),
		r.plainly("MiB/s", "%.0f", cell, rate),
		r.plainly("CPU-s/GiB, all three", "%.2f", cell, r.perGiB(allCPU)),
	}
}

// perGiB scales a figure of a whole download or upload.
func (r *results) perGiB(pick func(sample) float64) func(sample) float64 {
	size := float64(r.plan.cells[0].task.Bytes)
	return func(s sample) float64 { return pick(s) * gib / size }
}

func (r *results) requestTables(w io.Writer) {
	text := fmt.Sprintf("Requests of %d bytes, replies of %d + %d; MSS 1448. Added is the median latency over direct.",
		requestSize, replyHeader, replySize-replyHeader)
	r.table(w, "Requests of 4 KiB, one at a time", text, r.requestColumns(depth1))
	r.table(w, "Requests of 4 KiB, 16 in flight", text, r.requestColumns(depth16))
}

func (r *results) requestColumns(cell string) []column {
	return []column{
		r.plainly("per second", "%.0f", cell, iops),
		r.plainly("p50 µs", "%.0f", cell, p50),
		r.plainly("p99 µs", "%.0f", cell, p99),
		r.paired("added µs", "%.0f", cell, nameDirect, p50, difference),
		r.plainly("CPU µs each", "%.1f", cell, perRequest),
	}
}

func (r *results) memoryTables(w io.Writer) {
	text := fmt.Sprintf("Each session has had %d KiB down and %d KiB up, and rests. What the process held after its first session is not counted. ", idleDown/kib, idleUp/kib)
	r.table(w, "Memory of idle sessions, few",
		text+"websockify forks for each session: its PSS shares out what the processes have in common, its RSS does not.",
		r.memoryColumns(idleFew))
	r.table(w, "Memory of idle sessions, as many as fit",
		text+fmt.Sprintf("A process here may open %d files; the plain proxy needs six for each session, the others two.", r.limit),
		r.memoryColumns(idleMany))
	r.table(w, "Stalled clients",
		fmt.Sprintf("The source has %d MiB for each client, and none of them takes any. RSS is what that adds to the idle session; the kernel's share is of all TCP sockets on the way, the source's and the sink's too. Beside them, another session downloads.", stallBytes/mib),
		append(r.memoryColumns(stalledCell), r.stalledColumns()...))
}

func (r *results) memoryColumns(cell string) []column {
	return []column{
		r.plainly("sessions", "%.0f", cell, sessions),
		r.plainly("RSS KiB each", "%.1f", cell, rss),
		r.plainly("PSS KiB each", "%.1f", cell, pss),
	}
}

func (r *results) stalledColumns() []column {
	return []column{
		r.plainly("kernel KiB each", "%.0f", stalledCell, kernel),
		r.plainly("other session MiB/s, before", "%.0f", stalledCell, rateBefore),
		r.plainly("beside them", "%.0f", stalledCell, rate),
		r.plainly("ratio", "%.2f ×", stalledCell, unharmed),
	}
}
