package disk

func probeSquashFS(s *source) *Signature {
	b := s.bytes(0, 96)
	if b == nil || string(b[:4]) != "hsqs" {
		return nil
	}
	block, major := uint64(le.Uint32(b[12:])), le.Uint16(b[28:])
	if major != 4 || !powerOfTwo(block, 4096, 1<<20) || 1<<(b[22]&63) != block || le.Uint64(b[40:]) < 96 {
		return nil
	}
	f := &Signature{
		Kind: "squashfs", Name: "squashfs", Class: ClassFilesystem,
		Version: decimal(int(major)) + "." + decimal(int(le.Uint16(b[30:]))),
		Size:    sizeOf(le.Uint64(b[40:]), 1), BlockSize: int64(block),
	}
	names := []string{"", "gzip", "lzma", "lzo", "xz", "lz4", "zstd"}
	if id := int(le.Uint16(b[20:])); id > 0 && id < len(names) {
		f.Notes = append(f.Notes, "compressed with "+names[id])
	}
	return f
}

func probeEROFS(s *source) *Signature {
	b := s.bytes(1024, 128)
	if b == nil || le.Uint32(b) != 0xe0f5e1e2 || b[12] < 9 || b[12] > 16 || le.Uint32(b[36:]) == 0 {
		return nil
	}
	return &Signature{
		Kind: "erofs", Name: "EROFS", Class: ClassFilesystem, Offset: 1024, Label: text(b[64:80]), UUID: uuid(b[48:]),
		Size: sizeOf(uint64(le.Uint32(b[36:])), 1<<b[12]), BlockSize: 1 << b[12],
	}
}
