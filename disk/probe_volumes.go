package disk

import (
	"bytes"
	"hash/crc32"
	"strings"
	"unicode/utf8"
)

func probeLUKS(s *source) *Signature {
	b := s.bytes(0, 512)
	if b == nil {
		return nil
	}
	if string(b[:6]) == "LUKS\xba\xbe" {
		switch be.Uint16(b[6:]) {
		case 1:
			return luks1(b)
		case 2:
			return luks2(b, 0)
		}
	}
	return luksBackup(s)
}

func luks1(b []byte) *Signature {
	f := &Signature{Kind: "luks1", Name: "LUKS1", Class: ClassCrypto, Version: "1", UUID: uuidText(b[168:208])}
	f.Notes = append(f.Notes, "encrypted with "+text(b[8:40])+"-"+text(b[40:72]))
	if text(b[8:40]) == "" || be.Uint32(b[108:]) == 0 || be.Uint32(b[108:]) > 512 {
		return nil
	}
	return f
}

func luks2(b []byte, at int64) *Signature {
	if !powerOfTwo(be.Uint64(b[8:]), 16<<10, 4<<20) || be.Uint64(b[256:]) != uint64(at) {
		return nil
	}
	return &Signature{
		Kind: "luks2", Name: "LUKS2", Class: ClassCrypto, Offset: at, Version: "2",
		UUID: uuidText(b[168:208]), Label: text(b[24:72]),
	}
}

// luksBackup looks for the second header of LUKS2, whose place is the first
// one's size.
func luksBackup(s *source) *Signature {
	for at := int64(16 << 10); at < window; at *= 2 {
		b := s.bytes(at, 512)
		if b == nil || string(b[:6]) != "SKUL\xba\xbe" || be.Uint16(b[6:]) != 2 {
			continue
		}
		f := luks2(b, at)
		if f != nil {
			f.Notes = append(f.Notes, "only the second header is left")
		}
		return f
	}
	return nil
}

// probeLVM looks for the label in the first four sectors.
func probeLVM(s *source) *Signature {
	for sector := int64(0); sector < 4; sector++ {
		b := s.bytes(sector*512, 512)
		if b == nil || string(b[:8]) != "LABELONE" || string(b[24:32]) != "LVM2 001" || le.Uint64(b[8:]) != uint64(sector) {
			continue
		}
		at := le.Uint32(b[20:])
		if at < 32 || at > 512-40 {
			continue
		}
		return lvmSignature(s, b, sector*512, b[at:])
	}
	return nil
}

// lvmSeed is what LVM begins its checksums with.
const lvmSeed = 0xf597a6cf

func lvmSignature(s *source, label []byte, at int64, header []byte) *Signature {
	f := &Signature{
		Kind: "lvm2", Name: "LVM2 physical volume", Class: ClassVolume, Offset: at,
		UUID: lvmID(header[:32]), Size: sizeOf(le.Uint64(header[32:]), 1),
	}
	if ^crc32.Update(^uint32(lvmSeed), crc32.IEEETable, label[20:]) != le.Uint32(label[16:]) {
		f.Notes = append(f.Notes, badChecksum)
	}
	if group := volumeGroup(s, header[40:]); group != "" {
		f.Notes = append(f.Notes, "volume group "+group)
	}
	return f
}

// lvmID groups the characters of an identifier as LVM does, which has letters
// and digits alone in it.
func lvmID(b []byte) string {
	t := text(b)
	if len(t) != 32 || strings.ContainsFunc(t, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return t
	}
	return t[:6] + "-" + t[6:10] + "-" + t[10:14] + "-" + t[14:18] + "-" + t[18:22] + "-" + t[22:26] + "-" + t[26:]
}

// volumeGroup finds the group's name in the first metadata area: the areas of
// data are listed before it, and an empty one ends either list.
func volumeGroup(s *source, areas []byte) string {
	for len(areas) >= 32 && !allZero(areas[:16]) {
		areas = areas[16:]
	}
	if len(areas) < 32 {
		return ""
	}
	at, ok := product(le.Uint64(areas[16:]), 1)
	header := s.bytes(at, 512)
	if !ok || header == nil || string(header[4:20]) != " LVM2 x[5A%r0N*>" {
		return ""
	}
	from, ok := product(le.Uint64(header[40:]), 1)
	if !ok || from > 1<<40 {
		return ""
	}
	name, _, ok := bytes.Cut(s.upTo(at+from, 160), []byte(" {"))
	if !ok {
		return ""
	}
	return text(name)
}

