package main

import (
	"strings"
	"syscall/js"
	"testing"
	"time"
)

// fakeSocket is the class WebSocket as far as a test needs it. It refuses bad
// close codes as browsers do, and keeps what it is told in public fields.
const fakeSocket = `(class FakeWebSocket extends EventTarget {
  static last; static onconnect;
  constructor(url, protocols) {
    super();
    if (!/^wss?:/.test(url)) throw new SyntaxError("bad URL " + url);
    Object.assign(this, { url, protocols, readyState: 0, bufferedAmount: 0, sent: [], closes: [], protocol: "" });
    FakeWebSocket.last = this;
    setTimeout(() => FakeWebSocket.onconnect?.(this));
  }
  emit(type, fields) { this.dispatchEvent(Object.assign(new Event(type), fields)); }
  open(protocol = "nbd") { this.readyState = 1; this.protocol = protocol; this.emit("open"); }
  deliver(bytes, size = bytes.length) {
    for (let i = 0; i < bytes.length; i += size) this.emit("message", { data: bytes.slice(i, i + size).buffer });
  }
  end(code, reason = "") {
    this.readyState = 3;
    this.emit("close", { code, reason });
    this.onclosed?.();
  }
  send(data) {
    if (this.readyState !== 1) throw new Error("InvalidStateError: not open");
    if (this.onsend) this.onsend(data.slice());
    else this.sent.push(...data);
  }
  close(code, reason) {
    if (code !== 1000 && (code < 3000 || code > 4999)) throw new Error("InvalidAccessError: code " + code);
    this.closes.push(code);
    this.readyState = 2;
    this.onclosed?.();
  }
})`

// fakeWebSocket puts the fake in place for one test, and fails the test if it
// leaves a callback behind.
func fakeWebSocket(t *testing.T) (last func() js.Value) {
	t.Helper()
	class := js.Global().Call("eval", fakeSocket)
	before := js.Global().Get("WebSocket")
	js.Global().Set("WebSocket", class)
	funcs := liveFuncs.Load()
	t.Cleanup(func() {
		js.Global().Set("WebSocket", before)
		eventually(t, "every callback to be released", func() bool { return liveFuncs.Load() == funcs })
	})
	return func() js.Value { return class.Get("last") }
}

// open dials through the fake and has it open.
func openFake(t *testing.T) (*conn, js.Value) {
	t.Helper()
	last := fakeWebSocket(t)
	done := make(chan error, 1)
	var c *conn
	go func() {
		var err error
		c, err = dial(t.Context(), "ws://bridge/nbd/lab", tickets{})
		done <- err
	}()
	eventually(t, "the dial", func() bool { return last().Truthy() })
	last().Call("open")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, last()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// bytesOf makes a Uint8Array.
func bytesOf(p []byte) js.Value {
	v := uint8Array.New(len(p))
	js.CopyBytesToJS(v, p)
	return v
}

// eval evaluates a JavaScript expression.
func eval(expression string) js.Value { return js.Global().Call("eval", "("+expression+")") }

// await waits for a promise and returns its value, or the reason of its rejection.
func await(p js.Value) (value js.Value, rejected bool) {
	type outcome struct {
		value    js.Value
		rejected bool
	}
	settled := make(chan outcome, 1)
	handler := func(rejected bool) *callback {
		return newCallback(func(args []js.Value) any {
			v := js.Undefined()
			if len(args) > 0 {
				v = args[0]
			}
			settled <- outcome{v, rejected}
			return nil
		})
	}
	yes, no := handler(false), handler(true)
	defer yes.release()
	defer no.release()
	p.Call("then", yes.Func, no.Func)
	o := <-settled
	return o.value, o.rejected
}

func wantText(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not say %q", text, part)
		}
	}
}
