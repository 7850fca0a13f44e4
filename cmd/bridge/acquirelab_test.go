package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"nbdbridge/evidence/report"
)

// A lab is a disk, an nbdkit that serves it and that can be killed, and a place
// for images.
type lab struct {
	disk, socket string
	plugin       []string
	args         []string // of filters
	nbdkit       *exec.Cmd
	dir          string
}

// newLab serves a disk through filters.
func newLab(t *testing.T, disk string, args ...string) *lab {
	t.Helper()
	return newLabWith(t, disk, []string{"file", disk}, args...)
}

func newLabWith(t *testing.T, disk string, plugin []string, args ...string) *lab {
	t.Helper()
	need(t, "nbdkit", "nbdkit")
	l := &lab{disk: disk, socket: filepath.Join(t.TempDir(), "s"), plugin: plugin, args: args, dir: t.TempDir()}
	l.boot(t)
	t.Cleanup(l.kill)
	return l
}

// randomDisk is a file without a zero in it.
func randomDisk(t *testing.T, size int) string {
	t.Helper()
	return newFile(t, "disk", random()[:size])
}

var random = sync.OnceValue(func() string {
	b := make([]byte, 17<<20)
	fill(b, 7)
	return string(b)
})

// fill puts bytes without a zero into a multiple of 8 of them.
func fill(b []byte, seed uint64) {
	source := rand.New(rand.NewPCG(seed, 0))
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], source.Uint64()|0x0101010101010101)
	}
}

// boot starts nbdkit, also after a kill.
func (l *lab) boot(t *testing.T) {
	t.Helper()
	_ = os.Remove(l.socket)
	args := []string{"--foreground", "--readonly", "--unix", l.socket}
	var settings []string
	for _, a := range l.args {
		if strings.HasPrefix(a, "-") {
			args = append(args, a)
		} else {
			settings = append(settings, a)
		}
	}
	l.nbdkit = exec.Command("nbdkit", append(append(args, l.plugin...), settings...)...)
	if err := l.nbdkit.Start(); err != nil {
		t.Fatal(err)
	}
	for tick := newTicks(t); ; tick() {
		if c, err := net.Dial("unix", l.socket); err == nil {
			c.Close()
			return
		}
	}
}

// reboot kills nbdkit and starts it with other filters.
func (l *lab) reboot(t *testing.T, args ...string) {
	t.Helper()
	l.kill()
	l.args = args
	l.boot(t)
}

func (l *lab) kill() {
	_ = l.nbdkit.Process.Kill()
	_ = l.nbdkit.Wait()
}

func (l *lab) url() string { return "nbd+unix:///?socket=" + l.socket }

// image is where one is made.
func (l *lab) image(name string) string { return filepath.Join(l.dir, name) }

// acquire runs a command line to its end, in this process.
func (l *lab) acquire(t *testing.T, code int, image string, args ...string) (stdout, stderr string) {
	t.Helper()
	got, stdout, stderr := runWith(t, append([]string{"acquire", l.url(), image}, args...)...)
	if got != code {
		t.Fatalf("code %d, want %d: %s%s", got, code, stdout, stderr)
	}
	return stdout, stderr
}

// A process is the command in a process of its own.
type process struct {
	*exec.Cmd
	lines chan string // of its standard error
	all   *strings.Builder
	read  sync.WaitGroup
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return startCommand(t, cmd)
}

func startCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	c := &process{Cmd: cmd, lines: make(chan string, 1<<12), all: &strings.Builder{}}
	errs, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	c.read.Go(func() {
		defer close(c.lines)
		b := make([]byte, 64<<10)
		for {
			n, err := errs.Read(b)
			if n > 0 {
				c.all.Write(b[:n])
				c.lines <- string(b[:n])
			}
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() { _ = c.Process.Kill(); c.read.Wait(); _ = c.Wait() })
	return c
}

// end awaits the end, and gives the exit code and the standard error.
func (c *process) end(t *testing.T) (code int, stderr string) {
	t.Helper()
	late := time.AfterFunc(patience, func() { _ = c.Process.Kill() })
	defer late.Stop()
	c.read.Wait()
	_ = c.Wait()
	return c.ProcessState.ExitCode(), c.all.String()
}

// until awaits an image that has grown to a size, or a process that has ended.
func (c *process) until(t *testing.T, image string, size int64) {
	t.Helper()
	for tick := newTicks(t); ; tick() {
		if info, err := os.Stat(partName(image)); err == nil && info.Size() >= size {
			return
		}
		if _, err := os.Stat(image); err == nil {
			t.Fatal("it has ended already")
		}
	}
}

// startBridge relays to a socket, at an address or at one of its choice.
func startBridge(t *testing.T, listen, socket string) (c *process, address string) {
	t.Helper()
	c = startProcess(t, "serve", "--listen", listen, "--target", "lab=unix://"+socket, "--drain", "0")
	told := regexp.MustCompile(`msg=serving url=http://(\S+)`)
	for said := ""; ; {
		said += receive(t, c.lines)
		if m := told.FindStringSubmatch(said); m != nil {
			return c, strings.TrimSuffix(m[1], "/")
		}
	}
}

// readLog reads what an acquisition has left.
func readLog(t *testing.T, image string) *report.Log {
	t.Helper()
	text, err := os.ReadFile(image + ".log.json")
	if err != nil {
		t.Fatal(err)
	}
	log, err := report.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// must runs a foreign program that has to succeed, and gives what it prints.
func must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// wantWhole checks an image and its log by foreign programs.
func (l *lab) wantWhole(t *testing.T, image string) *report.Log {
	t.Helper()
	log, raw := readLog(t, image), image
	if log.Image.Format == "zstd" {
		must(t, "zstd", "-q", "-t", image)
		raw = image + ".raw"
		must(t, "zstd", "-q", "-d", image, "-o", raw)
	}
	must(t, "cmp", l.disk, raw)
	for name, sum := range log.Hashes {
		if got := must(t, name+"sum", raw); !strings.HasPrefix(got, sum+" ") {
			t.Errorf("%s of the image is %s, and of the log %s", name, got, sum)
		}
	}
	for _, left := range []string{partName(image), stateName(image), stateName(image) + ".new"} {
		if exists(left) {
			t.Errorf("%s is left", left)
		}
	}
	info, err := os.Stat(image)
	if err != nil || log.Status != report.Complete || len(log.ZeroFilled) > 0 || log.Image.Size != info.Size() || len(log.Hashes) != len(log.Settings.Hashes) {
		text, _ := json.Marshal(log)
		t.Errorf("error %v, log %s", err, text)
	}
	return log
}

// sessionsOf says where sessions began and ended.
func sessionsOf(log *report.Log) (text string) {
	for _, s := range log.Sessions {
		text += fmt.Sprintf("%d to %d, %q; ", s.From, s.To, s.Ended)
	}
	return text
}
