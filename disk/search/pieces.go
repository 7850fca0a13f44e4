package search

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
)

// ahead is how many reads are under way.
const ahead = 4

// A piece is a range that matches begin in, [from, to), and the bytes of the
// disk from base on that those matches and their contexts lie in.
type piece struct {
	from, to, base int64
	data           []byte
	skipped        int64 // of the search, up to to
	err            error
}

// read yields the pieces in order. Those under way when the loop ends are
// waited for: they end with the context.
func (s *searcher) read(ctx context.Context, r io.ReaderAt) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		var queue []chan piece
		defer func() {
			for _, waiting := range queue {
				<-waiting
			}
		}()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for p := range s.pieces(ctx) {
			if len(queue) == ahead {
				first := queue[0]
				queue = queue[1:]
				if !yield(<-first) {
					return
				}
			}
			queue = append(queue, s.start(ctx, r, p))
		}
		for len(queue) > 0 {
			first := queue[0]
			queue = queue[1:]
			if !yield(<-first) {
				return
			}
		}
	}
}

// start reads a piece in a goroutine that ends with the disk's answer.
func (s *searcher) start(ctx context.Context, r io.ReaderAt, p piece) chan piece {
	done := make(chan piece, 1)
	go func() {
		if p.err == nil {
			p.data, p.err = s.load(ctx, r, p)
		}
		done <- p
	}()
	return done
}

func (s *searcher) load(ctx context.Context, r io.ReaderAt, p piece) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	end := min(p.to+int64(s.longest-1+s.Context), s.end)
	data := make([]byte, end-p.base)
	n, err := r.ReadAt(data, p.base)
	if n == len(data) {
		return data, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return nil, fmt.Errorf("searching at %d: %w", p.base+int64(n), err)
}

// pieces cuts what is to be searched, without its bytes.
func (s *searcher) pieces(ctx context.Context) iter.Seq[piece] {
	margin := int64(s.longest-1) + 2*int64(s.Context)
	return func(yield func(piece) bool) {
		skipped, at := int64(0), s.Offset
		for at < s.end {
			start, end, err := s.stretch(ctx, at)
			if err != nil {
				yield(piece{err: err})
				return
			}
			skipped += start - at
			for at = start; at < end; {
				to := min(at+s.readSize-margin, end)
				if !yield(piece{from: at, to: to, base: max(at-int64(s.Context), s.Offset), skipped: skipped}) {
					return
				}
				at = to
			}
		}
		if skipped > 0 { // up to the very end
			yield(piece{from: s.end, to: s.end, base: s.end, skipped: skipped})
		}
	}
}

// stretch is the next range at or after an offset that matches with something
// else than skipped zeroes begin in. It may be empty, at the end.
func (s *searcher) stretch(ctx context.Context, at int64) (start, end int64, err error) {
	if s.NextData == nil {
		return at, s.end, nil
	}
	start, end, err = s.NextData(ctx, at)
	if err != nil {
		return 0, 0, fmt.Errorf("searching for data at %d: %w", at, err)
	}
	if start >= s.end {
		return s.end, s.end, nil
	}
	if end <= max(start, at) {
		return 0, 0, fmt.Errorf("searching for data at %d: told of %d to %d", at, start, end)
	}
	return max(start-int64(s.longest-1), at), min(end, s.end), nil
}
