// Command acquire reads a device of the page into an image, or hashes what such
// a program reads, inside a Worker of its own.
package main

func main() { new(session).api().Serve() }
