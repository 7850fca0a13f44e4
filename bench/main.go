// Command bench measures how long a browser takes to open a disk, and what it
// gets through the tunnel then: raw WebSocket bytes against disk.read over TLS,
// through the same bridge, in the same run; reads one after the other, by every
// way in which a program may ask for them; copies and hashes of whole disks; and
// how long Linux takes to boot from one.
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
	limit := flag.Duration("limit", 10*time.Minute, "give up after this long")
	image := flag.String("boot", ".demo/images/linux.img", "the image to boot")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if err := run(ctx, *browser, *program, *image); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, browser, program, image string) error {
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
	boots, err := startBootServer(image)
	if err != nil {
		return err
	}
	defer boots.stop()
	files, err := startFileServer(program, base, map[string]string{"disk": disk.addr, "link": disk.slow, "boot": boots.addr})
	if err != nil {
		return err
	}
	defer files.stop()
	results, starts, syncs, fair := make(chan report, 1), make(chan start, 1), make(chan syncReport, 1), newFairness(tcpTarget(raw))
	tunnel := &bridge.Handler{
		Targets:   bridge.Targets{"disk": tcpTarget(disk.addr), "raw": fair.raw},
		PublicURL: []string{base},
		Dial:      fair.dial,
	}
	mux := routes(tunnel, fair, disk.config, results)
	files.route(mux, disk.config, starts)
	files.routeSync(mux, syncs)
	copies := make(chan copyReport, 1)
	routeCopy(mux, copies)
	booted := make(chan boot, 1)
	files.routeBoot(mux, boots, booted)
	server := &http.Server{Handler: tunnel.Guard(isolated(mux)), ReadHeaderTimeout: 5 * time.Second}
	defer server.Close()
	go func() { _ = server.Serve(l) }()
	if err := measureStarts(ctx, browser, base+"/bench/start.html", starts); err != nil {
		return err
	}
	r, err := inBrowser(ctx, browser, base+"/bench/", results)
	if err != nil {
		return err
	}
	if err := r.print(os.Stdout); err != nil {
		return err
	}
	if err := measureSync(ctx, browser, base+"/bench/sync.html", syncs); err != nil {
		return err
	}
	if err := measureCopy(ctx, browser, base+"/bench/copy.html", copies); err != nil {
		return err
	}
	return measureBoot(ctx, browser, base+"/bench/boot.html", booted)
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
