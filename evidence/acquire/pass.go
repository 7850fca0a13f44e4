package acquire

import (
	"context"
	"fmt"
	"iter"

	"nbdbridge/evidence/report"
)

// passSettings are those of a pass, which can't do without a byte.
var passSettings = report.Settings{Retries: 5, Smallest: 4096, SkipHoles: true}

// Pass hashes a disk once more, with ranges of it taken as zeros unread: those
// of Log.ZeroFilled, sorted. What the disk tells as zeros is not read either; a
// Source whose Status is ErrNoStatus is read as a whole. It gives the hashes in
// hex, by name. An *Unreadable is what can't be read after retries, ErrSource and
// ErrDigest are what they are for Run. progress may be nil.
func Pass(ctx context.Context, src Source, zeros []report.Range, digests []Digest, progress func(Progress)) (map[string]string, error) {
	size := src.Size()
	if err := within(zeros, size); err != nil {
		return nil, err
	}
	r := newReader(src, passSettings, report.Source{})
	m := &meter{report: progress, reader: r, Progress: Progress{Total: size}}
	defer m.finish()
	m.tell()
	for p := range r.read(ctx, r.cut(r.judged(r.around(ctx, zeros))), m.tell) {
		if err := p.pass(ctx, digests); err != nil {
			return nil, err
		}
		m.add(p)
		m.tell()
	}
	if m.Done < size {
		return nil, context.Cause(ctx)
	}
	return sums(ctx, digests)
}

// pass hashes a piece that is whole.
func (p *piece) pass(ctx context.Context, digests []Digest) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case p.err != nil:
		return p.err
	case len(p.lost) > 0:
		return &Unreadable{fmt.Errorf("%d bytes at %d can't be read: %s", p.lost[0].Length, p.lost[0].Offset, p.errors[len(p.errors)-1].Message)}
	}
	return p.hand(ctx, nil, digests)
}

// within tells whether ranges are sorted and of a disk.
func within(ranges []report.Range, size int64) error {
	var at int64
	for _, r := range ranges {
		if r.Offset < at || r.Length <= 0 || r.Length > size-r.Offset {
			return fmt.Errorf("%d bytes at %d can't be zero-filled ranges of a disk of %d bytes, after those before %d", r.Length, r.Offset, size, at)
		}
		at = r.Offset + r.Length
	}
	return nil
}

// around is what the disk tells, and zeros where it is not asked.
func (r *reader) around(ctx context.Context, zeros []report.Range) iter.Seq[stretch] {
	return func(yield func(stretch) bool) {
		var at int64
		for _, z := range append(zeros[:len(zeros):len(zeros)], report.Range{Offset: r.Size()}) {
			for s := range r.told(ctx, report.Range{Offset: at, Length: z.Offset - at}) {
				if !yield(s) || s.err != nil {
					return
				}
			}
			if !yield(stretch{Extent: Extent{z.Offset, z.Length, Zero}, skip: true}) {
				return
			}
			at = z.Offset + z.Length
		}
	}
}
