package disk

// fat is the geometry of a FAT file system, in sectors but for sector.
type fat struct {
	sector, perCluster  int64
	reserved, fats, per int64 // per is the size of one FAT
	rootEntries         int64
	sectors, clusters   int64
	wide                bool // the layout of FAT32
}

// data is the first sector of the clusters.
func (f fat) data() int64 {
	return f.reserved + f.fats*f.per + (f.rootEntries*32+f.sector-1)/f.sector
}

func readFAT(b bootSector) (fat, bool) {
	f := fat{
		sector: b.sector, perCluster: b.perCluster,
		reserved: int64(le.Uint16(b.bytes[14:])), fats: int64(b.bytes[16]), per: int64(le.Uint16(b.bytes[22:])),
		rootEntries: int64(le.Uint16(b.bytes[17:])), sectors: int64(le.Uint16(b.bytes[19:])),
	}
	if f.per == 0 {
		f.per, f.wide = int64(le.Uint32(b.bytes[36:])), true
	}
	if f.sectors == 0 {
		f.sectors = int64(le.Uint32(b.bytes[32:]))
	}
	_, ok := b.cluster()
	if !ok || f.sector < 512 || f.perCluster > 128 || f.reserved == 0 || f.fats == 0 || f.fats > 4 || f.per == 0 || f.data() >= f.sectors {
		return f, false
	}
	f.clusters = (f.sectors - f.data()) / f.perCluster
	return f, f.clusters > 0
}

// probeFAT wants two of three signs beside numbers that can be: a jump, the name
// in the boot sector, and the media byte at the beginning of the FAT. Many boot
// sectors have one.
func probeFAT(s *source) *Signature {
	b, ok := readBootSector(s)
	if !ok {
		return nil
	}
	media := b.bytes[21]
	g, ok := readFAT(b)
	if !ok || media != 0xf0 && media < 0xf8 {
		return nil
	}
	signs := 0
	first := s.bytes(g.reserved*g.sector, 1)
	for _, sign := range []bool{b.jumps, b.extended(g.wide), len(first) == 1 && first[0] == media} {
		if sign {
			signs++
		}
	}
	if signs < 2 {
		return nil
	}
	return fatSignature(s, b, g)
}

// extended tells whether the boot sector has a name of the file system.
func (b bootSector) extended(wide bool) bool {
	if wide {
		return string(b.bytes[82:85]) == "FAT"
	}
	return string(b.bytes[54:57]) == "FAT"
}

func fatSignature(s *source, b bootSector, g fat) *Signature {
	f := &Signature{Class: ClassFilesystem, Browsable: true, Size: g.sectors * g.sector, BlockSize: g.sector * g.perCluster}
	ids := b.bytes[36:] // drive, reserved, mark, serial number, label, name
	switch {
	case g.wide:
		f.Kind, f.Name, ids = "fat32", "FAT32", b.bytes[64:]
	case g.clusters < 4085:
		f.Kind, f.Name = "fat12", "FAT12"
	default:
		f.Kind, f.Name = "fat16", "FAT16"
	}
	f.Offset = int64(len(b.bytes) - len(ids) + 18)
	if ids[2] == 0x28 || ids[2] == 0x29 {
		serial := hexadecimal(uint64(le.Uint32(ids[3:])), 8)
		f.UUID = serial[:4] + "-" + serial[4:]
	}
	f.Label = fatLabel(s, b, g)
	if f.Label == "" && ids[2] == 0x29 && text(ids[7:18]) != "NO NAME" {
		f.Label = text(ids[7:18])
	}
	return f
}

// fatLabel looks for the label among the first entries of the root folder.
func fatLabel(s *source, b bootSector, g fat) string {
	at, length := (g.reserved+g.fats*g.per)*g.sector, g.rootEntries*32
	if g.wide {
		root := int64(le.Uint32(b.bytes[44:])) - 2
		at, length = (g.data()+root*g.perCluster)*g.sector, g.perCluster*g.sector
	}
	folder := s.upTo(at, int(min(length, 16384)))
	for ; len(folder) >= 32 && folder[0] != 0; folder = folder[32:] {
		attributes := folder[11]
		if folder[0] != 0xe5 && attributes&0x08 != 0 && attributes != 0x0f {
			return text(folder[:11])
		}
	}
	return ""
}
