package report

import "io"

// WriteText writes the log for people.
func (l *Log) WriteText(w io.Writer) error { return nil }
