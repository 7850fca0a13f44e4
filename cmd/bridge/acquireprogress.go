package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"nbdbridge/evidence/acquire"
)

// rateOver is the time over which a rate is taken.
const rateOver = 10 * time.Second

// A progressLine is a line of a terminal that shows how far it has come, and
// nothing elsewhere.
type progressLine struct {
	out  *os.File
	live bool

	mu      sync.Mutex
	shown   bool
	what    string   // is done to the bytes, such as "acquired"
	samples []sample // of the last seconds
}

type sample struct {
	when time.Time
	done int64
}

func newProgressLine(out *os.File) *progressLine {
	info, err := out.Stat()
	return &progressLine{out: out, live: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// begin says what is done from now on.
func (l *progressLine) begin(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.what, l.samples = what, nil
}

// show is for acquire.Job.
func (l *progressLine) show(p acquire.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rate := l.rate(time.Now(), p.Done)
	if l.live {
		fmt.Fprintf(l.out, "\r\x1b[K%s", progressText(l.what, p, rate))
		l.shown = true
	}
}

// rate is in bytes per second, 0 at first.
func (l *progressLine) rate(now time.Time, done int64) float64 {
	l.samples = append(l.samples, sample{now, done})
	for now.Sub(l.samples[0].when) > rateOver {
		l.samples = l.samples[1:]
	}
	first := l.samples[0]
	if took := now.Sub(first.when).Seconds(); took > 0.5 {
		return float64(done-first.done) / took
	}
	return 0
}

func progressText(what string, p acquire.Progress, rate float64) string {
	text := fmt.Sprintf("%s of %s %s", humanSize(p.Done), humanSize(p.Total), what)
	if p.Total > 0 {
		text = fmt.Sprintf("%3.0f %%  %s", 100*float64(p.Done)/float64(p.Total), text)
	}
	if rate >= 1 {
		left := time.Duration(min(float64(p.Total-p.Done)/rate, 1e9)) * time.Second
		text += fmt.Sprintf(", %s/s, %v left", humanSize(int64(rate)), left)
	}
	if p.Errors > 0 {
		text += fmt.Sprintf(", %d failed, %s lost", p.Errors, humanSize(p.Lost))
	}
	if p.Recovering {
		text += ", trying again"
	}
	return text
}

// tell prints a line of its own.
func (l *progressLine) tell(text string) {
	l.clear()
	fmt.Fprintf(os.Stderr, "bridge: %s\n", visible(text))
}

func (l *progressLine) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown {
		fmt.Fprint(l.out, "\r\x1b[K")
		l.shown = false
	}
}
