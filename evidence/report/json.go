package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// MaxSize is how many bytes of JSON Decode takes.
const MaxSize = 64 << 20

// maxCommas is how many commas they have outside of strings, three times what all
// errors and ranges take. It bounds the memory: "{}," may stand for a session.
const maxCommas = 1 << 20

// Encode is the log as JSON, indented, with a newline at its end, and always the
// same for the same log.
func (l *Log) Encode() ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // of "&" in an address, a reader expects an "&"
	encoder.SetIndent("", "  ")
	err := encoder.Encode(l.filled())
	return b.Bytes(), err
}

// filled has empty lists where l has none: a reader shall find "[]", not null.
func (l *Log) filled() Log {
	f := *l
	f.Source.Flags = some(f.Source.Flags)
	f.Settings.Hashes = some(f.Settings.Hashes)
	f.Sessions = slices.Clone(some(f.Sessions))
	for i := range f.Sessions {
		f.Sessions[i].Outages = some(f.Sessions[i].Outages)
	}
	f.Errors, f.ZeroFilled, f.Passes = some(f.Errors), some(f.ZeroFilled), some(f.Passes)
	if f.Hashes == nil {
		f.Hashes = map[string]string{}
	}
	return f
}

func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// Decode reads what Encode made, or another program that writes this Schema. It
// refuses more than MaxSize bytes, too many parts, fields that no log has, and
// what contradicts itself.
func Decode(encoded []byte) (*Log, error) {
	if len(encoded) > MaxSize {
		return nil, fmt.Errorf("a log of %d bytes is too long: at most %d are read", len(encoded), MaxSize)
	}
	if commas(encoded) > maxCommas {
		return nil, fmt.Errorf("a log of more than %d parts is too long", maxCommas)
	}
	// In another schema, fields that are not known are the lesser news.
	var of struct{ Schema string }
	if err := json.Unmarshal(encoded, &of); err != nil {
		return nil, fmt.Errorf("this is no log of an acquisition: %w", err)
	}
	if err := checkSchema(of.Schema); err != nil {
		return nil, err
	}
	l := new(Log)
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(l); err != nil {
		return nil, fmt.Errorf("this is no log of an acquisition: %w", err)
	}
	if err := l.Check(); err != nil {
		return nil, err
	}
	return l, nil
}

// commas counts those outside of strings.
func commas(encoded []byte) (n int) {
	quoted := false
	for i := 0; i < len(encoded); i++ {
		switch c := encoded[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			n++
		}
	}
	return n
}

func checkSchema(schema string) error {
	if schema != Schema {
		return fmt.Errorf("this is a log in the schema %q, and %q is what can be read", shortened(schema), Schema)
	}
	return nil
}

// Check tells whether a log that was kept elsewhere can be one. What Decode
// returns without an error has passed it.
func (l *Log) Check() error {
	if err := checkSchema(l.Schema); err != nil {
		return err
	}
	switch {
	case !slices.Contains([]Status{Running, Paused, Complete}, l.Status):
		return fmt.Errorf("the log has the status %q, which is none", shortened(string(l.Status)))
	case !within(Range{l.Source.Offset, l.Source.Length}, l.Source.Size):
		return errors.New("the log is of bytes that the export does not have")
	case len(l.Errors) > MaxErrors || len(l.ZeroFilled) > MaxRanges || l.ErrorsOmitted < 0:
		return errors.New("the log has more errors or ranges than a log can have")
	}
	return l.checkRanges()
}

// within tells whether a range lies in size bytes. It may be empty.
func within(r Range, size int64) bool {
	return r.Offset >= 0 && r.Length >= 0 && r.Offset <= size && r.Length <= size-r.Offset
}

func (l *Log) checkRanges() error {
	end := int64(-1)
	for _, r := range l.ZeroFilled {
		if r.Length == 0 || r.Offset <= end || !within(r, l.Source.Length) {
			return fmt.Errorf("the log has a zero-filled range of %d bytes at %d, which can't be: ranges are sorted, apart and within what was acquired", r.Length, r.Offset)
		}
		end = r.end()
	}
	for _, s := range l.Sessions {
		if s.To < s.From && !s.End.IsZero() || !within(Range{s.From, max(0, s.To-s.From)}, l.Source.Length) {
			return fmt.Errorf("the log has a session from byte %d to %d, which can't be", s.From, s.To)
		}
	}
	for _, e := range l.Errors {
		if !within(Range{e.Offset, e.Length}, l.Source.Length) || e.Lost < 0 || e.Lost > e.Length {
			return fmt.Errorf("the log has an error in %d bytes at %d, which can't be", e.Length, e.Offset)
		}
	}
	return nil
}
