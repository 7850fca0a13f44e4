//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// members lists the processes of a group, which is a contender with whatever
// it forked; none for group 0.
func members(group int) []int {
	var pids []int
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, name := range names {
		stat, err := os.ReadFile(name + "/stat")
		if err != nil || group == 0 {
			continue
		}
		// The command's name, in parentheses, may hold anything.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if pid, err := strconv.Atoi(filepath.Base(name)); err == nil && fields[2] == strconv.Itoa(group) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// cpuTime is the time that processes have spent in user mode and in the
// kernel, to the nanosecond; /proc/PID/stat has it in steps of 10 ms.
func cpuTime(pids ...int) time.Duration {
	var sum time.Duration
	for _, pid := range pids {
		var t unix.Timespec
		// The clock of another process, as clock_getcpuclockid(3) makes it.
		if unix.ClockGettime(int32(^pid<<3|2), &t) == nil {
			sum += time.Duration(t.Nano())
		}
	}
	return sum
}

// A memory is what processes hold, in bytes.
type memory struct {
	RSS int64 // pages that several of them share count in each
	PSS int64 // and here once in all
}

// memoryOf a process that ends meanwhile is none.
func memoryOf(group int) (memory, error) {
	var sum memory
	for _, pid := range members(group) {
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil {
			return sum, err
		}
		sum.RSS += kibibytes(rollup, "Rss:")
		sum.PSS += kibibytes(rollup, "Pss:")
	}
	return sum, nil
}

// kibibytes reads a line like "Rss:  12 kB", in bytes.
func kibibytes(rollup []byte, name string) int64 {
	for line := range strings.Lines(string(rollup)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == name {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// tcpMemory is what the kernel holds for all TCP sockets of this machine.
func tcpMemory() int64 {
	sockets, _ := os.ReadFile("/proc/net/sockstat")
	for line := range strings.Lines(string(sockets)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "TCP:" {
			pages, _ := strconv.ParseInt(fields[len(fields)-1], 10, 64)
			return pages * int64(os.Getpagesize())
		}
	}
	return 0
}

// tcpEase is how much the kernel may hold for all TCP sockets before it presses
// them for memory, which would slow down all of this machine.
func tcpEase() int64 {
	limits, _ := os.ReadFile("/proc/sys/net/ipv4/tcp_mem")
	var pages int64
	_, _ = fmt.Sscan(string(limits), &pages)
	return pages * int64(os.Getpagesize())
}

// settle waits until a group's memory stays what it is for a second and a
// half, at most ten.
func settle(group int) (memory, error) {
	last, calm := memory{}, 0
	for range 20 {
		now, err := memoryOf(group)
		if err != nil {
			return now, err
		}
		if diff := now.RSS - last.RSS; max(diff, -diff) > last.RSS/500 {
			calm = 0
		} else if calm++; calm == 3 {
			return now, nil
		}
		last = now
		time.Sleep(500 * time.Millisecond)
	}
	return last, nil
}
