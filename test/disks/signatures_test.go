package disks

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"nbdbridge/disk"
)

// made are formats and the commands that make them. DISK stands for the path of
// the image; a command makes the image itself when the size is zero.
var made = []struct {
	kind, label string
	size        int64
	input       string
	command     string
}{
	{"ext2", "two", 8 * mib, "", "mke2fs -q -t ext2 -L two DISK"},
	{"ext2", "", 64 * mib, "", "mke2fs -q -t ext2 -b 4096 DISK"},
	{"ext3", "three", 16 * mib, "", "mke2fs -q -t ext3 -L three DISK"},
	{"ext4", "four", 16 * mib, "", "mke2fs -q -t ext4 -L four DISK"},
	{"ext4", "", 16 * mib, "", "mke2fs -q -t ext4 -O ^has_journal,64bit,metadata_csum DISK"},
	{"fat12", "TWELVE", 1440 << 10, "", "mkfs.fat -F12 -n TWELVE DISK"},
	{"fat16", "SIXTEEN", 20 * mib, "", "mkfs.fat -F16 -n SIXTEEN DISK"},
	{"fat32", "THIRTY TWO", 64 * mib, "", "mkfs.fat -F32 -n THIRTY_TWO DISK"},
	{"fat32", "", 64 * mib, "", "mkfs.fat -F32 -S4096 -s1 DISK"},
	{"exfat", "exfät", 16 * mib, "", "mkfs.exfat -L exfät DISK"},
	{"ntfs", "nt lab", 16 * mib, "", "mkntfs -F -q -L nt_lab DISK"},
	{"ntfs", "", 64 * mib, "", "mkntfs -F -q -c 65536 -s 4096 DISK"},
	{"xfs", "xlab", 300 * mib, "", "mkfs.xfs -q -L xlab DISK"},
	{"btrfs", "blab", 120 * mib, "", "mkfs.btrfs -q -L blab DISK"},
	{"f2fs", "flab", 64 * mib, "", "mkfs.f2fs -q -l flab DISK"},
	{"swap", "slab", mib, "", "mkswap -q -L slab DISK"},
	{"swap", "", mib, "", "mkswap -q -p 16384 DISK"},
	{"luks1", "", 8 * mib, "pw", "cryptsetup -q luksFormat --type luks1 --iter-time 10 --key-file - DISK"},
	{"luks2", "ll", 20 * mib, "pw", "cryptsetup -q luksFormat --type luks2 --label ll --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file - DISK"},
	{"squashfs", "", 0, "", "mksquashfs FOLDER DISK -quiet -no-progress"},
	{"erofs", "", 0, "", "mkfs.erofs --quiet DISK FOLDER"},
	{"iso9660", "ISOLAB", 0, "", "genisoimage -quiet -R -J -V ISOLAB -o DISK FOLDER"},
	{"udf", "ulab", 8 * mib, "", "mkudffs -l ulab -b 2048 DISK"},
	{"udf", "ulab", 8 * mib, "", "mkudffs -l ulab -b 512 DISK"},
	{"udf", "Ünicode", 8 * mib, "", "mkudffs -l Ünicode -b 4096 DISK"},
}

// blkidTypes are the names of blkid where they differ from ours.
var blkidTypes = map[string]string{"fat12": "vfat", "fat16": "vfat", "fat32": "vfat", "luks1": "crypto_LUKS", "luks2": "crypto_LUKS"}

func TestSignatures(t *testing.T) {
	for _, test := range made {
		t.Run(test.command, func(t *testing.T) {
			path := makeImage(t, test.size, test.input, test.command)
			found, size := probe(t, path)
			f := found[0]
			if f.Kind != test.kind || strings.ReplaceAll(f.Label, "_", " ") != test.label || f.Size > size {
				t.Errorf("%+v", found)
			}
			compareBlkid(t, path, f)
			if f.Kind != "udf" { // wipefs names the descriptor before the magic
				compareWipefs(t, path, f)
			}
		})
	}
}

