package disk

import (
	"hash/crc32"
	"strings"
	"testing"
)

// formats are superblocks of which few fields are set: those that are told, and
// those that make the magic plausible. near is a byte that spoils it.
var formats = []struct {
	kind string
	disk func() *testDisk
	near int64 // a byte that is not of the magic
	want Signature
}{
	{"ext2", func() *testDisk { return extDisk(0, 0, 0) }, 1024 + 24, Signature{Name: "ext2", Label: "a label", UUID: testUUID, Size: 8 * mib, BlockSize: 4096, Offset: 1080, Browsable: true}},
	{"ext3", func() *testDisk { return extDisk(4, 0x6, 0x7) }, 1024 + 76, Signature{Name: "ext3", Label: "a label", UUID: testUUID, Size: 8 * mib, BlockSize: 4096, Offset: 1080, Browsable: true}},
	{"ext4", func() *testDisk { return extDisk(4, 0xc2, 0).le32(1024+336, 1) }, 1024 + 24, Signature{Name: "ext4", Label: "a label", UUID: testUUID, Size: 8*mib + 1<<44, BlockSize: 4096, Offset: 1080, Browsable: true}},
	{"ext4", func() *testDisk { return extDisk(0, 0, 0x400) }, 1024 + 24, Signature{Name: "ext4", Label: "a label", UUID: testUUID, Size: 8 * mib, BlockSize: 4096, Offset: 1080, Browsable: true, Notes: []string{badChecksum}}},
	{"jbd", func() *testDisk { return extDisk(0, 8, 0) }, 1024 + 24, Signature{Name: "Journal of an ext file system", Label: "a label", UUID: testUUID, Size: 8 * mib, BlockSize: 4096, Offset: 1080}},
	{"fat12", func() *testDisk { return fatDisk(newDisk(8 * mib)) }, 16, Signature{Name: "FAT12", UUID: "1234-5678", Size: 4 * mib, BlockSize: 2048, Offset: 54, Browsable: true}},
	{"exfat", func() *testDisk {
		return newDisk(8*mib).text(3, "EXFAT   ").le64(72, 16384).le32(88, 256).le32(92, 100).le32(96, 2).le32(100, 0xabcd1234).
			le16(104, 0x100).put(108, []byte{9, 3}).put(256*512, []byte{0x83, 2, 'H', 0, 0xe9, 0})
	}, 108, Signature{Name: "exFAT", Label: "Hé", UUID: "ABCD-1234", Version: "1.0", Size: 8 * mib, BlockSize: 4096, Offset: 3, Browsable: true}},
	{"ntfs", ntfsDisk, 14, Signature{Name: "NTFS", Label: "Hi", UUID: "0123456789ABCDEF", Version: "3.1", Size: 8*mib - 512, BlockSize: 4096, Offset: 3, Browsable: true}},
	{"refs", func() *testDisk {
		return newDisk(8*mib).text(3, "ReFS").text(16, "FSRS").le64(24, 16384).le32(32, 512).le32(36, 8).put(40, []byte{3, 4}).le64(56, 0xabc)
	}, 33, Signature{Name: "ReFS", UUID: "0000000000000ABC", Version: "3.4", Size: 8 * mib, BlockSize: 4096, Offset: 3}},
	{"iso9660", func() *testDisk {
		return isoDisk(newDisk(8*mib)).le32(32768+158, 20).put(20*2048, []byte{34}).put(20*2048+32, []byte{1}).text(20*2048+34, "SP\x07\x01\xbe\xef")
	}, 32768 + 130, Signature{Name: "ISO 9660", Label: "A LABEL", UUID: "2026-01-02-03-04-05-06", Size: 8 * mib, BlockSize: 2048, Offset: 32769, Browsable: true, Notes: []string{"Rock Ridge names"}}},
	{"udf", func() *testDisk {
		d := newDisk(8*mib).text(32768, "\x00BEA01").text(32768+2048, "\x00NSR03")
		return d.udfTag(256*2048, 2, 256).le32(256*2048+16, 16*2048).le32(256*2048+20, 300).
			text(301*2048+84, "\x08volume").put(301*2048+211, []byte{7}).le16(301*2048+240, 0x201).udfTag(301*2048, 6, 301)
	}, 256*2048 + 5, Signature{Name: "UDF", Label: "volume", Version: "2.01", BlockSize: 2048, Offset: 34817}},
	{"squashfs", func() *testDisk {
		return newDisk(8*mib).text(0, "hsqs").le32(12, 131072).le16(20, 6).le16(22, 17).le16(28, 4).le64(40, 5000)
	}, 22, Signature{Name: "squashfs", Version: "4.0", Size: 5000, BlockSize: 131072, Notes: []string{"compressed with zstd"}}},
	{"erofs", func() *testDisk {
		return newDisk(8*mib).le32(1024, 0xe0f5e1e2).put(1024+12, []byte{12}).le32(1024+36, 100).put(1024+48, testID).text(1024+64, "er")
	}, 1024 + 12, Signature{Name: "EROFS", Label: "er", UUID: testUUID, Size: 409600, BlockSize: 4096, Offset: 1024}},
	{"xfs", func() *testDisk {
		return newDisk(8*mib).text(0, "XFSB").be32(4, 4096).be64(8, 2048).put(32, testID).be32(88, 4).be16(100, 0xb4a5).text(108, "x").put(120, []byte{12})
	}, 120, Signature{Name: "XFS", Label: "x", UUID: testUUID, Version: "5", Size: 8 * mib, BlockSize: 4096}},
	{"btrfs", func() *testDisk {
		d := newDisk(8*mib).put(65536+32, testID).le64(65536+48, 65536).text(65536+64, "_BHRfS_M").le64(65536+136, 2).le32(65536+144, 4096).le32(65536+148, 16384).le64(65536+209, 8*mib).text(65536+299, "b")
		return d.le32(65536, crc32.Checksum(d.dump(65536 + 4096)[65536+32:], castagnoli))
	}, 65536 + 144, Signature{Name: "btrfs", Label: "b", UUID: testUUID, Size: 8 * mib, BlockSize: 4096, Offset: 65600, Notes: []string{"one of 2 devices"}}},
	{"f2fs", func() *testDisk {
		return newDisk(8*mib).le32(1024, 0xf2f52010).le16(1028, 1).le16(1030, 16).le32(1032, 9).le32(1040, 12).le64(1060, 2048).put(1024+108, testID).text(1024+124, "f\x00")
	}, 1040, Signature{Name: "F2FS", Label: "f", UUID: testUUID, Version: "1.16", Size: 8 * mib, BlockSize: 4096, Offset: 1024}},
	{"hfsplus", func() *testDisk { return hfsDisk(0) }, 1024 + 41, Signature{Name: "HFS+", Label: "Mac", UUID: "0123456789ABCDEF", Version: "4", Size: 8 * mib, BlockSize: 4096, Offset: 1024}},
	{"hfsx", func() *testDisk { return hfsDisk(0).text(1024, "HX\x00\x05") }, 1024 + 3, Signature{Name: "HFSX", Label: "Mac", UUID: "0123456789ABCDEF", Version: "5", Size: 8 * mib, BlockSize: 4096, Offset: 1024}},
	{"hfsplus", func() *testDisk {
		return hfsDisk(8192).text(1024, "BD").be16(1024+18, 100).be32(1024+20, 4096).be16(1024+28, 8).text(1024+124, "H+").be16(1024+126, 1)
	}, 1024 + 23, Signature{Name: "HFS+", Label: "Mac", UUID: "0123456789ABCDEF", Version: "4", Size: 8 * mib, BlockSize: 4096, Offset: 8192 + 1024, Notes: []string{"wrapped in HFS"}}},
	{"hfs", func() *testDisk {
		return newDisk(8*mib).text(1024, "BD").be16(1024+18, 100).be32(1024+20, 4096).text(1024+36, "\x03old")
	}, 1024 + 23, Signature{Name: "HFS", Label: "old", Size: 409600, BlockSize: 4096, Offset: 1024}},
	{"apfs", func() *testDisk {
		return newDisk(8*mib).le32(24, 0x80000001).text(32, "NXSB").le32(36, 4096).le64(40, 2048).put(72, testID)
	}, 36, Signature{Name: "APFS container", UUID: testUUID, Size: 8 * mib, BlockSize: 4096, Offset: 32}},
	{"zfs", func() *testDisk { return zfsDisk(0) }, 16384 + 12 + 3, Signature{Name: "ZFS pool member", Label: "tank", UUID: "12345678901234567890", Version: "5000", Offset: 16384}},
	{"zfs", func() *testDisk { return zfsDisk(8*mib - zfsLabel) }, 8*mib - zfsLabel + 16384, Signature{Name: "ZFS pool member", Label: "tank", UUID: "12345678901234567890", Version: "5000", Offset: 8*mib - zfsLabel + 16384}},
	{"swap", func() *testDisk {
		return newDisk(8*mib).le32(1024, 1).le32(1028, 2047).put(1036, testID).text(1052, "s").text(4086, "SWAPSPACE2")
	}, 1025, Signature{Name: "Linux swap", Label: "s", UUID: testUUID, Version: "1", Size: 8 * mib, BlockSize: 4096, Offset: 4086}},
	{"swap", func() *testDisk {
		return newDisk(8*mib).be32(1024, 1).be32(1028, 127).text(65526, "SWAPSPACE2")
	}, 1027, Signature{Name: "Linux swap", Version: "1", Size: 8 * mib, BlockSize: 65536, Offset: 65526}},
	{"swap", func() *testDisk { return newDisk(8*mib).le32(1024, 1).le32(1028, 2047).text(4086, "S1SUSPEND") },
		4086, Signature{Name: "Linux swap", Version: "1", Size: 8 * mib, BlockSize: 4096, Offset: 4086, Notes: []string{"a hibernated system"}}},
	{"lvm2", func() *testDisk {
		d := newDisk(8*mib).text(512, "LABELONE").le64(520, 1).le32(532, 32).text(536, "LVM2 001").text(544, "0123456789abcdefghijklmnopqrstuv").le64(576, 8*mib).
			le64(584, mib).le64(616, 4096).le64(624, mib-4096).text(4100, " LVM2 x[5A%r0N*>").le64(4096+40, 512).text(4608, "vg0 {\n")
		return d.le32(528, ^crc32.Update(^uint32(lvmSeed), crc32.IEEETable, d.dump(1024)[532:]))
	}, 520, Signature{Name: "LVM2 physical volume", UUID: "012345-6789-abcd-efgh-ijkl-mnop-qrstuv", Size: 8 * mib, Offset: 512, Notes: []string{"volume group vg0"}}},
	{"mdraid", func() *testDisk { return raidDisk(4096) }, 4096 + 145, Signature{Name: "Linux RAID member", Label: "host:0", UUID: testUUID, Version: "1.2", Size: 7 * mib, Offset: 4096, Notes: []string{"RAID1 of 2 disks"}}},
	{"mdraid", func() *testDisk { return raidDisk(0) }, 145, Signature{Name: "Linux RAID member", Label: "host:0", UUID: testUUID, Version: "1.1", Size: 7 * mib, Notes: []string{"RAID1 of 2 disks"}}},
	{"mdraid", func() *testDisk { return raidDisk(8*mib - 8192) }, 8*mib - 8192 + 145, Signature{Name: "Linux RAID member", Label: "host:0", UUID: testUUID, Version: "1.0", Size: 7 * mib, Offset: 8*mib - 8192, Notes: []string{"RAID1 of 2 disks"}}},
	{"mdraid", func() *testDisk {
		at := int64(8*mib - 65536)
		return newDisk(8*mib).le32(at, raidMagic).le32(at+8, 90).le32(at+20, 0x00010203).le32(at+52, 0x04050607).le32(at+56, 0x08090a0b).le32(at+60, 0x0c0d0e0f).le32(at+28, 5).le32(at+32, 7*1024).le32(at+40, 3)
	}, 8*mib - 65536 + 8, Signature{Name: "Linux RAID member", UUID: testUUID, Version: "0.90", Size: 7 * mib, Offset: 8*mib - 65536, Notes: []string{"RAID5 of 3 disks"}}},
	{"luks1", func() *testDisk {
		return newDisk(8*mib).text(0, "LUKS\xba\xbe\x00\x01aes").text(40, "xts-plain64").be32(108, 64).text(168, testUUID)
	}, 109, Signature{Name: "LUKS1", UUID: testUUID, Version: "1", Notes: []string{"encrypted with aes-xts-plain64"}}},
	{"luks2", func() *testDisk {
		return newDisk(8*mib).text(0, "LUKS\xba\xbe\x00\x02").be64(8, 16384).text(24, "l2").text(168, testUUID)
	}, 15, Signature{Name: "LUKS2", Label: "l2", UUID: testUUID, Version: "2"}},
	{"luks2", func() *testDisk {
		return newDisk(8*mib).text(16384, "SKUL\xba\xbe\x00\x02").be64(16384+8, 16384).be64(16384+256, 16384).text(16384+168, testUUID)
	}, 16384 + 256, Signature{Name: "LUKS2", UUID: testUUID, Version: "2", Offset: 16384, Notes: []string{"only the second header is left"}}},
	{"bitlocker", func() *testDisk {
		return newDisk(8*mib).text(0, "\xeb\x58\x90-FVE-FS-").put(160, []byte{0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0, 0x01})
	}, 160, Signature{Name: "BitLocker", Offset: 3}},
	{"bitlocker", func() *testDisk {
		return newDisk(8*mib).text(0, "\xeb\x58\x90MSWIN4.1").put(424, []byte{0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0, 0x01})
	}, 424, Signature{Name: "BitLocker", Offset: 424}},
	{"qcow2", func() *testDisk {
		return newDisk(8*mib).text(0, "QFI\xfb").be32(4, 3).be64(8, 100).be32(20, 16).be64(24, mib)
	},
		20, Signature{Name: "QCOW2 image", Version: "3", Size: mib, BlockSize: 65536, Notes: []string{"has a backing file"}}},
	{"vmdk", func() *testDisk { return newDisk(8*mib).text(0, "KDMV").le32(4, 1).le64(12, 2048).le64(20, 128) },
		20, Signature{Name: "VMDK image", Version: "1", Size: mib, BlockSize: 65536}},
	{"vhd", func() *testDisk {
		d := newDisk(8*mib).text(8*mib-512, "conectix").be64(8*mib-512+48, mib).be32(8*mib-512+60, 2).put(8*mib-512+68, testID)
		b := make([]byte, 512)
		_, _ = d.ReadAt(b, 8*mib-512)
		return d.be32(8*mib-512+64, vhdSum(b))
	}, 8*mib - 512 + 60, Signature{Name: "VHD image", UUID: testUUID, Size: mib, Offset: 8*mib - 512, Notes: []string{"of a fixed size"}}},
	{"vdi", func() *testDisk {
		return newDisk(8*mib).text(0, "<<< tool >>>\n").le32(64, 0xbeda107f).le32(68, 0x10001).le32(76, 1).le64(368, mib).le32(376, mib).put(392, testID)
	}, 70, Signature{Name: "VDI image", UUID: "03020100-0504-0706-0809-0a0b0c0d0e0f", Version: "1.1", Size: mib, BlockSize: mib, Offset: 64, Notes: []string{"tool"}}},
	{"mbr", func() *testDisk { return newDisk(8*mib).le32(440, 0xabcdef01).entry(0, 0, 0x80, 0x83, 2048, 2048) }, 446, Signature{Name: "MBR partition table", UUID: "ABCDEF01", Offset: 510}},
	{"apm", func() *testDisk { return newDisk(8*mib).text(0, "ER\x02\x00").text(512, "PM\x00\x00\x00\x00\x00\x01") }, 512, Signature{Name: "Apple partition map", BlockSize: 512}},
	{"bsd", func() *testDisk { return newDisk(8*mib).le32(512, bsdMagic).le32(512+132, bsdMagic) }, 512 + 132, Signature{Name: "BSD disklabel", Offset: 512}},
	{"grub", func() *testDisk { return newDisk(8*mib).text(384, "GRUB ").le16(510, 0xaa55).put(446, []byte{1}) }, 510, Signature{Name: "GRUB boot sector", Offset: 384}},
}

