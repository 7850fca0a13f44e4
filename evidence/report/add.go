package report

import "errors"

// ErrTooMany is a log that would have more than MaxRanges zero-filled ranges.
var ErrTooMany = errors.New("too many ranges can't be read: the log has no room for more")

// AddError appends an error. Beyond MaxErrors it is only counted.
func (l *Log) AddError(e Error) {}

// AddZeroFilled records zeros in place of what could not be read. It joins
// ranges that touch. After ErrTooMany the log is as it was.
func (l *Log) AddZeroFilled(r Range) error { return nil }
