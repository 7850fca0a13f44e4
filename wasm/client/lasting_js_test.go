package main

import (
	"fmt"
	"runtime"
	"syscall/js"
	"testing"
	"time"

	"nbdbridge/nbd"
)

// newHooks are hooks as the worker has them: events keeps what it is told.
func newHooks() js.Value {
	return eval(`(() => {
		const events = [];
		return { events, event: (kind, detail) => events.push({ kind, ...detail }) };
	})()`)
}

// eventOf waits for an event of a kind, and returns it.
func eventOf(t *testing.T, hooks js.Value, kind string) (event js.Value) {
	t.Helper()
	is := eval(`(events, kind) => events.find((e) => e.kind === kind)`)
	eventually(t, "the event "+kind, func() bool {
		event = is.Invoke(hooks.Get("events"), kind)
		return event.Truthy()
	})
	return event
}

func kinds(hooks js.Value) string {
	return eval(`(events) => events.map((e) => e.kind).join(" ")`).Invoke(hooks.Get("events")).String()
}

// reconnecting are the options of a disk that outlasts outages.
func (l *lab) reconnecting(giveUpAfter int) js.Value {
	return l.request(func(o, _ map[string]any) { o["reconnect"] = map[string]any{"giveUpAfter": giveUpAfter} })
}

// wantCause checks the cause of an event.
func wantCause(t *testing.T, event js.Value, code Code, stage Stage) {
	t.Helper()
	cause := event.Get("cause")
	if cause.Get("code").String() != string(code) || cause.Get("stage").String() != string(stage) {
		t.Errorf("%v was caused by %v in stage %v, want %s in %s", event.Get("kind"), cause.Get("code"), cause.Get("stage"), code, stage)
	}
	wantText(t, cause.Get("message").String(), `"vda"`, "wss://bridge/nbd/lab7: ")
}

// An outage of several attempts is told, and what was asked in it is answered.
func TestOutlastsOutage(t *testing.T) {
	l := newLab(t)
	bridge := newFakeBridge(t, l.server)
	api, hooks := newAPI(t), newHooks()
	mustCall(t, api, "open", l.reconnecting(60_000), hooks)
	funcs := liveFuncs.Load()
	if n := hooks.Get("events").Length(); n != 0 {
		t.Errorf("%d events without an outage", n)
	}
	bridge.refusal = closeBroken
	bridge.cut(closeDraining)
	pending := api.Call("read", 4096, 8)
	eventually(t, "three attempts", func() bool { return bridge.dials >= 4 })
	bridge.refusal = 0
	if _, rejected := await(pending); rejected {
		t.Error("the read did not outlast the outage")
	}
	wantCause(t, eventOf(t, hooks, "lost"), CodeDraining, StageTransmission)
	for i := range 4 {
		event := hooks.Get("events").Index(1 + i)
		if event.Get("kind").String() != "retrying" || event.Get("attempt").Int() != i+1 || event.Get("delay").Int() > 100<<i {
			t.Errorf("event %d: %v, attempt %v, delay %v", i, event.Get("kind"), event.Get("attempt"), event.Get("delay"))
		}
		if i == 0 {
			wantCause(t, event, CodeDraining, StageTransmission)
		} else {
			wantCause(t, event, CodeBridgeUnreachable, StageConnect)
		}
	}
	checkTLS(t, l, eventOf(t, hooks, "connected").Get("tls"))
	if n := liveFuncs.Load(); n != funcs {
		t.Errorf("%d callbacks before the outage, %d after it", funcs, n)
	}
	mustCall(t, api, "close")
	mustCall(t, api, "wait")
	if got := kinds(hooks); got[len(got)-9:] != "connected" {
		t.Errorf("events: %s", got)
	}
}

