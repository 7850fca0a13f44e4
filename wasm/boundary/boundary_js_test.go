package boundary

import (
	"errors"
	"io"
	"strings"
	"syscall/js"
	"testing"
)

func noCodes(error) string { return "" }

// eval runs JavaScript.
func eval(code string) js.Value { return js.Global().Call("eval", "("+code+")") }

// await waits for a promise of the API.
func await(p js.Value) (value js.Value, rejected bool) {
	v, err := Awaited(func() js.Value { return p })
	if failed := (*Rejected)(nil); errors.As(err, &failed) {
		return failed.Reason, true
	}
	return v, err != nil
}

// fakeDevice is what deviceOf gives: bytes that are their offset, of which
// tests hold reads up, and fail them.
const fakeDevice = `({
  size: 4 << 20, log: [], extents: [], hold: null, fail: null, closed: false,
  async read(offset, length, { signal }) {
    this.log.push([offset, length]);
    if (this.hold) await new Promise((go, fail) => { signal.addEventListener("abort", () => fail(new Error("aborted"))); this.hold.then(go); });
    if (this.fail) throw this.fail;
    globalThis.fakeBytes ??= Uint8Array.from({ length: 4 << 20 }, (_, i) => i * 7 + (i >> 10));
    return fakeBytes.slice(offset, offset + length);
  },
  async blockStatus(offset, length) { return this.extents.filter((e) => e.offset >= offset && e.offset < offset + length); },
  async close() { this.closed = true; },
})`

// newFake attaches to a fake device.
func newFake(t *testing.T) (*Device, js.Value) {
	t.Helper()
	fake := eval(fakeDevice)
	give := NewFunc(func([]js.Value) any { return js.Global().Get("Promise").Call("resolve", fake) })
	js.Global().Set(deviceFunc, give.Func)
	t.Cleanup(func() { js.Global().Delete(deviceFunc); give.Release() })
	d, err := Attach(js.Null())
	if err != nil {
		t.Fatal(err)
	}
	return d, fake
}

func byteAt(i int) byte { return byte(i*7 + i>>10) }

func TestDeviceReads(t *testing.T) {
	funcs := LiveFuncs()
	d, fake := newFake(t)
	r := d.Under(t.Context())
	for _, c := range []struct{ offset, length, want, reads int }{
		{0, 512, 512, 1}, {1000, 1, 1, 1}, {1, 2 << 20, 2 << 20, 2}, {4<<20 - 5, 10, 5, 1}, {4 << 20, 1, 0, 0}, {5 << 20, 1, 0, 0},
	} {
		fake.Set("log", eval("[]"))
		p := make([]byte, c.length)
		n, err := r.ReadAt(p, int64(c.offset))
		if n != c.want || (n < c.length) != errors.Is(err, io.EOF) || fake.Get("log").Length() != c.reads {
			t.Errorf("%d at %d: %d bytes by %d reads, error %v", c.length, c.offset, n, fake.Get("log").Length(), err)
		}
		for i, b := range p[:n] {
			if b != byteAt(c.offset+i) {
				t.Fatalf("%d at %d: byte %d is %d", c.length, c.offset, i, b)
			}
		}
	}
	if _, err := r.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a read before the beginning")
	}
	if n := LiveFuncs() - funcs - 1; n != 0 {
		t.Errorf("%d callbacks are left", n)
	}
}

// A cache reads in goroutines of its own: no device may make them panic.
func TestDeviceThatMisbehaves(t *testing.T) {
	d, fake := newFake(t)
	r := d.Under(t.Context())
	for name, read := range map[string]string{
		"too little": `async () => new Uint8Array(3)`, "nothing": `async () => undefined`, "no promise": `() => 7`,
		"an exception": `() => { throw new Error("no") }`, "a rejection with nothing": `() => Promise.reject()`, "a string": `async () => "abc"`,
	} {
		fake.Set("read", eval(read))
		if n, err := r.ReadAt(make([]byte, 10), 0); err == nil || n != 0 {
			t.Errorf("%s: %d bytes, error %v", name, n, err)
		}
	}
}

func TestPanicsReject(t *testing.T) {
	reason, rejected := await(promise(noCodes, func() (any, error) { panic("a parser fell") }))
	if !rejected || reason.Get("code").String() != "INTERNAL" || !strings.Contains(reason.Get("message").String(), "please report it") {
		t.Errorf("%v, rejected %v", reason, rejected)
	}
	if _, rejected := await(promise(noCodes, func() (any, error) { js.Global().Get("JSON").Call("parse", "{"); return nil, nil })); !rejected {
		t.Error("an exception went well")
	}
}
