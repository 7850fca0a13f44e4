//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"
)

// A cell is one measurement that every contender repeats.
type cell struct {
	name string // by which tables find it
	task task
}

// A plan is how much is measured.
type plan struct {
	quick        bool
	rounds       int // of everything but memory
	memoryRounds int
	cells        []cell
	memory       []cell
}

// Names of the cells.
const (
	downEthernet = "down-1448"
	downNative   = "down-native"
	upEthernet   = "up-1448"
	upNative     = "up-native"
	depth1       = "depth-1"
	depth16      = "depth-16"
	idleFew      = "idle-few"
	idleMany     = "idle-many"
	stalledCell  = "stalled"
)

func planFor(quick bool) plan {
	if !quick {
		return newPlan(5, 3, gib, 1500*time.Millisecond, 300, mostSessions)
	}
	p := newPlan(2, 1, gib/8, 300*time.Millisecond, 50, 500)
	p.quick = true
	return p
}

func newPlan(rounds, memoryRounds int, bytes int64, each time.Duration, few, many int) plan {
	return plan{
		rounds: rounds, memoryRounds: memoryRounds,
		cells: []cell{
			{downEthernet, task{Do: "down", MSS: ethernetMSS, Bytes: bytes}},
			{downNative, task{Do: "down", Bytes: bytes}},
			{upEthernet, task{Do: "up", MSS: ethernetMSS, Bytes: bytes}},
			{upNative, task{Do: "up", Bytes: bytes}},
			{depth1, task{Do: "requests", MSS: ethernetMSS, Depth: 1, Time: each}},
			{depth16, task{Do: "requests", MSS: ethernetMSS, Depth: 16, Time: each}},
		},
		memory: []cell{
			{idleFew, task{Do: "idle", MSS: ethernetMSS, Sessions: few}},
			{idleMany, task{Do: "idle", MSS: ethernetMSS, Sessions: many}},
			{stalledCell, task{Do: "stalled", MSS: ethernetMSS, Sessions: stalledSessions(), Bytes: bytes / 8}},
		},
	}
}

// run measures everything, one contender at a time.
func (p plan) run(l *lab) (*results, error) {
	r := newResults(l, p)
	for round := range p.rounds {
		if err := p.round(l, r, p.cells, fmt.Sprintf("%d of %d", round+1, p.rounds)); err != nil {
			return nil, err
		}
	}
	for round := range p.memoryRounds {
		if err := p.round(l, r, p.memory, fmt.Sprintf("memory %d of %d", round+1, p.memoryRounds)); err != nil {
			return nil, err
		}
	}
	r.end()
	return r, nil
}

func (p plan) round(l *lab, r *results, cells []cell, title string) error {
	for _, cell := range cells {
		fmt.Fprintf(os.Stderr, "%s  round %s, %s\n", time.Now().Format(time.TimeOnly), title, cell.name)
		for _, i := range rand.Perm(len(contenders)) {
			c := contenders[i]
			if !applies(c, cell, l.files) {
				continue
			}
			t := cell.task
			t.Sessions = c.sessions(t, l.files)
			s, err := l.measure(c, t)
			if err != nil {
				return err
			}
			r.add(cell.name, c.name, s)
		}
	}
	return nil
}

// applies tells what is worth measuring: there is no memory where there is no
// contender, and few sessions are not measured twice.
func applies(c contender, cell cell, files int) bool {
	if !strings.HasPrefix(cell.name, "idle") && cell.name != stalledCell {
		return true
	}
	return c.command != nil && (cell.name != idleMany || c.files > 0)
}

// names lists the contenders in the order of the tables.
func names() []string {
	var all []string
	for _, c := range contenders {
		all = append(all, c.name)
	}
	return slices.Clip(all)
}
