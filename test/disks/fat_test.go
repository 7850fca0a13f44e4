package disks

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// fatTree is a folder of this machine with what is hard about FAT. Sizes are
// around those of a cluster.
func fatTree(t *testing.T, cluster int) string {
	t.Helper()
	root := t.TempDir()
	names := []string{
		"UPPER.TXT", "lower.txt", "Mixed.Case", "NOEXT", "lower", "UPPER.low", "low.UPP",
		"a rather long name with spaces and a lot more.text", strings.Repeat("n", 255), strings.Repeat("é", 120) + ".x",
		"Ünïcödé ☃.txt", "日本語.txt", "😀 smile.bin", ".hidden", "many.dots.in.it", "exactly13char", "exactly26charactersinallhere", "a+b,c;d=[e].x", "back~1", "trailing~2.abc",
	}
	for i, size := range []int{0, 1, cluster - 1, cluster, cluster + 1, 2 * cluster, 5*cluster + 7, 100} {
		names = append(names, fmt.Sprintf("size-%d-%d", i, size))
	}
	for i, name := range names {
		size := 100 + i
		if strings.HasPrefix(name, "size-") {
			size, _ = strconv.Atoi(name[7:])
		}
		writeFile(t, filepath.Join(root, name), pattern(size, i))
	}
	deep := root
	for i := range 30 {
		deep = filepath.Join(deep, fmt.Sprintf("deep folder %d", i))
		writeFile(t, filepath.Join(deep, "below.txt"), pattern(i, i))
	}
	for i := range 60 {
		writeFile(t, filepath.Join(root, "many", fmt.Sprintf("one of many files %d", i)), nil)
	}
	mkdir(t, filepath.Join(root, "empty"))
	return root
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	mkdir(t, filepath.Dir(path))
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// pattern is content of which each part differs from all others.
func pattern(size, seed int) []byte {
	var b bytes.Buffer
	for b.Len() < size {
		fmt.Fprintf(&b, "%d:%d ", seed, b.Len())
	}
	return b.Bytes()[:size]
}

// copyIn copies all of a tree of this machine into an image.
func copyIn(t *testing.T, image, tree string) {
	t.Helper()
	args := []string{"-s", "-Q", "-m", "-i", image}
	entries, err := os.ReadDir(tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		args = append(args, filepath.Join(tree, e.Name()))
	}
	tool(t, "mcopy", append(args, "::")...)
}

// sameAsJudges compares a volume of FAT with The Sleuth Kit and mtools.
func sameAsJudges(t *testing.T, image string, sector int64) {
	t.Helper()
	v, _ := openVolume(t, image)
	if facts := v.Facts(); len(facts.Problems) > 0 {
		t.Errorf("problems: %v", facts.Problems)
	}
	mine := ours(t, v)
	if len(mine) < 10 {
		t.Errorf("there is only %v", mine)
	}
	// The Sleuth Kit cuts the longest names.
	compare(t, without(maps.Clone(mine), "/nnn"), without(kit(t, image), "/nnn"))
	out := t.TempDir()
	tool(t, "mcopy", "-s", "-Q", "-n", "-i", image, "::", out)
	compare(t, mine, hostTree(t, out))
	sameDetails(t, image, v, sector)
}

func TestFATAsOthersReadIt(t *testing.T) {
	needFAT(t)
	for _, c := range []struct {
		kind string
		size int64
		args []string
	}{
		{"FAT12", 1440 << 10, []string{"-F", "12"}},
		{"FAT12", 4 << 20, []string{"-F", "12", "-S", "2048", "-s", "1"}},
		{"FAT16", 8 << 20, []string{"-F", "16", "-s", "1"}},
		{"FAT16", 200 << 20, []string{"-F", "16", "-s", "64", "-f", "1"}},
		{"FAT16", 80 << 20, []string{"-F", "16", "-S", "4096", "-s", "2"}},
		{"FAT32", 80 << 20, []string{"-F", "32", "-s", "2", "-n", "A LABEL", "-i", "1234abcd"}},
		{"FAT32", 1100 << 20, []string{"-F", "32", "-s", "32"}},
		{"FAT32", 600 << 20, []string{"-F", "32", "-S", "4096", "-s", "1"}},
	} {
		t.Run(strings.Join(c.args, ""), func(t *testing.T) {
			image := newImage(t, c.size)
			made := tool(t, "mkfs.fat", append(append([]string{"-v"}, c.args...), image)...)
			sector, perCluster := fatGeometry(t, made)
			copyIn(t, image, fatTree(t, sector*perCluster))
			checkFAT(t, image)
			v, _ := openVolume(t, image)
			facts := v.Facts()
			if facts.Kind != c.kind || facts.BlockSize != int64(sector*perCluster) {
				t.Errorf("facts: %+v", facts)
			}
			if free := freeByMtools(t, image); facts.Free != free {
				t.Errorf("%d bytes are free, and mtools says %d", facts.Free, free)
			}
			sameAsJudges(t, image, int64(sector))
		})
	}
}

var (
	saidSector  = regexp.MustCompile(`(\d+) bytes per sector|logical sector size is (\d+)`)
	saidCluster = regexp.MustCompile(`(\d+) sectors? per cluster`)
)

// fatGeometry is what mkfs.fat says of sectors and clusters.
func fatGeometry(t *testing.T, said string) (sector, perCluster int) {
	t.Helper()
	s, c := saidSector.FindStringSubmatch(said), saidCluster.FindStringSubmatch(said)
	if s == nil || c == nil {
		t.Fatalf("mkfs.fat says %s", said)
	}
	sector, _ = strconv.Atoi(s[1] + s[2])
	perCluster, _ = strconv.Atoi(c[1])
	return sector, perCluster
}

// checkFAT wants a sound volume: what judges would disagree on is no test.
func checkFAT(t *testing.T, image string) {
	t.Helper()
	if out, err := exec.Command("fsck.fat", "-n", image).CombinedOutput(); err != nil {
		t.Fatalf("fsck.fat: %v\n%s", err, out)
	}
}

// freeByMtools is what the last line of mdir says.
func freeByMtools(t *testing.T, image string) int64 {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(tool(t, "mdir", "-i", image, "::")), "\n")
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, lines[len(lines)-1])
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFATInPieces fills a volume, deletes every second file, and fills it again
// with one that has to take the holes.
func TestFATInPieces(t *testing.T) {
	needFAT(t)
	for _, c := range []struct {
		size int64
		args []string
	}{
		{1440 << 10, []string{"-F", "12"}}, {9 << 20, []string{"-F", "16", "-s", "2"}}, {34 << 20, []string{"-F", "32", "-s", "1"}},
	} {
		t.Run(c.args[1], func(t *testing.T) {
			image := newImage(t, c.size)
			tool(t, "mkfs.fat", append(c.args, image)...)
			tree := t.TempDir()
			const files = 40
			piece := int(c.size/files) - 25000
			for i := range files {
				writeFile(t, filepath.Join(tree, fmt.Sprint(i)), pattern(piece, i))
			}
			copyIn(t, image, tree)
			for i := 0; i < files; i += 2 {
				tool(t, "mdel", "-i", image, "::"+fmt.Sprint(i))
			}
			rest := freeByMtools(t, image)
			big := t.TempDir()
			writeFile(t, filepath.Join(big, "big"), pattern(int(rest), 99))
			copyIn(t, image, big)
			tool(t, "mattrib", "+h", "+s", "+r", "-i", image, "::1")
			checkFAT(t, image)
			if free := freeByMtools(t, image); free != 0 {
				t.Errorf("%d bytes are free yet", free)
			}
			sameAsJudges(t, image, 512)
			v, _ := openVolume(t, image)
			d, err := v.Stat(t.Context(), "/big")
			if err != nil || len(d.Extents) < 10 {
				t.Errorf("%d extents, %v", len(d.Extents), err)
			}
			d, err = v.Stat(t.Context(), "/1")
			if err != nil || fmt.Sprint(d.Attributes) != "[read-only hidden system archive]" || !d.Hidden {
				t.Errorf("attributes %v, %v", d.Attributes, err)
			}
		})
	}
}
