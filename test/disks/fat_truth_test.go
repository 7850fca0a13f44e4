package disks

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nbdbridge/disk/fs"
)

// needFAT wants what the tests of FAT and exFAT run.
func needFAT(t *testing.T) {
	t.Helper()
	need(t, "mkfs.fat", "fsck.fat", "mcopy", "mkfs.exfat", "fsck.exfat", "fls", "icat", "istat")
	t.Setenv("TZ", "UTC")
	t.Setenv("MTOOLS_SKIP_CHECK", "1")
	t.Setenv("MTOOLSRC", "/dev/null")
}

var flsLine = regexp.MustCompile(`^([A-Za-z-])/([A-Za-z-]) (\* )?(\d+)(\(realloc\))?:\t(.*)$`)

// A kitFile is a file of The Sleuth Kit's list.
type kitFile struct {
	path, inode string
	folder      bool
}

// kitList lists what is not deleted, without what The Sleuth Kit makes up.
func kitList(t *testing.T, image string) (files []kitFile) {
	t.Helper()
	for line := range strings.Lines(tool(t, "fls", "-r", "-p", "-u", image)) {
		m := flsLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			t.Fatalf("fls says %q", line)
		}
		made := strings.HasPrefix(m[6], "$") || strings.HasSuffix(m[6], " (Volume Label Entry)")
		if m[3] == "" && strings.ToLower(m[2]) != "v" && !made {
			files = append(files, kitFile{"/" + m[6], m[4], m[2] == "d"})
		}
	}
	return files
}

// kit is the volume as The Sleuth Kit sees it.
func kit(t *testing.T, image string) tree {
	t.Helper()
	all, ids := tree{}, map[string]string{}
	for _, f := range kitList(t, image) {
		if f.folder {
			all[f.path] = "folder"
		} else {
			ids[f.path] = f.inode
		}
	}
	addContents(t, image, all, ids)
	return all
}

// sameDetails compares times, attributes and places with istat, of every file.
func sameDetails(t *testing.T, image string, v fs.Volume, sector int64) (extents int) {
	t.Helper()
	for i, f := range kitList(t, image) {
		if i%7 != 0 && !strings.Contains(f.path, "big") { // a program for each takes its time
			continue
		}
		d, err := v.Stat(t.Context(), fs.EscapePath([]byte(f.path)))
		if err != nil || len(d.Problems) > 0 {
			t.Errorf("%s: %v %v", f.path, err, d.Problems)
			continue
		}
		said := tool(t, "istat", "-z", "UTC", image, f.inode)
		for name, line := range map[string]string{"modified": "Written", "created": "Created", "accessed": "Accessed"} {
			sameTime(t, f.path, said, line, d.Times, name)
		}
		got, want := sectorsOf(d, sector), istatSectors(said)
		for i := range min(len(got), len(want)) {
			if want[i] == 0 { // behind the file's end
				got[i] = 0
			}
		}
		if !f.folder && !slices.Equal(got, want) {
			t.Errorf("%s lies in sectors %v, and istat says %v", f.path, got, want)
		}
		extents = max(extents, len(d.Extents))
	}
	return extents
}

func sameTime(t *testing.T, path, said, line string, times []fs.Time, name string) {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + line + `:\s+(\S+ [0-9:]+)`).FindStringSubmatch(said)
	want := "0000-00-00 00:00:00"
	if m != nil {
		want = m[1]
	}
	got := "0000-00-00 00:00:00"
	for _, told := range times {
		if told.Name == name {
			got = told.Time.Format("2006-01-02 15:04:05")
		}
	}
	if got != want {
		t.Errorf("%s was %s at %s, and istat says %s", path, name, got, want)
	}
}

// sectorsOf are those that a file's bytes begin in, each.
func sectorsOf(d fs.Details, sector int64) (sectors []int64) {
	for _, e := range d.Extents {
		for at := int64(0); at < e.Length && e.Disk >= 0; at += sector {
			sectors = append(sectors, (e.Disk+at)/sector)
		}
	}
	return sectors
}

func istatSectors(said string) (sectors []int64) {
	_, list, _ := strings.Cut(said, "Sectors:")
	list, _, _ = strings.Cut(list, "\n\n")
	for _, word := range strings.Fields(list) {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			break
		}
		sectors = append(sectors, n)
	}
	return sectors
}
