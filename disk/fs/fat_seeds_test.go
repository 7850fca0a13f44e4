package fs

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"nbdbridge/test/disks/volumes"
)

// fatSeed makes the seeds of FAT and exFAT: small, with a file in pieces, a
// long name, folders within each other, and one that grows over a cluster.
func fatSeed(name string) []byte {
	switch name {
	case "fat12":
		return seedFAT(12, 500)
	case "fat16":
		return seedFAT(16, 4200)
	case "fat32":
		return seedFAT(32, 1000) // too few for a system to make it, not to read it
	case "exfat":
		return seedExFAT()
	}
	return nil
}

func seedFAT(bits, clusters int) []byte {
	store := volumes.Sparse{}
	f := volumes.NewFAT(store, bits, 512, 1, clusters)
	f.Fill([]byte(seedNumbers), 10, 11, 12, 20, 21, 15, 14, 30, 31, 32, 33) // 5393 bytes
	f.Fill([]byte("hello\n"), 40)
	f.Fill([]byte("below\n"), 41)
	f.Fill(volumes.Folder(
		volumes.FATEntry{Short: ".", Attributes: 0x10, First: 50},
		volumes.FATEntry{Short: "..", Attributes: 0x10},
		volumes.FATEntry{Short: "BELOW", Attributes: 0x10, Case: 8, First: 51, Date: 0x5a21, Time: 0x6000},
	), 50)
	f.Fill(volumes.Folder(volumes.FATEntry{Short: "FILE", Case: 8, First: 41, Size: 6}), 51)
	var many []volumes.FATEntry
	for i := range 40 {
		many = append(many, volumes.FATEntry{Short: fmt.Sprintf("MANY~%d", i), Long: fmt.Sprintf("a-rather-long-name-for-a-file-%d", i)})
	}
	f.Fill(volumes.Folder(many...), 60, 61, 62, 63, 64, 80, 79, 78, 77, 76)
	f.FillRoot(volumes.Folder(
		volumes.FATEntry{Short: "SEED", Attributes: 0x08},
		volumes.FATEntry{Short: "HELLO   TXT", Case: 0x18, Attributes: 0x21, First: 40, Size: 6, Date: 0x5a21, Time: 0x6001},
		volumes.FATEntry{Short: "NUMBERS", Case: 8, First: 10, Size: 5393},
		volumes.FATEntry{Short: "FOLDER", Case: 8, Attributes: 0x10, First: 50},
		volumes.FATEntry{Short: "MANY", Case: 8, Attributes: 0x10, First: 60},
		volumes.FATEntry{Short: "\x05MPTY", Long: "an empty file, 漢字 😀"},
		volumes.FATEntry{Short: "\xe5ELETED", First: 40, Size: 6},
	), 2, 3)
	return store.Bytes(f.Size)
}

func seedExFAT() []byte {
	store := volumes.Sparse{}
	x := volumes.NewExFAT(store, 512, 1024, 400)
	file := func(name, content string) volumes.File {
		return volumes.File{Entry: volumes.ExFATEntry{Name: name, Written: -1}, Content: []byte(content)}
	}
	folder := func(name string, files ...volumes.File) volumes.File {
		return volumes.File{Entry: volumes.ExFATEntry{Name: name, Attributes: 0x10}, Files: files}
	}
	var many []volumes.File
	for i := range 40 {
		many = append(many, file(fmt.Sprintf("a-rather-long-name-for-a-file-%d", i), fmt.Sprintln(i)))
	}
	x.Interleave(3)
	sets := x.Tree([]volumes.File{
		{Entry: volumes.ExFATEntry{
			Name: "hello.txt", Attributes: 0x21, Times: [3]uint32{0x5a216000, 0x5a216001, 0x5a210000},
			Hundredths: [2]byte{150, 5}, Zones: [3]byte{0x88, 0x80, 0xec},
		}, Content: []byte("hello\n")},
		file("numbers", seedNumbers), file("an empty file, 漢字 😀", ""),
		folder("folder", folder("below", file("file", "below\n"))), folder("many", many...),
	})
	part := x.Tree([]volumes.File{{Entry: volumes.ExFATEntry{Name: "part", Size: 3000, Written: 1500}, Content: []byte(strings.Repeat("x", 3000))}})
	x.AddRoot(append(sets, part...))
	return store.Bytes(x.Size())
}