// What the bridge says decides: whom it has judged does not come again.
func TestWhatEndsTheDisk(t *testing.T) {
	for _, test := range []struct {
		close  int
		renews bool // the ticket, by a function
		ends   Code // "" for an outage
	}{
		{closeUnauthorised, false, CodeUnauthorised},
		{closeUnauthorised, true, ""},
		{closeForbiddenOrigin, true, CodeForbiddenOrigin},
		{closeUnknownTarget, true, CodeUnknownTarget},
		{closeEnded, true, CodeEndedByOperator},
		{closeIdle, false, ""},
		{closeLimit, false, ""},
		{closeSessionAge, false, ""},
		{closeTargetUnreachable, false, ""},
		{closeTargetTimeout, false, ""},
		{closeDraining, false, ""},
		{closeBroken, false, ""},
		{closeNormal, false, ""},
	} {
		for _, refused := range []bool{false, true} { // the next connection, instead of the end of this one
			t.Run(fmt.Sprint(test.close, test.renews, refused), func(t *testing.T) {
				l := newLab(t)
				bridge := newFakeBridge(t, l.server)
				api, hooks := newAPI(t), newHooks()
				if test.renews {
					hooks.Set("token", eval(`async () => "a.b.c"`))
				}
				mustCall(t, api, "open", l.reconnecting(60_000), hooks)
				if refused {
					bridge.refusal = test.close
					bridge.cut(closeBroken)
					eventually(t, "a refusal", func() bool { return bridge.dials == 2 })
					bridge.refusal = 0
				} else {
					bridge.cut(test.close)
				}
				if test.ends == "" {
					mustCall(t, api, "read", 0, 1)
					mustCall(t, api, "close")
					return
				}
				wantCode(t, api.Call("read", 0, 1), test.ends)
				wantCode(t, api.Call("wait"), test.ends)
				stage := StageTransmission
				if refused {
					stage = StageConnect
				}
				wantCause(t, eventOf(t, hooks, "ended"), test.ends, stage)
				if want := map[bool]int{false: 1, true: 2}[refused]; bridge.dials != want {
					t.Errorf("%d dials, want %d", bridge.dials, want)
				}
			})
		}
	}
}

func TestGivesUp(t *testing.T) {
	l := newLab(t)
	bridge := newFakeBridge(t, l.server)
	api, hooks := newAPI(t), newHooks()
	mustCall(t, api, "open", l.reconnecting(300), hooks)
	bridge.refusal = closeTargetUnreachable
	bridge.cut(closeBroken)
	message := wantCode(t, api.Call("read", 0, 1), CodeTargetUnreachable)
	wantText(t, message, "gave up after 300ms")
	wantCode(t, api.Call("wait"), CodeTargetUnreachable)
	wantCause(t, eventOf(t, hooks, "ended"), CodeTargetUnreachable, StageConnect)
}

// A server with another key ends the disk; what it may have lost is told.
func TestIdentityAndUnflushed(t *testing.T) {
	l := newLab(t)
	bridge := newFakeBridge(t, l.server)
	api, hooks := newAPI(t), newHooks()
	mustCall(t, api, "open", l.reconnecting(60_000), hooks)
	mustCall(t, api, "write", 512, bytesOf(make([]byte, 1024)), false)
	l.server.TLS.Certificates[0] = l.ca.pair(t, nil)
	bridge.cut(closeBroken)
	wantText(t, wantCode(t, api.Call("read", 0, 1), CodeIdentity), "server key")
	wantCause(t, eventOf(t, hooks, "ended"), CodeIdentity, StageNegotiation)
	for _, call := range []string{"flush", "close"} {
		v, rejected := await(api.Call(call))
		details := v.Get("details")
		if !rejected || v.Get("code").String() != string(CodeUnflushed) || details.Get("offset").Int() != 512 || details.Get("length").Int() != 1024 {
			t.Errorf("%s: %v, %v bytes at %v", call, v.Get("message"), details.Get("length"), details.Get("offset"))
		}
	}
}

// What fails or is aborted at the first connection leaves nothing behind;
// fakeTunnel looks after that.
func TestFirstConnectionIsNotRetried(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		l := newLab(t)
		bridge := newFakeBridge(t, l.server)
		bridge.refusal = closeDraining
		wantCode(t, newAPI(t).Call("open", l.reconnecting(1000), newHooks()), CodeDraining)
		if bridge.dials != 1 {
			t.Errorf("%d dials", bridge.dials)
		}
	})
	t.Run("of another CA", func(t *testing.T) {
		l := newLab(t)
		newFakeBridge(t, l.server)
		l.server.TLS.Certificates[0] = newAuthority(t).pair(t, nil)
		wantCode(t, newAPI(t).Call("open", l.reconnecting(1000), newHooks()), CodeTLSUntrusted)
	})
	t.Run("too large", func(t *testing.T) {
		l := newLab(t)
		newFakeBridge(t, l.server)
		request := l.reconnecting(1000)
		request.Set("export", "huge")
		wantCode(t, newAPI(t).Call("open", request, newHooks()), CodeOutOfRange)
	})
	t.Run("aborted", func(t *testing.T) {
		l := newLab(t)
		newFakeBridge(t, l.server)
		hooks := newHooks()
		hooks.Set("token", eval(`() => new Promise(() => {})`))
		controller := eval("new AbortController()")
		time.AfterFunc(10*time.Millisecond, func() { controller.Call("abort", "enough") })
		reason, rejected := await(newAPI(t).Call("open", l.reconnecting(1000), hooks, controller.Get("signal")))
		if !rejected || reason.String() != "enough" {
			t.Errorf("aborted open: %v", reason)
		}
	})
}

