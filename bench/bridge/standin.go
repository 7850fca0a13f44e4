//go:build linux

package main

import (
	"net/http"

	"nbdbridge/bridge"
)

// standInMain is the bridge of package bridge with nothing around it:
// stand-in LISTEN TARGET splice|copy. It stands in for a bin/bridge that takes
// no configuration file, and so can't be told its limits.
func standInMain(args []string) error {
	l, err := listen(args[0], 0)
	if err != nil {
		return err
	}
	h := &bridge.Handler{
		Targets:   bridge.Targets{targetName: {Network: "tcp", Address: args[1]}},
		PublicURL: []string{"http://" + args[0]},
		CopyOnly:  args[2] == "copy",
		Limits:    bridge.Limits{Connections: bridgeSessions, AddressRate: -1, Handshakes: -1},
	}
	mux := http.NewServeMux()
	mux.Handle("GET /nbd/{target}", h)
	return http.Serve(l, h.Guard(mux))
}
