package disks

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nbdbridge/disk"
)

const mib = 1 << 20

// tables are made by sfdisk, or by sgdisk with the arguments, and then damaged.
// Their sectors have 512 bytes.
var tables = []struct {
	name     string
	size     int64
	script   string   // for sfdisk
	sgdisk   []string // instead
	damage   func(t *testing.T, path string)
	problems []string // parts of what is told
	noMMLS   bool     // it gives up
}{
	{name: "mbr", size: 64 * mib, script: "label: dos\nlabel-id: 0xdeadbeef\nsize=8M, type=c, bootable\nsize=8M, type=7\nstart=40960, size=4M, type=82\n"},
	{name: "logical partitions", size: 256 * mib, script: "label: dos\nsize=8M, type=83\ntype=f, size=200M\nsize=8M, type=83\nsize=16M, type=8e\nsize=4M, type=fd\nsize=40M, type=83\n"},
	{name: "extended partition first", size: 256 * mib, script: "label: dos\n1: type=5, start=2048, size=100M\n2: type=83, start=300000, size=10M\n5: start=4096, size=10M\n6: start=100000, size=10M\n"},
	{name: "gpt", size: 64 * mib, script: "label: gpt\nsize=8M, type=U, name=\"boot\"\nsize=16M, type=L, name=\"a näme 😀\", attrs=\"RequiredPartition LegacyBIOSBootable GUID:60\"\nstart=60000, size=1M, type=S\n"},
	{name: "gpt of 12 entries", size: 64 * mib, script: "label: gpt\ntable-length: 12\nsize=8M, type=U\nsize=16M, type=L\n"},
	{name: "sgdisk", size: 64 * mib, sgdisk: []string{"-n1:2048:+8M", "-t1:ef00", "-c1:first", "-n4:40000:+4M", "-t4:8300", "-A4:set:63"}},
	{name: "hybrid", size: 64 * mib, sgdisk: []string{"-n1:2048:+8M", "-t1:0700", "-n2:40000:+4M", "-t2:8300", "-h1:EE"}, problems: []string{"hybrid"}},
	{name: "256 entries", size: 64 * mib, sgdisk: []string{"-S256", "-n200:0:+8M"}},
	{name: "grown", size: 64 * mib, script: "label: gpt\nsize=8M, type=U\n", problems: []string{"grown"},
		damage: func(t *testing.T, path string) { resize(t, path, 128*mib) }},
	{name: "primary damaged", size: 64 * mib, script: "label: gpt\nsize=8M, type=U\nsize=8M, type=L\n", problems: []string{"header of the primary GPT has a wrong checksum"},
		damage: func(t *testing.T, path string) { overwrite(t, path, 512+56, []byte("damage")) }, noMMLS: true},
	{name: "primary entries damaged", size: 64 * mib, script: "label: gpt\nsize=8M, type=U\nsize=8M, type=L\n", problems: []string{"entries of the primary GPT have a wrong checksum"},
		damage: func(t *testing.T, path string) { overwrite(t, path, 1024+56, []byte("damage")) }},
	{name: "backup damaged", size: 64 * mib, script: "label: gpt\nsize=8M, type=U\nsize=8M, type=L\n", problems: []string{"backup GPT is missing"},
		damage: func(t *testing.T, path string) { overwrite(t, path, 64*mib-512, make([]byte, 512)) }},
	{name: "no partitions", size: 64 * mib, script: "label: gpt\n"},
}

func TestTables(t *testing.T) {
	for _, test := range tables {
		t.Run(test.name, func(t *testing.T) {
			need(t, "sfdisk", "sgdisk", "mmls")
			path := newImage(t, test.size)
			if test.sgdisk != nil {
				run(t, "", "", "sgdisk", append(test.sgdisk, path)...)
			} else {
				run(t, "", test.script, "sfdisk", "-q", "--no-reread", "--no-tell-kernel", path)
			}
			if test.damage != nil {
				test.damage(t, path)
			}
			l := layout(t, path)
			checkProblems(t, l, test.problems)
			compareSfdisk(t, path, l)
			if !test.noMMLS {
				compareMmls(t, path, l)
			}
		})
	}
}

func checkProblems(t *testing.T, l *disk.Layout, want []string) {
	t.Helper()
	for i, p := range l.Problems {
		if i >= len(want) || !strings.Contains(p.Text, want[i]) {
			t.Errorf("a problem is told: %s", p.Text)
		}
	}
	if len(l.Problems) < len(want) {
		t.Errorf("not told: %v", want[len(l.Problems):])
	}
}

// dump is what sfdisk says of a disk.
type dump struct {
	PartitionTable struct {
		Label, ID  string
		Partitions []struct {
			Node                    string
			Start, Size             int64
			Type, UUID, Name, Attrs string
			Bootable                bool
		}
	}
}

// flagNames are sfdisk's names of attributes, and ours.
var flagNames = strings.NewReplacer("RequiredPartition", "required by the platform", "LegacyBIOSBootable", "bootable by a legacy BIOS",
	"GUID:60", "read-only", "GUID:63", "no automatic mount")

