package bridge

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

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
	rules   *policy
	invalid error

	registry registry
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
	if !h.checkHost(w, r) || !checkUpgrade(w, r) {
		return
	}
	s := newSession(h, r)
	ws, err := websocket.Accept(&hijacker{w, s.client}, r, &websocket.AcceptOptions{
		Subprotocols: []string{Subprotocol},
		// The library compares the origin with the request's Host, and DNS
		// rebinding makes the two equal. We have judged the Host, and judge
		// the origin before anything is looked up or dialled.
		InsecureSkipVerify: true,
		CompressionMode:    websocket.CompressionDisabled, // ciphertext does not shrink
	})
	if err != nil { // Accept has answered
		h.log().Warn("no upgrade", "remote", r.RemoteAddr, "error", err)
		return
	}
	s.run(ws)
}

// checkUpgrade answers in words what is no WebSocket for us.
func checkUpgrade(w http.ResponseWriter, r *http.Request) bool {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "This URL is a tunnel to an NBD server, not a page: "+
			"connect to it with a WebSocket that offers the subprotocol \""+Subprotocol+"\".", http.StatusUpgradeRequired)
		return false
	}
	if !slices.Contains(offered(r), Subprotocol) {
		http.Error(w, "The WebSocket must offer the subprotocol \""+Subprotocol+"\".", http.StatusBadRequest)
		return false
	}
	return true
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
