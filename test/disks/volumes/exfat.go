package volumes

import (
	"math/bits"
	"unicode"
	"unicode/utf16"
)

// An ExFAT is an exFAT volume that is being written.
type ExFAT struct {
	Store
	Sector, Cluster int64 // bytes
	Table, Heap     int64 // where they lie
	Clusters        int
	RootCluster     int
	bitmap          int64 // where it lies, in clusters that follow each other
	next            int   // where the search for a free cluster goes on
	gap             int   // how many clusters are left free behind each second one
}

// NewExFAT formats a volume of so many clusters, with a table of upper case
// letters that knows those of Latin.
func NewExFAT(store Store, sector, cluster int64, clusters int) *ExFAT {
	x := &ExFAT{Store: store, Sector: sector, Cluster: cluster, Clusters: clusters, Table: 24 * sector, next: 2}
	tableSectors := (int64(clusters+2)*4 + sector - 1) / sector
	x.Heap = (x.Table + tableSectors*sector + cluster - 1) / cluster * cluster
	x.Link(0, 0xfffffff8)
	x.Link(1, 0xffffffff)
	upcase := upcaseTable()
	bitmapBytes := int64(clusters+7) / 8
	bitmapAt := x.claim(bitmapBytes)
	x.bitmap = x.At(bitmapAt[0])
	upcaseAt := x.claim(int64(len(upcase)))
	rootAt := x.claim(1)
	x.RootCluster = rootAt[0]
	for _, chain := range [][]int{bitmapAt, upcaseAt, rootAt} {
		x.Chain(chain...)
		x.mark(chain, true)
	}
	put(x, upcase, x.At(upcaseAt[0]))
	put(x, head(bitmapAt[0], bitmapBytes, upcaseAt[0], upcase), x.At(x.RootCluster))
	x.writeBoot(tableSectors)
	return x
}

// OpenExFAT goes on with a volume that mkfs.exfat has made.
func OpenExFAT(store Store) *ExFAT {
	b := get(store, 512, 0)
	x := &ExFAT{Store: store, Sector: 1 << b[108], Clusters: int(le.Uint32(b[92:])), RootCluster: int(le.Uint32(b[96:])), next: 2}
	x.Cluster = x.Sector << b[109]
	x.Table, x.Heap = int64(le.Uint32(b[80:]))*x.Sector, int64(le.Uint32(b[88:]))*x.Sector
	for root := get(x, int(x.Cluster), x.At(x.RootCluster)); len(root) > 0; root = root[32:] {
		if root[0] == 0x81 {
			x.bitmap = x.At(int(le.Uint32(root[20:])))
		}
	}
	return x
}

// upcased is how many characters the table knows.
const upcased = 0x250

func upper(c uint16) uint16 {
	if up := unicode.ToUpper(rune(c)); c < upcased && up <= 0xffff {
		return uint16(up)
	}
	return c
}

func upcaseTable() []byte {
	var b []byte
	for c := range uint16(upcased) {
		b = le.AppendUint16(b, upper(c))
	}
	b = le.AppendUint16(b, 0xffff) // the rest are as they are
	return le.AppendUint16(b, 1<<16-upcased)
}

// head is what the root folder begins with.
func head(bitmapAt int, bitmapBytes int64, upcaseAt int, upcase []byte) []byte {
	b := make([]byte, 96)
	b[0], b[1] = 0x83, 5
	for i, c := range "label" {
		b[2+2*i] = byte(c)
	}
	b[32] = 0x81
	le.PutUint32(b[52:], uint32(bitmapAt))
	le.PutUint64(b[56:], uint64(bitmapBytes))
	b[64] = 0x82
	var sum uint32
	for _, c := range upcase {
		sum = bits.RotateLeft32(sum, -1) + uint32(c)
	}
	le.PutUint32(b[68:], sum)
	le.PutUint32(b[84:], uint32(upcaseAt))
	le.PutUint64(b[88:], uint64(len(upcase)))
	return b
}

