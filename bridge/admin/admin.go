// Package admin answers what an operator asks of a running bridge over HTTP.
package admin

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"nbdbridge/bridge"
)

// Sessions is what is asked of a bridge.Handler, which is one.
type Sessions interface {
	Sessions() []bridge.SessionInfo
	EndSession(id uint64) bool
}

// A Handler answers
//
//   - GET /metrics: the metrics, for Prometheus;
//   - GET /healthz: 200 while the process answers at all;
//   - GET /readyz: 200, or 503 and the reason in words;
//   - GET /sessions: the sessions under way as a JSON array of
//     bridge.SessionInfo, with "age" in seconds;
//   - POST /sessions/{id}/end: ends one; 204, or 404 if there is none;
//   - GET /debug/pprof/, if asked.
//
// It asks nobody for a password: whoever reaches it may use it. So it refuses
// every request that a page in a browser could have caused. One with an Origin,
// or with a Sec-Fetch-Site that is not "none" (a URL typed in), gets 403; one
// whose Host is not listed gets 421. No answer may be stored.
//
// Set the fields before the first request and leave them alone after it.
type Handler struct {
	Bridge  Sessions            // required
	Metrics prometheus.Gatherer // nil has no /metrics
	// Ready tells whether the bridge takes new sessions; its error is shown by
	// /readyz. It has 10 s. nil is always ready.
	Ready func(context.Context) error
	// Hosts are answered at TCP listeners: host:port, exactly. A Unix socket
	// needs none.
	Hosts []string
	// Pprof serves profiles. They show what is in the memory of the process.
	// The package net/http/pprof, which comes along in any case, also puts
	// them on http.DefaultServeMux: don't serve that one.
	Pprof bool

	once   sync.Once
	routes *http.ServeMux
}

// ServeHTTP answers.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.once.Do(h.route)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if h.admit(w, r) {
		h.routes.ServeHTTP(w, r)
	}
}

// admit answers what a page could have sent. A name that was pointed at this
// machine (DNS rebinding) shows as a Host that nobody listed.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request) bool {
	_, origin := r.Header["Origin"]
	site, fetched := r.Header["Sec-Fetch-Site"]
	switch {
	case origin, fetched && !slices.Equal(site, []string{"none"}):
		http.Error(w, "This is for the operator's tools, and no page may use it: "+
			"use curl, or type the URL into the browser.", http.StatusForbidden)
	case !overUnix(r) && !slices.Contains(h.Hosts, r.Host):
		http.Error(w, "The admin listener does not answer to the host name of this request. "+
			"If the name is right, list it with its port under admin.hosts.", http.StatusMisdirectedRequest)
	default:
		return true
	}
	return false
}

func overUnix(r *http.Request) bool {
	_, ok := r.Context().Value(http.LocalAddrContextKey).(*net.UnixAddr)
	return ok
}

func (h *Handler) route() {
	h.routes = http.NewServeMux()
	if h.Metrics != nil {
		h.routes.Handle("GET /metrics", promhttp.HandlerFor(h.Metrics, promhttp.HandlerOpts{}))
	}
	h.routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, "ok") })
	h.routes.HandleFunc("GET /readyz", h.ready)
	h.routes.HandleFunc("GET /sessions", h.list)
	h.routes.HandleFunc("POST /sessions/{id}/end", h.end)
	if h.Pprof {
		routeProfiles(h.routes)
	}
}

func say(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(text + "\n"))
}

const readyTimeout = 10 * time.Second

func (h *Handler) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if h.Ready != nil {
		if err := h.Ready(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	say(w, "ok")
}
