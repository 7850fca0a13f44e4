package nbd_test

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// The messages of the protocol, built from the specification's numbers and
// not from the package's constants, so that a wrong constant shows.

func u16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }
func u32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
func u64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

func cat(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// unhex reads hexadecimal with spaces and newlines anywhere.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

const (
	optExportName = 1
	optAbort      = 2
	optList       = 3
	optStartTLS   = 5
	optInfo       = 6
	optGo         = 7
	optStructured = 8
	optListMeta   = 9
	optSetMeta    = 10
	optExtended   = 11

	repAck        = 1
	repServer     = 2
	repInfo       = 3
	errUnsup      = 0x80000001
	errPolicy     = 0x80000002
	errInvalid    = 0x80000003
	errPlatform   = 0x80000004
	errTLSReqd    = 0x80000005
	errUnknown    = 0x80000006
	errShutdown   = 0x80000007
	errBlockSize  = 0x80000008
	errTooBig     = 0x80000009
	errExtHeaders = 0x8000000a

	cmdRead, cmdWrite, cmdDisc, cmdFlush, cmdTrim, cmdCache, cmdWriteZeroes, cmdBlockStatus = 0, 1, 2, 3, 4, 5, 6, 7
)

func greeting(flags uint16) []byte {
	return cat([]byte("NBDMAGIC"), []byte("IHAVEOPT"), u16(flags))
}

func optionRequest(opt uint32, data []byte) []byte {
	return cat([]byte("IHAVEOPT"), u32(opt), u32(uint32(len(data))), data)
}

func optionReply(opt, typ uint32, data []byte) []byte {
	return cat(u64(0x0003e889045565a9), u32(opt), u32(typ), u32(uint32(len(data))), data)
}

// claim is the head of an option reply whose length lies.
func claim(opt, typ, length uint32) []byte {
	return cat(u64(0x0003e889045565a9), u32(opt), u32(typ), u32(length))
}

func infoExport(size uint64, flags uint16) []byte { return cat(u16(0), u64(size), u16(flags)) }

func infoBlock(minimum, preferred, maximum uint32) []byte {
	return cat(u16(3), u32(minimum), u32(preferred), u32(maximum))
}

func exportRequest(name string, infos ...uint16) []byte {
	b := cat(u32(uint32(len(name))), []byte(name), u16(uint16(len(infos))))
	for _, i := range infos {
		b = append(b, u16(i)...)
	}
	return b
}

func serverEntry(name, description string) []byte {
	return cat(u32(uint32(len(name))), []byte(name), []byte(description))
}

func request(flags, cmd uint16, cookie, offset uint64, length uint32) []byte {
	return cat(u32(0x25609513), u16(flags), u16(cmd), u64(cookie), u64(offset), u32(length))
}

func simple(errno uint32, cookie uint64, data ...byte) []byte {
	return cat(u32(0x67446698), u32(errno), u64(cookie), data)
}

func chunk(flags, typ uint16, cookie uint64, payload ...[]byte) []byte {
	all := cat(payload...)
	return cat(u32(0x668e33ef), u16(flags), u16(typ), u64(cookie), u32(uint32(len(all))), all)
}

const done = 1 // the flag of a reply's last chunk

func dataChunk(flags uint16, cookie, offset uint64, data ...byte) []byte {
	return chunk(flags, 1, cookie, u64(offset), data)
}

func holeChunk(flags uint16, cookie, offset uint64, n uint32) []byte {
	return chunk(flags, 2, cookie, u64(offset), u32(n))
}

func errorChunk(flags uint16, cookie uint64, errno uint32, text string) []byte {
	return chunk(flags, 0x8001, cookie, u32(errno), u16(uint16(len(text))), []byte(text))
}

func errorOffsetChunk(flags uint16, cookie uint64, errno uint32, offset uint64) []byte {
	return chunk(flags, 0x8002, cookie, u32(errno), u16(0), u64(offset))
}
