//go:build linux

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A task is one measurement: what the sink is asked to do.
type task struct {
	Do       string // down, up, requests, idle or stalled
	Endpoint string // of connect
	MSS      int    // that the sink announces; 0 is the system's
	Group    int    // the contender's processes; 0 for none
	Source   int    // the source's process

	Bytes    int64         // down, up and stalled: how many
	Depth    int           // requests: how many in flight
	Time     time.Duration // requests: for how long
	Sessions int           // idle and stalled: how many
}

// A sample is what came of a task. Fields that do not apply are 0.
type sample struct {
	Rate    float64 // bytes per second
	CPU     float64 // seconds of the contender
	AllCPU  float64 // seconds of source, contender and sink
	Segment int     // payload of a segment that the sink sends, bytes

	Requests float64 // how many
	IOPS     float64
	P50, P99 float64 // latency, seconds

	RSS, PSS float64 // bytes per session, over what the contender held before
	Kernel   float64 // stalled: the same, of all TCP sockets of the machine
	Before   float64 // stalled: Rate of another session without them
	Sessions int
}

var tasks = map[string]func(task) (sample, error){
	"down":     func(t task) (sample, error) { return bulk(t, (*client).down) },
	"up":       func(t task) (sample, error) { return bulk(t, (*client).up) },
	"requests": requests,
	"idle":     idle,
	"stalled":  stalled,
}

// sinkMain does the task in its argument, as JSON, and prints the sample.
func sinkMain(args []string) error {
	var t task
	if err := json.Unmarshal([]byte(args[0]), &t); err != nil {
		return err
	}
	do := tasks[t.Do]
	if do == nil {
		return fmt.Errorf("%w: no task %q", flag.ErrHelp, t.Do)
	}
	s, err := do(t)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

// A meter tells what a stretch of work costs.
type meter struct {
	contender, others []int
	start             time.Time
	before, allBefore time.Duration
}

// startMeter finds the contender's processes: a session must be open, for
// those that fork one for each.
func startMeter(t task) *meter {
	m := &meter{contender: members(t.Group), others: []int{t.Source, os.Getpid()}}
	m.before, m.allBefore = m.read()
	m.start = time.Now()
	return m
}

func (m *meter) read() (contender, all time.Duration) {
	contender = cpuTime(m.contender...)
	return contender, contender + cpuTime(m.others...)
}

// stop returns a sample with the costs, and the time that passed.
func (m *meter) stop() (sample, time.Duration) {
	passed := time.Since(m.start)
	contender, all := m.read()
	return sample{CPU: (contender - m.before).Seconds(), AllCPU: (all - m.allBefore).Seconds()}, passed
}

// warmUp is sent before anything is measured: windows have grown by then.
const warmUp = 64 << 20

func bulk(t task, move func(*client, int64) error) (sample, error) {
	c, err := connect(t.Endpoint, t.MSS)
	if err != nil {
		return sample{}, err
	}
	defer c.conn.Close()
	if err := move(c, min(warmUp, t.Bytes)); err != nil {
		return sample{}, err
	}
	m := startMeter(t)
	if err := move(c, t.Bytes); err != nil {
		return sample{}, err
	}
	s, passed := m.stop()
	s.Rate, s.Segment = float64(t.Bytes)/passed.Seconds(), segment(c.conn)
	return s, nil
}

// raiseFiles lets this process and its children open as many files as the
// system allows, and returns that number.
func raiseFiles() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	limit.Cur = limit.Max
	return int(min(limit.Max, 1<<20)), unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}
