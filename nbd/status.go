package nbd

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

const (
	// maxKeptExtents is how many extents are kept from one reply, of all its
	// contexts together: how many contexts there are is the server's choice.
	// The rest is for the next call.
	maxKeptExtents = 1 << 16
	// statusWeight is what a BLOCK_STATUS counts against the bytes in flight:
	// the memory for its extents.
	statusWeight = maxKeptExtents * 24
)

// BlockStatus asks for the status of length bytes at off, NBD_CMD_BLOCK_STATUS,
// in the metadata contexts named, or in all that are selected. The answer has
// an entry for each of them: extents that follow one another from off on,
// inside the range, at least one and at most 65536 in all entries together.
// They may end before the range does: ask again for the rest. With FlagReqOne there is one of each.
//
// Errors: those of Read, and ErrNoMetaContext.
func (d *Disk) BlockStatus(ctx context.Context, off, length int64, f Flags, contexts ...string) (map[string][]Extent, error) {
	wanted, err := d.selected(contexts)
	if err != nil {
		return nil, err
	}
	if f&^FlagReqOne != 0 {
		return nil, fmt.Errorf("nbd: block status: flags %#x mean nothing here: %w", uint16(f&^FlagReqOne), EINVAL)
	}
	if err := d.checkRange("block status", off, length); err != nil || length == 0 {
		return nil, err
	}
	r := d.statusRequest(off, length, f, wanted)
	if err := d.inFlight(ctx, once(span{}), func(span) (*request, error) { return r, nil }); err != nil {
		return nil, err
	}
	return r.status.within(off, off+length)
}

// selected finds the contexts that are asked for among those of the session.
func (d *Disk) selected(names []string) ([]metaContext, error) {
	if len(names) == 0 && len(d.contexts) > 0 {
		return d.contexts, nil
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w is selected: Config.MetaContexts names none, or the server has refused them (ListMetaContexts tells which there are)", ErrNoMetaContext)
	}
	var wanted []metaContext
	for _, name := range names {
		i := slices.IndexFunc(d.contexts, func(m metaContext) bool { return m.name == name })
		if i < 0 {
			return nil, fmt.Errorf("%w %q is selected: name it in Config.MetaContexts, if the export has it", ErrNoMetaContext, name)
		}
		if !slices.Contains(wanted, d.contexts[i]) {
			wanted = append(wanted, d.contexts[i])
		}
	}
	return wanted, nil
}

// statusRequest asks for whole blocks, and where the server can leave
// contexts out, for no others.
func (d *Disk) statusRequest(off, length int64, f Flags, wanted []metaContext) *request {
	block := int64(d.info.BlockSize.Minimum)
	lo, end := off-off%block, off+length
	if rest := end % block; rest != 0 {
		end += block - rest // within the export: checkRange saw to it
	}
	r := &request{
		op: "block status", cmd: cmdBlockStatus, flags: f,
		offset: lo, length: min(end-lo, d.effectPiece()), status: &statusReply{wanted: wanted, of: wanted},
	}
	if d.info.Flags&FlagBlockStatusPayload == 0 {
		r.status.of = d.contexts
	} else if len(wanted) < len(d.contexts) {
		r.payload = appendFilter(nil, r.length, wanted)
	}
	return r
}

// appendFilter writes the payload of a filtered BLOCK_STATUS: the length that
// it is about, and the ids of the contexts to tell.
func appendFilter(b []byte, length int64, wanted []metaContext) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(length))
	for _, m := range wanted {
		b = binary.BigEndian.AppendUint32(b, m.id)
	}
	return b
}

// A statusReply gathers what a BLOCK_STATUS brings. It is the receiving
// goroutine's until the request is done.
type statusReply struct {
	wanted []metaContext // by the caller
	of     []metaContext // what the server must answer
	got    map[uint32][]Extent
}

// complete tells whether every context was answered.
func (s *statusReply) complete() bool { return len(s.got) == len(s.of) }

func (s *statusReply) context(id uint32) (metaContext, error) {
	i := slices.IndexFunc(s.of, func(m metaContext) bool { return m.id == id })
	if i < 0 {
		return metaContext{}, protocolErrorf("the status of metadata context %d, which was not asked for", id)
	}
	if _, twice := s.got[id]; twice {
		return metaContext{}, protocolErrorf("the status of metadata context %d twice in one reply", id)
	}
	return s.of[i], nil
}

