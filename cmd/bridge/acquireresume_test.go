package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nbdbridge/evidence/report"
)

// paused leaves an acquisition that Ctrl-C has ended after some bytes of 16 MiB.
func (l *lab) paused(t *testing.T, image string, after int64, args ...string) {
	t.Helper()
	l.reboot(t, slowly...)
	defer l.reboot(t)
	c := startProcess(t, append([]string{"acquire", l.url(), image}, args...)...)
	c.until(t, image, after)
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	code, stderr := c.end(t)
	if lacks := missing(stderr, "it was told to stop", "Paused after ", "--resume"); code != 1 || lacks != "" || exists(image) {
		t.Fatalf("code %d, lacks %q: %s", code, lacks, stderr)
	}
}

// What Ctrl-C pauses, and kill -9 ends, goes on from the last state.
func TestAcquireResumes(t *testing.T) {
	need(t, "zstd", "zstd")
	for _, name := range []string{"a.img", "a.zst"} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, randomDisk(t, 16<<20))
			image := l.image(name)
			l.paused(t, image, 3<<20)
			l.reboot(t, slowly...)
			c := startProcess(t, "acquire", l.url(), image, "--resume")
			c.until(t, image, 10<<20)
			_ = c.Process.Kill()
			c.end(t)
			l.reboot(t)
			l.acquire(t, 0, image, "--resume", "--verify")
			log := l.wantWhole(t, image)
			s := log.Sessions
			if len(s) != 3 || s[0].To < 3<<20 || s[1].From != s[0].To || !s[1].End.IsZero() || s[2].From != s[0].To || s[2].To != 16<<20 || s[2].Ended != "complete" {
				t.Error(sessionsOf(log))
			}
		})
	}
}

// The same command goes on, also if its smallest read could not be had.
func TestAcquireResumesByTheSameCommand(t *testing.T) {
	l := newLab(t, randomDisk(t, 16<<20))
	for name, smallest := range map[string]string{"a.img": "1536", "b.img": "768KiB"} {
		image := l.image(name)
		l.paused(t, image, 2<<20, "--smallest", smallest)
		l.acquire(t, 0, image, "--resume", "--smallest", smallest)
		l.wantWhole(t, image)
	}
}

// Two do not write to one image, and what differs from the beginning is refused.
// Nothing of it is lost by that.
func TestAcquireResumesOnlyTheSame(t *testing.T) {
	l := newLab(t, randomDisk(t, 16<<20))
	image := l.image("a.img")
	l.paused(t, image, 2<<20, "--examiner", "E", "--hash", "sha256,md5")
	larger := newLab(t, randomDisk(t, 17<<20))
	for _, c := range []struct {
		args  string
		code  int
		texts []string
	}{
		{"", 1, []string{"a.img.part is there already", "--resume"}},
		{"--resume --format zstd", 2, []string{"--format is zstd, and was raw"}},
		{"--resume --hash sha512", 2, []string{"--hash is sha512, and was md5,sha256"}},
		{"--resume --retries 9", 2, []string{"--retries is 9, and was 2"}},
		{"--resume --smallest 512", 2, []string{"--smallest is 512, and was 4096"}},
		{"--resume --no-skip-holes", 2, []string{"--skip-holes is false, and was true"}},
		{"--resume --offset 512", 2, []string{"16776704 bytes at 512, and was 16777216 bytes at 0"}},
		{"--resume --examiner F", 2, []string{"--examiner is F, and was E"}},
		{"--resume --export other", 2, []string{"the export is other"}},
	} {
		_, stderr := l.acquire(t, c.code, image, strings.Fields(c.args)...)
		if lacks := missing(stderr, c.texts...); lacks != "" {
			t.Errorf("%s: lacks %q: %s", c.args, lacks, stderr)
		}
	}
	_, stderr := larger.acquire(t, 1, image, "--resume")
	if lacks := missing(stderr, "has 17825792 bytes, and had 16777216", "another disk"); lacks != "" {
		t.Errorf("lacks %q: %s", lacks, stderr)
	}
	p, _, err := openPart(image)
	if err != nil {
		t.Fatal(err)
	}
	_, stderr = l.acquire(t, 1, image, "--resume")
	if missing(stderr, "another bridge acquire") != "" {
		t.Error(stderr)
	}
	p.Close()
	l.acquire(t, 0, image, "--resume", "--hash", "md5,sha256", "--offset", "0", "--examiner", "E")
	l.wantWhole(t, image)
}

