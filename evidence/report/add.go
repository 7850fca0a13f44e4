package report

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"unicode/utf8"
)

// ErrTooMany is a log that would have more than MaxRanges zero-filled ranges.
var ErrTooMany = errors.New("more places can't be read than a log has room for: the disk may be failing, or its server")

// maxMessage is how many bytes of an error's message are kept. It bounds a log
// with MaxErrors of them.
const maxMessage = 500

// AddError appends an error. Beyond MaxErrors it is only counted, and of a long
// message the beginning is kept.
func (l *Log) AddError(e Error) {
	if len(l.Errors) >= MaxErrors {
		l.ErrorsOmitted++
		return
	}
	e.Message = shortened(e.Message)
	l.Errors = append(l.Errors, e)
}

// shortened cuts between characters.
func shortened(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	end := maxMessage
	for !utf8.RuneStart(s[end]) && end > maxMessage-utf8.UTFMax {
		end--
	}
	return s[:end] + "…"
}

// AddZeroFilled records zeros in place of what could not be read. Ranges may
// come in any order, overlap and touch: they are joined. After an error, which
// is ErrTooMany or a range that is none, the log is as it was.
func (l *Log) AddZeroFilled(r Range) error {
	if r.Offset < 0 || r.Length <= 0 || r.Length > math.MaxInt64-r.Offset {
		return fmt.Errorf("%d bytes at %d are no range", r.Length, r.Offset)
	}
	// The ranges from first to last touch r.
	first := sort.Search(len(l.ZeroFilled), func(i int) bool { return l.ZeroFilled[i].end() >= r.Offset })
	last := first + sort.Search(len(l.ZeroFilled)-first, func(i int) bool { return l.ZeroFilled[first+i].Offset > r.end() })
	if first == last && len(l.ZeroFilled) >= MaxRanges {
		return ErrTooMany
	}
	for _, other := range l.ZeroFilled[first:last] {
		r = r.joined(other)
	}
	l.ZeroFilled = slices.Replace(l.ZeroFilled, first, last, r)
	return nil
}

func (r Range) end() int64 { return r.Offset + r.Length }

func (r Range) joined(other Range) Range {
	from := min(r.Offset, other.Offset)
	return Range{from, max(r.end(), other.end()) - from}
}

// lost is how many bytes are zeros in place of what could not be read.
func (l *Log) lost() int64 {
	var n int64
	for _, r := range l.ZeroFilled {
		n += r.Length
	}
	return n
}
