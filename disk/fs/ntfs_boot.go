package fs

import (
	"fmt"
	"math/bits"
)

// An ntfsBoot is what the boot sector tells.
type ntfsBoot struct {
	cluster    int64 // bytes
	sectors    int64 // of the volume
	sectorSize int64
	mft        int64 // cluster of the first record
	mirror     int64 // cluster of the copy of the first four
	recordSize int64
	serial     uint64
}

func readNTFSBoot(s *source) (*ntfsBoot, error) {
	raw, err := s.read(512, 0)
	if err != nil {
		return nil, err
	}
	if string(raw[3:11]) != "NTFS    " {
		return nil, damaged("the boot sector of NTFS is not there")
	}
	b := &ntfsBoot{
		sectorSize: int64(le.Uint16(raw[11:])), sectors: int64(le.Uint64(raw[40:])),
		mft: int64(le.Uint64(raw[48:])), mirror: int64(le.Uint64(raw[56:])), serial: le.Uint64(raw[72:]),
	}
	b.cluster = ntfsClusterSectors(raw[13]) * b.sectorSize
	b.recordSize = ntfsRecordSize(int8(raw[64]), b.cluster)
	return b, b.check()
}

// ntfsClusterSectors reads a count, which above 128 is a power of two.
func ntfsClusterSectors(n byte) int64 {
	if n <= 0x80 {
		return int64(n)
	}
	return 1 << min(-int(int8(n)), 30)
}

// ntfsRecordSize reads a size in clusters, or below zero a power of two bytes.
func ntfsRecordSize(n int8, cluster int64) int64 {
	if n >= 0 {
		return int64(n) * cluster
	}
	return 1 << min(-int(n), 30)
}

// Bounds of what a volume can have.
const (
	ntfsMaxCluster = 2 << 20
	ntfsMaxRecord  = 64 << 10
)

func (b *ntfsBoot) check() error {
	switch {
	case b.sectorSize < 256 || b.sectorSize > 4096 || bits.OnesCount64(uint64(b.sectorSize)) != 1:
		return damaged("sectors of %d bytes", b.sectorSize)
	case b.cluster < 256 || b.cluster > ntfsMaxCluster || bits.OnesCount64(uint64(b.cluster)) != 1:
		return damaged("clusters of %d bytes", b.cluster)
	case b.recordSize < 512 || b.recordSize > ntfsMaxRecord || bits.OnesCount64(uint64(b.recordSize)) != 1:
		return damaged("file records of %d bytes", b.recordSize)
	case b.sectors <= 0 || b.sectors > 1<<62/b.sectorSize:
		return damaged("%d sectors", uint64(b.sectors))
	case !b.has(b.mft):
		return damaged("the file table is said to be at cluster %d", uint64(b.mft))
	}
	return nil
}

func (b *ntfsBoot) has(cluster int64) bool {
	return cluster > 0 && cluster < b.sectors*b.sectorSize/b.cluster
}

func (b *ntfsBoot) uuid() string { return fmt.Sprintf("%016X", b.serial) }