func (x *ExFAT) writeBoot(tableSectors int64) {
	b := make([]byte, 12*x.Sector)
	copy(b, "\xeb\x76\x90EXFAT   ")
	le.PutUint64(b[72:], uint64(x.Size()/x.Sector))
	le.PutUint32(b[80:], uint32(x.Table/x.Sector))
	le.PutUint32(b[84:], uint32(tableSectors))
	le.PutUint32(b[88:], uint32(x.Heap/x.Sector))
	le.PutUint32(b[92:], uint32(x.Clusters))
	le.PutUint32(b[96:], uint32(x.RootCluster))
	le.PutUint32(b[100:], 0x12345678)
	le.PutUint16(b[104:], 0x100)
	b[108], b[109] = byte(bits.TrailingZeros64(uint64(x.Sector))), byte(bits.TrailingZeros64(uint64(x.Cluster/x.Sector)))
	b[110], b[111], b[112] = 1, 0x80, 0xff
	copy(b[510:], "\x55\xaa")
	for i := int64(1); i <= 8; i++ {
		copy(b[(i+1)*x.Sector-4:], "\x00\x00\x55\xaa")
	}
	x.sumBoot(b)
	put(x, b, 0)
	put(x, b, 12*x.Sector)
}

func (x *ExFAT) sumBoot(b []byte) {
	var sum uint32
	for i, c := range b[:11*x.Sector] {
		if i != 106 && i != 107 && i != 112 {
			sum = bits.RotateLeft32(sum, -1) + uint32(c)
		}
	}
	for at := 11 * x.Sector; at < 12*x.Sector; at += 4 {
		le.PutUint32(b[at:], sum)
	}
}

// Size is the volume's, in bytes.
func (x *ExFAT) Size() int64 { return x.Heap + int64(x.Clusters)*x.Cluster }

// At is where a cluster lies, in the volume.
func (x *ExFAT) At(cluster int) int64 { return x.Heap + int64(cluster-2)*x.Cluster }

// Link writes an entry of the table.
func (x *ExFAT) Link(cluster int, value uint32) {
	put(x, le.AppendUint32(nil, value), x.Table+int64(cluster)*4)
}

// Chain links clusters in their order, and ends behind the last.
func (x *ExFAT) Chain(clusters ...int) {
	for i, n := range clusters {
		next := uint32(0xffffffff)
		if i+1 < len(clusters) {
			next = uint32(clusters[i+1])
		}
		x.Link(n, next)
	}
}

// claim finds the next clusters for n bytes that are free.
func (x *ExFAT) claim(n int64) (clusters []int) {
	for ; n > 0; n -= x.Cluster {
		for x.bitmap != 0 && x.used(x.next) {
			x.next++
		}
		if x.next >= x.Clusters+2 {
			panic("the volume is full")
		}
		clusters = append(clusters, x.next)
		if x.next++; x.gap > 0 && x.next%2 == 0 {
			x.next += x.gap
		}
	}
	return clusters
}

func (x *ExFAT) used(cluster int) bool {
	return cluster < x.Clusters+2 && get(x, 1, x.bitmap+int64(cluster-2)/8)[0]>>((cluster-2)%8)&1 == 1
}

func (x *ExFAT) mark(clusters []int, used bool) {
	for _, n := range clusters {
		at := x.bitmap + int64(n-2)/8
		b := get(x, 1, at)
		b[0] &^= 1 << ((n - 2) % 8)
		if used {
			b[0] |= 1 << ((n - 2) % 8)
		}
		put(x, b, at)
	}
}

// Interleave makes pieces of what is written from now on: between two clusters
// and the next, as many stay free.
func (x *ExFAT) Interleave(clusters int) { x.gap = clusters }

// Release gives clusters back, as if what had them was deleted.
func (x *ExFAT) Release(clusters []int) {
	x.mark(clusters, false)
	x.next = 2
}

// Save writes content to free clusters. Where those happen to follow each
// other, they aren't linked, and straight is true.
func (x *ExFAT) Save(content []byte) (clusters []int, straight bool) {
	clusters = x.claim(int64(len(content)))
	straight = true
	for i, n := range clusters {
		straight = straight && n == clusters[0]+i
		part := content[:min(int64(len(content)), x.Cluster)]
		put(x, part, x.At(n))
		content = content[len(part):]
	}
	if !straight {
		x.Chain(clusters...)
	}
	x.mark(clusters, true)
	return clusters, straight
}

