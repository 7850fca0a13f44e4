package main

import (
	"embed"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/filesystem/ext4"
	"github.com/diskfs/go-diskfs/filesystem/fat16"
	"github.com/diskfs/go-diskfs/partition/mbr"
)

// Layout of the sample disk. The texts in sample/ name these numbers.
const (
	sampleSector = 512 // bytes
	sampleSize   = 32 << 20
	fatStart     = 1 << 20 // bytes; where every partitioning tool begins today
	ext4Start    = 16 << 20
	sampleLabel  = 0x4442444e // "NDBD" on the disk; partition UUIDs derive from it
)

// sampleDate is the time of every file on the sample disk.
var sampleDate = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

//go:embed sample
var sampleFiles embed.FS

// sampleDisk makes the demo's disk in memory, 32 MiB: a master boot record, a
// FAT16 and an ext4 partition, each with the files of its folder in sample/.
// Two disks differ in the times of making and in the UUID of the ext4 partition.
func sampleDisk() ([]byte, error) {
	disk := make(memoryImage, sampleSize)
	if err := writePartitionTable(disk); err != nil {
		return nil, fmt.Errorf("sample disk: partition table: %w", err)
	}
	if err := writeFAT(disk); err != nil {
		return nil, fmt.Errorf("sample disk: FAT partition: %w", err)
	}
	if err := writeExt4(disk); err != nil {
		return nil, fmt.Errorf("sample disk: ext4 partition: %w", err)
	}
	return disk, nil
}

func writePartitionTable(disk memoryImage) error {
	binary.LittleEndian.PutUint32(disk[440:], sampleLabel)
	table := &mbr.Table{Partitions: []*mbr.Partition{
		samplePartition(1, mbr.Fat16bLBA, fatStart, ext4Start),
		samplePartition(2, mbr.Linux, ext4Start, sampleSize),
	}}
	return table.Write(disk, sampleSize)
}

// samplePartition gives the cylinder fields the values that mean "see LBA".
func samplePartition(index int, kind mbr.Type, start, end uint32) *mbr.Partition {
	return &mbr.Partition{
		Index: index, Type: kind,
		Start: start / sampleSector, Size: (end - start) / sampleSector,
		StartHead: 254, StartSector: 255, StartCylinder: 255,
		EndHead: 254, EndSector: 255, EndCylinder: 255,
	}
}

// FAT16, because FAT32 with so few clusters would be out of specification.
func writeFAT(disk memoryImage) error {
	f, err := fat16.Create(disk, ext4Start-fatStart, fatStart, sampleSector, "SAMPLE", true)
	if err != nil {
		return err
	}
	if err := copyTree(f, "sample/fat"); err != nil {
		return err
	}
	freeFirstCluster(disk[fatStart:])
	return nil
}

// freeFirstCluster takes back the first data cluster, number 2, which the
// library marks as used for a root directory; that of FAT16 lies elsewhere, and
// fsck would find a lost cluster.
func freeFirstCluster(partition []byte) {
	reservedSectors := int(binary.LittleEndian.Uint16(partition[14:]))
	sectorsPerFAT := int(binary.LittleEndian.Uint16(partition[22:]))
	for copies := range 2 {
		table := partition[(reservedSectors+copies*sectorsPerFAT)*sampleSector:]
		binary.LittleEndian.PutUint16(table[2*2:], 0)
	}
}

func writeExt4(disk memoryImage) error {
	f, err := ext4.Create(disk, sampleSize-ext4Start, ext4Start, sampleSector, &ext4.Params{VolumeName: "sample"})
	if err != nil {
		return err
	}
	return copyTree(f, "sample/ext4")
}

// copyTree copies a folder of the embedded files to the root of a file system.
func copyTree(to filesystem.FileSystem, root string) error {
	tree, err := fs.Sub(sampleFiles, root)
	if err != nil {
		return err
	}
	return fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if err := copyEntry(to, tree, name, entry.IsDir()); err != nil {
			return fmt.Errorf("%s: %w", path.Join(root, name), err)
		}
		return nil
	})
}

func copyEntry(to filesystem.FileSystem, tree fs.FS, name string, dir bool) error {
	var err error
	if dir {
		err = to.Mkdir(name)
	} else {
		err = copyFile(to, tree, name)
	}
	if err != nil {
		return err
	}
	return to.Chtimes(name, sampleDate, sampleDate, sampleDate)
}

func copyFile(to filesystem.FileSystem, tree fs.FS, name string) error {
	content, err := fs.ReadFile(tree, name)
	if err != nil {
		return err
	}
	f, err := to.OpenFile(name, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Close()
}

// A memoryImage is a disk image in memory, as the file system library wants to
// see it: a file that is read and written at offsets.
type memoryImage []byte

var _ backend.Storage = memoryImage(nil)

func (m memoryImage) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > int64(len(m)) {
		return 0, fmt.Errorf("read at %d: outside the image of %d bytes", off, len(m))
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m memoryImage) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > int64(len(m))-int64(len(p)) {
		return 0, fmt.Errorf("write of %d bytes at %d: outside the image of %d bytes", len(p), off, len(m))
	}
	return copy(m[off:], p), nil
}

func (m memoryImage) Writable() (backend.WritableFile, error) { return m, nil }
func (m memoryImage) Path() string                            { return "" }
func (m memoryImage) Close() error                            { return nil }

// The rest of the interface is for real files and devices; nothing here uses it.
func (m memoryImage) Stat() (fs.FileInfo, error)     { return nil, backend.ErrNotSuitable }
func (m memoryImage) Sys() (*os.File, error)         { return nil, backend.ErrNotSuitable }
func (m memoryImage) Read([]byte) (int, error)       { return 0, backend.ErrNotSuitable }
func (m memoryImage) Seek(int64, int) (int64, error) { return 0, backend.ErrNotSuitable }
