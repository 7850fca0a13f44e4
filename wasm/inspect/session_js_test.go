package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"syscall/js"
	"testing"
	"time"

	"nbdbridge/wasm/boundary"
)

// eval runs JavaScript.
func eval(code string) js.Value { return js.Global().Call("eval", "("+code+")") }

// await waits for a promise of the API.
func await(p js.Value) (value js.Value, rejected bool) {
	v, err := boundary.Awaited(func() js.Value { return p })
	if failed := (*boundary.Rejected)(nil); errors.As(err, &failed) {
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

// newFake attaches a session to a fake device.
func newFake(t *testing.T) (*session, js.Value) {
	t.Helper()
	fake := eval(fakeDevice)
	give := boundary.NewFunc(func([]js.Value) any { return js.Global().Get("Promise").Call("resolve", fake) })
	js.Global().Set("nbdbridgeDevice", give.Func)
	t.Cleanup(func() { js.Global().Delete("nbdbridgeDevice"); give.Release() })
	s := newSession()
	if _, err := s.attach(t.Context(), []js.Value{js.Null()}); err != nil {
		t.Fatal(err)
	}
	return s, fake
}

func byteAt(i int) byte { return byte(i*7 + i>>10) }

func TestDeviceErrorsComeThrough(t *testing.T) {
	s, fake := newFake(t)
	fake.Set("fail", eval(`{ code: "EIO", message: "a bad sector", stage: "transmission", details: { offset: 7 } }`))
	api := s.api()
	for _, p := range []js.Value{api.Call("layout"), api.Call("openVolume", 0, 4<<20), api.Call("signatures", 0, 4096)} {
		reason, rejected := await(p)
		if !rejected || reason.Get("code").String() != "EIO" || reason.Get("details").Get("offset").Int() != 7 || !strings.Contains(reason.Get("message").String(), "a bad sector") {
			t.Errorf("%v, rejected %v", js.Global().Get("JSON").Call("stringify", reason), rejected)
		}
	}
}

func TestAnAbortEndsReads(t *testing.T) {
	s, fake := newFake(t)
	fake.Set("hold", eval("new Promise(() => {})"))
	controller := eval("new AbortController()")
	p := s.api().Call("layout", controller.Get("signal"))
	for deadline := time.Now().Add(10 * time.Second); fake.Get("log").Length() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is read")
		}
	}
	controller.Call("abort")
	if _, rejected := await(p); !rejected {
		t.Error("it went well")
	}
	fake.Set("hold", js.Null())
	if _, err := s.device.Under(t.Context()).ReadAt(make([]byte, 512), 0); err != nil {
		t.Error(err)
	}
	if _, err := s.detach(t.Context(), nil); err != nil || !fake.Get("closed").Bool() {
		t.Errorf("closed: %v, error %v", fake.Get("closed"), err)
	}
}

func TestTable(t *testing.T) {
	s := table[string]{what: "thing", limit: 2}
	a, _ := s.add("a")
	b, _ := s.add("b")
	if _, err := s.add("c"); codeOf(err) != "LIMIT" || !strings.Contains(err.Error(), "2 things are open") {
		t.Errorf("one too many: %v", err)
	}
	if v, err := s.get(js.ValueOf(a)); v != "a" || err != nil {
		t.Errorf("%q, error %v", v, err)
	}
	s.remove(js.ValueOf(a))
	for _, id := range []any{a, 0, -1, 99, 1.5, "1", nil} {
		if _, err := s.get(js.ValueOf(id)); codeOf(err) != "CLOSED" && id != 1.5 {
			t.Errorf("%v: %v", id, err)
		}
	}
	if c, err := s.add("c"); err != nil || c == a || c == b {
		t.Errorf("%d again, error %v", c, err)
	}
	if removed := s.removeAll(func(v string) bool { return v != "c" }); len(removed) != 1 || removed[0] != "b" {
		t.Errorf("removed %v", removed)
	}
}

