// Command report reads `go test -json` from its input and prints what a person
// wants to know: failures with their output, and a line for each package.
//
// One line for each test goes to the file -tally: "pass", "fail NAME" or
// "skip NAME: reason", for the summary over all suites.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// An event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action, Package, Test, Output string
	ImportPath                    string // of a build
	Elapsed                       float64
}

type report struct {
	out, tally     io.Writer
	output         map[string]*strings.Builder // by package and test
	passed, failed int                         // failed counts packages too
}

func main() {
	file := flag.String("tally", os.DevNull, "file that gets a line for each test")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *file); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, file string) error {
	tally, err := os.Create(file)
	if err != nil {
		return err
	}
	r := &report{out: out, tally: tally, output: map[string]*strings.Builder{}}
	return errors.Join(r.read(in), tally.Close())
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(r.out, lines.Text()) // not of go test's making: show it
			continue
		}
		r.take(e)
	}
	switch {
	case lines.Err() != nil:
		return lines.Err()
	case r.failed > 0:
		return errors.New("tests failed")
	case r.passed == 0:
		return errors.New("no test passed: is there any?")
	}
	return nil
}

func (r *report) take(e event) {
	key := e.Package + e.ImportPath + "\x00" + e.Test
	switch e.Action {
	case "output", "build-output":
		if r.output[key] == nil {
			r.output[key] = &strings.Builder{}
		}
		r.output[key].WriteString(e.Output)
	case "pass", "fail", "skip", "build-fail":
		text := ""
		if r.output[key] != nil {
			text = r.output[key].String()
		}
		delete(r.output, key)
		if e.Test == "" {
			r.endPackage(e, text)
		} else {
			r.endTest(e, text)
		}
	}
}

func (r *report) endTest(e event, text string) {
	switch e.Action {
	case "pass":
		r.passed++
		fmt.Fprintln(r.tally, "pass")
	case "skip":
		fmt.Fprintf(r.tally, "skip %s %s: %s\n", e.Package, e.Test, reason(text))
	case "fail":
		r.failed++
		fmt.Fprint(r.out, text)
		fmt.Fprintf(r.tally, "fail %s %s\n", e.Package, e.Test)
	}
}

func (r *report) endPackage(e event, text string) {
	switch e.Action {
	case "fail", "build-fail":
		r.failed++
		fmt.Fprintf(r.out, "%sFAIL %s\n", text, e.Package+e.ImportPath)
	case "pass":
		fmt.Fprintf(r.out, "ok   %s %.1fs\n", e.Package, e.Elapsed)
	}
}

// reason is what a skipped test said, on one line.
func reason(text string) string {
	var said []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			said = append(said, line)
		}
	}
	return strings.Join(said, " ")
}
