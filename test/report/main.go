// Command report reads `go test -json` and prints what a person wants to know:
// failures with their output, a line for each package, and every skip with its
// reason. In CI a skip is a failure.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
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
	output                  map[string]*strings.Builder // by package and test
	skips                   []string
	passed, failed, skipped int
	broken                  bool // a package that failed without a test
}

func main() {
	r := &report{output: map[string]*strings.Builder{}}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Println(lines.Text()) // not of go test's making: show it
			continue
		}
		r.take(e)
	}
	os.Exit(r.close(os.Getenv("CI") != ""))
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
		r.end(e, r.output[key])
		delete(r.output, key)
	}
}

func (r *report) end(e event, output *strings.Builder) {
	text := ""
	if output != nil {
		text = output.String()
	}
	if e.Test == "" {
		r.endPackage(e, text)
		return
	}
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped++
		r.skips = append(r.skips, fmt.Sprintf("%s %s:\n%s", e.Package, e.Test, text))
	case "fail":
		r.failed++
		fmt.Print(text)
	}
}

func (r *report) endPackage(e event, text string) {
	switch e.Action {
	case "fail", "build-fail":
		r.broken = true
		fmt.Print(text)
		fmt.Printf("FAIL %s %s\n", e.Package, e.ImportPath)
	case "pass":
		fmt.Printf("ok   %s %.1fs\n", e.Package, e.Elapsed)
	}
}

func (r *report) close(ci bool) (code int) {
	for _, s := range r.skips {
		fmt.Printf("SKIPPED %s", s)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	if r.failed > 0 || r.broken || r.passed == 0 || ci && r.skipped > 0 {
		return 1
	}
	return 0
}
