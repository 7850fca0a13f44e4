package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nbdbridge/evidence/report"
)

// slowly has nbdkit take its time, so that something can happen meanwhile.
var slowly = []string{"--filter=delay", "--threads=1", "delay-read=120ms"}

// wantZerosWhereLost checks that an image is right, or that the log says where
// it is not. The disk holds no zero.
func (l *lab) wantZerosWhereLost(t *testing.T, image string) (log *report.Log, lost int64) {
	t.Helper()
	want, _ := os.ReadFile(l.disk)
	got, err := os.ReadFile(image)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d bytes of %d, error %v", len(got), len(want), err)
	}
	log = readLog(t, image)
	for _, r := range log.ZeroFilled {
		clear(want[r.Offset : r.Offset+r.Length])
		lost += r.Length
	}
	if !bytes.Equal(got, want) {
		t.Error("the image differs where the log says nothing of it")
	}
	if sum := must(t, "sha256sum", image); !strings.HasPrefix(sum, log.Hashes["sha256"]) {
		t.Errorf("the hash is %s, and %s in the log", sum, log.Hashes["sha256"])
	}
	return log, lost
}

// Whatever share of the reads fails, the image is right or the log says where
// it is not, and so does the exit code.
func TestAcquireWithErrors(t *testing.T) {
	for _, rate := range []string{"1", "10", "50", "100"} {
		t.Run(rate, func(t *testing.T) {
			l := newLab(t, randomDisk(t, 4<<20), "--filter=error", "error-pread-rate="+rate+"%")
			image := l.image("a.img")
			code, stdout, stderr := runWith(t, "acquire", l.url(), image, "--verify")
			log, lost := l.wantZerosWhereLost(t, image)
			if want := map[bool]int{true: 3, false: 0}[lost > 0]; code != want {
				t.Errorf("code %d with %d bytes lost: %s", code, lost, stderr)
			}
			if rate == "100" && (lost != 4<<20 || missing(stderr, "4194304 bytes could not be read") != "" || missing(stdout, "4194304 bytes in 1 ranges", "4194304 bytes at 0") != "") {
				t.Errorf("%d bytes lost: %s%s", lost, stdout, stderr)
			}
			if lost > 0 && len(log.Errors) == 0 || len(log.Passes) != 1 || !log.Passes[0].Equal {
				t.Errorf("%d errors, passes %+v", len(log.Errors), log.Passes)
			}
		})
	}
}

// A bad sector costs the smallest read that it lies in, and nothing beside it.
// It is a server's that answers all else.
func TestAcquireABadSector(t *testing.T) {
	const bad = 1<<20 + 5000/512*512
	disk := randomDisk(t, 2<<20)
	pread := fmt.Sprintf(`pread=if [ $4 -le %d ] && [ $(( $4 + $3 )) -gt %d ]; then echo EIO >&2; exit 1; fi; dd if=%s iflag=skip_bytes,count_bytes skip=$4 count=$3 bs=65536 2>/dev/null`, bad, bad, disk)
	l := newLabWith(t, disk, []string{"eval", "get_size=echo 2097152", pread})
	for smallest, want := range map[string]report.Range{"512": {Offset: bad, Length: 512}, "4KiB": {Offset: bad / 4096 * 4096, Length: 4096}} {
		image := l.image(smallest)
		_, stderr := l.acquire(t, 3, image, "--smallest", smallest, "--retries", "1", "--second-pass")
		log, lost := l.wantZerosWhereLost(t, image)
		if len(log.ZeroFilled) != 1 || log.ZeroFilled[0] != want || missing(stderr, fmt.Sprintf("%d bytes could not be read", lost)) != "" {
			t.Errorf("%+v, want %+v: %s", log.ZeroFilled, want, stderr)
		}
		if len(log.Errors) != 1 || log.Errors[0].What != "read" || log.Errors[0].Lost != want.Length || log.Errors[0].Attempts < 3 || !log.Passes[0].Equal {
			t.Errorf("%+v, %+v", log.Errors, log.Passes)
		}
	}
}

// The end of an export that is no multiple of the smallest request of its server
// can't be had: the log says so, and all else is acquired.
func TestAcquireUpToTheLastWholeBlock(t *testing.T) {
	l := newLab(t, randomDisk(t, 1<<20+5000), "--filter=blocksize-policy", "blocksize-minimum=4096", "blocksize-preferred=4096", "blocksize-maximum=1M", "blocksize-error-policy=error")
	image := l.image("a.img")
	l.acquire(t, 3, image, "--retries", "0", "--verify", "--second-pass")
	log, lost := l.wantZerosWhereLost(t, image)
	if lost != 5000-4096 || len(log.ZeroFilled) != 1 || log.BlockStatus.Unknown != lost || !log.Passes[0].Equal || !log.Passes[1].Equal || missing(log.Errors[len(log.Errors)-1].Message, "can't be reached") != "" {
		t.Errorf("%d bytes lost, %+v, %+v", lost, log.ZeroFilled, log.Errors)
	}
}