// Closing is at once during an outage, and leaves nothing behind.
func TestCloseDuringOutage(t *testing.T) {
	l := newLab(t)
	bridge := newFakeBridge(t, l.server)
	api, hooks := newAPI(t), newHooks()
	mustCall(t, api, "open", l.reconnecting(60_000), hooks)
	bridge.refusal = closeBroken
	bridge.cut(closeBroken)
	pending := api.Call("read", 0, 1)
	eventOf(t, hooks, "retrying")
	mustCall(t, api, "close")
	wantCode(t, pending, CodeClosed)
	mustCall(t, api, "wait")
}

// A hook that throws harms nobody.
func TestHookThrows(t *testing.T) {
	l := newLab(t)
	bridge := newFakeBridge(t, l.server)
	api := newAPI(t)
	mustCall(t, api, "open", l.reconnecting(60_000), eval(`{ event() { throw new Error("boom"); } }`))
	bridge.cut(closeBroken)
	mustCall(t, api, "read", 0, 1)
	mustCall(t, api, "close")
}

func TestCheck(t *testing.T) {
	t.Run("answered", func(t *testing.T) {
		l := newLab(t)
		newFakeBridge(t, l.server)
		api := newAPI(t)
		wantCode(t, api.Call("check", 1000), CodeClosed)
		mustCall(t, api, "open", l.request(nil))
		if !mustCall(t, api, "check", 5000).Bool() {
			t.Error("a live connection is not answered")
		}
		for _, bad := range []any{0, -1, 0.5, "1", 1 << 31} {
			wantCode(t, api.Call("check", bad), CodeInvalidArgument)
		}
		mustCall(t, api, "close")
		wantCode(t, api.Call("check", 1000), CodeClosed)
	})
	t.Run("silence ends the disk", func(t *testing.T) {
		api, _ := openStuck(t)
		if mustCall(t, api, "check", 20).Bool() {
			t.Error("a dead connection is answered")
		}
		wantCode(t, api.Call("wait"), CodeTimeout)
	})
	t.Run("aborted, it leaves the connection", func(t *testing.T) {
		api, _ := openStuck(t)
		controller := eval("new AbortController()")
		time.AfterFunc(10*time.Millisecond, func() { controller.Call("abort", "enough") })
		if reason, rejected := await(api.Call("check", 60_000, controller.Get("signal"))); !rejected || reason.String() != "enough" {
			t.Errorf("aborted check: %v", reason)
		}
		mustCall(t, api, "flush")
	})
	t.Run("silence, and another connection", func(t *testing.T) {
		l := newLab(t)
		gate := make(chan struct{})
		l.server.Exports[0].Device = stuck{l.disk, gate}
		bridge := newFakeBridge(t, l.server)
		api, hooks := newAPI(t), newHooks()
		mustCall(t, api, "open", l.reconnecting(60_000), hooks)
		pending := api.Call("read", 0, 1)
		if mustCall(t, api, "check", 20).Bool() {
			t.Error("a dead connection is answered")
		}
		wantCause(t, eventOf(t, hooks, "lost"), CodeTimeout, StageTransmission)
		eventOf(t, hooks, "connected")
		close(gate)
		if _, rejected := await(pending); rejected || bridge.dials != 2 {
			t.Errorf("the read was lost, after %d dials", bridge.dials)
		}
		mustCall(t, api, "close")
	})
}

// nothing is a large device that keeps nothing.
type nothing struct{}

func (nothing) Size() int64                                { return 1 << 30 }
func (nothing) ReadAt(p []byte, _ int64) (int, error)      { clear(p); return len(p), nil }
func (nothing) WriteAt(p []byte, _ int64) (n int, _ error) { return len(p), nil }
func (nothing) Sync() error                                { return nil }

// What is kept for a server that restarts is bounded: the memory of Go only grows.
func TestUnflushedIsBounded(t *testing.T) {
	l := newLab(t)
	l.server.TLS = nil
	l.server.Exports = []nbd.Export{{Name: "vda", Device: nothing{}}}
	newFakeBridge(t, l.server)
	api := newAPI(t)
	mustCall(t, api, "open", l.request(func(o, s map[string]any) {
		clear(s)
		s["mode"] = "off"
		o["reconnect"] = map[string]any{"giveUpAfter": 1000}
	}))
	data := uint8Array.New(4 << 20)
	for i := range 12 {
		mustCall(t, api, "write", i*(4<<20), data, false)
	}
	held := heap()
	mustCall(t, api, "flush")
	if held -= heap(); held < 4<<20 || held > 20<<20 {
		t.Errorf("48 MiB of writes that nobody flushed hold %d MiB, want up to 16", held>>20)
	}
	mustCall(t, api, "close")
}

// heap is what lives there, in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
