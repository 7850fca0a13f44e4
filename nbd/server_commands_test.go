package nbd_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// able is a device with every ability, which notes what it is asked to do.
type able struct {
	nbd.Device
	mapping func(off, n int64) (int64, uint64, error)
	fail    error // of everything but reads and maps

	mu    sync.Mutex
	calls []string
}

func (d *able) note(format string, args ...any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, fmt.Sprintf(format, args...))
	return d.fail
}

func (d *able) noted() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := d.calls
	d.calls = nil
	return strings.Join(calls, "; ")
}

func (d *able) WriteAt(p []byte, off int64) (int, error) {
	if err := d.note("write %d %d", off, len(p)); err != nil {
		return 0, err
	}
	return d.Device.WriteAt(p, off)
}

func (d *able) Sync() error                             { return d.note("sync") }
func (d *able) Trim(off, n int64) error                 { return d.note("trim %d %d", off, n) }
func (d *able) Cache(off, n int64) error                { return d.note("cache %d %d", off, n) }
func (d *able) Map(off, n int64) (int64, uint64, error) { return d.mapping(off, n) }

func (d *able) WriteZeroes(off, n int64, f nbd.Flags) error {
	return d.note("zero %d %d flags %d", off, n, f)
}

func newAble(size int) *able {
	return &able{Device: device.NewMemory(pattern(size)), mapping: func(_, n int64) (int64, uint64, error) { return n, 0, nil }}
}

func ableServer(d nbd.Device) *nbd.Server {
	return &nbd.Server{Exports: []nbd.Export{{Name: "vda", Device: d}, {Name: "iso", Device: d, ReadOnly: true}}}
}

// Every command in every manner: what the device hears, and what is answered.
func TestCommands(t *testing.T) {
	const size = 1 << 20
	for _, row := range []struct {
		name           string
		flags, cmd     uint16
		offset, length uint64
		payload        []byte
		heard          string
		want           uint32
	}{
		{"write", 0, cmdWrite, 8, 4, []byte("abcd"), "write 8 4", 0},
		{"write with FUA", 1, cmdWrite, 8, 4, []byte("abcd"), "write 8 4; sync", 0},
		{"flush", 0, cmdFlush, 0, 0, nil, "sync", 0},
		{"flush with FUA", 1, cmdFlush, 0, 0, nil, "sync", 0},
		{"read with FUA", 1, cmdRead, 0, 0, nil, "", 0},
		{"trim", 0, cmdTrim, 512, 1024, nil, "trim 512 1024", 0},
		{"trim with FUA", 1, cmdTrim, 512, 1024, nil, "trim 512 1024; sync", 0},
		{"trim of nothing", 0, cmdTrim, 512, 0, nil, "", 0},
		{"trim past the end", 0, cmdTrim, size - 1, 2, nil, "", 22},
		{"trim with NO_HOLE", 2, cmdTrim, 0, 2, nil, "", 22},
		{"cache", 0, cmdCache, 0, size, nil, "cache 0 1048576", 0},
		{"cache with FUA", 1, cmdCache, 0, 1, nil, "cache 0 1", 0},
		{"cache of nothing", 0, cmdCache, 7, 0, nil, "", 0},
		{"cache past the end", 0, cmdCache, 1, size, nil, "", 22},
		{"cache with a flag", 4, cmdCache, 0, 1, nil, "", 22},
		{"zeroes", 0, cmdWriteZeroes, 3, 5, nil, "zero 3 5 flags 0", 0},
		{"zeroes with NO_HOLE", 2, cmdWriteZeroes, 3, 5, nil, "zero 3 5 flags 2", 0},
		{"zeroes with FAST_ZERO and FUA", 17, cmdWriteZeroes, 3, 5, nil, "zero 3 5 flags 16; sync", 0},
		{"zeroes past the end", 0, cmdWriteZeroes, size, 1, nil, "", 28},
		{"zeroes with DF", 4, cmdWriteZeroes, 0, 1, nil, "", 22},
		{"zeroes that wrap", 0, cmdWriteZeroes, math.MaxUint64, 2, nil, "", 28},
		{"flush with DF", 4, cmdFlush, 0, 0, nil, "", 22},
		{"write with REQ_ONE", 8, cmdWrite, 8, 4, []byte("abcd"), "", 22},
		{"resize", 0, 8, 0, 0, nil, "", 22},
	} {
		for _, m := range manners {
			d := newAble(size)
			c, _ := begun(t, ableServer(d), "vda", m)
			send(t, c, m.request(row.flags, row.cmd, 7, row.offset, row.length, row.payload...))
			if h := hear(t, c, m, 0); h.errno != row.want || h.cookie != 7 {
				t.Errorf("%v, %s: error %d %q, not %d", m, row.name, h.errno, h.text, row.want)
			}
			if got := d.noted(); got != row.heard {
				t.Errorf("%v, %s: the device heard %q, not %q", m, row.name, got, row.heard)
			}
			send(t, c, m.request(0, cmdRead, 8, 100, 3))
			if h := hear(t, c, m, 3); h.cookie != 8 || h.errno != 0 {
				t.Errorf("%v, %s: out of step: %+v", m, row.name, h)
			}
			c.Close()
		}
	}
}

