package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"syscall/js"
	"testing"

	"nbdbridge/nbd"
)

// block is the size of the blocks that a sparse device tells the state of.
const block = 4096

// sparse is a device that can do all, and tells data, hole, zero, hole of
// undefined contents, data, … in blocks. It notes what it was asked for.
type sparse struct {
	*memory
	asked []string
}

func (s *sparse) note(format string, args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, fmt.Sprintf(format, args...))
	return nil
}

func (s *sparse) Trim(off, n int64) error  { return s.note("trim %d+%d", off, n) }
func (s *sparse) Cache(off, n int64) error { return s.note("cache %d+%d", off, n) }
func (s *sparse) WriteZeroes(off, n int64, f nbd.Flags) error {
	return s.note("zero %d+%d no hole %v", off, n, f&nbd.FlagNoHole != 0)
}

func (s *sparse) Map(off, n int64) (int64, uint64, error) {
	states := []uint64{0, nbd.StateHole | nbd.StateZero, nbd.StateZero, nbd.StateHole}
	return min(n, block-off%block), states[off/block%4], nil
}

func openSparse(t *testing.T, change func(options, security map[string]any)) (js.Value, *sparse) {
	t.Helper()
	l := newLab(t)
	device := &sparse{memory: l.disk}
	l.server.Exports[0].Device = device
	fakeTunnel(t, l.server)
	api := newAPI(t)
	mustCall(t, api, "open", l.request(change))
	t.Cleanup(func() { mustCall(t, api, "close") })
	return api, device
}

func TestCommands(t *testing.T) {
	api, device := openSparse(t, nil)
	mustCall(t, api, "trim", 8192, 4096)
	mustCall(t, api, "zero", 4096, 4096, false)
	mustCall(t, api, "zero", 0, 4096, true)
	mustCall(t, api, "cache", 1, 2)
	want := []string{"trim 8192+4096", "zero 4096+4096 no hole true", "zero 0+4096 no hole false", "cache 1+2"}
	if !slices.Equal(device.asked, want) {
		t.Errorf("the device was asked for %q, want %q", device.asked, want)
	}
}

func TestCommandsRefused(t *testing.T) {
	l := newLab(t) // of a device without any of them
	fakeTunnel(t, l.server)
	api := newAPI(t)
	wantCode(t, api.Call("trim", 0, 1), CodeClosed)
	facts := mustCall(t, api, "open", l.request(nil))
	for name, want := range map[string]bool{"writable": true, "flush": true, "fua": true, "trim": false, "zero": true, "cache": false, "multipleConnections": true} {
		if got := facts.Get("features").Get(name).Bool(); got != want {
			t.Errorf("feature %s is %v", name, got)
		}
	}
	wantCode(t, api.Call("trim", 0, 512), CodeENOTSUP)
	wantCode(t, api.Call("cache", 0, 512), CodeENOTSUP)
	for _, name := range []string{"trim", "zero", "cache", "blockStatus"} {
		wantCode(t, api.Call(name, 9<<20, 1), CodeOutOfRange)
		wantCode(t, api.Call(name, -1, 1), CodeInvalidArgument)
		wantCode(t, api.Call(name, 0, 0.5), CodeInvalidArgument)
	}
	mustCall(t, api, "close")
}

func TestReadOnlyCommands(t *testing.T) {
	api, device := openSparse(t, func(o, _ map[string]any) { o["readOnly"] = true })
	wantCode(t, api.Call("trim", 0, 512), CodeReadOnly)
	wantCode(t, api.Call("zero", 0, 512), CodeReadOnly)
	if mustCall(t, api, "cache", 0, 512); len(device.asked) != 1 {
		t.Errorf("the device was asked for %q", device.asked)
	}
}

// extents reads what blockStatus resolves with.
func extents(v js.Value) (all [][2]float64) {
	b := make([]byte, v.Length())
	js.CopyBytesToGo(b, v)
	for pair := range slices.Chunk(b, 16) {
		all = append(all, [2]float64{
			math.Float64frombits(binary.LittleEndian.Uint64(pair)), math.Float64frombits(binary.LittleEndian.Uint64(pair[8:])),
		})
	}
	return all
}

func TestBlockStatus(t *testing.T) {
	api, _ := openSparse(t, nil)
	got := extents(mustCall(t, api, "blockStatus", 100, 5*block))
	want := [][2]float64{{block - 100, extentData}, {block, extentHole}, {block, extentZero}, {block, extentData}, {block, extentData}, {100, extentHole}}
	if !slices.Equal(got, want) {
		t.Errorf("extents %v, want %v", got, want)
	}
	if none := mustCall(t, api, "blockStatus", 0, 0); none.Length() != 0 {
		t.Errorf("%d bytes for no range", none.Length())
	}
}

// A server that tells nothing of blocks has data everywhere.
func TestBlockStatusUnknown(t *testing.T) {
	s := &session{}
	l := newLab(t)
	l.server.TLS = nil
	fakeTunnel(t, l.server)
	o, err := parseOptions(l.request(func(_, s map[string]any) { clear(s); s["mode"] = "off" }))
	if err != nil {
		t.Fatal(err)
	}
	client, err := s.connect(t.Context(), o, tickets{}) // selects no metadata context
	if err != nil {
		t.Fatal(err)
	}
	d, err := client.Open(t.Context(), "vda")
	if err != nil {
		t.Fatal(err)
	}
	s.disk = d
	v, err := s.blockStatus(t.Context(), []js.Value{js.ValueOf(7), js.ValueOf(1000)})
	if err != nil || !slices.Equal(extents(v.(js.Value)), [][2]float64{{1000, extentData}}) {
		t.Errorf("extents %v, %v", v, err)
	}
	s.disk.Close()
}

func TestInfo(t *testing.T) {
	l := newLab(t)
	fakeTunnel(t, l.server)
	info := mustCall(t, newAPI(t), "info", l.request(nil))
	if info.Get("size").Int() != len(l.disk.bytes) || info.Get("description").String() != "the first" || info.Get("readOnly").Bool() {
		t.Errorf("info: %v, %v, %v", info.Get("size"), info.Get("description"), info.Get("readOnly"))
	}
	checkTLS(t, l, info.Get("tls"))
	unknown := newAPI(t).Call("info", l.request(func(o, _ map[string]any) { o["export"] = "vdz" }))
	wantText(t, wantCode(t, unknown, CodeUnknownExport), `asking about export "vdz" at wss://bridge/nbd/lab7: `)
	huge := newAPI(t).Call("info", l.request(func(o, _ map[string]any) { o["export"] = "huge" }))
	wantText(t, wantCode(t, huge, CodeOutOfRange), "2^53-1")
}

func TestWholeDiskOfZeroes(t *testing.T) {
	l := newLab(t) // whose device knows nothing of zeroes: the server writes them
	fakeTunnel(t, l.server)
	api := newAPI(t)
	mustCall(t, api, "open", l.request(nil))
	mustCall(t, api, "zero", 1, len(l.disk.bytes)-1, true)
	if !bytes.Equal(l.disk.bytes[1:], make([]byte, len(l.disk.bytes)-1)) {
		t.Error("not all are zeroes")
	}
	mustCall(t, api, "close")
}
