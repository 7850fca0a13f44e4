//go:build linux

// Command bridge measures this project's bridge beside websockify, HAProxy in
// TCP mode and a plain splicing TCP proxy, all in one run on one machine.
//
// The source of the bytes, the contender and the sink are processes of their
// own: this program, which starts itself again in the modes below, and the
// contender's. Contenders take turns within each round, in an order that is
// shuffled, so that whatever else the machine does falls on all of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// modes are the processes that a run starts of this program.
var modes = map[string]func(args []string) error{
	"source": sourceMain,
	"sink":   sinkMain,
	"proxy":  proxyMain,
}

func main() {
	if err := dispatch(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func dispatch(args []string) error {
	if len(args) > 0 && modes[args[0]] != nil {
		return modes[args[0]](args[1:])
	}
	quick := flag.Bool("quick", false, "a minute or two of small measurements, to try this program; the figures mean nothing")
	binary := flag.String("bridge", "bin/bridge", "the bridge to measure")
	out := flag.String("out", "", "the folder for RESULTS.md and bridge.svg (default bench, with -quick bin)")
	flag.Parse()
	if *out == "" {
		*out = map[bool]string{false: "bench", true: "bin"}[*quick]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, *binary, *out, planFor(*quick))
}

func run(ctx context.Context, binary, out string, p plan) error {
	l, err := newLab(ctx, binary)
	if err != nil {
		return err
	}
	defer l.close()
	r, err := p.run(l)
	if ctx.Err() != nil {
		return errors.New("interrupted: nothing was written")
	}
	if err != nil {
		return err
	}
	r.verdictTable(os.Stdout)
	return r.write(out)
}