// What is refused on a read-only export, of a device that could do it all.
func TestReadOnlyCommands(t *testing.T) {
	for _, m := range manners {
		d := newAble(4096)
		c, _ := begun(t, ableServer(d), "iso", m)
		for cmd, want := range map[uint16]uint32{cmdWrite: 1, cmdTrim: 1, cmdWriteZeroes: 1, cmdCache: 0} {
			var payload []byte
			if cmd == cmdWrite {
				payload = make([]byte, 512)
			}
			send(t, c, m.request(0, cmd, 7, 0, 512, payload...))
			if h := hear(t, c, m, 0); h.errno != want {
				t.Errorf("%v: command %d: %d, not %d", m, cmd, h.errno, want)
			}
		}
		if got := d.noted(); got != "cache 0 512" {
			t.Errorf("%v: the device heard %q", m, got)
		}
	}
}

// The transmission flags say what works: with this device, and with what was
// negotiated.
func TestTransmissionFlags(t *testing.T) {
	for _, row := range []struct {
		dev    nbd.Device
		export string
		before []uint32
		set    string // the export of SET_META_CONTEXT
		want   uint16
	}{
		{bare{newAble(1)}, "vda", nil, "", 0x14d},
		{bare{newAble(1)}, "iso", nil, "", 0x10f},
		{newAble(1), "vda", nil, "", 0xd6d},
		{newAble(1), "iso", nil, "", 0x50f},
		{newAble(1), "vda", []uint32{optStructured}, "", 0xded},
		{newAble(1), "vda", []uint32{optStructured}, "vda", 0xded},
		{newAble(1), "vda", []uint32{optExtended}, "", 0xded},
		{newAble(1), "vda", []uint32{optExtended}, "vda", 0x1ded},
		{newAble(1), "vda", []uint32{optStructured, optExtended}, "vda", 0x1ded},
		{newAble(1), "vda", []uint32{optExtended}, "iso", 0xded},
		{newAble(1), "iso", []uint32{optExtended}, "iso", 0x158f},
	} {
		for _, opt := range []uint32{optInfo, optGo} {
			c, _ := serve(t, ableServer(row.dev))
			expect(t, c, greeting(3))
			send(t, c, u32(3))
			for _, opt := range row.before {
				_, _ = ask(t, c, opt, nil)
			}
			if row.set != "" {
				_, _ = ask(t, c, optSetMeta, metaRequest(row.set, "base:allocation"))
			}
			send(t, c, optionRequest(opt, exportRequest(row.export)))
			expect(t, c, optionReply(opt, repInfo, infoExport(1, row.want)))
		}
	}
}