func TestFATSeeds(t *testing.T) {
	for _, c := range []struct {
		seed, kind, label string
		entries           int
	}{{"fat12", "FAT12", "SEED", 47}, {"fat16", "FAT16", "SEED", 47}, {"fat32", "FAT32", "SEED", 47}, {"exfat", "exFAT", "label", 48}} {
		t.Run(c.seed, func(t *testing.T) {
			v := openSeed(t, seed(t, c.seed))
			if facts := v.Facts(); facts.Kind != c.kind || facts.Label != c.label || facts.UUID != "1234-5678" || len(facts.Problems) > 0 {
				t.Errorf("facts: %+v", facts)
			}
			w := walk(v, 1000)
			if len(w.errs) > 0 || len(w.lines) != c.entries {
				t.Errorf("%d entries, want %d; errors %v", len(w.lines), c.entries, w.errs)
			}
			want := []string{
				"/hello.txt file 6 " + sum("hello\n"), "/folder/below/file file 6 " + sum("below\n"), "/numbers file 5393 " + sum(seedNumbers),
				"/an empty file, 漢字 😀 file 0 " + sum(""),
			}
			if c.seed == "exfat" {
				want = append(want, "/many/a-rather-long-name-for-a-file-39 file 3 "+sum("39\n"),
					"/part file 3000 "+sum(strings.Repeat("x", 1500)+strings.Repeat("\x00", 1500)))
			} else {
				want = append(want, "/many/a-rather-long-name-for-a-file-39 file 0 "+sum(""))
			}
			checkLines(t, w.lines, want)
		})
	}
}

func TestFATDetails(t *testing.T) {
	for _, c := range []struct {
		seed, path string
		check      func(d Details) bool
	}{
		{"fat12", "/hello.txt", func(d Details) bool {
			return fmt.Sprint(d.Attributes) == "[read-only archive]" && d.Times[0].Zone == "local" && d.Times[0].Time.Format("2006-01-02 15:04:05") == "2025-01-01 12:00:02"
		}},
		{"fat16", "/numbers", func(d Details) bool {
			return len(d.Extents) == 5 && d.Extents[1].Offset == 3*512 && d.Extents[1].Length == 1024 && d.Allocated == 11*512 && len(d.Times) == 0
		}},
		{"fat32", "/", func(d Details) bool { return len(d.Extents) == 1 && d.Extents[0].Length == 1024 && d.ID == 2 }},
		{"fat12", "/", func(d Details) bool { return d.Allocated == 512*32 && d.Extents[0].Disk > 0 }},
		{"exfat", "/hello.txt", func(d Details) bool {
			return fmt.Sprint(d.Attributes) == "[read-only archive]" &&
				d.Times[0].Zone == "UTC" && d.Times[0].Time.Format("2006-01-02 15:04:05.000") == "2025-01-01 12:00:02.050" &&
				d.Times[1].Zone == "-05:00" && d.Times[1].Time.Format("2006-01-02 15:04") == "2025-01-01 05:00" &&
				d.Times[2].Zone == "+02:00" && d.Times[2].Time.Format("15:04:05.000") == "10:00:01.500"
		}},
		{"exfat", "/part", func(d Details) bool {
			n := len(d.Extents)
			return d.Allocated == 3072 && d.Extents[n-1].Kind == ExtentUnwritten && d.Extents[n-1].Offset == 2048 && d.Extents[n-1].Disk > 0
		}},
		{"exfat", "/numbers", func(d Details) bool { return len(d.Extents) > 1 }},
	} {
		d, err := openSeed(t, seed(t, c.seed)).Stat(t.Context(), c.path)
		if err != nil || len(d.Problems) > 0 || !c.check(d) {
			t.Errorf("%s %s: %+v, %v", c.seed, c.path, d, err)
		}
	}
}

// TestFATBootCopies damages the first sector in ways that leave it known, and
// unknown.
func TestFATBootCopies(t *testing.T) {
	for _, c := range []struct {
		seed string
		at   int
	}{{"fat32", 13}, {"fat32", 0}, {"exfat", 300}, {"exfat", 0}, {"exfat", 109}} {
		image := bytes.Clone(seed(t, c.seed))
		for i := range 4 {
			image[c.at+i] = 3
		}
		if c.at == 0 {
			clear(image[:512])
		}
		v, err := Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Errorf("%s, byte %d: %v", c.seed, c.at, err)
			continue
		}
		if p := v.Facts().Problems; len(p) != 1 || !strings.Contains(p[0], "its copy was used") {
			t.Errorf("%s, byte %d: %q", c.seed, c.at, p)
		}
		if w := walk(v, 1000); len(w.errs) > 0 || len(w.lines) < 40 {
			t.Errorf("%s, byte %d: %d entries, %v", c.seed, c.at, len(w.lines), w.errs)
		}
	}
}
