package adversary

import (
	"encoding/binary"
	"slices"
)

// The messages of the protocol, from the specification's numbers and not from
// the package's constants.

func u16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }
func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
func u64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

const (
	optExportName = 1
	optAbort      = 2
	optList       = 3
	optStartTLS   = 5
	optGo         = 7
	optStructured = 8
	optSetMeta    = 10
	optExtended   = 11

	repAck      = 1
	repServer   = 2
	repInfo     = 3
	errUnsup    = 0x80000001
	errPolicy   = 0x80000002
	errInvalid  = 0x80000003
	errPlatform = 0x80000004
	errTLSReqd  = 0x80000005
	errUnknown  = 0x80000006
	errShutdown = 0x80000007
	errTooBig   = 0x80000009
)

func greeting(flags uint16) []byte {
	return cat([]byte("NBDMAGICIHAVEOPT"), u16(flags))
}

// oldstyle is the greeting of the time before options.
func oldstyle(size uint64) []byte {
	return cat([]byte("NBDMAGIC"), u64(0x0000420281861253), u64(size), u32(1), make([]byte, 124))
}

func option(opt uint32, data []byte) []byte {
	return cat([]byte("IHAVEOPT"), u32(opt), u32(uint32(len(data))), data)
}

func reply(opt, typ uint32, data []byte) []byte {
	return cat(claim(opt, typ, uint32(len(data))), data)
}

// claim is the head of an option reply whose length may lie.
func claim(opt, typ, length uint32) []byte {
	return cat(u64(0x0003e889045565a9), u32(opt), u32(typ), u32(length))
}

// exportRequest is the data of INFO and GO.
func exportRequest(name string) []byte {
	return cat(u32(uint32(len(name))), []byte(name), u16(0))
}

// metaRequest is the data of SET_META_CONTEXT.
func metaRequest(export, context string) []byte {
	return cat(u32(uint32(len(export))), []byte(export), u32(1), u32(uint32(len(context))), []byte(context))
}

func infoExport(size uint64, flags uint16) []byte { return cat(u16(0), u64(size), u16(flags)) }

func readRequest(cookie, offset uint64, length uint32) []byte {
	return cat(u32(0x25609513), u16(0), u16(0), u64(cookie), u64(offset), u32(length))
}

// record is a TLS record in the clear.
func record(typ byte, data []byte) []byte {
	return cat([]byte{typ, 3, 3}, u16(uint16(len(data))), data)
}

// Types of TLS records.
const (
	recordCCS       = 20
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23
)

// onlyTLS tells whether b is TLS records and nothing else. The last one may be
// cut: the end of a session can overtake the client's goodbye.
func onlyTLS(b []byte) bool {
	for len(b) > 0 {
		if b[0] < recordCCS || b[0] > recordData || len(b) > 1 && b[1] != 3 {
			return false
		}
		if len(b) < 5 {
			return true
		}
		b = b[min(len(b), 5+int(binary.BigEndian.Uint16(b[3:]))):]
	}
	return true
}
