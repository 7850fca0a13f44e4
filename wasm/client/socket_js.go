package main

import "syscall/js"

// A socket is the browser's WebSocket with types. Nothing here decides
// anything; see https://developer.mozilla.org/docs/Web/API/WebSocket.
type socket struct{ v js.Value }

func newSocket(url string, protocols []any) (s socket, err error) {
	defer catch(&err)
	s.v = js.Global().Get("WebSocket").New(url, protocols)
	s.v.Set("binaryType", "arraybuffer")
	return s, nil
}

func (s socket) protocol() string { return s.v.Get("protocol").String() }

// bufferedAmount is what was sent and has not left the browser, in bytes.
func (s socket) bufferedAmount() int { return s.v.Get("bufferedAmount").Int() }

// send queues the bytes of a Uint8Array; the browser copies them before it returns.
func (s socket) send(bytes js.Value) (err error) {
	defer catch(&err)
	s.v.Call("send", bytes)
	return nil
}

// close begins to close, in any state. Browsers refuse every code but 1000
// and 3000 to 4999, and then leave the socket open.
func (s socket) close(code int, reason string) (err error) {
	defer catch(&err)
	s.v.Call("close", code, reason)
	return nil
}

func (s socket) onOpen(fn func()) (remove func()) {
	return listen(s.v, "open", func(js.Value) { fn() })
}

// onMessage hands over each message: a string, or an ArrayBuffer.
func (s socket) onMessage(fn func(data js.Value)) (remove func()) {
	return listen(s.v, "message", func(e js.Value) { fn(e.Get("data")) })
}

// onClose tells the end, also of a socket that never opened.
func (s socket) onClose(fn func(code int, reason string)) (remove func()) {
	return listen(s.v, "close", func(e js.Value) { fn(e.Get("code").Int(), e.Get("reason").String()) })
}

// onError tells that something went wrong; why, browsers hide.
func (s socket) onError(fn func()) (remove func()) {
	return listen(s.v, "error", func(js.Value) { fn() })
}
