package disks

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"nbdbridge/test/disks/volumes"
)

func exfatFile(name string, content []byte) volumes.File {
	return volumes.File{Entry: volumes.ExFATEntry{
		Name: name, Attributes: 0x20, Written: -1,
		Times: [3]uint32{0x5a216000, 0x5a316123, 0x5a410000}, Hundredths: [2]byte{10, 150}, Zones: [3]byte{0x80, 0x80, 0x80},
	}, Content: content}
}

func exfatFolder(name string, files ...volumes.File) volumes.File {
	f := exfatFile(name, nil)
	f.Entry.Attributes, f.Files = 0x10, files
	return f
}

// exfatTree has what is hard about exFAT, with sizes around that of a cluster.
func exfatTree(cluster int) []volumes.File {
	files := []volumes.File{exfatFolder("empty")}
	for i, name := range []string{
		"UPPER.TXT", "lower.txt", "a rather long name with spaces and a lot more.text", strings.Repeat("n", 255), strings.Repeat("é", 100) + ".x",
		"Ünïcödé ☃.txt", "日本語.txt", "😀 smile.bin", ".hidden", "many.dots.in.it", "exactly15 chars", "exactly 30 characters all here", "a+b,c;d=[e].x",
	} {
		files = append(files, exfatFile(name, pattern(100+i, i)))
	}
	for i, size := range []int{0, 1, cluster - 1, cluster, cluster + 1, 2 * cluster, 5*cluster + 7} {
		files = append(files, exfatFile(fmt.Sprintf("size-%d-%d", i, size), pattern(size, i)))
	}
	deep := exfatFile("below.txt", []byte("deep"))
	for i := range 30 {
		deep = exfatFolder(fmt.Sprintf("deep folder %d", i), deep)
	}
	var many []volumes.File
	for i := range 300 {
		many = append(many, exfatFile(fmt.Sprintf("one of many files %d", i), nil))
	}
	return append(files, deep, exfatFolder("many", many...))
}

// exfatWant is the same tree as it is to be read.
func exfatWant(t *testing.T, all tree, path string, files []volumes.File) {
	for _, f := range files {
		name := path + "/" + f.Entry.Name
		if f.Entry.Attributes&0x10 != 0 {
			all[name] = "folder"
			exfatWant(t, all, name, f.Files)
		} else {
			all[name] = digestOf(t, name, strings.NewReader(string(f.Content)), int64(len(f.Content)))
		}
	}
}

func TestExFATAsOthersReadIt(t *testing.T) {
	needFAT(t)
	for _, c := range []struct {
		size int64
		args []string
	}{
		{64 << 20, []string{"-c", "512", "-L", "a läbel"}}, {64 << 20, []string{"-c", "4K"}}, {300 << 20, []string{"-c", "128K"}}, {40 << 20, nil},
	} {
		t.Run(fmt.Sprint(c.args), func(t *testing.T) {
			image := newImage(t, c.size)
			tool(t, "mkfs.exfat", append(c.args, image)...)
			x, want := fillExFAT(t, image)
			if c.args == nil { // by us, and not by mkfs.exfat
				image = newImage(t, 0)
				f, err := os.OpenFile(image, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				made := volumes.NewExFAT(f, 512, 8192, 5000)
				if err := f.Truncate(made.Size()); err != nil {
					t.Fatal(err)
				}
				f.Close()
				x, want = fillExFAT(t, image)
			}
			tool(t, "fsck.exfat", "-n", image)
			v, _ := openVolume(t, image)
			facts := v.Facts()
			if facts.Kind != "exFAT" || facts.BlockSize != x.Cluster || len(facts.Problems) > 0 || facts.Free != freeByKit(t, image, x) {
				t.Errorf("facts: %+v", facts)
			}
			mine := ours(t, v)
			compare(t, mine, want)
			// The Sleuth Kit cuts the longest names.
			compare(t, without(mine, "/nnn"), without(kit(t, image), "/nnn"))
			if extents := sameDetails(t, image, v, 512); extents < 3 {
				t.Errorf("no file is in pieces")
			}
		})
	}
}

// fillExFAT writes the tree twice: as one piece, and into the holes that are
// left when every second of its clusters is given back.
func fillExFAT(t *testing.T, image string) (*volumes.ExFAT, tree) {
	t.Helper()
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x := volumes.OpenExFAT(f)
	files := exfatTree(int(x.Cluster))
	sets := x.Tree(files)
	var gone [][]int
	for i := range 20 {
		clusters, _ := x.Save(pattern(int(x.Cluster), i))
		if i%2 == 0 {
			gone = append(gone, clusters)
		}
		if i%2 == 1 {
			name := fmt.Sprintf("kept %d", i)
			kept := exfatFile(name, pattern(int(x.Cluster), i))
			kept.Entry.First, kept.Entry.Straight, kept.Entry.Size = clusters[0], true, x.Cluster
			sets = append(sets, kept.Entry.Set()...)
			files = append(files, kept)
		}
	}
	for _, clusters := range gone {
		x.Release(clusters)
	}
	big := []volumes.File{exfatFile("big", pattern(12*int(x.Cluster)-5, 77)), exfatFile("as big", pattern(2*int(x.Cluster), 78))}
	x.AddRoot(append(sets, x.Tree(big)...))
	want := tree{}
	exfatWant(t, want, "", append(files, big...))
	return x, want
}

// freeByKit counts the clusters that the bitmap, as The Sleuth Kit reads it, has
// no bit for.
func freeByKit(t *testing.T, image string, x *volumes.ExFAT) int64 {
	t.Helper()
	var inode string
	for line := range strings.Lines(tool(t, "fls", image)) {
		if m := flsLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil && m[6] == "$ALLOC_BITMAP" {
			inode = m[4]
		}
	}
	bitmap, free := tool(t, "icat", image, inode), int64(0)
	for n := range x.Clusters {
		if bitmap[n/8]>>(n%8)&1 == 0 {
			free += x.Cluster
		}
	}
	return free
}
