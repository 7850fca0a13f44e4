// Command inspect reads partition tables, signatures and file systems of one
// device, and searches it, inside a Worker of its own.
package main

func main() { newSession().api().Serve() }