const testUUID = "00010203-0405-0607-0809-0a0b0c0d0e0f"

var testID = []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

func extDisk(compatible, incompatible, readOnly uint32) *testDisk {
	const at = 1024
	return newDisk(8*mib).le32(at, 100).le32(at+4, 2048).le32(at+24, 2).le32(at+32, 32768).le32(at+40, 100).le16(at+56, 0xef53).le32(at+76, 1).
		le32(at+92, compatible).le32(at+96, incompatible).le32(at+100, readOnly).put(at+104, testID).text(at+120, "a label")
}

func ntfsDisk() *testDisk {
	d := newDisk(8*mib).text(0, "\xeb\x52\x90NTFS    ").le16(11, 512).put(13, []byte{8}).le64(40, 16383).le64(48, 4).put(64, []byte{0xf6}).le64(72, 0x0123456789abcdef)
	at := int64(4*4096 + 3*1024)
	d.text(at, "FILE").le16(at+4, 48).le16(at+6, 3).le16(at+20, 56)
	d.le16(at+48, 7).le16(at+50, 'i').le16(at+510, 7).le16(at+1022, 7)
	// A name whose second character lies where a sector ends, which the record protects.
	d.le32(at+56, 0x80).le32(at+60, 508-24-56).put(at+64, []byte{1})
	d.le32(at+484, 0x60).le32(at+488, 48).le32(at+500, 4).le16(at+504, 24)
	return d.text(at+508, "H\x00").le32(at+532, 0x70).le32(at+536, 40).le32(at+548, 12).le16(at+552, 24).put(at+564, []byte{3, 1}).le32(at+572, 0xffffffff)
}

