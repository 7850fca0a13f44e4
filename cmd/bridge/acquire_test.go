package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"nbdbridge/evidence/report"
)

// The image is what the disk holds, by foreign programs, in both formats.
func TestAcquire(t *testing.T) {
	need(t, "nbdcopy", "libnbd-bin")
	need(t, "zstd", "zstd")
	l := newLab(t, randomDisk(t, 5<<20+512))
	must(t, "nbdcopy", l.url(), l.image("copy"))
	must(t, "cmp", l.disk, l.image("copy"))
	for _, args := range [][]string{
		{l.image("a.img"), "--verify", "--second-pass", "--hash", "md5,sha1,sha256", "--hash", "sha512"},
		{l.image("a.zst"), "--verify", "--second-pass"},
		{l.image("b"), "--format", "zstd", "--retries", "0"},
	} {
		stdout, stderr := l.acquire(t, 0, args[0], args[1:]...)
		log := l.wantWhole(t, args[0])
		for _, p := range log.Passes {
			if !p.Equal {
				t.Errorf("%+v", p)
			}
		}
		if want := strings.Count(strings.Join(args, " "), "--verify") * 2; len(log.Passes) != want || stderr != "" {
			t.Errorf("%d passes, want %d; %s", len(log.Passes), want, stderr)
		}
		if lacks := missing(stdout, "acquired: 5243392 bytes (5 MiB)", "sha256: "+log.Hashes["sha256"], "image: "+args[0], "log: "+args[0]+".log.json and "+args[0]+".log.txt"); lacks != "" {
			t.Errorf("lacks %q: %s", lacks, stdout)
		}
		text, err := os.ReadFile(args[0] + ".log.txt")
		if lacks := missing(string(text), log.Hashes["sha256"]); err != nil || lacks != "" {
			t.Errorf("error %v, the text lacks %s", err, lacks)
		}
	}
}

// The log says what there is to say.
func TestAcquireLog(t *testing.T) {
	l := newLab(t, randomDisk(t, 1<<20))
	log := l.image("other.json")
	l.acquire(t, 0, l.image("a.img"), "--log", log, "--case-number", "7", "--evidence-number", "7-1", "--examiner", "E. X.", "--description", "a disk", "--notes", "none",
		"--offset", "4096", "--size", "8192", "--retries", "1", "--smallest", "512", "--no-skip-holes")
	if err := os.Rename(log, l.image("a.img.log.json")); err != nil {
		t.Fatal(err)
	}
	if !exists(l.image("other.txt")) || exists(l.image("a.img.log.txt")) {
		t.Error("the readable log is not beside the other")
	}
	got := readLog(t, l.image("a.img"))
	if got.Case != (report.Case{Number: "7", Evidence: "7-1", Examiner: "E. X.", Description: "a disk", Notes: "none"}) {
		t.Errorf("%+v", got.Case)
	}
	if s := got.Source; s.Server != l.socket || s.Bridge != "" || s.Size != 1<<20 || s.Offset != 4096 || s.Length != 8192 || !s.ReadOnly || len(s.Flags) == 0 || s.MinimumSize != 1 {
		t.Errorf("%+v", s)
	}
	if s := got.Settings; s.Retries != 1 || s.Smallest != 512 || s.SkipHoles || strings.Join(s.Hashes, ",") != "sha256,md5" {
		t.Errorf("%+v", s)
	}
	if got.Tool.Name != "bridge acquire" || got.Tool.Platform == "" || got.Image.Name != "a.img" || got.Sessions[0].Connection.Encrypted {
		t.Errorf("%+v %+v %+v", got.Tool, got.Image, got.Sessions)
	}
	must(t, "cmp", "-n", "8192", "-i", "4096:0", l.disk, l.image("a.img"))
}

// A partition is acquired by its number.
func TestAcquireAPartition(t *testing.T) {
	l := newLab(t, newVolume(t, tree(t)))
	l.acquire(t, 0, l.image("a.img"), "--partition", "1")
	if s := readLog(t, l.image("a.img")).Source; s.Offset != 1<<20 || s.Length != 31<<20 || s.Size != 32<<20 {
		t.Errorf("%+v", s)
	}
	must(t, "cmp", "-n", strconv.Itoa(31<<20), "-i", "1048576:0", l.disk, l.image("a.img"))
	if info, err := os.Stat(l.image("a.img")); err != nil || info.Size() != 31<<20 {
		t.Errorf("%v, error %v", info, err)
	}
	_, stderr := l.acquire(t, 1, l.image("b.img"), "--partition", "7")
	if missing(stderr, "no partition 7") != "" || exists(partName(l.image("b.img"))) {
		t.Error(stderr)
	}
}

