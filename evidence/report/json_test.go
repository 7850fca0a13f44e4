package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestDecodeRefuses(t *testing.T) {
	encoded, err := full().Encode()
	must(t, err)
	good := string(encoded)
	for _, c := range []struct{ name, old, new, want string }{
		{"nothing", good, "", "no log"},
		{"no JSON", good, "Log of an acquisition\n", "no log"},
		{"a list", good, "[]", "no log"},
		{"null", good, "null", "schema"},
		{"no schema", `"schema": "nbdbridge/acquisition/1",`, "", `schema ""`},
		{"a newer schema", "acquisition/1", "acquisition/2", `acquisition/2`},
		{"an unknown field", `"status":`, `"statue": 1, "status":`, "statue"},
		{"a number for a text", `"number": "2026/117"`, `"number": 7`, "number"},
		{"a number that is none", `"retries": 2`, `"retries": 2.5`, "retries"},
		{"a time that is none", `"2026-03-01T08:00:00Z"`, `"yesterday"`, "yesterday"},
		{"two logs", good, good + good, "after top-level"},
		{"half a log", good, good[:len(good)/2], "no log"},
		{"no status", `"status": "complete"`, `"status": ""`, "status"},
		{"another status", `"status": "complete"`, `"status": "perfect"`, "perfect"},
		{"a range of nothing", `"length": 8192`, `"length": 0`, "zero-filled"},
		{"a negative range", `"offset": 1052672`, `"offset": -1`, "zero-filled"},
		{"a range beyond the end", `"offset": 500107862016`, `"offset": 1000204886015`, "zero-filled"},
		{"ranges that touch", `"offset": 500107862016`, `"offset": 1060864`, "zero-filled"},
		{"ranges that overlap", `"offset": 500107862016`, `"offset": 1056768`, "zero-filled"},
		{"ranges that are not sorted", `"offset": 500107862016`, `"offset": 5`, "zero-filled"},
		{"more than the export", `"length": 1000204886016`, `"length": 1000204886017`, "does not have"},
		{"before the export", `"offset": 0,`, `"offset": -1,`, "does not have"},
		{"an error beyond the end", `"length": 1073741824`, `"length": 1000204886017`, "error"},
		{"an error that lost more than it has", `"zeroFilled": 4096`, `"zeroFilled": 1048577`, "error"},
		{"a session backwards", `"to": 400000000000`, `"to": -1`, "session"},
		{"a session beyond the end", `"to": 1000204886016`, `"to": 1000204886017`, "session"},
		{"fewer than no errors", `"errorsOmitted": 3`, `"errorsOmitted": -3`, "more errors"},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("%s: the log has no %s", c.name, c.old)
		}
		_, err := Decode([]byte(strings.Replace(good, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestDecodeBounds(t *testing.T) {
	if _, err := Decode(bytes.Repeat([]byte(" "), MaxSize+1)); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("more than MaxSize: %v", err)
	}
	l := paused()
	l.Errors = make([]Error, MaxErrors+1)
	if l.Check() == nil {
		t.Error("more than MaxErrors are taken")
	}
	l = paused()
	l.Schema = ""
	if l.Check() == nil {
		t.Error("no schema is taken")
	}
}

// TestRunningSession has a session of which no checkpoint tells yet how far it
// has come.
func TestRunningSession(t *testing.T) {
	l := paused()
	l.Status, l.Sessions = Running, append(l.Sessions, Session{Start: at(2, 0, 0), From: 600})
	must(t, l.Check())
}

// TestEncodeLists: other programs need not know of null.
func TestEncodeLists(t *testing.T) {
	encoded, err := (&Log{Sessions: []Session{{}}}).Encode()
	must(t, err)
	if bytes.Contains(encoded, []byte("null")) {
		t.Errorf("%s", encoded)
	}
}

// FuzzDecode: what is read can be written and read again, and shown.
func FuzzDecode(f *testing.F) {
	for _, l := range []*Log{full(), paused(), {Schema: Schema, Status: Running}} {
		encoded, err := l.Encode()
		must(f, err)
		f.Add(encoded)
		var small bytes.Buffer
		must(f, json.Compact(&small, encoded))
		f.Add(small.Bytes())
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		l, err := Decode(encoded)
		if err != nil {
			return
		}
		again, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		second, err := Decode(again)
		if err != nil {
			t.Fatal(err)
		}
		if third, err := second.Encode(); err != nil || !bytes.Equal(third, again) {
			t.Errorf("not stable: %v", err)
		}
		for line := range strings.Lines(writeText(t, l)) {
			if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\n\x1b\u202e\u2028") {
				t.Errorf("%q", line)
			}
		}
	})
}
