package nbd

import (
	"encoding/binary"
	"fmt"
)

// A refusal is a mistake of the client's: the error value, and what it was.
type refusal struct {
	errno Errno
	text  string
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.errno }

func refuse(e Errno, format string, args ...any) error {
	return &refusal{e, fmt.Sprintf(format, args...)}
}

// A serverCommand says what a command may ask for, proto.md "Request types".
type serverCommand struct {
	needs    TransmissionFlags // for the command to exist
	flags    Flags             // besides FUA, which is good everywhere
	writes   bool
	beyond   Errno // for a range past the end
	transfer bool  // the length is that of data, bounded by the maximum payload
}

var serverCommands = map[uint16]serverCommand{
	cmdRead:        {flags: FlagDF, beyond: EINVAL, transfer: true},
	cmdWrite:       {flags: flagPayloadLen, writes: true, beyond: ENOSPC, transfer: true},
	cmdFlush:       {beyond: EINVAL},
	cmdTrim:        {needs: FlagSendTrim, writes: true, beyond: EINVAL},
	cmdCache:       {needs: FlagSendCache, beyond: EINVAL},
	cmdWriteZeroes: {needs: FlagSendWriteZeroes, flags: FlagNoHole | FlagFastZero, writes: true, beyond: ENOSPC},
	cmdBlockStatus: {flags: FlagReqOne | flagPayloadLen, beyond: EINVAL},
}

// flagNeeds are the command flags that have to be offered.
var flagNeeds = map[Flags]TransmissionFlags{
	FlagDF:       FlagSendDF,
	FlagFastZero: FlagSendFastZero,
}

// check looks at the whole request before the device hears of it, and answers
// each mistake with the error value that the specification gives it.
func (t *transmission) check(q *serverRequest) error {
	cmd, known := serverCommands[q.cmd]
	switch {
	case !known:
		return refuse(EINVAL, "command %d is unknown here", q.cmd)
	case cmd.writes && t.export.ReadOnly:
		return refuse(EPERM, "the export is read-only")
	case t.offers&cmd.needs != cmd.needs:
		return refuse(EINVAL, "command %d was not offered", q.cmd)
	case q.cmd == cmdBlockStatus && t.allocation == nil:
		return refuse(EINVAL, "no metadata context was selected for this export")
	}
	if err := t.checkFlags(q, cmd); err != nil {
		return err
	}
	if q.cmd == cmdBlockStatus && q.flags&flagPayloadLen != 0 {
		return t.checkFilterSize(q)
	}
	return t.checkRange(q)
}

func (t *transmission) checkFlags(q *serverRequest, cmd serverCommand) error {
	allowed := cmd.flags | FlagFUA
	for flag, need := range flagNeeds {
		if t.offers&need == 0 {
			allowed &^= flag
		}
	}
	if !t.extended || q.cmd == cmdBlockStatus && t.offers&FlagBlockStatusPayload == 0 {
		allowed &^= flagPayloadLen
	}
	if q.flags&^allowed != 0 {
		return refuse(EINVAL, "flags %#x do not go with command %d here", uint16(q.flags&^allowed), q.cmd)
	}
	return nil
}

// checkRange looks at offset and length.
func (t *transmission) checkRange(q *serverRequest) error {
	cmd, size, block := serverCommands[q.cmd], uint64(t.size), uint64(t.block.Minimum)
	switch {
	case q.cmd == cmdFlush && (q.offset != 0 || q.length != 0):
		return refuse(EINVAL, "a flush has no offset and no length")
	case q.cmd == cmdBlockStatus && q.length == 0:
		return refuse(EINVAL, "the status of no bytes")
	case cmd.transfer && q.length > uint64(t.block.MaximumPayload):
		return refuse(tooLong[q.cmd], "%d bytes: at most %d go in one request", q.length, t.block.MaximumPayload)
	case q.offset > size || q.length > size-q.offset:
		return refuse(cmd.beyond, "%d bytes at %d: the export has %d", q.length, q.offset, size)
	case q.offset%block != 0 || q.length%block != 0:
		return refuse(EINVAL, "%d bytes at %d: offset and length must be multiples of %d", q.length, q.offset, block)
	}
	return nil
}

// tooLong is the error of a request beyond the maximum payload.
var tooLong = map[uint16]Errno{cmdRead: EOVERFLOW, cmdWrite: EINVAL}

// checkFilterSize looks at the length of a payload of BLOCK_STATUS: with a
// single context to choose, longer ones name it twice or name another.
func (t *transmission) checkFilterSize(q *serverRequest) error {
	if q.length != lenFilter && q.length != lenFilter+lenContextID {
		return refuse(EINVAL, "a payload of %d bytes with block status", q.length)
	}
	return nil
}

// unfilter takes the length of a BLOCK_STATUS out of its payload, and checks
// the contexts that it names.
func (t *transmission) unfilter(q *serverRequest) error {
	q.length = binary.BigEndian.Uint64(q.payload)
	if ids := q.payload[lenFilter:]; len(ids) == 0 {
		return refuse(EINVAL, "block status of no metadata context")
	} else if id := binary.BigEndian.Uint32(ids); id != allocationID {
		return refuse(EINVAL, "metadata context %d was not selected", id)
	}
	return t.checkRange(q)
}
