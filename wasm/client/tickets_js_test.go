package main

import (
	"context"
	"errors"
	"strings"
	"syscall/js"
	"testing"
	"time"
)

// Each connection has a ticket of its own.
func TestTicketForEachDial(t *testing.T) {
	l := newLab(t)
	bridge := newFakeBridge(t, l.server)
	api, hooks := newAPI(t), newHooks()
	hooks.Set("token", eval(`(() => { let n = 0; return async () => "ticket." + ++n; })()`))
	request := l.reconnecting(60_000)
	request.Set("token", "unused")
	mustCall(t, api, "open", request, hooks)
	for range 2 {
		bridge.cut(closeSessionAge)
		mustCall(t, api, "read", 0, 1)
	}
	mustCall(t, api, "close")
	if got, want := strings.Join(bridge.tickets, " "), "bearer.ticket.1 bearer.ticket.2 bearer.ticket.3"; got != want {
		t.Errorf("tickets %q, want %q", got, want)
	}
}

// A function that gives no ticket fails the attempt, and says why, but never a
// ticket.
func TestNoTicket(t *testing.T) {
	for function, says := range map[string]string{
		`async () => { throw new Error("not signed in"); }`: "not signed in",
		`() => { throw new TypeError("broken"); }`:          "broken",
		`() => Promise.reject("a word")`:                    "a word",
		`() => Promise.reject()`:                            "undefined",
		`() => Promise.reject(null)`:                        "null",
		`() => Promise.reject({ message: 7 })`:              "[object Object]",
		`async () => {}`:                                    "no string but undefined",
		`async () => 7`:                                     "no string but number",
		`async () => ""`:                                    "no ticket",
		`async () => "se cret"`:                             "no ticket",
		`async () => "secret\n"`:                            "no ticket",
		`async () => "secret,nbd"`:                          "no ticket",
		`async () => "secr\u00e9t"`:                         "no ticket",
	} {
		t.Run(function, func(t *testing.T) {
			l := newLab(t)
			bridge := newFakeBridge(t, l.server)
			hooks := newHooks()
			hooks.Set("token", eval(function))
			for _, request := range []js.Value{l.request(nil), l.reconnecting(1000)} {
				v, _ := await(newAPI(t).Call("open", request, hooks))
				if v.Get("code").String() != string(CodeUnauthorised) || v.Get("stage").String() != string(StageConnect) {
					t.Errorf("code %v, stage %v", v.Get("code"), v.Get("stage"))
				}
				message := v.Get("message").String()
				wantText(t, message, "the function token", says)
				if strings.Contains(message, "se cr") || strings.Contains(message, "secr") {
					t.Errorf("%q tells the ticket", message)
				}
			}
			if bridge.dials != 0 {
				t.Errorf("%d dials without a ticket", bridge.dials)
			}
		})
	}
}

// A function that fails during an outage fails one attempt.
func TestNoTicketInOutage(t *testing.T) {
	l := newLab(t)
	bridge := newFakeBridge(t, l.server)
	api, hooks := newAPI(t), newHooks()
	hooks.Set("token", eval(`(() => { let n = 0; return async () => { if (++n === 2) throw new Error("offline"); return "t" + n; }; })()`))
	mustCall(t, api, "open", l.reconnecting(60_000), hooks)
	bridge.cut(closeBroken)
	mustCall(t, api, "read", 0, 1)
	wantCause(t, hooks.Get("events").Index(2), CodeUnauthorised, StageConnect)
	mustCall(t, api, "close")
}

// A promise that never settles is waited for as long as the context says, and
// then holds no callback; one that settles later calls none.
func TestTicketTooLate(t *testing.T) {
	fakeWebSocket(t)
	var late js.Value
	ask := newCallback(func([]js.Value) any {
		with := eval(`(() => { let resolve; const promise = new Promise((r) => { resolve = r; }); return { promise, resolve }; })()`)
		late = with.Get("resolve")
		return with.Get("promise")
	})
	defer ask.release()
	funcs := liveFuncs.Load()
	errLate := errors.New("too late")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errLate)
	defer cancel()
	if _, err := (tickets{ask: ask.Value}).next(ctx); !errors.Is(err, errLate) || codeOf(err) != CodeUnauthorised {
		t.Errorf("next: %v", err)
	}
	if n := liveFuncs.Load(); n != funcs {
		t.Errorf("%d callbacks are left", n-funcs)
	}
	late.Invoke("a")
	await(eval("Promise.resolve()"))
}
