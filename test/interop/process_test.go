package interop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A process is a child of a test, ended with it.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu     sync.Mutex
	output bytes.Buffer
}

// start runs a program until the test ends; its output appears if it fails.
func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.WaitDelay = 5 * time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", program, p.text())
		}
	})
	return p
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// stop ends the process politely, then for good.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.done:
	case <-time.After(12 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// until polls a condition of a child process, which can't tell us otherwise.
func (p *process) until(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ready(); {
		select {
		case <-p.done:
			t.Fatalf("%s ended (%v) before %s:\n%s", p.cmd.Path, p.cmd.ProcessState, what, p.text())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: no %s in 20 s:\n%s", p.cmd.Path, what, p.text())
		}
	}
}

func (p *process) untilListening(t *testing.T, network, addr string) {
	t.Helper()
	p.until(t, "listening on "+addr, func() bool {
		c, err := net.Dial(network, addr)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
}

// says waits for a line that begins with prefix and returns the rest of it.
func (p *process) says(t *testing.T, prefix string) (rest string) {
	t.Helper()
	p.until(t, fmt.Sprintf("line %q", prefix), func() bool {
		lines := bufio.NewScanner(strings.NewReader(p.text()))
		for lines.Scan() {
			if i := strings.Index(lines.Text(), prefix); i >= 0 {
				rest = lines.Text()[i+len(prefix):]
				return true
			}
		}
		return false
	})
	return rest
}

// startDaemon runs a program that puts itself in the background once it
// listens: nbd-server in the foreground ends with its first client.
func startDaemon(t *testing.T, program string, args ...string) {
	t.Helper()
	pidFile := filepath.Join(t.TempDir(), "pid")
	run(t, program, append(args, "-p", pidFile)...)
	var pid int
	deadline := time.Now().Add(20 * time.Second)
	for pid == 0 {
		text, _ := os.ReadFile(pidFile)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		if time.Now().After(deadline) {
			t.Fatalf("%s wrote no pid in 20 s", program)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGTERM) })
}

// run runs a program to its end and returns what it printed.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := try(program, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return out
}

func try(program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	return string(out), err
}

// freePort asks the kernel for a TCP port that is free now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// writeFile writes a file of the test's own directory.
func writeFile(t *testing.T, name string, content io.WriterTo) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = content.WriteTo(f)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// untilOffering waits for a Unix socket on which p listens, as the kernel knows
// it: a connection would be taken for a client, and might be the last one.
func (p *process) untilOffering(t *testing.T, sock string) {
	t.Helper()
	const listening = " 00010000 " // __SO_ACCEPTCON
	p.until(t, "listening on "+sock, func() bool {
		for line := range strings.Lines(readFile(t, "/proc/net/unix")) {
			if strings.Contains(line, listening) && strings.HasSuffix(line, " "+sock+"\n") {
				return true
			}
		}
		return false
	})
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
