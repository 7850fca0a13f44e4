package disk

const hfsHeader = 1024

func probeHFSPlus(s *source) *Signature { return hfsPlus(s, 0) }

// hfsPlus reads the volume header of HFS+ that begins at a byte of the source.
func hfsPlus(s *source, from int64) *Signature {
	b := s.bytes(from+hfsHeader, 512)
	if b == nil {
		return nil
	}
	f := &Signature{Kind: "hfsplus", Name: "HFS+", Class: ClassFilesystem, Offset: from + hfsHeader}
	version := be.Uint16(b[2:])
	switch {
	case string(b[:2]) == "H+" && version == 4:
	case string(b[:2]) == "HX" && version == 5:
		f.Kind, f.Name = "hfsx", "HFSX"
	default:
		return nil
	}
	block := uint64(be.Uint32(b[40:]))
	if !powerOfTwo(block, 512, 1<<20) || be.Uint32(b[44:]) == 0 {
		return nil
	}
	f.Version, f.BlockSize = decimal(int(version)), int64(block)
	f.Size = sizeOf(uint64(be.Uint32(b[44:])), f.BlockSize)
	if id := be.Uint64(b[104:]); id != 0 {
		f.UUID = hexadecimal(id, 16)
	}
	f.Label = hfsLabel(s, from+int64(be.Uint32(b[288:]))*f.BlockSize)
	return f
}

// hfsLabel reads the volume's name: it is the key of the catalog's first
// record, in its first leaf.
func hfsLabel(s *source, catalog int64) string {
	header := s.bytes(catalog, 512)
	if header == nil || header[8] != 1 {
		return ""
	}
	leaf, size := uint64(be.Uint32(header[24:])), int64(be.Uint16(header[32:]))
	at, ok := product(leaf, size)
	if !ok || size < 512 || at > 1<<40 {
		return ""
	}
	b := s.bytes(catalog+at, 544)
	if b == nil || b[8] != 0xff || be.Uint32(b[16:]) != 1 {
		return ""
	}
	return wide(b[22:22+2*int(min(be.Uint16(b[20:]), 255))], be)
}

// probeHFS finds the older HFS, which may be a wrapper of HFS+.
func probeHFS(s *source) *Signature {
	b := s.bytes(hfsHeader, 512)
	if b == nil || string(b[:2]) != "BD" {
		return nil
	}
	block, blocks := uint64(be.Uint32(b[20:])), be.Uint16(b[18:])
	if block == 0 || block%512 != 0 || blocks == 0 || b[36] > 27 {
		return nil
	}
	if string(b[124:126]) == "H+" {
		at := int64(be.Uint16(b[28:]))*512 + int64(be.Uint16(b[126:]))*int64(block)
		if f := hfsPlus(s, at); f != nil {
			f.Notes = append(f.Notes, "wrapped in HFS")
			return f
		}
	}
	return &Signature{
		Kind: "hfs", Name: "HFS", Class: ClassFilesystem, Offset: hfsHeader,
		Label: text(b[37 : 37+b[36]]), Size: sizeOf(uint64(blocks), int64(block)), BlockSize: int64(block),
	}
}

func probeAPFS(s *source) *Signature {
	b := s.bytes(0, 4096)
	if b == nil || string(b[32:36]) != "NXSB" {
		return nil
	}
	block := uint64(le.Uint32(b[36:]))
	if !powerOfTwo(block, 4096, 65536) || le.Uint16(b[24:]) != 1 || le.Uint64(b[40:]) == 0 {
		return nil
	}
	return &Signature{
		Kind: "apfs", Name: "APFS container", Class: ClassFilesystem, Offset: 32, UUID: uuid(b[72:]),
		Size: sizeOf(le.Uint64(b[40:]), int64(block)), BlockSize: int64(block),
	}
}

// bsdMagic is that of disklabels; it stands twice in each.
const bsdMagic = 0x82564557

// otherTables finds the tables of other systems, which are not read.
func otherTables(s *source) []Signature {
	var found []Signature
	if f := probeAPM(s); f != nil {
		found = append(found, *f)
	}
	for _, at := range []int64{0, 64, 512} {
		b := s.bytes(at, 136)
		if b != nil && le.Uint32(b) == bsdMagic && le.Uint32(b[132:]) == bsdMagic {
			found = append(found, Signature{Kind: "bsd", Name: "BSD disklabel", Class: ClassTable, Offset: at})
		}
	}
	return found
}

// probeAPM wants the descriptor in the first block and the first entry behind
// it.
func probeAPM(s *source) *Signature {
	b := s.bytes(0, 8)
	if b == nil || string(b[:2]) != "ER" {
		return nil
	}
	block := uint64(be.Uint16(b[2:]))
	if !powerOfTwo(block, 512, 4096) {
		return nil
	}
	entry := s.bytes(int64(block), 8)
	if entry == nil || string(entry[:2]) != "PM" || be.Uint32(entry[4:]) == 0 {
		return nil
	}
	return &Signature{Kind: "apm", Name: "Apple partition map", Class: ClassTable, BlockSize: int64(block)}
}