func compareSfdisk(t *testing.T, path string, l *disk.Layout) {
	t.Helper()
	var d dump
	if err := json.Unmarshal(run(t, "", "", "sfdisk", "--json", path), &d); err != nil {
		t.Fatal(err)
	}
	var ours, theirs []string
	for _, p := range d.PartitionTable.Partitions {
		if d.PartitionTable.Label == "dos" {
			p.Attrs = ""
			if p.Bootable {
				p.Attrs = "active"
			}
		}
		theirs = append(theirs, fmt.Sprintf("%s %d %d %s %s %q %s", strings.TrimPrefix(p.Node, path), p.Start, p.Size, strings.ToLower(p.Type), p.UUID, p.Name, flagNames.Replace(p.Attrs)))
	}
	for _, p := range append(slices.Clone(l.Parts), l.Containers...) {
		if p.Kind != disk.PartPartition && p.Kind != disk.PartExtended {
			continue
		}
		if l.Scheme == "mbr" {
			p.UUID, p.Type = "", strings.TrimLeft(p.Type, "0")
		}
		ours = append(ours, fmt.Sprintf("%d %d %d %s %s %q %s", p.Number, p.Offset/l.SectorSize, p.Length/l.SectorSize, strings.ToLower(p.Type), p.UUID, p.Name, strings.Join(p.Flags, " ")))
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	id := strings.TrimPrefix(strings.ToUpper(d.PartitionTable.ID), "0X")
	if l.SectorSize != 512 || l.UUID != id || map[string]string{"dos": "mbr", "gpt": "gpt"}[d.PartitionTable.Label] != l.Scheme {
		t.Errorf("ours is %s %s %d, sfdisk's %+v", l.Scheme, l.UUID, l.SectorSize, d)
	}
	if !slices.Equal(ours, theirs) {
		t.Errorf("ours:\n%s\nsfdisk's:\n%s", strings.Join(ours, "\n"), strings.Join(theirs, "\n"))
	}
}

// compareMmls compares the partitions with those of The Sleuth Kit.
func compareMmls(t *testing.T, path string, l *disk.Layout) {
	t.Helper()
	kind := map[string]string{"mbr": "dos", "gpt": "gpt"}[l.Scheme]
	var ours, theirs []string
	for _, line := range strings.Split(string(run(t, "", "", "mmls", "-t", kind, "-b", fmt.Sprint(l.SectorSize), path)), "\n") {
		var slot, where string
		var first, last, length int64
		if n, _ := fmt.Sscanf(line, "%s %s %d %d %d", &slot, &where, &first, &last, &length); n == 5 && where != "Meta" && where != "-------" {
			theirs = append(theirs, fmt.Sprintf("%d+%d", first, length))
		}
	}
	for _, p := range l.Parts {
		if p.Kind == disk.PartPartition {
			ours = append(ours, fmt.Sprintf("%d+%d", p.Offset/l.SectorSize, p.Length/l.SectorSize))
		}
	}
	if !slices.Equal(ours, theirs) {
		t.Errorf("ours: %v\nmmls: %v", ours, theirs)
	}
}

// TestLargeSectors makes tables of sectors of 4096 bytes by fdisk's commands.
func TestLargeSectors(t *testing.T) {
	for name, commands := range map[string]string{
		"gpt": "g\nn\n1\n\n+8M\nn\n2\n\n+16M\nw\n",
		"mbr": "o\nn\np\n1\n\n+8M\nn\ne\n2\n\n+100M\nn\nl\n\n+8M\nn\nl\n\n+8M\nw\n",
	} {
		t.Run(name, func(t *testing.T) {
			need(t, "fdisk", "mmls", "mke2fs")
			path := newImage(t, 256*mib)
			run(t, "", commands, "fdisk", "-b", "4096", path)
			// What the first partition has tells the size of an MBR's sectors.
			run(t, "", "", "mke2fs", "-q", "-F", "-t", "ext2", "-E", "offset=1048576", path, "8M")
			l := layout(t, path)
			if l.SectorSize != 4096 || l.Scheme != name || l.Problems != nil {
				t.Errorf("%+v", l)
			}
			compareMmls(t, path, l)
		})
	}
}

func TestWholeVolumesAreNoTables(t *testing.T) {
	for _, command := range [][]string{{"mkfs.fat"}, {"mkfs.fat", "-F32"}, {"mkntfs", "-F", "-q"}, {"mkfs.exfat"}, {"mke2fs", "-q"}} {
		t.Run(strings.Join(command, " "), func(t *testing.T) {
			path := newImage(t, 64*mib)
			run(t, "", "", command[0], append(command[1:], path)...)
			if l := layout(t, path); l.Scheme != "none" || l.Volume == "" || len(l.Parts) != 1 || l.Problems != nil {
				t.Errorf("%+v", l)
			}
		})
	}
}