const raidMagic = 0xa92b4efc

// probeRAID1 looks for superblocks of version 1 at the beginning, behind 4 KiB,
// and before the end.
func probeRAID1(s *source) *Signature {
	end := (s.size/512 - 16) &^ 7 * 512
	for i, at := range []int64{end, 0, 4096} {
		b := s.bytes(at, 256)
		if b == nil || le.Uint32(b) != raidMagic || le.Uint32(b[4:]) != 1 {
			continue
		}
		if place, ok := product(le.Uint64(b[144:]), 512); !ok || place != at {
			continue
		}
		return raidSignature(b, at, "1."+decimal(i))
	}
	return nil
}

func raidSignature(b []byte, at int64, version string) *Signature {
	return &Signature{
		Kind: "mdraid", Name: "Linux RAID member", Class: ClassVolume, Offset: at, Version: version,
		Label: text(b[32:64]), UUID: uuid(b[16:]), Size: sizeOf(le.Uint64(b[80:]), 512),
		Notes: []string{raidLevel(int32(le.Uint32(b[72:]))) + " of " + decimal(le.Uint32(b[92:])) + " disks"},
	}
}

func raidLevel(level int32) string {
	switch {
	case level == -1:
		return "linear"
	case level >= 0:
		return "RAID" + decimal(int(level))
	}
	return "a RAID"
}

// probeRAID0 looks for the superblock of version 0.90 in the last whole 64 KiB
// but one, in the byte order of the machine that made it.
func probeRAID0(s *source) *Signature {
	at := s.size&^65535 - 65536
	b := s.bytes(at, 256)
	if b == nil {
		return nil
	}
	number := le.Uint32
	if be.Uint32(b) == raidMagic {
		number = be.Uint32
	}
	size := int64(number(b[32:])) * 1024
	if number(b) != raidMagic || number(b[4:]) != 0 || number(b[8:]) != 90 || size > at {
		return nil
	}
	var id []byte // mdadm writes its words as numbers
	for _, at := range []int{20, 52, 56, 60} {
		id = be.AppendUint32(id, number(b[at:]))
	}
	return &Signature{
		Kind: "mdraid", Name: "Linux RAID member", Class: ClassVolume, Offset: at, Version: "0.90",
		UUID: uuid(id), Size: size,
		Notes: []string{raidLevel(int32(number(b[28:]))) + " of " + decimal(number(b[40:])) + " disks"},
	}
}

// zfsLabel is the size of each of the four labels of a ZFS device, two at each
// end.
const zfsLabel = 256 << 10

func probeZFS(s *source) *Signature {
	end := s.size &^ (zfsLabel - 1)
	for _, at := range []int64{0, end - zfsLabel} {
		list := s.bytes(at+16<<10, 8<<10)
		if list == nil || !bytes.HasPrefix(list, []byte{1}) {
			continue
		}
		if f := zfsSignature(list[12:]); f != nil {
			f.Offset = at + 16<<10
			return f
		}
	}
	return nil
}

// zfsSignature reads a list of pairs of names and values, all in units of four
// bytes; each tells its length, and one of no length ends the list.
func zfsSignature(list []byte) *Signature {
	f := &Signature{Kind: "zfs", Name: "ZFS pool member", Class: ClassFilesystem}
	for len(list) >= 20 {
		length := uint64(be.Uint32(list))
		if length < 20 || length > uint64(len(list)) {
			break
		}
		name, value := xdrString(list[8:length])
		switch name {
		case "name":
			if len(value) > 8 {
				pool, _ := xdrString(value[8:])
				f.Label = printable(pool)
			}
		case "pool_guid":
			f.UUID = zfsNumber(value)
		case "version":
			f.Version = zfsNumber(value)
		}
		list = list[length:]
	}
	if f.UUID == "" || f.Version == "" {
		return nil
	}
	return f
}

// xdrString takes a string off, with the zeros that fill it up.
func xdrString(b []byte) (string, []byte) {
	if len(b) < 4 {
		return "", nil
	}
	length := uint64(be.Uint32(b))
	if filled := (length + 3) &^ 3; filled <= uint64(len(b)-4) {
		return string(b[4 : 4+length]), b[4+filled:]
	}
	return "", nil
}

// zfsNumber is the value of a pair whose type is a single 64-bit number.
func zfsNumber(value []byte) string {
	if len(value) < 16 || be.Uint32(value) != 8 {
		return ""
	}
	return decimal(be.Uint64(value[8:]))
}
