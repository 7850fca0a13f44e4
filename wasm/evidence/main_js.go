// Command evidence is one hash in a Worker of its own, which the page feeds.
package main

import (
	"syscall/js"

	"nbdbridge/wasm/hasher"
)

// readyFunc is the function that the worker installs to be handed the API. It
// is the only global name between the two.
const readyFunc = "nbdbridgeReady"

func main() {
	js.Global().Call(readyFunc, hasher.New())
	select {} // the worker ends the program by ending itself
}
