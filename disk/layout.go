// Package disk tells how a raw disk is divided into partitions, and what its
// parts hold.
package disk

import (
	"errors"
	"io"
)

// Layout is how a disk is divided. All offsets and lengths are in bytes.
type Layout struct {
	// Scheme is the partition table: "gpt", "mbr", or "none".
	Scheme string `json:"scheme"`
	Size   int64  `json:"size"`
	// SectorSize is the unit of the table, 512 or 4096; 512 without a table.
	SectorSize int64 `json:"sectorSize"`
	// UUID is the GUID of a GPT, or the signature of an MBR in 8 hexadecimal
	// digits; empty where there is none.
	UUID string `json:"uuid,omitempty"`
	// Volume is the kind of the file system that begins at byte 0, whatever the
	// table says, such as "iso9660" of a hybrid CD image; see Signature.Kind.
	Volume string `json:"volume,omitempty"`
	// Parts cover the disk from its first byte to its last, in order of offset.
	// They overlap only where the table says so, which is a problem.
	Parts []Part `json:"parts"`
	// Containers are the extended partitions of an MBR. What lies in them is
	// among Parts, they are not.
	Containers []Part `json:"containers,omitempty"`
	// Problems are what was wrong and gone around, at most 100.
	Problems []Problem `json:"problems,omitempty"`
}

// What a Part is.
const (
	PartPartition   = "partition"
	PartTable       = "table"       // a partition table, or a copy of it
	PartUnallocated = "unallocated" // in no partition
	PartWhole       = "whole"       // all of a disk without a table
	PartExtended    = "extended"    // of Containers only
)

// A Part is a range of the disk.
type Part struct {
	Kind string `json:"kind"`
	// Number is that of the table, from 1; logical partitions begin with 5. It is
	// zero for what is no partition.
	Number int   `json:"number,omitempty"`
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
	// Type is the type in the table: two hexadecimal digits or a GUID.
	Type string `json:"type,omitempty"`
	// TypeName is the type in words, or what a part is that is no partition.
	TypeName string `json:"typeName"`
	// Name is the one that a GPT gives.
	Name string `json:"name,omitempty"`
	UUID string `json:"uuid,omitempty"`
	// Flags are attributes in words, such as "active" or "read-only".
	Flags []string `json:"flags,omitempty"`
}

// A Problem is something wrong with a table, and what was done about it.
type Problem struct {
	// Offset is the byte of the disk where it shows.
	Offset int64  `json:"offset"`
	Text   string `json:"text"`
}

// ReadLayout reads the partition tables of a disk of size bytes, with a few
// dozen small reads. A damaged table is told in the layout's problems; it is an
// error when the disk's beginning can't be read.
func ReadLayout(r io.ReaderAt, size int64) (*Layout, error) {
	return nil, errors.New("not yet")
}
