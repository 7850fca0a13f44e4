package fs

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nbdbridge/test/disks/volumes"
)

// rootNames lists the root folder of a volume with these entries.
func rootNames(t *testing.T, bits int, entries []byte) (names []string) {
	t.Helper()
	store := volumes.Sparse{}
	f := volumes.NewFAT(store, bits, 512, 4, 5000)
	f.FillRoot(entries, 2, 3, 4)
	v, _ := openStore(t, store, f.Size)
	for e, err := range v.List(t.Context(), "/") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, e.Name)
		if _, err := v.Stat(t.Context(), "/"+e.Name); err != nil {
			t.Error(err)
		}
	}
	return names
}

func TestFATNames(t *testing.T) {
	entry := func(e volumes.FATEntry) []byte { return e.Bytes() }
	long := entry(volumes.FATEntry{Short: "LONG~1  TXT", Long: "a long name of 30 characters.x"}) // three pieces
	short := long[96:]
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	changed := func(at int, value byte) []byte {
		b := bytes.Clone(long)
		b[at] = value
		return b
	}
	for _, c := range []struct {
		name    string
		entries []byte
		want    string
	}{
		{"long", long, "a long name of 30 characters.x"},
		{"13 characters", entry(volumes.FATEntry{Short: "A", Long: "exactly13char"}), "exactly13char"},
		{"255 characters", entry(volumes.FATEntry{Short: "A", Long: strings.Repeat("é", 255)}), strings.Repeat("é", 255)},
		{"more than one plane", entry(volumes.FATEntry{Short: "A", Long: "a😀漢"}), "a😀漢"},
		{"half a pair", entry(volumes.FATEntry{Short: "A", Long: "a😀"})[:64], `a😀`},
		{"odd characters", entry(volumes.FATEntry{Short: "A", Long: "a/b\\c"}), `a\x2Fb\\c`},
		{"another's", join(long[:96], entry(volumes.FATEntry{Short: "B"})), "B"},
		{"the first is missing, behind one that has it", join(long, long[:64], entry(volumes.FATEntry{Short: "LONG~1  TXT"})), "a long name of 30 characters.x,LONG~1.TXT"},
		{"another sum in front", changed(13, long[13]+1), "LONG~1.TXT"},
		{"a sum of one piece", changed(32+13, long[13]+1), "LONG~1.TXT"},
		{"a wrong order", join(long[:32], long[64:96], long[32:64], short), "LONG~1.TXT"},
		{"the first is missing", join(long[:64], short), "LONG~1.TXT"},
		{"the last is missing", long[32:], "LONG~1.TXT"},
		{"a number too large", changed(0, 0x40|21), "LONG~1.TXT"},
		{"number zero", changed(0, 0x40), "LONG~1.TXT"},
		{"a deleted one between", join(long[:96], []byte("\xe5"), make([]byte, 31), short), "LONG~1.TXT"},
		{"two beginnings", join(long[:32], long), "a long name of 30 characters.x"},
		{"orphans of a label", join(long[:96], entry(volumes.FATEntry{Short: "LABEL", Attributes: 8}), short), "LONG~1.TXT"},
		{"an orphan at the end", join(short, long[:96]), "LONG~1.TXT"},
		{"short", entry(volumes.FATEntry{Short: "SHORT   TXT"}), "SHORT.TXT"},
		{"no extension", entry(volumes.FATEntry{Short: "SHORT"}), "SHORT"},
		{"all of it", entry(volumes.FATEntry{Short: "ABCDEFGHIJK"}), "ABCDEFGH.IJK"},
		{"lower", entry(volumes.FATEntry{Short: "SHORT   TXT", Case: 0x18}), "short.txt"},
		{"a lower name", entry(volumes.FATEntry{Short: "SHORT   TXT", Case: 0x08}), "short.TXT"},
		{"a lower extension", entry(volumes.FATEntry{Short: "SHORT   TXT", Case: 0x10}), "SHORT.txt"},
		{"a code page", entry(volumes.FATEntry{Short: "\x8eRGER"}), "ÄRGER"},
		{"a code page in lower case", entry(volumes.FATEntry{Short: "\x8eRGER", Case: 0x08}), "ärger"},
		{"what means deleted elsewhere", entry(volumes.FATEntry{Short: "\x05A"}), "σA"},
		{"deleted", entry(volumes.FATEntry{Short: "\xe5A"}), ""},
		{"a label", entry(volumes.FATEntry{Short: "A", Attributes: 0x08}), ""},
		{"blanks within", entry(volumes.FATEntry{Short: "A B     C D"}), "A B.C D"},
		{"dots alone", entry(volumes.FATEntry{Short: "A", Long: ".."}), `\x2E\x2E`},
	} {
		for _, bits := range []int{16, 32} {
			if got := strings.Join(rootNames(t, bits, c.entries), ","); got != c.want {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
		}
	}
}

// TestFATNamesOverPieces has a long name at each place that may be where a
// folder is read in parts.
func TestFATNamesOverPieces(t *testing.T) {
	for before := 50; before < 70; before++ { // a cluster has 64 entries
		var entries, want = []byte{}, []string{}
		for i := range before {
			entries = append(entries, volumes.FATEntry{Short: fmt.Sprint("F", i)}.Bytes()...)
			want = append(want, fmt.Sprint("F", i))
		}
		name := strings.Repeat("long ", 40) + "name"
		entries = append(entries, volumes.FATEntry{Short: "L", Long: name}.Bytes()...)
		if got := rootNames(t, 32, entries); !slices.Equal(got, append(want, name)) {
			t.Errorf("behind %d entries: %q", before, got)
		}
	}
}

func TestDOSTimes(t *testing.T) {
	for _, c := range []struct {
		date, clock uint16
		want        string
	}{
		{0x5a21, 0x6001, "2025-01-01 12:00:02"},
		{0xff9f, 0xbf7d, "2107-12-31 23:59:58"},
		{0x0021, 0, "1980-01-01 00:00:00"},
		{0x5a5d, 0, ""}, // 29 February 2025
		{0x5a01, 0, ""}, // month 0
		{0x5a20, 0, ""}, // day 0
		{0, 0, ""},
		{0x5a21, 0xffff, ""}, // 31:63:62, the next day
	} {
		got := ""
		if told, ok := dosTime("", c.date, c.clock, 0); ok {
			got = told.Time.Format("2006-01-02 15:04:05")
		}
		if got != c.want {
			t.Errorf("%04x %04x: %s, want %s", c.date, c.clock, got, c.want)
		}
	}
}

// TestExFATFolders has sets of entries as no system would write them.
func TestExFATFolders(t *testing.T) {
	set := volumes.ExFATEntry{Name: "a name of 20 letters", Written: -1}.Set() // four entries
	with := func(at int, value byte) []byte {
		b := bytes.Clone(set)
		b[at] = value
		volumes.SumSet(b)
		return b
	}
	vendor := append(bytes.Clone(set), append([]byte{0xe0}, make([]byte, 31)...)...)
	vendor[1]++
	volumes.SumSet(vendor)
	damagedSum := bytes.Clone(set)
	damagedSum[2]++
	next := volumes.ExFATEntry{Name: "next", Written: -1}.Set()
	for _, c := range []struct {
		name string
		sets []byte
		want string // names, with "!" where there is a problem
	}{
		{"sound", set, "a name of 20 letters,next"},
		{"a vendor's entry in it", vendor, "a name of 20 letters,next"},
		{"a wrong sum", damagedSum, "a name of 20 letters!,next"},
		{"deleted", with(0, 0x05), "next"},
		{"of which the end is missing", set[:96], "next"},
		{"of which the stream is missing", slices.Concat(set[:32], set[64:]), "next"},
		{"a name without its end", with(1, 2), "a name of 20 le!,next"},
		{"no name", with(32+3, 0), "!,next"},
		{"nothing behind the first", with(1, 0), "next"},
		{"many more are told", with(1, 255), "next"},
		{"benign entries between", slices.Concat([]byte{0xa0}, make([]byte, 31), set), "a name of 20 letters,next"},
		{"a half pair", volumes.ExFATEntry{Name: "a😀", Written: -1}.Set(), "a😀,next"},
		{"the longest name", volumes.ExFATEntry{Name: strings.Repeat("x", 255), Written: -1}.Set(), strings.Repeat("x", 255) + ",next"},
	} {
		store := volumes.Sparse{}
		x := volumes.NewExFAT(store, 512, 4096, 100)
		x.AddRoot(append(bytes.Clone(c.sets), next...))
		v, _ := openStore(t, store, x.Size())
		var names []string
		for e, err := range v.List(t.Context(), "/") {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if e.Problem != "" {
				e.Name += "!"
			}
			names = append(names, e.Name)
		}
		if got := strings.Join(names, ","); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestExFATSizes has files whose sizes and clusters don't fit. A cluster has
// 512 bytes.
func TestExFATSizes(t *testing.T) {
	for _, c := range []struct {
		name     string
		entry    volumes.ExFATEntry
		links    []uint32 // of clusters 50 and 51
		readable int64
		problem  string
	}{
		{"straight", volumes.ExFATEntry{First: 50, Straight: true, Size: 1000, Written: -1}, nil, 1000, ""},
		{"linked", volumes.ExFATEntry{First: 50, Size: 1000, Written: -1}, []uint32{51, 0xffffffff}, 1000, ""},
		{"half written", volumes.ExFATEntry{First: 50, Size: 1000, Written: 600}, []uint32{51, 0xffffffff}, 1000, ""},
		{"not written", volumes.ExFATEntry{First: 50, Straight: true, Size: 1000, Written: 0}, nil, 1000, ""},
		{"more written than there is", volumes.ExFATEntry{First: 50, Straight: true, Size: 1000, Written: 1 << 40}, nil, 1000, ""},
		{"too short", volumes.ExFATEntry{First: 50, Size: 1000, Written: -1}, []uint32{0xffffffff}, 512, "end after 512"},
		{"too long", volumes.ExFATEntry{First: 50, Size: 100, Written: -1}, []uint32{51, 0xffffffff}, 100, "go on behind"},
		{"bad", volumes.ExFATEntry{First: 50, Size: 1000, Written: -1}, []uint32{0xfffffff7}, 512, "bad"},
		{"free", volumes.ExFATEntry{First: 50, Size: 1000, Written: -1}, []uint32{0}, 512, "free"},
		{"circle", volumes.ExFATEntry{First: 50, Size: 100000, Written: -1}, []uint32{51, 50}, 1024, "circle"},
		{"straight behind the volume", volumes.ExFATEntry{First: 50, Straight: true, Size: 1 << 30, Written: -1}, nil, 0, "more than the volume has"},
		{"as large as can be", volumes.ExFATEntry{First: 50, Straight: true, Size: -1 << 63, Written: -1 << 62}, nil, 0, "more than the volume has"},
		{"first behind the volume", volumes.ExFATEntry{First: 5000, Straight: true, Size: 1000, Written: -1}, nil, 0, "begins with cluster 5000"},
		{"no first", volumes.ExFATEntry{Straight: true, Size: 1000, Written: -1}, nil, 0, "end after 0"},
	} {
		store := volumes.Sparse{}
		x := volumes.NewExFAT(store, 512, 512, 100)
		store.WriteAt(bytes.Repeat([]byte{1}, 1024), x.At(50))
		for i, value := range c.links {
			x.Link(50+i, value)
		}
		c.entry.Name = "F"
		x.AddRoot(c.entry.Set())
		v, _ := openStore(t, store, x.Size())
		d, err := v.Stat(t.Context(), "/F")
		if err != nil || !strings.Contains(strings.Join(d.Problems, " "), c.problem) || (c.problem == "") != (len(d.Problems) == 0) {
			t.Errorf("%s: %q, %v", c.name, d.Problems, err)
		}
		opened, err := v.Open(t.Context(), "/F", "")
		if err != nil {
			t.Fatal(err)
		}
		n, err := readable(opened)
		if sound := c.readable == d.Size; sound && err != nil || !sound && !errors.Is(err, ErrDamaged) || n < c.readable/100*100 || sound && n != d.Size {
			t.Errorf("%s: %d of %d bytes can be read, %v", c.name, n, d.Size, err)
		}
		if c.entry.Written >= 0 && c.problem == "" {
			p := make([]byte, d.Size)
			opened.ReadAt(p, 0)
			if got := int64(bytes.Count(p, []byte{1})); got != min(c.entry.Written, d.Size) {
				t.Errorf("%s: %d bytes are not zero", c.name, got)
			}
		}
	}
}

// TestExFATReads counts what a volume of 1 TiB costs.
func TestExFATReads(t *testing.T) {
	store := volumes.Sparse{}
	x := volumes.NewExFAT(store, 512, 256<<10, 1<<40/(256<<10))
	x.AddRoot(volumes.ExFATEntry{Name: "big", First: 1000, Straight: true, Size: 500 << 30, Written: -1}.Set())
	v, disk := openStore(t, store, x.Size())
	if disk.reads >= 10 {
		t.Errorf("opening takes %d reads: %+v", disk.reads, v.Facts())
	}
	t.Logf("open: %d reads, %d KiB", disk.reads, disk.bytes>>10)
	opened, err := v.Open(t.Context(), "/big", "")
	if err != nil {
		t.Fatal(err)
	}
	disk.reads = 0
	if _, err := opened.ReadAt(make([]byte, 100), 400<<30); err != nil || disk.reads > 1 {
		t.Errorf("%d reads, %v", disk.reads, err)
	}
}
