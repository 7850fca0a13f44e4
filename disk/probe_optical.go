package disk

import "bytes"

const (
	isoStart  = 32 << 10 // where the volume descriptors begin
	isoSector = 2048
	// maxDescriptors is how many volume descriptors are looked at.
	maxDescriptors = 32
)

func probeISO(s *source) *Signature {
	b := s.bytes(isoStart, isoSector)
	if b == nil || string(b[:7]) != "\x01CD001\x01" {
		return nil
	}
	block := uint64(le.Uint16(b[128:]))
	if !powerOfTwo(block, 512, 2048) || uint64(be.Uint16(b[130:])) != block {
		return nil
	}
	f := &Signature{
		Kind: "iso9660", Name: "ISO 9660", Class: ClassFilesystem, Offset: isoStart + 1, Browsable: true,
		Label: text(b[40:72]), UUID: isoTime(b[830:847]), Size: sizeOf(uint64(le.Uint32(b[80:])), int64(block)), BlockSize: int64(block),
	}
	if f.UUID == "" {
		f.UUID = isoTime(b[813:830])
	}
	f.Notes = isoExtensions(s, uint64(le.Uint32(b[158:])), int64(block))
	return f
}

// isoTime is the time of a volume, which stands for its identity.
func isoTime(b []byte) string {
	for _, c := range b[:16] {
		if c < '0' || c > '9' {
			return ""
		}
	}
	t := string(b)
	if t[:16] == "0000000000000000" {
		return ""
	}
	return t[:4] + "-" + t[4:6] + "-" + t[6:8] + "-" + t[8:10] + "-" + t[10:12] + "-" + t[12:14] + "-" + t[14:16]
}

// isoExtensions looks through the other descriptors, and for the mark that Rock
// Ridge leaves in the first entry of the root folder.
func isoExtensions(s *source, root uint64, block int64) (notes []string) {
	for i := int64(1); i < maxDescriptors; i++ {
		b := s.bytes(isoStart+i*isoSector, isoSector)
		if b == nil || string(b[1:6]) != "CD001" || b[0] == 255 {
			break
		}
		switch {
		case b[0] == 0 && string(b[7:30]) == "EL TORITO SPECIFICATION":
			notes = append(notes, "El Torito boot")
		case b[0] == 2 && isJoliet(b[88:91]):
			notes = append(notes, "Joliet names, label "+wide(b[40:72], be))
		}
	}
	entry := s.block(root, block, 128)
	if entry != nil && bytes.HasPrefix(entry[min(127, (34+int(entry[32]))&^1):], []byte("SP\x07\x01\xbe\xef")) {
		notes = append(notes, "Rock Ridge names")
	}
	return notes
}

func isJoliet(escape []byte) bool {
	return string(escape) == "%/@" || string(escape) == "%/C" || string(escape) == "%/E"
}

// probeUDF wants the mark among the volume descriptors, and an anchor, which
// also tells the size of sectors.
func probeUDF(s *source) *Signature {
	mark := udfMark(s)
	if mark < 0 {
		return nil
	}
	for _, sector := range []int64{2048, 512, 4096, 1024} {
		b := s.bytes(256*sector, 512)
		if b == nil || !isTag(b, 2, 256) {
			continue
		}
		f := &Signature{Kind: "udf", Name: "UDF", Class: ClassFilesystem, Offset: mark, BlockSize: sector}
		length := int64(le.Uint32(b[16:]))
		if at, ok := product(uint64(le.Uint32(b[20:])), sector); ok {
			udfDescriptors(f, s.upTo(at, int(min(length, 16*sector))), sector)
		}
		return f
	}
	return nil
}

// udfMark is where NSR02 or NSR03 stands, or negative.
func udfMark(s *source) int64 {
	for i := range int64(maxDescriptors) {
		at := isoStart + i*isoSector
		b := s.bytes(at, 7)
		if b == nil {
			break
		}
		if id := string(b[1:6]); id == "NSR02" || id == "NSR03" {
			return at + 1
		}
	}
	return -1
}

// isTag tells whether a descriptor has the tag of its kind, for its place.
func isTag(b []byte, kind uint16, place uint32) bool {
	sum := byte(0)
	for i, c := range b[:16] {
		if i != 4 {
			sum += c
		}
	}
	return le.Uint16(b) == kind && sum == b[4] && (place == 0 || le.Uint32(b[12:]) == place)
}

// udfDescriptors takes what the main sequence tells.
func udfDescriptors(f *Signature, b []byte, sector int64) {
	for ; int64(len(b)) >= sector && len(b) >= 512; b = b[sector:] {
		switch {
		case isTag(b, 1, 0):
			f.UUID = udfID(udfString(b[72:200]))
		case isTag(b, 5, 0):
			f.Size += int64(le.Uint32(b[192:])) * sector
		case isTag(b, 6, 0):
			f.Label = udfString(b[84:212])
			version := le.Uint16(b[240:])
			f.Version = hexadecimal(uint64(version>>8), 1) + "." + hexadecimal(uint64(version&0xff), 2)
		}
	}
}

// udfString is text whose first byte is the width of characters, and whose last
// is the length in use.
func udfString(b []byte) string {
	length := int(b[len(b)-1])
	if length < 1 || length >= len(b) {
		return ""
	}
	if b[0] == 16 {
		return wide(b[1:length], be)
	}
	return text(b[1:length])
}

// udfID is the identity in the name of a set of volumes: its first 16
// characters, when they are hexadecimal digits.
func udfID(name string) string {
	if len(name) < 16 {
		return ""
	}
	for _, c := range name[:16] {
		if !isHex(c) {
			return ""
		}
	}
	return string(bytes.ToLower([]byte(name[:16])))
}