// An ExFATEntry is what a folder tells of a file.
type ExFATEntry struct {
	Name       string
	Attributes uint16
	Times      [3]uint32 // created, modified, accessed
	Hundredths [2]byte   // created, modified: how many times 10 ms more
	Zones      [3]byte
	First      int
	Straight   bool
	Size       int64
	Written    int64 // -1 as Size
}

// Set are the bytes of an entry.
func (e ExFATEntry) Set() []byte {
	name := utf16.Encode([]rune(e.Name))
	parts := (len(name) + 14) / 15
	b := make([]byte, 64+32*parts)
	b[0], b[1] = 0x85, byte(1+parts)
	le.PutUint16(b[4:], e.Attributes)
	for i, t := range e.Times {
		le.PutUint32(b[8+4*i:], t)
	}
	copy(b[20:], e.Hundredths[:])
	copy(b[22:], e.Zones[:])
	e.stream(b[32:], len(name))
	for i, c := range name {
		part := b[64+32*(i/15):]
		part[0] = 0xc1
		le.PutUint16(part[2+2*(i%15):], c)
	}
	SumSet(b)
	return b
}

func (e ExFATEntry) stream(b []byte, name int) {
	b[0], b[3] = 0xc0, byte(name)
	if e.First != 0 {
		b[1] = 1
	}
	if e.Straight {
		b[1] |= 2
	}
	le.PutUint16(b[4:], nameHash(e.Name))
	written := e.Written
	if written < 0 {
		written = e.Size
	}
	le.PutUint64(b[8:], uint64(written))
	le.PutUint32(b[20:], uint32(e.First))
	le.PutUint64(b[24:], uint64(e.Size))
}

// SumSet writes the checksum into a set.
func SumSet(b []byte) {
	var sum uint16
	for i, c := range b {
		if i != 2 && i != 3 {
			sum = bits.RotateLeft16(sum, -1) + uint16(c)
		}
	}
	le.PutUint16(b[2:], sum)
}

func nameHash(name string) (hash uint16) {
	for _, c := range utf16.Encode([]rune(name)) {
		c = upper(c)
		for _, b := range []byte{byte(c), byte(c >> 8)} {
			hash = bits.RotateLeft16(hash, -1) + uint16(b)
		}
	}
	return hash
}

// A File is one that Tree writes; a folder has the files in it.
type File struct {
	Entry   ExFATEntry
	Content []byte
	Files   []File // of a folder
}

// Tree writes files and folders, and gives the sets of entries for the folder
// around them.
func (x *ExFAT) Tree(files []File) (sets []byte) {
	for _, f := range files {
		sets = append(sets, x.add(f).Set()...)
	}
	return sets
}

func (x *ExFAT) add(f File) ExFATEntry {
	e, content := f.Entry, f.Content
	if e.Attributes&0x10 != 0 {
		content = x.Tree(f.Files)
		content = append(content, make([]byte, x.Cluster-(int64(len(content))+x.Cluster-1)%x.Cluster-1)...)
		if len(content) == 0 {
			content = make([]byte, x.Cluster)
		}
	}
	clusters, straight := x.Save(content)
	if len(clusters) > 0 {
		e.First, e.Straight = clusters[0], straight
	}
	if e.Size == 0 {
		e.Size, e.Written = int64(len(content)), -1
	}
	return e
}

// AddRoot adds sets of entries to the root folder, which has as many clusters
// as they take.
func (x *ExFAT) AddRoot(sets []byte) {
	root := get(x, int(x.Cluster), x.At(x.RootCluster))
	used := 0
	for used < len(root) && root[used] != 0 {
		used += 32
	}
	content := append(root[:used:used], sets...)
	chain := append([]int{x.RootCluster}, x.claim(int64(len(content))-x.Cluster)...)
	x.mark(chain, true)
	x.Chain(chain...)
	for _, n := range chain {
		part := content[:min(int64(len(content)), x.Cluster)]
		put(x, part, x.At(n))
		content = content[len(part):]
	}
}
