package main

import (
	"errors"
	"strings"
	"syscall/js"
	"testing"
	"time"

	"nbdbridge/evidence/acquire"
	"nbdbridge/wasm/boundary"
	"nbdbridge/wasm/hasher"
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

// fakeDevice is what deviceOf gives: 12 MiB of sevens, of which tests fail reads.
const fakeDevice = `({
  size: 12 << 20, fail: null,
  async read(offset, length) { if (this.fail) throw this.fail; return new Uint8Array(length).fill(7); },
  async blockStatus(offset, length) { return [{ offset, length, type: "data" }]; },
  async close() {},
})`

// fakePage is what nbdbridgeAsk makes of the page's port, of which tests hold
// writes up, and fail them.
const fakePage = `({
  bytes: 0, writes: 0, states: [], calls: 0, most: 0, hold: false, fail: null,
  async call(method, args) {
    this.most = Math.max(this.most, ++this.calls);
    if (method === "write") this.writes++;
    if (method === "write" && this.hold) await new Promise(() => {});
    if (method === "write" && this.fail) throw this.fail;
    await new Promise((resolve) => setTimeout(resolve));
    this.calls--;
    if (method === "write") this.bytes += args[0].length;
    if (method === "state") this.states.push(args[0]);
    if (method === "outages") return "[]";
  },
  tell() {},
})`

const wishJSON = `{"format": "raw", "settings": {"hashes": ["sha256"], "retries": 0, "smallest": 4096, "skipHoles": true}}`

// newFake attaches a session to a fake device. Ports are what nbdbridgeAsk
// would make of them.
func newFake(t *testing.T) (s *session, device, page js.Value) {
	t.Helper()
	device, page = eval(fakeDevice), eval(fakePage)
	for name, fn := range map[string]func(args []js.Value) any{
		"nbdbridgeDevice": func([]js.Value) any { return js.Global().Get("Promise").Call("resolve", device) },
		askFunc:           func(args []js.Value) any { return args[0] },
	} {
		f := boundary.NewFunc(fn)
		js.Global().Set(name, f.Func)
		t.Cleanup(func() { js.Global().Delete(name); f.Release() })
	}
	s = new(session)
	if _, err := s.attach(t.Context(), []js.Value{js.Null()}); err != nil {
		t.Fatal(err)
	}
	return s, device, page
}

// newHash is a hash as if it were in another Worker.
func newHash() js.Value {
	return js.Global().Call("eval", "((api) => ({ call: async (method, args) => api[method](...args), tell() {} }))").Invoke(hasher.New())
}

func ports(hashes ...any) js.Value { return js.ValueOf(hashes) }

func TestAcquire(t *testing.T) {
	s, _, page := newFake(t)
	api := s.api()
	funcs := boundary.LiveFuncs()
	log, rejected := await(api.Call("acquire", page, ports(newHash()), wishJSON))
	if rejected || !strings.Contains(log.String(), `"status":"complete"`) {
		t.Fatalf("rejected %v: %v", rejected, js.Global().Get("JSON").Call("stringify", log))
	}
	if n := page.Get("bytes").Int(); n != 12<<20 {
		t.Errorf("the page got %d bytes", n)
	}
	if n := page.Get("most").Int(); n > ahead+1 {
		t.Errorf("%d calls of the page at once", n)
	}
	if states := page.Get("states"); states.Length() != 1 || !strings.Contains(states.Index(0).String(), `"offset":12582912`) {
		t.Errorf("states %v", js.Global().Get("JSON").Call("stringify", states))
	}
	sums, rejected := await(api.Call("pass", page, ports(newHash()), `{"hashes": ["sha256"]}`))
	if _, sum, _ := strings.Cut(sums.String(), `{`); rejected || !strings.Contains(log.String(), strings.TrimSuffix(sum, "}")) {
		t.Errorf("a pass gives %v, rejected %v", sums, rejected)
	}
	if n := boundary.LiveFuncs() - funcs; n != 0 {
		t.Errorf("%d callbacks are left", n)
	}
}

func TestFailuresComeThrough(t *testing.T) {
	for name, c := range map[string]struct{ device, page, code string }{
		"a device that is gone":   {`{ code: "DISCONNECTED", message: "gone" }`, `null`, "DISCONNECTED"},
		"a sink without room":     {`null`, `{ code: "ENOSPC", message: "no room", stage: "client" }`, "ENOSPC"},
		"a sink that throws text": {`null`, `"words"`, "INTERNAL"},
	} {
		s, device, page := newFake(t)
		api := s.api()
		funcs := boundary.LiveFuncs()
		device.Set("fail", eval(c.device))
		page.Set("fail", eval(c.page))
		reason, rejected := await(api.Call("acquire", page, ports(newHash()), wishJSON))
		if !rejected || reason.Get("code").String() != c.code {
			t.Errorf("%s: rejected %v, %v", name, rejected, js.Global().Get("JSON").Call("stringify", reason))
		}
		for deadline := time.Now().Add(10 * time.Second); boundary.LiveFuncs() != funcs && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond) // calls under way settle by themselves
		}
		if n := boundary.LiveFuncs() - funcs; n != 0 {
			t.Errorf("%s: %d callbacks are left", name, n)
		}
	}
}

// A sink that takes nothing is given a few pieces, and does not keep an abort up.
func TestASinkThatHangs(t *testing.T) {
	s, _, page := newFake(t)
	page.Set("hold", true)
	controller := eval("new AbortController()")
	p := s.api().Call("acquire", page, ports(newHash()), wishJSON, controller.Get("signal"))
	for deadline := time.Now().Add(10 * time.Second); page.Get("calls").Int() < ahead; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d pieces are written", page.Get("calls").Int())
		}
	}
	controller.Call("abort")
	if _, rejected := await(p); !rejected {
		t.Error("it went well")
	}
	if n := page.Get("writes").Int(); n > ahead {
		t.Errorf("%d pieces wait for the sink", n)
	}
}

func TestJudged(t *testing.T) {
	for reason, want := range map[string]bool{
		`{ code: "EIO", stage: "transmission" }`: true, `{ code: "ENOTSUP", stage: "transmission" }`: true,
		`{ code: "EIO", stage: "client" }`: false, `{ code: "EIO" }`: false,
		`{ code: "ESHUTDOWN", stage: "transmission" }`: false, `{ code: "DISCONNECTED", stage: "transmission" }`: false, `"EIO"`: false,
	} {
		if got := errors.As(judged(&boundary.Rejected{Reason: eval(reason)}), new(*acquire.Unreadable)); got != want {
			t.Errorf("%s: unreadable %v", reason, got)
		}
	}
}

func TestWishesThatAreNone(t *testing.T) {
	s, _, page := newFake(t)
	api := s.api()
	for _, wish := range []string{
		`{`, `{"format": "e01", "settings": {"hashes": []}}`, `{"format": "raw", "other": 1}`, `{"format": "raw", "settings": {"hashes": ["md5"]}}`,
		`{"from": {"offset": 0, "hashes": {}}}`, `{"format": "raw", "facts": {"case": {"nobody": "x"}}}`,
	} {
		reason, rejected := await(api.Call("acquire", page, ports(), wish))
		if !rejected || reason.Get("code").String() != "INVALID_ARGUMENT" {
			t.Errorf("%s: rejected %v, %v", wish, rejected, js.Global().Get("JSON").Call("stringify", reason))
		}
	}
	if n := page.Get("most").Int(); n != 0 {
		t.Errorf("%d calls of the page", n)
	}
}
