// Command client is the NBD client of a browser: it runs nbd over a WebSocket,
// inside a Worker, for exactly one disk.
package main

import "syscall/js"

// readyFunc is the function that the worker installs to be handed the API. It
// is the only global name between the two.
const readyFunc = "nbdbridgeReady"

func main() {
	js.Global().Call(readyFunc, new(session).api())
	select {} // the worker ends the program by ending itself
}
