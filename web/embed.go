// Package web holds the files that a browser gets: the client package and the demo pages.
package web

import (
	"embed"
	"io/fs"
)

// Files has the folders client and demo. Whole folders, so that this compiles
// before the WASM was built.
//
//go:embed client demo
var Files embed.FS

// Built tells whether the client's WASM, plain or compressed, was built in.
// Without it the pages load and can't connect.
func Built() bool {
	for _, name := range []string{"client/nbd.wasm", "client/nbd.wasm.gz", "client/nbd.wasm.zst"} {
		if _, err := fs.Stat(Files, name); err == nil {
			return true
		}
	}
	return false
}