// Extended headers have rules of their own about payloads.
func TestExtendedPayloads(t *testing.T) {
	raw := func(flags, cmd uint16, length uint64, payload ...byte) []byte {
		return cat(u32(0x21e41c71), u16(flags), u16(cmd), u64(7), u64(0), u64(length), payload)
	}
	const withPayload = 1 << 5
	for _, row := range []struct {
		name string
		req  []byte
		want uint32
	}{
		{"write", raw(withPayload, cmdWrite, 4, 1, 2, 3, 4), 0},
		{"write of nothing", raw(withPayload, cmdWrite, 0), 0},
		{"write without the flag, as qemu 10.0 sends it", raw(0, cmdWrite, 4, 1, 2, 3, 4), 0},
		{"read with a payload", raw(withPayload, cmdRead, 4, 1, 2, 3, 4), 22},
		{"flush with a payload", raw(withPayload, cmdFlush, 4, 1, 2, 3, 4), 22},
		{"trim with a payload", raw(withPayload, cmdTrim, 4, 1, 2, 3, 4), 22},
		{"unknown command with a payload", raw(withPayload, 99, 70_000, make([]byte, 70_000)...), 22},
		{"unknown command with a length", raw(0, 99, math.MaxUint64), 22},
		{"read of 2^64-1", raw(0, cmdRead, math.MaxUint64), 75},
		{"read of 4 GiB", raw(0, cmdRead, 1<<32), 75},
		{"trim of 2^64-1", raw(0, cmdTrim, math.MaxUint64), 22},
		{"zeroes of 4 GiB", raw(0, cmdWriteZeroes, 1<<32), 28},
		{"status of 2^64-1", raw(0, cmdBlockStatus, math.MaxUint64), 22},
		{"status of nothing", raw(0, cmdBlockStatus, 0), 22},
		{"status, filtered", raw(withPayload, cmdBlockStatus, 12, cat(u64(512), u32(1))...), 0},
		{"status, no context", raw(withPayload, cmdBlockStatus, 8, u64(512)...), 22},
		{"status, another context", raw(withPayload, cmdBlockStatus, 12, cat(u64(512), u32(2))...), 22},
		{"status, the context twice", raw(withPayload, cmdBlockStatus, 16, cat(u64(512), u32(1), u32(1))...), 22},
		{"status, odd payload", raw(withPayload, cmdBlockStatus, 13, make([]byte, 13)...), 22},
		{"status, short payload", raw(withPayload, cmdBlockStatus, 1, 0), 22},
		{"status, long payload", raw(withPayload, cmdBlockStatus, 1<<20, make([]byte, 1<<20)...), 22},
		{"status, filtered, past the end", raw(withPayload, cmdBlockStatus, 12, cat(u64(5000), u32(1))...), 22},
		{"status, filtered, of nothing", raw(withPayload, cmdBlockStatus, 12, cat(u64(0), u32(1))...), 22},
		{"status, filtered, 2^64-1", raw(withPayload, cmdBlockStatus, 12, cat(u64(math.MaxUint64), u32(1))...), 22},
	} {
		c, _ := begun(t, ableServer(newAble(4096)), "vda", extendedHeaders)
		send(t, c, row.req)
		if h := hear(t, c, extendedHeaders, 0); h.errno != row.want || h.cookie != 7 {
			t.Errorf("%s: error %d %q, not %d", row.name, h.errno, h.text, row.want)
		}
		send(t, c, extendedHeaders.request(0, cmdRead, 8, 9, 1))
		expect(t, c, extended(done, 1, 8, 9, u64(9), pattern(10)[9:]))
	}
	for name, req := range map[string][]byte{
		"a payload of 32 MiB + 1": raw(withPayload, cmdWrite, 32<<20+1),
		"a payload of 2^64-1":     raw(withPayload, 99, math.MaxUint64),
		"a compact request":       cat(request(0, cmdRead, 1, 0, 1), u32(0)),
	} {
		before := allocated()
		c, verdict := begun(t, ableServer(newAble(4096)), "vda", extendedHeaders)
		send(t, c, req)
		ended(t, c)
		if verdict() == nil || allocated()-before > 8<<20 {
			t.Errorf("%s is fine, or took memory", name)
		}
	}
}

