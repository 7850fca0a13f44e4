// Package admin answers what an operator asks of a running bridge over HTTP.
package admin

import (
	"context"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"nbdbridge/bridge"
)

// A Handler answers /metrics, /healthz, /readyz, /sessions and, if asked,
// /debug/pprof/. It refuses every request that a browser could have been
// tricked into: one with an Origin, or with a Host that is not listed.
type Handler struct {
	Bridge  *bridge.Handler
	Metrics prometheus.Gatherer
	// Ready tells whether the bridge takes new sessions; its error is shown by
	// /readyz.
	Ready func(context.Context) error
	Hosts []string // of TCP listeners: host:port, exactly; a Unix socket needs none
	Pprof bool
}

// ServeHTTP answers.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "not yet", http.StatusNotImplemented)
}