// A byte that somebody flips is found by the pass over what it is in.
func TestAcquireFindsDifferences(t *testing.T) {
	l := newLab(t, randomDisk(t, 16<<20))
	for flag, c := range map[string]struct{ file, says string }{
		"--verify":      {partName(l.image("--verify")), "THE IMAGE DIFFERS"},
		"--second-pass": {l.disk, "THE EXPORT DIFFERS"},
	} {
		image := l.image(flag)
		l.paused(t, image, 2<<20)
		flip(t, c.file)
		stdout, stderr := l.acquire(t, 1, image, "--resume", flag)
		if missing(stderr, c.says) != "" || missing(stdout, "THE HASHES DIFFER") != "" {
			t.Errorf("%s: %s%s", flag, stdout, stderr)
		}
		log := readLog(t, image)
		if p := log.Passes; len(p) != 1 || p[0].Equal || len(p[0].Hashes) != 2 || p[0].Hashes["md5"] == log.Hashes["md5"] {
			t.Errorf("%+v", p)
		}
	}
}

func flip(t *testing.T, file string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	_, err = f.ReadAt(b, 77)
	b[0] ^= 0x10
	if err == nil {
		_, err = f.WriteAt(b, 77)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A process that is ended when the image is whole, and the rest is not done,
// leaves it to the next.
func TestAcquireResumesAtTheEnd(t *testing.T) {
	l := newLab(t, randomDisk(t, 1<<20))
	image := l.image("a.img")
	a := newAcquisition(t, &acquireCommand{URL: l.url(), File: image, GiveUp: time.Second})
	if err := os.MkdirAll(l.image("a.img.log.txt/x"), 0o700); err != nil { // it can't be written
		t.Fatal(err)
	}
	if err := a.run(t.Context()); err == nil {
		t.Fatal("it has written its log")
	}
	if exists(image) || !exists(partName(image)) {
		t.Fatal("the image looks as if all was well")
	}
	if err := os.RemoveAll(l.image("a.img.log.txt")); err != nil {
		t.Fatal(err)
	}
	foreign := newFile(t, "foreign.json", "{}")
	if _, stderr := l.acquire(t, 1, image, "--resume", "--log", foreign); missing(stderr, foreign, "not overwritten") != "" {
		t.Error(stderr)
	}
	l.acquire(t, 0, image, "--resume", "--verify")
	if log := l.wantWhole(t, image); len(log.Sessions) != 1 || len(log.Passes) != 1 {
		t.Errorf("%s, passes %+v", sessionsOf(log), log.Passes)
	}
}

// Who stops a pass has a whole image, but not one that was compared as asked.
func TestAcquirePassIsStopped(t *testing.T) {
	l := newLab(t, randomDisk(t, 8<<20), slowly...)
	image := l.image("a.img")
	c := startProcess(t, "acquire", l.url(), image, "--second-pass")
	for tick := newTicks(t); ; tick() {
		if s, err := readState(stateName(image)); err == nil && s.Log.Status == report.Complete {
			break
		}
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, stderr := c.end(t); code != 1 || missing(stderr, "The image is whole, and not yet compared as asked") != "" || exists(image) {
		t.Fatalf("code %d: %s", code, stderr)
	}
	l.reboot(t)
	l.acquire(t, 0, image, "--resume", "--second-pass")
	if log := l.wantWhole(t, image); len(log.Sessions) != 1 || len(log.Passes) != 1 || !log.Passes[0].Equal {
		t.Errorf("%s, passes %+v", sessionsOf(log), log.Passes)
	}
}

// What one pass has found is not forgotten when the next is stopped.
func TestAcquirePassIsStoppedAfterADifference(t *testing.T) {
	l := newLab(t, randomDisk(t, 8<<20), slowly...)
	image := l.image("a.img")
	a := newAcquisition(t, &acquireCommand{URL: l.url(), File: image, Verify: true, SecondPass: true, GiveUp: time.Second})
	if err := errors.Join(a.take(t.Context()), a.acquire(t.Context())); err != nil {
		t.Fatal(err)
	}
	flip(t, partName(image))
	ctx, stop := context.WithCancel(t.Context())
	var watch sync.WaitGroup
	watch.Go(func() {
		defer stop()
		for ctx.Err() == nil {
			if s, err := readState(stateName(image)); err != nil || len(s.Log.Passes) > 0 {
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	err := a.passes(ctx)
	stop()
	watch.Wait()
	wantError(t, err, false, "THE IMAGE DIFFERS", "told to stop", "--resume")
	a.part.Close()
	l.acquire(t, 0, image, "--resume", "--second-pass")
	if p := readLog(t, image).Passes; len(p) != 2 || p[0].Of != "image" || p[0].Equal || !p[1].Equal {
		t.Errorf("%+v", p)
	}
}

func newAcquisition(t *testing.T, c *acquireCommand) *acquisition {
	t.Helper()
	_, _ = captureStdout(t), capture(t, &os.Stderr)
	e := endpointOf(t, c.URL)
	cfg, err := c.config(e)
	if err != nil {
		t.Fatal(err)
	}
	a := &acquisition{acquireCommand: c, line: newProgressLine(os.Stderr)}
	if err := a.connect(t.Context(), e, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.disk.Close() })
	return a
}

// The examiner learns of what is not as it was, and so does the log.
func TestAcquireTellsChanges(t *testing.T) {
	l := newLab(t, randomDisk(t, 16<<20))
	image := l.image("a.img")
	l.paused(t, image, 2<<20)
	l.kill()
	fresh, err := newDemoPKI()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, content := range map[string]string{"ca-cert.pem": fresh.ca, "server-cert.pem": fresh.serverCert, "server-key.pem": fresh.serverKey} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l.args, l.socket = []string{"--tls=require", "--threads=1", "--tls-certificates=" + folder}, filepath.Join(t.TempDir(), "s")
	l.boot(t)
	code, _, stderr := runWith(t, "acquire", strings.Replace(l.url(), "nbd", "nbds", 1), image, "--resume", "--ca", filepath.Join(folder, "ca-cert.pem"), "--server-name", demoServerName)
	if lacks := missing(stderr, "another key than before: sha256/", "in place of none", "reached another way"); code != 0 || lacks != "" {
		t.Fatalf("code %d, lacks %q: %s", code, lacks, stderr)
	}
	log := l.wantWhole(t, image)
	if s := log.Sessions; len(s) != 2 || s[0].Connection.Encrypted || !s[1].Connection.Encrypted || missing(log.Source.Server, ", later "+l.socket) != "" {
		t.Errorf("%+v, %+v", log.Source, s)
	}
}

func TestTellConnection(t *testing.T) {
	now := report.Connection{Encrypted: true, Pin: "sha256/a", Certificate: "1"}
	for _, c := range []struct {
		was  report.Connection
		says string
	}{
		{now, ""},
		{report.Connection{Encrypted: true, Pin: "sha256/a", Certificate: "2"}, "another certificate than before, of the same key"},
		{report.Connection{Encrypted: true, Pin: "sha256/b", Certificate: "2"}, "sha256/a in place of sha256/b"},
	} {
		errs := capture(t, &os.Stderr)
		(&acquisition{connection: now, line: newProgressLine(os.Stderr)}).tellConnection(c.was)
		if got := errs(); (got == "") != (c.says == "") || missing(got, c.says) != "" {
			t.Errorf("%+v: %q", c.was, got)
		}
	}
	errs := capture(t, &os.Stderr)
	(&acquisition{line: newProgressLine(os.Stderr)}).tellConnection(now)
	if got := errs(); missing(got, "not encrypted, and was before") != "" {
		t.Error(got)
	}
}

func TestLater(t *testing.T) {
	for _, c := range [][3]string{
		{"a", "a", "a"}, {"a", "b", "a, later b"}, {"a, later b", "b", "a, later b"}, {"", "b", "none, later b"}, {"a", "", "a, later none"}, {"a, later none", "", "a, later none"},
	} {
		if got := later(c[0], c[1]); got != c[2] {
			t.Errorf("%q, then %q: %q", c[0], c[1], got)
		}
	}
}