// within cuts the extents to the range that the caller asked for.
func (s *statusReply) within(from, to int64) (map[string][]Extent, error) {
	all := map[string][]Extent{}
	for _, m := range s.wanted {
		for _, e := range s.got[m.id] {
			lo, hi := max(e.Offset, from), min(e.Offset+e.Length, to)
			if lo < hi {
				all[m.name] = append(all[m.name], Extent{lo, hi - lo, e.Status})
			}
		}
		if len(all[m.name]) == 0 {
			return nil, protocolErrorf("the status of metadata context %q ends before the byte %d that was asked for", m.name, from)
		}
	}
	return all, nil
}

// statusChunk reads the extents of one context, proto.md
// "NBD_REPLY_TYPE_BLOCK_STATUS" and "NBD_REPLY_TYPE_BLOCK_STATUS_EXT".
func (d *Disk) statusChunk(r *request, h chunk) error {
	head, each := lenContextID, lenExtent
	if h.typ == chunkStatusExt {
		head, each = lenContextID+4, lenExtentExt
	}
	n := (h.length - uint64(head)) / uint64(each)
	if h.length < uint64(head+each) || h.length != uint64(head)+n*uint64(each) || n > maxExtents {
		return protocolErrorf("a block status chunk of %d bytes", h.length)
	}
	b, err := d.take(head)
	if err != nil {
		return err
	}
	if h.typ == chunkStatusExt && uint64(binary.BigEndian.Uint32(b[lenContextID:])) != n {
		return protocolErrorf("a block status chunk that counts %d extents and has %d", binary.BigEndian.Uint32(b[lenContextID:]), n)
	}
	m, err := r.status.context(binary.BigEndian.Uint32(b))
	if err != nil {
		return err
	}
	if n > 1 && r.flags&FlagReqOne != 0 {
		return protocolErrorf("%d extents where one was asked for", n)
	}
	return d.extents(r, m, int(n), each)
}

// room is how many extents of a context are kept: none that the caller has not
// asked for.
func (s *statusReply) room(m metaContext) int {
	if !slices.Contains(s.wanted, m) {
		return 0
	}
	return maxKeptExtents / len(s.wanted)
}

// extents reads n extents of a context, and keeps what fits; equal neighbours
// become one.
func (d *Disk) extents(r *request, m metaContext, n, each int) error {
	var kept []Extent
	room := r.status.room(m)
	at := r.offset
	for i := range n {
		b, err := d.take(each)
		if err != nil {
			return err
		}
		e, err := r.extent(b, at, i == n-1)
		if err != nil {
			return err
		}
		if m.name == "base:allocation" && e.Status > math.MaxUint32 {
			return protocolErrorf("a status of %#x in a metadata context of 32 bits", e.Status)
		}
		at += e.Length
		kept = appendExtent(kept, e, room)
	}
	if r.status.got == nil {
		r.status.got = map[uint32][]Extent{}
	}
	r.status.got[m.id] = kept
	return nil
}

// extent checks one extent: not empty, and all but the last end before the
// request does. The last one is cut to what was asked for.
func (r *request) extent(b []byte, at int64, last bool) (Extent, error) {
	length, status := uint64(binary.BigEndian.Uint32(b)), uint64(binary.BigEndian.Uint32(b[4:]))
	if len(b) == lenExtentExt {
		length, status = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	}
	rest := uint64(r.offset + r.length - at)
	switch {
	case length == 0:
		return Extent{}, protocolErrorf("an extent of no bytes")
	case !last && length >= rest, last && length > rest && r.flags&FlagReqOne != 0:
		return Extent{}, protocolErrorf("an extent of %d bytes at %d, beyond the %d bytes at %d that were asked for", length, at, r.length, r.offset)
	}
	return Extent{at, int64(min(length, rest)), status}, nil
}

func appendExtent(kept []Extent, e Extent, room int) []Extent {
	n := len(kept)
	if room == 0 {
		return nil
	}
	if n > 0 {
		before := &kept[n-1]
		next := before.Offset + before.Length
		if next == e.Offset && before.Status == e.Status {
			before.Length += e.Length
			return kept
		}
		if n == room || next != e.Offset { // no gap behind the first that did not fit
			return kept
		}
	}
	return append(kept, e)
}