// What a device tells that has no sense is read as data.
func TestExtents(t *testing.T) {
	s, fake := newFake(t)
	const size = 4 << 20
	for told, want := range map[string][][2]int64{
		`[]`: {{0, size}},
		`[{offset: 0, length: 1 << 20, type: "hole"}, {offset: 1 << 20, length: 3 << 20, type: "data"}]`:                                             {{1 << 20, size}},
		`[{offset: 0, length: 1 << 20, type: "data"}, {offset: 1 << 20, length: 100, type: "zero"}]`:                                                 {{0, size}},
		`[{offset: 0, length: 1 << 20, type: "data"}, {offset: 1 << 20, length: 1 << 20, type: "zero"}, {offset: 2 << 20, length: 4, type: "data"}]`: {{0, 1 << 20}, {2 << 20, size}},
		`[{offset: 0, length: 4 << 20, type: "hole"}]`:                                                                                               nil,
		`[{offset: 0, length: 5 << 20, type: "hole"}]`:                                                                                               {{0, size}},
		`[{offset: 0, length: -1, type: "hole"}, {offset: 0, length: NaN, type: "hole"}]`:                                                            {{0, size}},
		`[{offset: 1 << 20, length: 1 << 20, type: "hole"}]`:                                                                                         {{0, size}},
	} {
		fake.Set("extents", eval(told))
		e := &extents{Device: s.device}
		var got [][2]int64
		for at := int64(0); at < size; {
			start, end, err := e.nextData(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			if start < size {
				got = append(got, [2]int64{start, end})
			}
			at = max(end, start)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", told, got, want)
		}
	}
}

func TestSearchOverTheAPI(t *testing.T) {
	s, _ := newFake(t)
	api := s.api()
	id, rejected := await(api.Call("search", `{"offset":0,"length":4194304,"context":2,"needles":[{"bytes":"AAcO"}]}`))
	if rejected {
		t.Fatal(id)
	}
	found := 0
	for ended := false; !ended; {
		v, rejected := await(api.Call("nextHits", id))
		if rejected {
			t.Fatal(v)
		}
		found += strings.Count(v.String(), `"needle":0`)
		ended = strings.Contains(v.String(), `"ended":true`)
	}
	if _, rejected := await(api.Call("nextHits", id)); !rejected {
		t.Error("it has not ended")
	}
	disk := make([]byte, 4<<20)
	for i := range disk {
		disk[i] = byteAt(i)
	}
	if want := bytes.Count(disk, []byte{0, 7, 14}); want == 0 || found != want {
		t.Errorf("found %d times, want %d", found, want)
	}
	for i := range 9 {
		id, rejected := await(api.Call("search", `{"length":4194304,"needles":[{"bytes":"AA=="}]}`))
		if rejected != (i == 8) {
			t.Fatalf("search %d: rejected %v, %v", i, rejected, id)
		}
	}
	for id := range 20 {
		await(api.Call("endSearch", id))
	}
	if _, rejected := await(api.Call("search", `{"needles":[{"text":"x","encoding":"utf-8"}]}`)); rejected {
		t.Error("searches that have ended take their places")
	}
}

func TestRejectionsOfArguments(t *testing.T) {
	s, _ := newFake(t)
	api := s.api()
	for name, p := range map[string]js.Value{
		"no number":    api.Call("openVolume", "0", 1),
		"beyond":       api.Call("signatures", 0, 5<<20),
		"no volume":    api.Call("stat", 7, "/"),
		"no JSON":      api.Call("search", "{"),
		"no file":      api.Call("readFile", 1, 0, 1),
		"no arguments": api.Call("search"),
	} {
		if reason, rejected := await(p); !rejected || reason.Get("code").String() == "" {
			t.Errorf("%s: %v", name, reason)
		}
	}
	if _, err := s.openVolume(context.Background(), []js.Value{js.ValueOf(0), js.ValueOf(4 << 20)}); codeOf(err) != "UNSUPPORTED" {
		t.Errorf("a device with nothing on it: %v", err)
	}
}
