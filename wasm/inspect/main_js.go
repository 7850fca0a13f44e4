// Command inspect reads partition tables, signatures and file systems of one
// device, and searches it, inside a Worker of its own.
package main

import "syscall/js"

// readyFunc is the function that the worker installs to be handed the API, and
// deviceFunc the one that makes a device of a handle. They are the only global
// names between the two.
const (
	readyFunc  = "nbdbridgeReady"
	deviceFunc = "nbdbridgeDevice"
)

func main() {
	js.Global().Call(readyFunc, newSession().api())
	select {} // the worker ends the program by ending itself
}
