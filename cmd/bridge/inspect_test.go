package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nbdbridge/disk/fs"
	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// newVolume makes a disk with a table and, from 1 MiB on, ext4 with what is in
// a folder.
func newVolume(t *testing.T, root string) (image string) {
	t.Helper()
	need(t, "mke2fs", "e2fsprogs")
	image = filepath.Join(t.TempDir(), "disk.img")
	table := make([]byte, 512)
	copy(table[446:], "\x00\x00\x00\x00\x83\x00\x00\x00\x00\x08\x00\x00\x00\xf8\x00\x00")
	copy(table[510:], "\x55\xaa")
	if err := os.WriteFile(image, table, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 32<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mke2fs", "-q", "-F", "-t", "ext4", "-L", "lab", "-E", "offset=1048576", "-d", root, image, "31744k").CombinedOutput(); err != nil {
		t.Fatalf("mke2fs: %v\n%s", err, out)
	}
	return image
}

// newNbdkit serves a file and gives its URL.
func newNbdkit(t *testing.T, image string) string {
	t.Helper()
	need(t, "nbdkit", "nbdkit")
	socket := filepath.Join(t.TempDir(), "s")
	cmd := exec.Command("nbdkit", "--foreground", "--readonly", "--unix", socket, "file", image)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return "nbd+unix:///?socket=" + socket
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// tree is what the tests look for.
func tree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, folder := range []string{"deep/er", "bin"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{
		"large": strings.Repeat("0123456789abcdef", 1<<16), "empty": "", "deep/er/odd\n\\\x1b[31m": "odd",
		"same\x01": "first", "same_": "second", "bin/tool": "tool",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sparse, err := os.Create(filepath.Join(root, "sparse"))
	if err == nil {
		_, err = sparse.WriteAt([]byte("end"), 4<<20)
		sparse.Close()
	}
	for link, target := range map[string]string{"deep/in": "../bin/tool", "out": "../../etc/passwd", "absolute": "/etc/passwd", "deep/tricky": "in/../../x"} {
		if err == nil {
			err = os.Symlink(target, filepath.Join(root, link))
		}
	}
	if err == nil {
		err = syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestInspectShowsTheLayout(t *testing.T) {
	url := newNbdkit(t, newVolume(t, t.TempDir()))
	code, text, errs := runWith(t, "inspect", url)
	if lacks := missing(text, "disk: 33554432 bytes (32 MiB)", "partition table: mbr", "unallocated: ", "partition 1: 32505856 bytes (31 MiB) at 1048576, Linux\n\text4 \"lab\""); code != 0 || lacks != "" {
		t.Errorf("code %d, lacks %q: %s%s", code, lacks, text, errs)
	}
	code, text, _ = runWith(t, "inspect", url, "--json")
	var got inspected
	if err := json.Unmarshal([]byte(text), &got); err != nil || code != 0 {
		t.Fatalf("code %d, error %v: %s", code, err, text)
	}
	last := got.Parts[len(got.Parts)-1]
	if got.Scheme != "mbr" || got.Size != 32<<20 || last.Number != 1 || len(last.Signatures) != 1 || last.Signatures[0].Kind != "ext4" {
		t.Errorf("%s", text)
	}
}

// The session's TLS ends at the server, also through a bridge.
func TestInspectThroughABridge(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "hello"), []byte("hello there"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := device.OpenFile(newVolume(t, root), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	address := newServer(t, serverOf(pki().server(), nbd.Export{Name: "a", Device: file, ReadOnly: true}))
	ca, cert, key := pemFiles(t)
	trust := []string{"--ca", ca, "--cert", cert, "--key", key, "--server-name", demoServerName}
	for _, url := range []string{"nbds://" + address + "/a", newBridge(t, map[string]string{"lab": address}) + "lab"} {
		args := append([]string{"inspect", url, "/hello", "--partition", "1", "--extract", "-"}, trust...)
		if !strings.HasSuffix(url, "/a") {
			args = append(args, "--export", "a")
		}
		if code, text, errs := runWith(t, args...); code != 0 || text != "hello there" {
			t.Errorf("%s: code %d: %q %s", url, code, text, errs)
		}
	}
	code, _, errs := runWith(t, "inspect", "nbds://"+address+"/a", "--server-name", demoServerName)
	if code != 1 || !strings.Contains(errs, "with --ca FILE") {
		t.Errorf("without trust: code %d: %s", code, errs)
	}
}

func TestInspectLists(t *testing.T) {
	url := newNbdkit(t, newVolume(t, tree(t)))
	for _, c := range []struct {
		path  []string
		texts []string
	}{
		{[]string{"/"}, []string{"d              0 20", " UTC   deep\n", "-        1048576 20", " large\n", "l", " out -> ../../etc/passwd\n", "p              0", "same\\x01\n"}},
		{[]string{"/deep/er/"}, []string{" odd\\x0A\\\\\\x1B[31m\n"}},
		{[]string{`/deep/er/odd\x0A\\\x1B[31m`}, []string{`name: odd\x0A\\\x1B[31m`, "type: file\n", "size: 3 bytes (3 B), ", "mode: -rw-r--r--\n", "modified: 20"}},
		{[]string{"/out"}, []string{"type: symlink\n", "target: ../../etc/passwd\n"}},
		{[]string{"/deep", "--json"}, []string{`{"name":"er","type":"folder"`, `{"name":"in","type":"symlink"`}},
		{[]string{"/large", "--json"}, []string{`{"name":"large","type":"file","size":1048576`, `"extents":[`}},
	} {
		code, text, errs := runWith(t, append([]string{"inspect", url, "--partition", "1"}, c.path...)...)
		if lacks := missing(text, c.texts...); code != 0 || lacks != "" || strings.Contains(text, "\x1b") {
			t.Errorf("%v: code %d, lacks %q: %q %s", c.path, code, lacks, text, errs)
		}
	}
	_, text, _ := runWith(t, "inspect", url, "--offset", "1048576", "--size", "32505856", "/", "--json")
	for line := range strings.Lines(text) {
		var e fs.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Name == "" || e.Type == "" {
			t.Errorf("%v: %s", err, line)
		}
	}
}

func TestInspectExtractsAFolder(t *testing.T) {
	root := tree(t)
	url, to := newNbdkit(t, newVolume(t, root)), filepath.Join(t.TempDir(), "to")
	code, _, errs := runWith(t, "inspect", url, "--partition", "1", "/", "--extract", to)
	if lacks := missing(errs, "/out: left out: a link to ../../etc/passwd", "/absolute: left out", "/deep/tricky: left out", "/pipe: left out: fifo", "same_: file exists", "5 entries were not"); code != 1 || lacks != "" || strings.Contains(errs, "\x01") {
		t.Errorf("code %d, lacks %q: %q", code, lacks, errs)
	}
	for name, want := range map[string]string{"large": "large", "empty": "empty", "sparse": "sparse", "bin/tool": "bin/tool", "deep/in": "bin/tool", "deep/er/odd__\u005f[31m": "deep/er/odd\n\\\x1b[31m"} {
		got, err := os.ReadFile(filepath.Join(to, name))
		original, _ := os.ReadFile(filepath.Join(root, want))
		if err != nil || !bytes.Equal(got, original) {
			t.Errorf("%s: %d bytes of %d, error %v", name, len(got), len(original), err)
		}
	}
	info, err := os.Lstat(filepath.Join(to, "sparse"))
	if err != nil || info.Sys().(*syscall.Stat_t).Blocks*512 > 1<<20 {
		t.Errorf("the sparse file is not: %v, %v", info, err)
	}
	before, _ := os.Stat(filepath.Join(root, "large"))
	after, _ := os.Stat(filepath.Join(to, "large"))
	if d := before.ModTime().Sub(after.ModTime()); d.Abs() > time.Second {
		t.Errorf("modified %v later", d)
	}
	for _, name := range []string{"out", "absolute", "deep/tricky", "pipe"} {
		if _, err := os.Lstat(filepath.Join(to, name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}
}

// A tornFile can be read up to its middle.
type tornFile struct{ fs.File }

func (tornFile) Size() int64 { return 4 << 20 }

func (tornFile) ReadContext(_ context.Context, p []byte, offset int64) (int, error) {
	if offset >= 2<<20 {
		return 0, fs.ErrDamaged
	}
	return len(p), nil
}

// What can't be read to its end leaves nothing that looks whole.
func TestInspectLeavesNoPartOfAFile(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := extractFile(t.Context(), root, "torn", tornFile{}, fs.Details{}); !errors.Is(err, fs.ErrDamaged) {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, error %v", left, err)
	}
}

// A link that lies in wait where files are copied to is not followed.
func TestInspectFollowsNothing(t *testing.T) {
	url, dir := newNbdkit(t, newVolume(t, tree(t))), t.TempDir()
	if err := os.Symlink("elsewhere", filepath.Join(dir, "to")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/large", "/bin"} {
		if code, _, errs := runWith(t, "inspect", url, "--partition", "1", path, "--extract", filepath.Join(dir, "to")); code != 1 || !strings.Contains(errs, "exists") {
			t.Errorf("%s: code %d: %s", path, code, errs)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "elsewhere")); err == nil {
		t.Error("the link was followed")
	}
}

func TestInspectRefuses(t *testing.T) {
	url := newNbdkit(t, newVolume(t, tree(t)))
	for _, c := range []struct {
		args  string
		code  int
		texts []string
	}{
		{"--extract x", 2, []string{"need a path"}},
		{"etc", 2, []string{`"etc" does not begin with /`}},
		{"/ --stream x", 2, []string{"--stream needs --extract"}},
		{"/ --partition 1 --offset 0", 2, []string{"drop one"}},
		{"/ --size 1", 2, []string{"--size needs --offset"}},
		{"/ --partition=-1", 2, []string{"from 1"}},
		{"/", 2, []string{"has a partition table", "--partition"}},
		{"/ --partition 7", 1, []string{"there is no partition 7"}},
		{"/ --offset 99999999999", 2, []string{"not within the disk"}},
		{"/ --offset 0", 1, []string{"not supported", "Without a path"}},
		{"/none --partition 1", 1, []string{"not found", "/none"}},
		{`/a\q --partition 1`, 2, []string{"not a valid path"}},
		{"/large/x --partition 1", 1, []string{"not a folder"}},
		{"/ --partition 1 --extract -", 2, []string{"standard output takes a file"}},
		{"/large --partition 1 --extract /nowhere/at/all", 1, []string{"--extract"}},
		{"/large --partition 1 --stream x --extract -", 1, []string{"no stream"}},
		{"/pipe --partition 1 --extract -", 1, []string{"not a file"}},
		{"/ --partition 1 --export x --tls off", 0, nil},
	} {
		code, _, errs := runWith(t, append([]string{"inspect", url}, strings.Fields(c.args)...)...)
		if lacks := missing(errs, c.texts...); code != c.code || lacks != "" {
			t.Errorf("%s: code %d, lacks %q: %s", c.args, code, lacks, errs)
		}
	}
}

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"näme 7": "näme 7", "a\x1b[2J": `a\x1B[2J`, "\u202egpj": `\xE2\x80\xAEgpj`, "\xff\ufffd": "\\xFF\ufffd", "a\\\\b": `a\\b`, "\u0085": `\xC2\x85`,
	} {
		if got := visible(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	for shown, want := range map[string]string{`/a\x1B`: "/a\x1b", `/\xE2\x80\xAE`: "/\u202e", `/a\\b`: `/a\\b`, `/\xFF`: `/\xFF`, "/ä": "/ä"} {
		if got, err := canonical(shown); err != nil || got != want {
			t.Errorf("%s: %q, error %v", shown, got, err)
		}
	}
}

func TestNameFor(t *testing.T) {
	for name, want := range map[string]string{
		"plain.txt": "plain.txt", `a\x2Fb`: "a_b", `a\\b`: "a_b", `\x2E\x2E`: "__", `\xFF`: "_", "a\x01\u202e": "a__", `\x00`: "_", "ä": "ä", " ": " ",
	} {
		if got := nameFor(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestStaysWithin(t *testing.T) {
	for _, c := range []struct {
		link, target string
		want         bool
	}{
		{"a", "b", true}, {"a", "b/c", true}, {"x/a", "../b", true}, {"x/y/a", "../../b", true}, {"a", "./b", true},
		{"a", "..", false}, {"a", "../b", false}, {"x/a", "../../b", false}, {"x/a", "b/../../c", false},
		{"x/a", "b/..", false}, {"a", "/etc", false}, {"a", "", false}, {"a", `..\b`, false}, {"a", "C:b", false}, {"a", "b\x00", false}, {"x/a", "./../../b", false},
	} {
		if got := staysWithin(c.link, c.target); got != c.want {
			t.Errorf("%s -> %q: %v", c.link, c.target, got)
		}
	}
}

func TestDataRanges(t *testing.T) {
	data := func(offset, length int64) fs.Extent {
		return fs.Extent{Offset: offset, Length: length, Kind: fs.ExtentData}
	}
	hole := func(offset, length int64) fs.Extent {
		return fs.Extent{Offset: offset, Length: length, Kind: fs.ExtentHole}
	}
	for _, c := range []struct {
		extents []fs.Extent
		size    int64
		want    [][2]int64
	}{
		{nil, 0, nil},
		{nil, 10, [][2]int64{{0, 10}}},
		{[]fs.Extent{data(0, 4), hole(4, 4), data(8, 4)}, 10, [][2]int64{{0, 4}, {8, 10}}},
		{[]fs.Extent{hole(0, 4), hole(4, 100)}, 10, nil},
		{[]fs.Extent{hole(4, math.MaxInt64)}, 10, [][2]int64{{0, 4}}},
		{[]fs.Extent{hole(4, 2), hole(0, 2)}, 10, [][2]int64{{0, 4}, {6, 10}}},
		{[]fs.Extent{hole(20, 2)}, 10, [][2]int64{{0, 10}}},
		{[]fs.Extent{hole(0, -2)}, 10, [][2]int64{{0, 10}}},
	} {
		if got := dataRanges(fs.Details{Extents: c.extents}, c.size); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.extents, got, c.want)
		}
	}
}
