package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"nbdbridge/bridge/config"
)

// imagesTarget is the bridge's name for nbdkit.
const imagesTarget = "images"

// nbdkitGrace is how long nbdkit may take to end, once nobody uses it.
const nbdkitGrace = 5 * time.Second

// An nbdkit is a child of this process that exports the files of a folder for
// reading and writing, to holders of the demo's key alone.
type nbdkit struct {
	exports []string
	private string // a folder with its keys and its socket
	cancel  context.CancelFunc
	done    chan struct{} // closed when it has ended
	err     error         // how, then
}

// startNbdkit returns once it can be connected to. close is to be called.
func startNbdkit(log *slog.Logger, images string, pki *demoPKI) (*nbdkit, error) {
	program, err := exec.LookPath("nbdkit")
	if err != nil {
		return nil, fmt.Errorf("--images needs nbdkit: %w\nInstall it, on Debian: apt-get install nbdkit", err)
	}
	exports, err := exportsIn(images)
	if err != nil {
		return nil, err
	}
	private, err := os.MkdirTemp("", "nbd-demo-")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &nbdkit{exports: exports, private: private, cancel: cancel, done: make(chan struct{})}
	if err := pki.write(private); err != nil {
		close(n.done)
		n.close()
		return nil, err
	}
	go n.run(n.command(ctx, program, images), log)
	if err := n.untilReady(); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// exportsIn lists what nbdkit finds in a folder: files and block devices,
// also through links, and nothing that is deeper.
func exportsIn(folder string) (names []string, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("--images: %w", err)
	}
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(folder, e.Name()))
		if err != nil {
			continue // a link to nothing
		}
		if mode := info.Mode(); mode.IsRegular() || mode&os.ModeDevice != 0 && mode&os.ModeCharDevice == 0 {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, usagef("--images %s: there is no disk image in this folder", folder)
	}
	return names, nil
}

// write makes the files that nbdkit asks for by these names.
func (p *demoPKI) write(folder string) error {
	for name, text := range map[string]string{"ca-cert.pem": p.ca, "server-cert.pem": p.serverCert, "server-key.pem": p.serverKey} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (n *nbdkit) socket() string  { return filepath.Join(n.private, "socket") }
func (n *nbdkit) pidFile() string { return filepath.Join(n.private, "pid") }

func (n *nbdkit) target() config.Target {
	return config.Target{Address: config.Address{Network: "unix", Address: n.socket()}}
}

// command gives each connection one thread: nbdkit 1.32 aborts when a page goes
// away while several threads of its connection send through TLS.
func (n *nbdkit) command(ctx context.Context, program, images string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, "--foreground", "--exit-with-parent", "--threads=1", "--pidfile", n.pidFile(), "--unix", n.socket(),
		"--tls=require", "--tls-verify-peer", "--tls-certificates="+n.private, "file", "dir="+images)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = nbdkitGrace
	alone(cmd)
	return cmd
}

// run has one thread from beginning to end: Linux takes the end of the thread
// that has started a child for the end of its parent.
func (n *nbdkit) run(cmd *exec.Cmd, log *slog.Logger) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(n.done)
	lines, end := io.Pipe()
	cmd.Stderr = end
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		logLines(lines, slog.New(&sparse{Handler: log.Handler()}))
	}()
	n.err = cmd.Run()
	end.Close()
	<-logged
}

// logLines logs what a program says until it ends, also lines that are too
// long, which come in pieces.
func logLines(from io.Reader, log *slog.Logger) {
	for r := bufio.NewReader(from); ; {
		line, _, err := r.ReadLine()
		if err != nil {
			return
		}
		log.Info("nbdkit says", "line", string(line))
	}
}

// untilReady waits for the file that nbdkit writes when it listens. There is
// nothing else to wait for.
func (n *nbdkit) untilReady() error {
	deadline := time.After(30 * time.Second)
	for tick := time.Tick(10 * time.Millisecond); ; {
		select {
		case <-n.done:
			return n.ended()
		case <-deadline:
			return errors.New("nbdkit, which serves --images, does not listen after 30 s")
		case <-tick:
			if b, err := os.ReadFile(n.pidFile()); err == nil && len(b) > 0 {
				return nil
			}
		}
	}
}

// wait returns when nbdkit or ctx has ended.
func (n *nbdkit) wait(ctx context.Context) {
	var done chan struct{} // without nbdkit it never ends
	if n != nil {
		done = n.done
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// failure tells, before close, whether nbdkit has ended by itself.
func (n *nbdkit) failure() error {
	if n == nil {
		return nil
	}
	select {
	case <-n.done:
		return n.ended()
	default:
		return nil
	}
}

// ended is the error of an nbdkit that has ended.
func (n *nbdkit) ended() error {
	how := "without an error"
	if n.err != nil {
		how = n.err.Error()
	}
	return fmt.Errorf("nbdkit, which serves --images, has ended (%s). What it said is in the log; start the demo again", how)
}

// close ends the child and forgets its keys.
func (n *nbdkit) close() error {
	n.cancel()
	<-n.done
	return os.RemoveAll(n.private)
}