// Requests have to keep to the block sizes, and a client that does not know
// them is told.
func TestBlockSizes(t *testing.T) {
	srv := ableServer(newAble(64 << 10))
	srv.Exports[0].BlockSize = nbd.BlockSize{Minimum: 4096, MaximumPayload: 8192}
	for _, opt := range []uint32{optInfo, optGo} {
		c, _ := serve(t, srv)
		expect(t, c, greeting(3))
		send(t, c, u32(3), optionRequest(opt, exportRequest("vda")))
		expect(t, c, optionReply(opt, repInfo, infoBlock(4096, 4096, 8192)))
		expect(t, c, claim(opt, errBlockSize, 0)[:16])
		c.Close()
	}
	for _, m := range manners {
		c, _ := begun(t, srv, "vda", m)
		for _, row := range []struct {
			cmd            uint16
			offset, length uint64
			want           uint32
		}{
			{cmdRead, 4096, 8192, 0}, {cmdRead, 1, 4096, 22}, {cmdRead, 0, 4095, 22}, {cmdRead, 0, 12288, 75},
			{cmdTrim, 512, 4096, 22}, {cmdTrim, 0, 512, 22}, {cmdTrim, 0, 65536, 0}, {cmdWriteZeroes, 4096, 4097, 22},
			{cmdCache, 2048, 2048, 22}, {cmdBlockStatus, 512, 4096, 22},
		} {
			send(t, c, m.request(0, row.cmd, 7, row.offset, row.length))
			n := 0
			if row.cmd == cmdRead {
				n = int(row.length)
			}
			if h := hear(t, c, m, n); h.errno != row.want {
				t.Errorf("%v: command %d, %d at %d: %d, not %d", m, row.cmd, row.length, row.offset, h.errno, row.want)
			}
		}
	}
	c, _ := begun(t, srv, "vda", structuredReplies) // an old client's large write is drained
	send(t, c, request(0, cmdWrite, 7, 0, 12288), make([]byte, 12288))
	if h := hear(t, c, structuredReplies, 0); h.errno != 22 {
		t.Errorf("a write beyond the maximum: %+v", h)
	}
	c, _ = begun(t, srv, "vda", extendedHeaders)
	send(t, c, extendedHeaders.request(0, cmdWrite, 7, 0, 12288, make([]byte, 12288)...)[:32])
	ended(t, c)
	// A minimum of 512 is what a careful client assumes anyway.
	srv.Exports[0].BlockSize = nbd.BlockSize{Minimum: 512}
	c, _ = serve(t, srv)
	expect(t, c, greeting(3))
	send(t, c, u32(3), optionRequest(optInfo, exportRequest("vda")))
	expect(t, c, optionReply(optInfo, repInfo, infoExport(64<<10, 0xd6d)))
	expect(t, c, optionReply(optInfo, repInfo, infoBlock(512, 4096, 32<<20)))
	expect(t, c, optionReply(optInfo, repAck, nil))
}

// What a device answers, and what of it goes over the wire.
func TestErrorsOfDevices(t *testing.T) {
	secret := errors.New("open /home/alice/disk.img: sector 9")
	for _, m := range manners {
		for _, row := range []struct {
			err        error
			flags, cmd uint16
			want       uint32
		}{
			{secret, 0, cmdTrim, 5}, {secret, 0, cmdFlush, 5}, {nbd.ENOSPC, 0, cmdTrim, 28}, {nbd.ESHUTDOWN, 0, cmdFlush, 108},
			{nbd.Errno(0), 0, cmdFlush, 5}, {fmt.Errorf("wrapped: %w", nbd.ENOMEM), 0, cmdCache, 12}, {nbd.Errno(999), 0, cmdCache, 22},
			{nbd.ENOTSUP, 0, cmdTrim, 22}, {nbd.ENOTSUP, 0, cmdCache, 22}, {nbd.ENOTSUP, 16, cmdWriteZeroes, 95}, {nbd.ENOTSUP, 0, cmdWriteZeroes, 22},
		} {
			d := newAble(4096)
			d.fail = row.err
			c, _ := begun(t, ableServer(d), "vda", m)
			length := uint64(512)
			if row.cmd == cmdFlush {
				length = 0
			}
			send(t, c, m.request(row.flags, row.cmd, 7, 0, length))
			if h := hear(t, c, m, 0); h.errno != row.want || strings.Contains(h.text, "alice") || len(h.text) > 256 {
				t.Errorf("%v: the device says %v to command %d: %d %q, not %d", m, row.err, row.cmd, h.errno, h.text, row.want)
			}
			c.Close()
		}
	}
}