// makeImage runs a command that makes a file system.
func makeImage(t *testing.T, size int64, input, command string) string {
	t.Helper()
	path, folder := newImage(t, size), t.TempDir()
	if size == 0 {
		_ = os.Remove(path)
	}
	if err := os.WriteFile(filepath.Join(folder, "file"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(strings.NewReplacer("DISK", path, "FOLDER", folder).Replace(command))
	run(t, "", input, words[0], words[1:]...)
	return path
}

// counter counts reads.
type counter struct {
	*os.File
	reads int
}

func (c *counter) ReadAt(p []byte, at int64) (int, error) {
	c.reads++
	return c.File.ReadAt(p, at)
}

// probe gives the signatures of an image, of which there must be one.
func probe(t *testing.T, path string) ([]disk.Signature, int64) {
	t.Helper()
	file, size := open(t, path)
	c := &counter{File: file}
	found, err := disk.Probe(c, 0, size)
	if err != nil || len(found) == 0 {
		t.Fatalf("%+v, %v", found, err)
	}
	if c.reads > 20 {
		t.Errorf("%d reads", c.reads)
	}
	return found, size
}

func compareBlkid(t *testing.T, path string, f disk.Signature) {
	t.Helper()
	told := map[string]string{}
	for _, line := range strings.Split(string(run(t, "", "", "blkid", "-p", "-o", "export", path)), "\n") {
		name, value, _ := strings.Cut(line, "=")
		told[name] = strings.ReplaceAll(value, `\ `, " ")
	}
	if strings.Contains(told["LABEL"], "M-") { // blkid prints no letters beyond ASCII
		told["LABEL"] = f.Label
	}
	kind := f.Kind
	if other := blkidTypes[kind]; other != "" {
		kind = other
	}
	if told["TYPE"] != kind || told["LABEL"] != f.Label || told["UUID"] != f.UUID {
		t.Errorf("ours %+v\nblkid %v", f, told)
	}
}

// compareWipefs looks for the place of the magic among those of wipefs.
func compareWipefs(t *testing.T, path string, f disk.Signature) {
	t.Helper()
	var told struct {
		Signatures []struct{ Offset, Type string }
	}
	if err := json.Unmarshal(run(t, "", "", "wipefs", "--json", path), &told); err != nil {
		t.Fatal(err)
	}
	for _, s := range told.Signatures {
		if at, err := strconv.ParseInt(s.Offset, 0, 64); err == nil && at == f.Offset {
			return
		}
	}
	t.Errorf("ours %+v\nwipefs %+v", f, told)
}

func TestBridgeDiscIsTwoThings(t *testing.T) {
	found, _ := probe(t, makeImage(t, 0, "", "genisoimage -quiet -udf -R -J -V BRIDGE -o DISK FOLDER"))
	if len(found) != 2 || found[1].Kind != "udf" || found[1].Label != "BRIDGE" || strings.Join(found[0].Notes, ", ") != "Joliet names, label BRIDGE, Rock Ridge names" {
		t.Errorf("%+v", found)
	}
}

// TestImages compares sizes with those that qemu-img tells.
func TestImages(t *testing.T) {
	for kind, args := range map[string]string{
		"qcow2": "-f qcow2", "vmdk": "-f vmdk", "vhdx": "-f vhdx", "vdi": "-f vdi", "vhd": "-f vpc -o force_size=on",
		"vhd ": "-f vpc -o subformat=fixed,force_size=on",
	} {
		t.Run(args, func(t *testing.T) {
			path := makeImage(t, 0, "", "qemu-img create -q "+args+" DISK 64M")
			var told struct {
				Size int64 `json:"virtual-size"`
			}
			if err := json.Unmarshal(run(t, "", "", "qemu-img", "info", "-f", strings.Fields(args)[1], "--output", "json", path), &told); err != nil {
				t.Fatal(err)
			}
			found, _ := probe(t, path)
			if found[0].Kind != strings.TrimSpace(kind) || found[0].Size != told.Size {
				t.Errorf("%+v, qemu-img tells %d bytes", found, told.Size)
			}
		})
	}
}
