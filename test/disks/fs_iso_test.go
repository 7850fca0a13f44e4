package disks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestISO(t *testing.T) {
	need(t, "genisoimage", "xorriso", "fls", "icat")
	posix, plain := newSourceTree(t), newSourceTree(t)
	posix.posix()
	plain.folder("FOLDER/BELOW")
	plain.file("FOLDER/BELOW/FILE.TXT", "below")
	plain.file("NODOT", "no dot")
	plain.file("EMPTY.BIN", "")
	unicode := newSourceTree(t)
	unicode.common()
	check := os.RemoveAll(unicode.path("deep")) // deeper than Joliet goes
	if check != nil {
		t.Fatal(check)
	}
	check = os.Rename(unicode.path(strings.Repeat("n", 200)), unicode.path(strings.Repeat("n", 100)))
	if check == nil {
		check = os.Rename(unicode.path("back\\slash and blanks"), unicode.path("blanks   and .dots"))
	}
	if check == nil {
		check = os.Rename(unicode.path("né ñ 漢字 😀"), unicode.path("né ñ 漢字")) // genisoimage knows only UCS-2
	}
	if check != nil {
		t.Fatal(check)
	}
	for _, c := range []struct {
		name, program string
		source        *sourceTree
		features      string
		ignore        string // what the program adds
		sleuth        bool   // The Sleuth Kit sees no Rock Ridge in these
	}{
		{"Rock Ridge", "genisoimage -quiet -R -V LABEL", posix, "Rock Ridge", "/rr_moved", false},
		{"Rock Ridge of xorriso", "xorriso -as mkisofs -quiet -R -J -V LABEL", posix, "Joliet Rock Ridge", "", false},
		{"Joliet", "genisoimage -quiet -J -joliet-long -input-charset utf-8 -V LABEL", unicode, "Joliet", "", true},
		{"plain", "genisoimage -quiet -V LABEL", plain, "", "", false},
		{"hybrid", "xorriso -as mkisofs -quiet -R -V LABEL -partition_offset 16", posix, "Rock Ridge", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "image.iso")
			program := strings.Fields(c.program)
			tool(t, program[0], append(program[1:], "-o", image, c.source.root)...)
			v, _ := openVolume(t, image)
			f := v.Facts()
			if f.Kind != "ISO 9660" || f.Label != "LABEL" || strings.Join(f.Features, " ") != c.features {
				t.Errorf("facts: %+v", f)
			}
			got := ours(t, v)
			if c.ignore != "" {
				if got[c.ignore] != "folder" {
					t.Errorf("%s is %q", c.ignore, got[c.ignore])
				}
				delete(got, c.ignore)
			}
			compare(t, got, hostTree(t, c.source.root))
			if c.sleuth {
				compare(t, got, sleuth(t, image))
			}
		})
	}
}

func TestISOModes(t *testing.T) {
	need(t, "genisoimage")
	s := newSourceTree(t)
	s.posix()
	image := filepath.Join(t.TempDir(), "image.iso")
	tool(t, "genisoimage", "-quiet", "-R", "-o", image, s.root)
	v, _ := openVolume(t, image)
	d, err := v.Stat(t.Context(), "/empty")
	if err != nil || d.Mode != "-rwsr-s--x" || d.Links != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := v.Stat(t.Context(), "/hard link"); err != nil || d.Links != 2 {
		t.Errorf("%+v, %v", d, err)
	}
}
