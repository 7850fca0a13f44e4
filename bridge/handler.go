package bridge

import (
	"context"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// A Handler answers GET /nbd/{target}, or any other pattern with {target} in
// it, with a WebSocket to that target. Set the fields before the first request
// and leave them alone after it; Reload changes them.
type Handler struct {
	// Targets is required: what may be connected to.
	Targets TargetSource
	// PublicURL is required: the base URLs by which clients know this bridge,
	// such as http://127.0.0.1:8080, without a path. Pages from there may
	// connect, and their hosts are the only ones that are answered.
	PublicURL []string
	// Origins lists further origins whose pages may connect: scheme, host and
	// port, exactly.
	Origins []string
	// Authorize admits a client to a target, which need not exist; nil admits
	// everyone, as nobody in particular. An error that is ErrForbidden says
	// that the client is known and this target not for it: it is answered as a
	// target that does not exist. Any other error is a client that is not
	// known. Errors are logged and not sent. The request's context ends with
	// the session.
	Authorize func(r *http.Request, target string) (Grant, error)
	// Dial connects to a target; nil uses net.Dialer. Connections must heed
	// deadlines.
	Dial   func(context.Context, Target) (net.Conn, error)
	Limits Limits
	// CopyOnly never splices: to measure by, and for kernels that get it wrong.
	CopyOnly bool
	Log      *slog.Logger // nil is silent

	once    sync.Once
	current atomic.Pointer[setup]
	invalid error // why there is no current setup

	registry   registry
	addresses  buckets[netip.Prefix]
	principals buckets[string]
	refusals   throttle
	metrics    metrics
}

func (h *Handler) log() *slog.Logger {
	if h.Log != nil {
		return h.Log
	}
	return slog.New(slog.DiscardHandler)
}

// ServeHTTP begins a session and returns; the session lasts until either side
// ends it. Shutdown waits for it, an http.Server does not.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setup := h.checkHost(w, r)
	if setup == nil || !h.checkUpgrade(w, r) || !h.checkLoad(w, r, setup.limits) {
		return
	}
	s := newSession(h, setup, r)
	ws, err := websocket.Accept(&hijacker{w, s.client}, r, &websocket.AcceptOptions{
		Subprotocols: []string{s.subprotocol},
		// The library compares the origin with the request's Host, and DNS
		// rebinding makes the two equal. We have judged the Host, and judge
		// the origin before anything is looked up or dialled.
		InsecureSkipVerify: true,
		CompressionMode:    websocket.CompressionDisabled, // ciphertext does not shrink
	})
	if err != nil { // Accept has answered
		h.registry.forget()
		h.metrics.refused(refusedUpgrade)
		h.reportRefusal(refusal{remote: r.RemoteAddr, reason: "no upgrade", cause: err})
		return
	}
	s.run(ws)
}

// Guard refuses every request whose Host is not one of PublicURL's, on every
// route of next, with 421 Misdirected Request.
func (h *Handler) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.checkHost(w, r) != nil {
			next.ServeHTTP(w, r)
		}
	})
}

// checkHost returns the setup that a request is to be judged by, or nil if it
// has answered.
func (h *Handler) checkHost(w http.ResponseWriter, r *http.Request) *setup {
	setup, err := h.setup()
	if err != nil {
		h.log().Error("the bridge is misconfigured", "error", err)
		http.Error(w, "The bridge is misconfigured; its log says how.", http.StatusInternalServerError)
		return nil
	}
	if !setup.policy.allowsHost(r.Host) {
		http.Error(w, "This bridge does not answer to the host name of this request. "+
			"If the name is right, its operator must set it with --public-url.", http.StatusMisdirectedRequest)
		h.metrics.refused(refusedHost)
		return nil
	}
	return setup
}

func (h *Handler) checkUpgrade(w http.ResponseWriter, r *http.Request) bool {
	ok := isUpgrade(w, r)
	if !ok {
		h.metrics.refused(refusedUpgrade)
	}
	return ok
}

// isUpgrade answers in words what is no WebSocket for us.
func isUpgrade(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "A WebSocket begins with GET.", http.StatusMethodNotAllowed)
		return false
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "This URL is a tunnel to an NBD server, not a page: "+
			"connect to it with a WebSocket that offers the subprotocol \""+Subprotocol+"\".", http.StatusUpgradeRequired)
		return false
	}
	if chosen(r) == "" {
		http.Error(w, "The WebSocket must offer the subprotocol \""+Subprotocol+"\".", http.StatusBadRequest)
		return false
	}
	return true
}

// checkLoad refuses what would cost too much, while it has cost next to
// nothing. Whoever it lets in must be taken out of the registry again.
func (h *Handler) checkLoad(w http.ResponseWriter, r *http.Request, limits Limits) bool {
	if wait, ok := h.addressRate(r.RemoteAddr, limits); !ok {
		h.refuseLoad(w, r, http.StatusTooManyRequests, wait, "too many upgrades from this address")
		h.metrics.refused(refusedRate)
		return false
	}
	if !h.registry.knock(limits.Handshakes) {
		h.refuseLoad(w, r, http.StatusServiceUnavailable, time.Second, "too many clients wait to be admitted")
		h.metrics.refused(refusedHandshakes)
		return false
	}
	return true
}

func (h *Handler) addressRate(remote string, limits Limits) (wait time.Duration, ok bool) {
	address := addressOf(remote)
	if !address.IsValid() {
		return 0, true
	}
	return h.addresses.allow(address, limits.AddressRate)
}

func (h *Handler) refuseLoad(w http.ResponseWriter, r *http.Request, status int, wait time.Duration, reason string) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(max(wait, time.Second).Seconds()))))
	http.Error(w, "Try again later: "+reason+".", status)
	h.reportRefusal(refusal{remote: r.RemoteAddr, code: status, reason: reason})
}

// chosen is the subprotocol that a client gets, "" for none. Whether its target
// takes that is found out later: the upgrade tells nothing about targets.
func chosen(r *http.Request) string {
	names := offered(r)
	for _, name := range []string{Subprotocol, SubprotocolBinary} {
		if slices.Contains(names, name) {
			return name
		}
	}
	return ""
}

// offered lists the subprotocols of an upgrade.
func offered(r *http.Request) []string {
	var names []string
	for _, header := range r.Header.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(header, ",") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}
