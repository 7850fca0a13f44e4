package volumes

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

// A FAT is a FAT volume that is being written.
type FAT struct {
	Store
	Bits, Sector, PerCluster, Clusters int // Bits is 12, 16 or 32
	Size                               int64
	Table                              int64 // where the first of two tables lies, in bytes
	TableBytes                         int64 // of one table
	Root, Heap                         int64 // where they lie; Root only of FAT12 and FAT16
}

// FATReserved is how many sectors are in front of the tables of a FAT volume
// that NewFAT makes, FATRootEntries how many entries its root has.
const (
	FATReserved    = 32
	FATRootEntries = 512
)

// NewFAT formats a volume. The root of FAT32 begins in cluster 2.
func NewFAT(store Store, bits, sector, perCluster, clusters int) *FAT {
	f := &FAT{Store: store, Bits: bits, Sector: sector, PerCluster: perCluster, Clusters: clusters}
	tableSectors := ((clusters+2)*bits/8 + sector) / sector
	f.Table, f.TableBytes = int64(FATReserved*sector), int64(tableSectors*sector)
	f.Root = f.Table + 2*f.TableBytes
	f.Heap = f.Root
	if bits != 32 {
		f.Heap += FATRootEntries * 32
	}
	f.Size = f.Heap + int64(clusters)*f.ClusterBytes()
	f.writeBoot(tableSectors)
	f.Link(0, 0x0ffffff8)
	f.Link(1, 0x0fffffff)
	if bits == 32 {
		f.Chain(2)
	}
	return f
}

// ClusterBytes is the size of a cluster.
func (f *FAT) ClusterBytes() int64 { return int64(f.Sector * f.PerCluster) }

func (f *FAT) writeBoot(tableSectors int) {
	b := make([]byte, 512)
	copy(b, "\xeb\x3c\x90tests   ")
	le.PutUint16(b[11:], uint16(f.Sector))
	b[13], b[16], b[21] = byte(f.PerCluster), 2, 0xf8
	le.PutUint16(b[14:], FATReserved)
	le.PutUint32(b[32:], uint32(f.Size/int64(f.Sector)))
	extended := b[36:]
	if f.Bits == 32 {
		le.PutUint32(b[36:], uint32(tableSectors))
		le.PutUint32(b[44:], 2)
		le.PutUint16(b[48:], 1)
		le.PutUint16(b[50:], 6)
		extended = b[64:]
	} else {
		le.PutUint16(b[17:], FATRootEntries)
		le.PutUint16(b[22:], uint16(tableSectors))
	}
	copy(extended[2:], fmt.Sprintf("\x29\x78\x56\x34\x12BOOT LABEL FAT%d   ", f.Bits))
	copy(b[510:], "\x55\xaa")
	put(f, b, 0)
	if f.Bits == 32 {
		put(f, b, int64(6*f.Sector))
		f.SetFree(uint32(f.Clusters - 1))
	}
}

// SetFree writes what FAT32 keeps of its free clusters.
func (f *FAT) SetFree(clusters uint32) {
	b := make([]byte, 512)
	copy(b, "RRaA")
	copy(b[484:], "rrAa")
	le.PutUint32(b[488:], clusters)
	copy(b[508:], "\x00\x00\x55\xaa")
	put(f, b, int64(f.Sector))
}

// Link writes an entry of both tables.
func (f *FAT) Link(cluster int, value uint32) {
	for _, table := range []int64{f.Table, f.Table + f.TableBytes} {
		at := table + int64(cluster)*int64(f.Bits)/8
		b := get(f, 4, at)
		switch f.Bits {
		case 12:
			shift := cluster % 2 * 4
			old := le.Uint16(b) &^ (0xfff << shift)
			le.PutUint16(b, old|uint16(value&0xfff)<<shift)
		case 16:
			le.PutUint16(b, uint16(value))
		default:
			le.PutUint32(b, value)
		}
		put(f, b, at)
	}
}

// Chain links clusters in their order, and ends behind the last.
func (f *FAT) Chain(clusters ...int) {
	for i, n := range clusters {
		next := uint32(0x0fffffff)
		if i+1 < len(clusters) {
			next = uint32(clusters[i+1])
		}
		f.Link(n, next)
	}
}

// At is where a cluster lies, in the volume.
func (f *FAT) At(cluster int) int64 { return f.Heap + int64(cluster-2)*f.ClusterBytes() }

// Fill links clusters and writes content to them.
func (f *FAT) Fill(content []byte, clusters ...int) {
	f.Chain(clusters...)
	for _, n := range clusters {
		part := content[:min(len(content), int(f.ClusterBytes()))]
		put(f, part, f.At(n))
		content = content[len(part):]
	}
}

// A FATEntry is what a folder tells of a file. Short is padded to 11 bytes.
type FATEntry struct {
	Short      string
	Long       string
	Attributes byte
	Case       byte // 0x08: the name is in lower case, 0x10: the extension is
	First      int
	Size       uint32
	Date, Time uint16 // modified
}

// Bytes are those of an entry, behind its long name.
func (e FATEntry) Bytes() []byte {
	b := make([]byte, 32)
	copy(b, e.Short+strings.Repeat(" ", 11))
	b[11], b[12] = e.Attributes, e.Case
	le.PutUint16(b[20:], uint16(e.First>>16))
	le.PutUint16(b[22:], e.Time)
	le.PutUint16(b[24:], e.Date)
	le.PutUint16(b[26:], uint16(e.First))
	le.PutUint32(b[28:], e.Size)
	return append(longName(e.Long, ShortSum(b)), b...)
}

// ShortSum is the sum that a long name has of its short one.
func ShortSum(short []byte) (sum byte) {
	for _, c := range short[:11] {
		sum = sum>>1 | sum<<7
		sum += c
	}
	return sum
}

func longName(name string, sum byte) (out []byte) {
	if name == "" {
		return nil
	}
	text := utf16.Encode([]rune(name))
	if len(text)%13 != 0 {
		text = append(text, 0)
	}
	for len(text)%13 != 0 {
		text = append(text, 0xffff)
	}
	for n := len(text) / 13; n > 0; n-- {
		out = append(out, longPart(text[(n-1)*13:n*13], n, n*13 == len(text), sum)...)
	}
	return out
}

func longPart(text []uint16, number int, last bool, sum byte) []byte {
	b := make([]byte, 32)
	b[0], b[11], b[13] = byte(number), 0x0f, sum
	if last {
		b[0] |= 0x40
	}
	for i, c := range text {
		at := 1 + 2*i
		if i >= 5 {
			at = 14 + 2*(i-5)
		}
		if i >= 11 {
			at = 28 + 2*(i-11)
		}
		le.PutUint16(b[at:], c)
	}
	return b
}

// Folder is the bytes of a folder: what the entries are, one after the other.
func Folder(entries ...FATEntry) (out []byte) {
	for _, e := range entries {
		out = append(out, e.Bytes()...)
	}
	return out
}

// FillRoot writes the root folder; that of FAT32 to the clusters.
func (f *FAT) FillRoot(content []byte, clusters ...int) {
	if f.Bits == 32 {
		f.Fill(content, clusters...)
		return
	}
	put(f, content, f.Root)
}
