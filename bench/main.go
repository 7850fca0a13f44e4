// Command bench measures what a browser gets through the tunnel: raw WebSocket
// bytes against disk.read over TLS, through the same bridge, in the same run.
//
// The page measures by itself and posts its results. No automation tool is
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
	"time"

	"nbdbridge/bridge"
	"nbdbridge/web"
)

func main() {
	browser := flag.String("browser", "chromium", "the Chromium to run")
	limit := flag.Duration("limit", 5*time.Minute, "give up after this long")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if err := run(ctx, *browser); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, browser string) error {
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
	results, fair := make(chan report, 1), newFairness(tcpTarget(raw))
	tunnel := &bridge.Handler{
		Targets:   bridge.Targets{"disk": tcpTarget(disk.addr), "raw": fair.raw},
		PublicURL: []string{base},
		Dial:      fair.dial,
	}
	server := &http.Server{Handler: routes(tunnel, fair, disk.config, results), ReadHeaderTimeout: 5 * time.Second}
	defer server.Close()
	go func() { _ = server.Serve(l) }()
	return measure(ctx, browser, base, results)
}

func tcpTarget(addr string) bridge.Target { return bridge.Target{Network: "tcp", Address: addr} }

// measure runs the browser until its page has posted the results.
func measure(ctx context.Context, browser, base string, results <-chan report) error {
	profile, err := os.MkdirTemp("", "bench-profile")
	if err != nil {
		return err
	}
	defer os.RemoveAll(profile)
	cmd := exec.CommandContext(ctx, browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir="+profile, base+"/bench/")
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the browser: %w (apt-get install chromium)", err)
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	select {
	case r := <-results:
		return r.print(os.Stdout)
	case <-ctx.Done():
		return fmt.Errorf("the page posted no results: %w", context.Cause(ctx))
	}
}