// A device that has no way to write zeroes, or whose way turns out not to
// work, gets them written; in pieces, however many.
func TestZeroesWithoutAZeroer(t *testing.T) {
	const size = 5<<20 + 300
	disk := pattern(size)
	for name, dev := range map[string]nbd.Device{"none": bare{device.NewMemory(disk)}, "not here": unable{device.NewMemory(disk)}} {
		copy(disk, pattern(size))
		c, _ := begun(t, ableServer(dev), "vda", structuredReplies)
		send(t, c, request(0, cmdWriteZeroes, 7, 100, size-200))
		expect(t, c, simple(0, 7))
		want := pattern(size)
		clear(want[100 : size-100])
		if !bytes.Equal(disk, want) {
			t.Errorf("%s: the disk is wrong", name)
		}
	}
}

type unable struct{ nbd.Device }

func (unable) WriteZeroes(int64, int64, nbd.Flags) error { return nbd.ENOTSUP }

// endless takes whatever is written, and is as large as a disk gets.
type endless struct {
	nbd.Device
	begun chan struct{}
	once  sync.Once
}

func (e *endless) Size() int64 { return math.MaxInt64 }
func (e *endless) WriteAt(p []byte, _ int64) (int, error) {
	e.once.Do(func() { close(e.begun) })
	runtime.Gosched() // as a device that waits for its disk does; in WebAssembly nobody else would run
	return len(p), nil
}

// Zeroes for a client that has left are not worth a year.
func TestZeroesForNobody(t *testing.T) {
	dev := &endless{bare{device.NewMemory(nil)}, make(chan struct{}), sync.Once{}}
	c, verdict := begun(t, ableServer(dev), "vda", extendedHeaders)
	send(t, c, extendedHeaders.request(0, cmdWriteZeroes, 7, 0, math.MaxInt64))
	<-dev.begun
	c.Close()
	_ = verdict()
}

// panicky is a device with a bug.
type panicky struct{ nbd.Device }

func (panicky) ReadAt([]byte, int64) (int, error)         { panic("index out of range") }
func (panicky) Map(int64, int64) (int64, uint64, error)   { panic("nil map") }
func (panicky) WriteZeroes(int64, int64, nbd.Flags) error { panic(nbd.EPERM) }

func TestPanickingDevice(t *testing.T) {
	for _, m := range manners {
		var lines bytes.Buffer
		srv := ableServer(panicky{device.NewMemory(pattern(8192))})
		srv.Log = slog.New(slog.NewTextHandler(&lines, nil))
		c, verdict := begun(t, srv, "vda", m)
		for _, cmd := range []uint16{cmdRead, cmdBlockStatus, cmdWriteZeroes} {
			send(t, c, m.request(0, cmd, 7, 0, 8192))
			want := uint32(5)
			if cmd == cmdBlockStatus && m == simpleReplies {
				want = 22
			}
			if h := hear(t, c, m, 0); h.errno != want || strings.Contains(h.text, "panic") {
				t.Errorf("%v: command %d: %+v", m, cmd, h)
			}
		}
		send(t, c, m.request(0, cmdFlush, 8, 0, 0))
		if h := hear(t, c, m, 0); h.errno != 0 {
			t.Errorf("%v: afterwards: %+v", m, h)
		}
		c.Close()
		_ = verdict()
		if log := lines.String(); strings.Count(log, "nbd device failed") != 1 || !strings.Contains(log, "panicked") {
			t.Errorf("the log says:\n%s", log)
		}
	}
}