func hfsDisk(from int64) *testDisk {
	d, at := newDisk(8*mib), from+1024
	d.text(at, "H+\x00\x04").be32(at+40, 4096).be32(at+44, 2048).be64(at+104, 0x0123456789abcdef).be32(at+288, 16)
	catalog := from + 16*4096
	d.put(catalog+8, []byte{1}).be32(catalog+24, 2).be16(catalog+32, 4096)
	leaf := catalog + 2*4096
	return d.put(leaf+8, []byte{0xff}).be32(leaf+16, 1).be16(leaf+20, 3).text(leaf+22, "\x00M\x00a\x00c")
}

func zfsDisk(at int64) *testDisk {
	pair := func(name string, value ...[]byte) []byte {
		b := xdr(name)
		for _, v := range value {
			b = append(b, v...)
		}
		return append(be.AppendUint32(be.AppendUint32(nil, uint32(len(b)+8)), 0), b...)
	}
	number := func(n uint64) []byte { return be.AppendUint64([]byte{0, 0, 0, 8, 0, 0, 0, 1}, n) }
	list := append([]byte{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, pair("version", number(5000))...)
	list = append(list, pair("name", []byte{0, 0, 0, 9, 0, 0, 0, 1}, xdr("tank"))...)
	return newDisk(8*mib).put(at+16384, append(list, pair("pool_guid", number(12345678901234567890))...))
}

func xdr(t string) []byte {
	b := append(be.AppendUint32(nil, uint32(len(t))), t...)
	return append(b, make([]byte, -len(t)&3)...)
}

func raidDisk(at int64) *testDisk {
	return newDisk(8*mib).le32(at, raidMagic).le32(at+4, 1).put(at+16, testID).text(at+32, "host:0").le32(at+72, 1).le64(at+80, 7*2048).le32(at+92, 2).le64(at+144, uint64(at/512))
}

func (d *testDisk) udfTag(at int64, kind uint16, place uint32) *testDisk {
	d.le16(at, kind).le32(at+12, place)
	sum := byte(0)
	for _, c := range d.dump(at + 16)[at:] {
		sum += c
	}
	return d.put(at+4, []byte{sum})
}

// probe gives the first signature of a kind.
func probe(t *testing.T, d *testDisk, kind string) (Signature, bool) {
	t.Helper()
	d.reads = 0
	found, err := Probe(d, 0, d.size)
	if err != nil {
		t.Fatal(err)
	}
	if d.reads > probeReads {
		t.Errorf("%d reads", d.reads)
	}
	for _, f := range found {
		if f.Kind == kind {
			return f, true
		}
	}
	return Signature{}, false
}

func TestFormats(t *testing.T) {
	for _, test := range formats {
		t.Run(test.want.Name+" "+test.want.Version, func(t *testing.T) {
			f, ok := probe(t, test.disk(), test.kind)
			want := test.want
			want.Kind, want.Class = test.kind, f.Class
			if !ok || !same(f, want) || f.Class == "" {
				t.Errorf("got  %+v\nwant %+v", f, want)
			}
		})
	}
}

func same(a, b Signature) bool {
	notes := strings.Join(a.Notes, "|") == strings.Join(b.Notes, "|")
	a.Notes, b.Notes = nil, nil
	return notes && a.Kind == b.Kind && a.Name == b.Name && a.Class == b.Class && a.Offset == b.Offset && a.Label == b.Label &&
		a.UUID == b.UUID && a.Version == b.Version && a.Size == b.Size && a.BlockSize == b.BlockSize && a.Browsable == b.Browsable
}

// TestNearMisses spoils a byte beside each magic.
func TestNearMisses(t *testing.T) {
	for _, test := range formats {
		d := test.disk()
		b := []byte{0}
		_, _ = d.ReadAt(b, test.near)
		if f, ok := probe(t, d.put(test.near, []byte{b[0] ^ 0x5b}), test.kind); ok && f.Kind+f.Name == test.kind+test.want.Name {
			t.Errorf("%s is told though byte %d is wrong: %+v", test.want.Name, test.near, f)
		}
	}
}

func TestProbeOfARegion(t *testing.T) {
	small, d := extDisk(0, 0, 0), newDisk(1<<40)
	for number, block := range small.blocks {
		d.blocks[number+1<<20] = block
	}
	found, err := Probe(d, 1<<29, small.size)
	if err != nil || len(found) != 1 || found[0].Offset != 1<<29+1080 {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := Probe(d, 1<<62, 1<<62); err == nil {
		t.Error("a region beyond every disk was taken")
	}
}

func TestProbeOfBadSectors(t *testing.T) {
	d := extDisk(0, 0, 0)
	d.bad, d.badEnd = 70000, 70001
	found, err := Probe(d, 0, d.size)
	if err == nil || len(found) != 1 || found[0].Kind != "ext2" || d.reads > probeReads {
		t.Errorf("%+v, %v, %d reads", found, err, d.reads)
	}
}

// TestABadSectorHidesLittle has one between two superblocks, in one window.
func TestABadSectorHidesLittle(t *testing.T) {
	d := newDisk(8 * mib)
	for _, format := range formats {
		if format.kind == "btrfs" || format.kind == "luks2" {
			for number, block := range format.disk().blocks {
				d.blocks[number] = block
			}
		}
	}
	d.bad, d.badEnd = 40000, 40001
	found, err := Probe(d, 0, d.size)
	if err == nil || len(found) != 2 || d.reads > probeReads {
		t.Errorf("%+v, %v, %d reads", found, err, d.reads)
	}
}

func TestEmptyDiskTakesThreeReads(t *testing.T) {
	d := newDisk(1 << 40)
	if found, err := Probe(d, 0, d.size); err != nil || len(found) != 0 || d.reads > 3 {
		t.Errorf("%+v, %v, %d reads", found, err, d.reads)
	}
}
