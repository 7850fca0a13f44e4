package disk

import "bytes"

func probeQCOW(s *source) *Signature {
	b := s.bytes(0, 72)
	if b == nil || string(b[:4]) != "QFI\xfb" {
		return nil
	}
	version, cluster := be.Uint32(b[4:]), be.Uint32(b[20:])
	if version == 1 {
		cluster = uint32(b[32])
	}
	if version < 1 || version > 3 || cluster < 9 || cluster > 21 {
		return nil
	}
	f := &Signature{
		Kind: "qcow2", Name: "QCOW2 image", Class: ClassImage, Version: decimal(version),
		Size: sizeOf(be.Uint64(b[24:]), 1), BlockSize: 1 << cluster,
	}
	if version == 1 {
		f.Kind, f.Name = "qcow", "QCOW image"
	}
	if be.Uint64(b[8:]) != 0 {
		f.Notes = append(f.Notes, "has a backing file")
	}
	return f
}

func probeVMDK(s *source) *Signature {
	f := &Signature{Kind: "vmdk", Name: "VMDK image", Class: ClassImage}
	if b := s.bytes(0, 21); b != nil && string(b) == "# Disk DescriptorFile" {
		f.Notes = append(f.Notes, "a description of other files")
		return f
	}
	b := s.bytes(0, 512)
	if b == nil || string(b[:4]) != "KDMV" || le.Uint32(b[4:]) == 0 || le.Uint32(b[4:]) > 3 {
		return nil
	}
	grain := le.Uint64(b[20:])
	f.Version, f.Size, f.BlockSize = decimal(le.Uint32(b[4:])), sizeOf(le.Uint64(b[12:]), 512), sizeOf(grain, 512)
	if !powerOfTwo(grain, 1, 1<<16) {
		return nil
	}
	return f
}

// Places and names in VHDX.
const (
	vhdxRegions  = 192 << 10
	vhdxMetadata = "8B7CA206-4790-4B9A-B8FE-575F050F886E"
	vhdxDiskSize = "2FA54224-CD1B-4876-B211-5DBED83BF4B8"
	vhdxEntries  = 64 // that are looked at of either table
)

func probeVHDX(s *source) *Signature {
	b := s.bytes(0, 520)
	if b == nil || string(b[:8]) != "vhdxfile" {
		return nil
	}
	f := &Signature{Kind: "vhdx", Name: "VHDX image", Class: ClassImage}
	if creator := wide(b[8:], le); creator != "" {
		f.Notes = append(f.Notes, "made by "+creator)
	}
	f.Size = vhdxSize(s)
	return f
}

// vhdxSize follows the table of regions to the metadata, and their table to the
// size.
func vhdxSize(s *source) int64 {
	regions := s.bytes(vhdxRegions, 16+32*vhdxEntries)
	if regions == nil || string(regions[:4]) != "regi" {
		return 0
	}
	at, ok := product(vhdxFind(regions[16:], vhdxMetadata), 1)
	metadata := s.bytes(at, 32+32*vhdxEntries)
	if !ok || metadata == nil || string(metadata[:8]) != "metadata" {
		return 0
	}
	item := int64(uint32(vhdxFind(metadata[32:], vhdxDiskSize)))
	if b := s.bytes(at+item, 8); b != nil && item != 0 {
		return sizeOf(le.Uint64(b), 1)
	}
	return 0
}

// vhdxFind gives the place that an entry tells behind its GUID.
func vhdxFind(entries []byte, id string) uint64 {
	for ; len(entries) >= 32; entries = entries[32:] {
		if guid(entries) == id {
			return le.Uint64(entries[16:])
		}
	}
	return 0
}

// probeVHD looks for the footer at the end, and for its copy at the beginning of
// images that grow.
func probeVHD(s *source) *Signature {
	for _, at := range []int64{0, s.size - 512} {
		b := s.bytes(at, 512)
		if b == nil || string(b[:8]) != "conectix" {
			continue
		}
		kind := be.Uint32(b[60:])
		if kind < 2 || kind > 4 {
			continue
		}
		f := &Signature{Kind: "vhd", Name: "VHD image", Class: ClassImage, Offset: at, UUID: uuid(b[68:]), Size: sizeOf(be.Uint64(b[48:]), 1)}
		f.Notes = append(f.Notes, []string{"of a fixed size", "grows", "differs from another image"}[kind-2])
		if vhdSum(b) != be.Uint32(b[64:]) {
			f.Notes = append(f.Notes, badChecksum)
		}
		return f
	}
	return nil
}

// vhdSum is the complement of the sum of a footer's bytes but for the sum.
func vhdSum(b []byte) uint32 {
	sum := uint32(0)
	for i, c := range b {
		if i < 64 || i >= 68 {
			sum += uint32(c)
		}
	}
	return ^sum
}

func probeVDI(s *source) *Signature {
	b := s.bytes(0, 512)
	if b == nil || le.Uint32(b[64:]) != 0xbeda107f || le.Uint16(b[70:]) != 1 {
		return nil
	}
	kind := le.Uint32(b[76:])
	if kind < 1 || kind > 4 {
		return nil
	}
	f := &Signature{
		Kind: "vdi", Name: "VDI image", Class: ClassImage, Offset: 64,
		Version: decimal(int(le.Uint16(b[70:]))) + "." + decimal(int(le.Uint16(b[68:]))),
		UUID:    vdiID(b[392:408]), Size: sizeOf(le.Uint64(b[368:]), 1), BlockSize: int64(le.Uint32(b[376:])),
	}
	if creator, _, ok := bytes.Cut(b[:64], []byte("\n")); ok {
		f.Notes = append(f.Notes, text(bytes.Trim(creator, "<> ")))
	}
	return f
}

// vdiID is a GUID as VirtualBox writes it, in lower case.
func vdiID(b []byte) string {
	if allZero(b) {
		return ""
	}
	return string(bytes.ToLower([]byte(guid(b))))
}
