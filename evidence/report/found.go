package report

import (
	"maps"
	"slices"
)

func (l *Log) writeBlockStatus(p *printer) {
	b := l.BlockStatus
	p.heading("Blocks, as the server says")
	if !b.Asked {
		p.line(2, "It was not asked, or does not tell.")
		return
	}
	p.table([]string{"<Kind", "Bytes", "<"}, slices.Values([][]string{
		{"data", grouped(b.Data), ""},
		{"zeros", grouped(b.Zero), "allocated, and read as zeros"},
		{"holes", grouped(b.Hole), "not allocated, and read as zeros"},
		{"unknown", grouped(b.Unknown), "not asked, or not told"},
		{"skipped", grouped(b.Skipped), "of zeros and holes: not read, and zeros in the image"},
	}))
}

func (l *Log) writeErrors(p *printer) {
	p.heading("Errors")
	if len(l.Errors) == 0 {
		p.line(2, "None.")
		return
	}
	p.table([]string{"<Time", "<What", "Offset", "Length", "Failures", "Zero-filled", "<First message"}, func(yield func([]string) bool) {
		for _, e := range l.Errors {
			if !yield([]string{utc(e.Time), visible(e.What), grouped(e.Offset), grouped(e.Length), grouped(int64(e.Attempts)), grouped(e.Lost), visible(e.Message)}) {
				return
			}
		}
	})
	if l.ErrorsOmitted > 0 {
		p.line(2, "and "+grouped(l.ErrorsOmitted)+" more that are not listed. Their zero-filled ranges are.")
	}
}

// sector is the unit in which other tools count.
const sector = 512

func (l *Log) writeZeroFilled(p *printer) {
	p.heading("Zeros in place of what could not be read")
	if len(l.ZeroFilled) == 0 {
		p.line(2, "None.")
		return
	}
	p.line(2, counted(l.lost(), "byte")+" in "+counted(int64(len(l.ZeroFilled)), "range")+". Bytes, and sectors of 512 bytes, count from the beginning of what was acquired.")
	p.table([]string{"First byte", "Last byte", "Bytes", "First sector", "Last sector"}, func(yield func([]string) bool) {
		for _, r := range l.ZeroFilled {
			last := r.end() - 1
			if !yield([]string{grouped(r.Offset), grouped(last), grouped(r.Length), grouped(r.Offset / sector), grouped(last / sector)}) {
				return
			}
		}
	})
}

func (l *Log) writeHashes(p *printer) {
	p.heading("Hashes of what was acquired")
	if len(l.Hashes) == 0 {
		p.line(2, "None.")
		return
	}
	writeHashes(p, l.Hashes)
	if len(l.ZeroFilled) > 0 {
		p.line(2, "What could not be read counts as zeros.")
	}
}

func writeHashes(p *printer, hashes map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(hashes)) {
		p.row(visible(name), visible(hashes[name]))
	}
}