// Of a sparse disk its data is transferred, and nothing is sent but reads and
// questions.
func TestAcquireASparseDisk(t *testing.T) {
	const size = 10 << 30
	disk := newFile(t, "disk", "")
	places := []int64{0, 3<<30 + 12345, size - 4096}
	f, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err == nil {
		err = f.Truncate(size)
	}
	data := make([]byte, 4096)
	for i, at := range places {
		fill(data, uint64(i))
		if err == nil {
			_, err = f.WriteAt(data, at)
		}
	}
	if err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	commands := filepath.Join(t.TempDir(), "commands")
	l := newLab(t, disk, "--filter=log", "logfile="+commands)
	_ = captureStdout(t)
	if code := run(t.Context(), []string{"acquire", l.url(), l.image("a.img"), "--hash", "sha256"}); code != 0 { // hashing zeros takes what it takes
		t.Fatalf("code %d", code)
	}
	l.kill()
	text, err := os.ReadFile(commands)
	if err != nil {
		t.Fatal(err)
	}
	var read int64
	for _, m := range regexp.MustCompile(` Read .*count=0x([0-9a-f]+)`).FindAllStringSubmatch(string(text), -1) {
		n, _ := strconv.ParseInt(m[1], 16, 64)
		read += n
	}
	log := readLog(t, l.image("a.img"))
	if read < 3*4096 || read > 1<<20 || log.Transferred != read || log.BlockStatus.Skipped != size-read {
		t.Errorf("%d bytes were read, by the log %d, and %d skipped", read, log.Transferred, log.BlockStatus.Skipped)
	}
	for _, m := range regexp.MustCompile(`connection=\d+ (\w+)`).FindAllStringSubmatch(string(text), -1) {
		if missing("Connect Extents Read Disconnect", m[1]) != "" {
			t.Errorf("the server was asked for %s", m[1])
		}
	}
	wantSparse(t, disk, l.image("a.img"), places)
}

// wantSparse compares what holds data: the rest of the image has no blocks.
func wantSparse(t *testing.T, disk, image string, places []int64) {
	t.Helper()
	info, err := os.Stat(image)
	was, _ := os.Stat(disk)
	if err != nil || info.Size() != was.Size() || info.Sys().(*syscall.Stat_t).Blocks > 2*was.Sys().(*syscall.Stat_t).Blocks {
		t.Fatalf("%v, error %v", info, err)
	}
	for _, at := range places {
		from := strconv.FormatInt(at/65536*65536, 10)
		must(t, "cmp", "-i", from, "-n", "69632", disk, image)
	}
}

// Who does not believe what the server says of its blocks is not told by a second
// pass that does that all is well.
func TestAcquireReadsWhatIsToldAsZeros(t *testing.T) {
	disk := randomDisk(t, 1<<20)
	pread := fmt.Sprintf("pread=dd if=%s iflag=skip_bytes,count_bytes skip=$4 count=$3 bs=65536 2>/dev/null", disk)
	l := newLabWith(t, disk, []string{"eval", "get_size=echo 1048576", pread, "can_extents=exit 0", "extents=echo 0 1048576 hole,zero"})
	image := l.image("a.img")
	l.acquire(t, 0, image, "--no-skip-holes", "--second-pass")
	if log := l.wantWhole(t, image); len(log.Passes) != 1 || !log.Passes[0].Equal {
		t.Errorf("%+v", log.Passes)
	}
}

func TestAcquireRefuses(t *testing.T) {
	l := newLab(t, randomDisk(t, 1<<20))
	there := l.image("there.img")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args  string
		code  int
		texts []string
	}{
		{"--partition=-1", 2, []string{"from 1"}},
		{"--partition 1 --offset 0", 2, []string{"drop one"}},
		{"--size 1", 2, []string{"--size needs --offset"}},
		{"--offset 1048576", 2, []string{"not within the disk"}},
		{"--format e01", 2, []string{"raw or zstd"}},
		{"--hash crc32", 2, []string{"sha512"}},
		{"--hash md5,md5", 2, []string{"given twice"}},
		{"--retries=-1", 2, []string{"0 to 100"}},
		{"--smallest 1000", 2, []string{"multiple of 512"}},
		{"--smallest 2MiB", 2, []string{"1MiB at most"}},
		{"--examiner M\xfcller", 2, []string{"--examiner", "not in UTF-8"}},
		{"--give-up 0s", 2, []string{"above zero"}},
		{"--log " + l.image("a.img"), 2, []string{"is the name of the image"}},
		{"--log " + there, 1, []string{there, "not overwritten", "--log"}},
		{"--sign-key " + there, 1, []string{"--sign-key", "no private key", "openssl genpkey"}},
		{"--sign-key /no/such", 1, []string{"--sign-key", "no such file"}},
		{"--export x --resume", 1, []string{"nothing to --resume"}},
		{"--token-file x", 2, []string{"drop --token-file"}},
		{"--ca x", 2, []string{"TLS is off"}},
	} {
		_, stderr := l.acquire(t, c.code, l.image("a.img"), strings.Fields(c.args)...)
		if lacks := missing(stderr, c.texts...); lacks != "" {
			t.Errorf("%s: lacks %q: %s", c.args, lacks, stderr)
		}
	}
	_, stderr := l.acquire(t, 1, there)
	if missing(stderr, there, "there already") != "" {
		t.Error(stderr)
	}
	if left, err := os.ReadDir(l.dir); err != nil || len(left) != 1 {
		t.Errorf("%v, error %v", left, err)
	}
}
