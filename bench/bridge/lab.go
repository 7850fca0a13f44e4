//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A lab holds what all measurements share.
type lab struct {
	ctx    context.Context
	self   string // this program
	bridge string
	folder string // for configurations; removed at the end
	files  int    // that a process may open

	source  *exec.Cmd
	stdin   io.Closer // its end ends the source
	targets addresses
}

func newLab(ctx context.Context, bridge string) (*lab, error) {
	for _, name := range []string{"websockify", "haproxy", bridge} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("%w: use `make bench-bridge`, which builds the bridge, and on Debian as root installs the others", err)
		}
	}
	l := &lab{ctx: ctx, bridge: bridge}
	var err error
	if l.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if l.files, err = raiseFiles(); err != nil {
		return nil, err
	}
	if l.folder, err = os.MkdirTemp("", "bench-bridge"); err != nil {
		return nil, err
	}
	if err := l.startSource(); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lab) startSource() error {
	l.source = exec.CommandContext(l.ctx, l.self, "source")
	l.source.Stderr = os.Stderr
	stdin, err := l.source.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := l.source.StdoutPipe()
	if err != nil {
		return err
	}
	if err := l.source.Start(); err != nil {
		return err
	}
	l.stdin = stdin
	return json.NewDecoder(stdout).Decode(&l.targets)
}

func (l *lab) close() {
	if l.stdin != nil {
		_ = l.stdin.Close()
		_ = l.source.Wait()
	}
	_ = os.RemoveAll(l.folder)
}

// measure does a task with a contender that is started for it.
func (l *lab) measure(c contender, t task) (sample, error) {
	target := l.targets.Native
	if t.MSS > 0 {
		target = l.targets.Ethernet
	}
	at := target
	if c.command != nil {
		var stop func()
		var err error
		if at, t.Group, stop, err = l.start(c, target); err != nil {
			return sample{}, err
		}
		defer stop()
	}
	t.Endpoint, t.Source = fmt.Sprintf(c.url, at), l.source.Process.Pid
	s, err := l.sink(t)
	if err != nil {
		return s, fmt.Errorf("%s, %s: %w", c.name, t.Do, err)
	}
	return s, nil
}

func (l *lab) sink(t task) (s sample, err error) {
	arg, err := json.Marshal(t)
	if err != nil {
		return s, err
	}
	ctx, cancel := context.WithTimeout(l.ctx, 3*time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, l.self, "sink", string(arg))
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("%w %s", errors.Join(err, ctx.Err()), stderr.Bytes())
	}
	return s, json.Unmarshal(out, &s)
}

// start runs a contender in a process group of its own, which is what is
// measured and what is ended.
func (l *lab) start(c contender, target string) (address string, group int, stop func(), err error) {
	if address, err = freeAddress(); err != nil {
		return "", 0, nil, err
	}
	args, err := c.command(l, address, target)
	if err != nil {
		return "", 0, nil, err
	}
	var output bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return "", 0, nil, err
	}
	stop = func() { endGroup(cmd) }
	if err := awaitListener(l.ctx, address); err != nil {
		stop()
		return "", 0, nil, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, output.Bytes())
	}
	return address, cmd.Process.Pid, stop, nil
}

// freeAddress is one that the kernel has just chosen.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// awaitListener tries until somebody listens.
func awaitListener(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// endGroup kills a contender and whatever it forked. There is nothing to
// drain: the sink has gone.
func endGroup(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	_ = cmd.Wait()
}
