// Command bench measures how long a browser takes to open a disk, and what it
// gets through the tunnel then: raw WebSocket bytes against disk.read over TLS,
// through the same bridge, in the same run.
//
// The pages measure by themselves and post their results. No automation tool is
// attached: one that mirrors network events copies every message, and becomes
// what is measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"nbdbridge/bridge"
	"nbdbridge/web"
)

func main() {
	browser := flag.String("browser", "chromium", "the Chromium to run")
	program := flag.String("bridge", "bin/bridge", "the bridge that serves the client's files")
	limit := flag.Duration("limit", 5*time.Minute, "give up after this long")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if err := run(ctx, *browser, *program); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, browser, program string) error {
	if !web.Built() {
		return errors.New("the web files are missing: run `make build` first")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	disk, err := startDisk(ctx)
	if err != nil {
		return err
	}
	raw, err := startRaw(ctx)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	base := "http://" + l.Addr().String()
	files, err := startFileServer(program, base, disk.addr)
	if err != nil {
		return err
	}
	defer files.stop()
	results, starts, fair := make(chan report, 1), make(chan start, 1), newFairness(tcpTarget(raw))
	tunnel := &bridge.Handler{
		Targets:   bridge.Targets{"disk": tcpTarget(disk.addr), "raw": fair.raw},
		PublicURL: []string{base},
		Dial:      fair.dial,
	}
	mux := routes(tunnel, fair, disk.config, results)
	files.route(mux, disk.config, starts)
	server := &http.Server{Handler: tunnel.Guard(mux), ReadHeaderTimeout: 5 * time.Second}
	defer server.Close()
	go func() { _ = server.Serve(l) }()
	if err := measureStarts(ctx, browser, base+"/bench/start.html", starts); err != nil {
		return err
	}
	r, err := inBrowser(ctx, browser, base+"/bench/", results)
	if err != nil {
		return err
	}
	return r.print(os.Stdout)
}

func tcpTarget(addr string) bridge.Target { return bridge.Target{Network: "tcp", Address: addr} }

// inBrowser runs a fresh browser until its page has posted what it found.
func inBrowser[T any](ctx context.Context, browser, page string, posted <-chan T) (found T, err error) {
	profile, err := os.MkdirTemp("", "bench-profile")
	if err != nil {
		return found, err
	}
	defer os.RemoveAll(profile)
	cmd := exec.CommandContext(ctx, browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir="+profile, page)
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		return found, fmt.Errorf("starting the browser: %w (apt-get install chromium)", err)
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	select {
	case found = <-posted:
		return found, nil
	case <-ctx.Done():
		return found, fmt.Errorf("the page posted no results: %w", context.Cause(ctx))
	}
}
