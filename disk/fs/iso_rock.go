package fs

import (
	"bytes"
	"fmt"
)

// A rockRidge is what the entries of Rock Ridge say of a file.
type rockRidge struct {
	found  bool // any entry of Rock Ridge
	name   []byte
	posix  []byte // an entry PX
	times  []Time
	target []byte
	device string
	link   int64 // block of the folder that belongs here
	moved  bool  // belongs elsewhere
	packed bool  // zisofs
	bad    error
}

// rockMaxAreas bounds how often the entries of one record go on elsewhere.
const rockMaxAreas = 32

// rockRidge reads the entries of a record, and of where they go on.
func (iso *iso) rockRidge(s *source, r isoRecord, skip int) *rockRidge {
	rock := &rockRidge{}
	area := r.system[min(skip, len(r.system)):]
	linking := rockLink{}
	for range rockMaxAreas {
		next := rock.entries(area, &linking)
		if next == nil {
			break
		}
		block, offset, size := int64(le.Uint32(next[4:])), int64(le.Uint32(next[12:])), int64(le.Uint32(next[20:]))
		if size > isoSector {
			rock.bad = damaged("entries of Rock Ridge go on for %d bytes", size)
			break
		}
		if area, rock.bad = s.read(int(size), block*iso.block+offset); rock.bad != nil {
			break
		}
	}
	rock.target = linking.target
	return rock
}

// entries reads those of one area, and gives the one that says where they go
// on.
func (rock *rockRidge) entries(area []byte, linking *rockLink) (next []byte) {
	for len(area) >= 4 {
		length := int(area[2])
		if length < 4 || length > len(area) {
			return next
		}
		entry := area[:length]
		switch kind := string(entry[:2]); {
		case kind == "ST":
			return next
		case kind == "CE" && length >= 28:
			next = entry
		default:
			rock.entry(kind, entry, linking)
		}
		area = area[length:]
	}
	return next
}

func (rock *rockRidge) entry(kind string, entry []byte, linking *rockLink) {
	length := len(entry)
	switch {
	case kind == "RR":
	case kind == "NM" && length >= 5 && entry[4]&6 == 0:
		rock.name = append(rock.name, entry[5:]...)
	case kind == "PX" && length >= 36:
		rock.posix = entry
	case kind == "TF" && length >= 5:
		rock.times = append(rock.times, rockTimes(entry)...)
	case kind == "SL" && length >= 5:
		linking.add(entry)
	case kind == "PN" && length >= 20:
		rock.device = rockDevice(le.Uint32(entry[4:]), le.Uint32(entry[12:]))
	case kind == "CL" && length >= 12:
		rock.link = int64(le.Uint32(entry[4:]))
	case kind == "RE":
		rock.moved = true
	case kind == "ZF":
		rock.packed = true
	default:
		return
	}
	rock.found = true
}

// rockDevice reads the number of a device: in two halves, or where the upper
// is zero in the lower.
func rockDevice(high, low uint32) string {
	if high == 0 {
		return fmt.Sprintf("%d:%d", low>>8, low&0xff)
	}
	return fmt.Sprintf("%d:%d", high, low)
}

// rockTimes reads a list of times. A flag for each says whether it is there.
func rockTimes(entry []byte) []Time {
	var times []Time
	size, read := 7, isoShortTime
	if entry[4]&0x80 != 0 {
		size, read = 17, isoLongTime
	}
	rest := entry[5:]
	for i, name := range []string{"created", "modified", "accessed", "changed", "backed up", "expires", "effective"} {
		if entry[4]>>i&1 == 0 {
			continue
		}
		if len(rest) < size {
			break
		}
		if t, ok := read(name, "Rock Ridge", rest[:size]); ok {
			times = append(times, t)
		}
		rest = rest[size:]
	}
	return times
}

// A rockLink puts the target of a link together from its pieces.
type rockLink struct {
	target []byte
	open   bool // the last name goes on
}

func (l *rockLink) add(entry []byte) {
	for rest := entry[5:]; len(rest) >= 2; {
		flags, length := rest[0], int(rest[1])
		if 2+length > len(rest) || len(l.target) > MaxTarget {
			return
		}
		l.component(flags, rest[2:2+length])
		rest = rest[2+length:]
	}
}

func (l *rockLink) component(flags byte, text []byte) {
	if len(l.target) > 0 && !l.open && !bytes.HasSuffix(l.target, []byte("/")) {
		l.target = append(l.target, '/')
	}
	switch {
	case flags&2 != 0:
		text = []byte(".")
	case flags&4 != 0:
		text = []byte("..")
	case flags&8 != 0:
		text = []byte("/")
	}
	l.target, l.open = append(l.target, text...), flags&1 != 0
}

// mode is the POSIX mode, or 0.
func (rock *rockRidge) mode() uint16 {
	if rock.posix == nil {
		return 0
	}
	return uint16(le.Uint32(rock.posix[4:]))
}
