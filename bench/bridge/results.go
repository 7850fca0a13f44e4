//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// results are the samples of a run, by cell and contender, and what they were
// measured on.
type results struct {
	samples map[string]map[string][]sample
	plan    plan
	limit   int      // of open files
	host    []string // lines of the preface
	begin   time.Time
	took    time.Duration
	load    string // at the begin and the end
}

func newResults(l *lab, p plan) *results {
	return &results{samples: map[string]map[string][]sample{}, plan: p, limit: l.files, host: describe(l), begin: time.Now(), load: load()}
}

func (r *results) add(cell, contender string, s sample) {
	if r.samples[cell] == nil {
		r.samples[cell] = map[string][]sample{}
	}
	r.samples[cell][contender] = append(r.samples[cell][contender], s)
}

func (r *results) end() {
	r.took = time.Since(r.begin).Round(time.Second)
	r.load += " before, " + load() + " after"
}

// values picks one figure of all repeats, in the order of the rounds.
func (r *results) values(cell, contender string, pick func(sample) float64) []float64 {
	var all []float64
	for _, s := range r.samples[cell][contender] {
		all = append(all, pick(s))
	}
	return all
}

func describe(l *lab) []string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	return []string{
		fmt.Sprintf("%s %s, %s; %d CPUs, %s", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]),
			unix.ByteSliceToString(u.Machine[:]), runtime.NumCPU(), processor()),
		runtime.Version() + "; " + version("haproxy", "-v") + "; websockify " + debianVersion("websockify"),
	}
}

// processor is the first one's name.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "of a kind that is not told"
}

func version(program, flag string) string {
	out, _ := exec.Command(program, flag).Output()
	first, _, _ := strings.Cut(string(out), " - ")
	first, _, _ = strings.Cut(first, "\n")
	return first
}

func debianVersion(name string) string {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", name).Output()
	if err != nil {
		return "of an unknown version"
	}
	return string(out)
}

func load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(b), " ")
	return one
}

// write leaves RESULTS.md and its plot in a folder.
func (r *results) write(folder string) error {
	var page, plot bytes.Buffer
	r.markdown(&page)
	r.plot(&plot)
	if err := os.WriteFile(filepath.Join(folder, plotName), plot.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "RESULTS.md"), page.Bytes(), 0o644)
}