// A server that is killed and comes back is outlived, and the log says so.
func TestAcquireOutlivesTheServer(t *testing.T) {
	l := newLab(t, randomDisk(t, 16<<20), slowly...)
	image := l.image("a.img")
	c := startProcess(t, "acquire", l.url(), image)
	c.until(t, image, 4<<20)
	l.reboot(t)
	if code, stderr := c.end(t); code != 0 || missing(stderr, "the connection was lost", "connected again") != "" {
		t.Fatalf("code %d: %s", code, stderr)
	}
	log := l.wantWhole(t, image)
	if s := log.Sessions; len(s) != 1 || len(s[0].Outages) == 0 || s[0].Outages[0].Reason == "" || s[0].Outages[0].End.IsZero() {
		t.Errorf("%+v", s)
	}
}

// A server that does not come back is given up, and gone on with later.
func TestAcquireGivesUp(t *testing.T) {
	l := newLab(t, randomDisk(t, 16<<20), slowly...)
	image := l.image("a.zst")
	c := startProcess(t, "acquire", l.url(), image, "--give-up", "200ms")
	c.until(t, image, 2<<20)
	l.kill()
	if code, stderr := c.end(t); code != 1 || missing(stderr, "Paused after ", " of 16777216 bytes: the same command with --resume goes on") != "" {
		t.Fatalf("code %d: %s", code, stderr)
	}
	l.reboot(t)
	l.acquire(t, 0, image, "--resume")
	log := l.wantWhole(t, image)
	if s := log.Sessions; len(s) != 2 || s[1].From != s[0].To || s[0].To == 0 || len(s[0].Outages) != 1 || !s[0].Outages[0].End.IsZero() {
		t.Errorf("%s: %+v", sessionsOf(log), s)
	}
}

// TLS ends at the server, also through a bridge that is killed and comes back.
func TestAcquireOutlivesTheBridge(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{"ca-cert.pem": pki().ca, "server-cert.pem": pki().serverCert, "server-key.pem": pki().serverKey} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := newLab(t, randomDisk(t, 16<<20), append([]string{"--tls=require", "--tls-certificates=" + folder}, slowly...)...)
	image, ca := l.image("a.img"), newFile(t, "ca.pem", pki().ca)
	relay, address := startBridge(t, "127.0.0.1:0", l.socket)
	c := startProcess(t, "acquire", "ws://"+address+"/nbd/lab", image, "--ca", ca, "--server-name", demoServerName)
	c.until(t, image, 4<<20)
	_ = relay.Process.Kill()
	relay.end(t)
	startBridge(t, address, l.socket)
	if code, stderr := c.end(t); code != 0 {
		t.Fatalf("code %d: %s", code, stderr)
	}
	log := l.wantWhole(t, image)
	s := log.Sessions[0]
	if len(s.Outages) == 0 || !s.Connection.Encrypted || s.Connection.VerifiedBy != "ca" || s.Connection.ServerName != demoServerName || len(s.Connection.Certificate) != 64 || !strings.HasPrefix(s.Connection.Pin, "sha256/") || s.Connection.Protocol != "TLS 1.3" {
		t.Errorf("%+v", s)
	}
	if from := log.Source; from.Bridge != "ws://"+address+"/nbd/" || from.Target != "lab" || from.Server != "" {
		t.Errorf("%+v", from)
	}
}

// A limit to the size of files, as some file systems have one, pauses it.
func TestAcquireIntoATooSmallFile(t *testing.T) {
	l := newLab(t, randomDisk(t, 16<<20))
	image := l.image("a.img")
	cmd := exec.Command("sh", "-c", `ulimit -f 8192; exec "$@"`, "sh", os.Args[0], "acquire", l.url(), image)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	if code, stderr := startCommand(t, cmd).end(t); code != 1 || missing(stderr, "file too large", "to another one", "--resume") != "" {
		t.Fatalf("code %d: %s", code, stderr)
	}
	l.acquire(t, 0, image, "--resume")
	if log := l.wantWhole(t, image); len(log.Sessions) != 2 || missing(log.Sessions[0].Ended, "file too large") != "" {
		t.Error(sessionsOf(log))
	}
}
