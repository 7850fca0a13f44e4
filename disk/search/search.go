// Package search finds bytes and texts in disks.
package search

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
)

// Limits of a search.
const (
	MaxNeedles = 3072 // a thousand texts in three encodings
	MaxContext = 4096 // bytes on each side of a match
)

// ErrOptions are Options that can't be meant.
var ErrOptions = errors.New("these options can't be searched with")

// Options say what to search for, and where.
type Options struct {
	// Needles are 1 to MaxNeedles.
	Needles []Needle
	// Offset and Length are the range of the disk that matches lie in, in bytes.
	Offset, Length int64
	// Context is how many bytes a Hit shows before and after its match, at most;
	// they come from the range too.
	Context int
	// NextData tells the first range at or after an offset that does not read as
	// zeroes, in bytes; one that begins at or after the end of the search ends
	// it. Nil has all of the disk read. What matches zeroes alone is not found
	// where they are skipped.
	NextData func(ctx context.Context, offset int64) (start, end int64, err error)
	// Progress is told how many bytes of the range are dealt with, and how many
	// of them were skipped. It is called by the loop over the hits.
	Progress func(done, skipped int64)
}

// A Hit is a match.
type Hit struct {
	Offset int64  // of the match, on the disk
	Length int    // of the match
	Needle int    // an index of Options.Needles
	Bytes  []byte // the match with what is around it
	Before int    // how many of Bytes are before the match
}

// Search yields the matches by their offset, also those that overlap, with at
// most 4 MiB read ahead of the loop. The first error ends it: that of the disk
// says where.
func Search(ctx context.Context, r io.ReaderAt, o Options) iter.Seq2[Hit, error] {
	return search(ctx, r, o, 1<<20)
}

// search reads so many bytes at once, which must be more than a needle and its
// contexts take.
func search(ctx context.Context, r io.ReaderAt, o Options, readSize int64) iter.Seq2[Hit, error] {
	return func(yield func(Hit, error) bool) {
		s := searcher{Options: o, end: o.Offset + o.Length, readSize: readSize, yield: yield}
		if err := s.prepare(); err != nil {
			yield(Hit{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for p := range s.read(ctx, r) {
			if p.err != nil {
				yield(Hit{}, p.err)
				return
			}
			if !s.scan(p) {
				return
			}
		}
	}
}

// A searcher is one search.
type searcher struct {
	Options
	end      int64
	readSize int64
	longest  int       // needle
	finders  []*finder // of few needles
	many     *many     // or of many
	yield    func(Hit, error) bool
}

func (s *searcher) prepare() error {
	if n := len(s.Needles); n < 1 || n > MaxNeedles {
		return fmt.Errorf("%w: %d needles, and 1 to %d will do", ErrOptions, n, MaxNeedles)
	}
	if s.Offset < 0 || s.Length < 0 || s.end < s.Offset {
		return fmt.Errorf("%w: %d bytes at %d", ErrOptions, s.Length, s.Offset)
	}
	if s.Context < 0 || s.Context > MaxContext {
		return fmt.Errorf("%w: %d bytes of context, and 0 to %d will do", ErrOptions, s.Context, MaxContext)
	}
	for _, n := range s.Needles {
		if n.Len() == 0 {
			return fmt.Errorf("%w: it is empty", ErrNeedle)
		}
		s.longest = max(s.longest, n.Len())
	}
	if len(s.Needles) > few {
		s.many = newMany(s.Needles)
		return nil
	}
	for _, n := range s.Needles {
		s.finders = append(s.finders, newFinder(n))
	}
	return nil
}

// scan yields the matches that begin in a piece. It tells whether to go on.
func (s *searcher) scan(p piece) bool {
	s.tell(p.from, p)
	if goOn := s.many == nil && s.scanEach(p) || s.many != nil && s.scanMany(p); !goOn {
		return false
	}
	s.tell(p.to, p)
	return true
}

// scanMany has one look at each byte.
func (s *searcher) scanMany(p piece) bool {
	if isZero(p.data) && !slices.ContainsFunc(s.Needles, func(n Needle) bool { return isZero(n.bytes) }) {
		return true
	}
	return s.many.each(p.data, int(p.from-p.base), int(p.to-p.base), func(at, needle int) bool {
		return s.yield(s.hit(p, needle, at), nil)
	})
}

// scanEach looks for one needle after the other, and merges what it finds.
func (s *searcher) scanEach(p piece) bool {
	next := s.first(p)
	for {
		first := -1
		for i, at := range next {
			if at >= 0 && (first < 0 || at < next[first]) {
				first = i
			}
		}
		if first < 0 {
			return true
		}
		if !s.yield(s.hit(p, first, next[first]), nil) {
			return false
		}
		next[first] = s.finders[first].index(s.hay(p, s.finders[first]), next[first]+1)
	}
}

// tell says that all before an offset in a piece is dealt with.
func (s *searcher) tell(at int64, p piece) {
	if s.Progress != nil {
		s.Progress(at-s.Offset, p.skipped)
	}
}

// first tells where each needle matches first; -1 is nowhere.
func (s *searcher) first(p piece) []int {
	next := make([]int, len(s.finders))
	empty := isZero(p.data)
	for i, f := range s.finders {
		if next[i] = -1; !empty || isZero(f.bytes) {
			next[i] = f.index(s.hay(p, f), int(p.from-p.base))
		}
	}
	return next
}

// isZero compares the bytes with themselves, which is the fastest way.
func isZero(p []byte) bool {
	return len(p) == 0 || p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1])
}

// hay is what matches of a needle that begin in the piece may lie in.
func (s *searcher) hay(p piece, f *finder) []byte {
	return p.data[:min(int64(len(p.data)), p.to-p.base+int64(f.Len()-1))]
}

func (s *searcher) hit(p piece, needle, at int) Hit {
	length := s.Needles[needle].Len()
	from, to := max(at-s.Context, 0), min(at+length+s.Context, len(p.data))
	return Hit{
		Offset: p.base + int64(at), Length: length, Needle: needle,
		Bytes: append([]byte(nil), p.data[from:to]...), Before: at - from,
	}
}
