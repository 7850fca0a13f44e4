package bridge

import "github.com/coder/websocket"

// Subprotocol is the WebSocket subprotocol that a client offers. It may offer
// others beside it, such as a ticket, which are never answered.
const Subprotocol = "nbd"

// SubprotocolBinary is what other relays' clients offer; Target.Binary admits
// them. The bytes are the same.
const SubprotocolBinary = "binary"

// Close codes that tell a client why there is no session, or no more. An HTTP
// status in place of the upgrade would be invisible to a page's JavaScript, so
// a refusal is an upgrade that is closed at once. A session whose target
// closed the connection ends with websocket.StatusNormalClosure (1000), one
// whose target broke it with websocket.StatusBadGateway (1014).
const (
	StatusUnauthorised      websocket.StatusCode = 4001 // Handler.Authorize refused
	StatusForbiddenOrigin   websocket.StatusCode = 4003 // the page's origin may not connect
	StatusUnknownTarget     websocket.StatusCode = 4004 // no target of that name, or not for this client
	StatusIdle              websocket.StatusCode = 4008 // Limits.IdleTimeout went by without data
	StatusLimit             websocket.StatusCode = 4009 // a limit on sessions reached: try later
	StatusSessionAge        websocket.StatusCode = 4010 // Limits.SessionAge or Grant.MaxAge is over: connect again
	StatusEnded             websocket.StatusCode = 4011 // the operator ended the session
	StatusTargetUnreachable websocket.StatusCode = 4502 // the target can't be connected to
	StatusDraining          websocket.StatusCode = 4503 // the bridge is shutting down: connect again
	StatusTargetTimeout     websocket.StatusCode = 4504 // no connection to the target within Limits.ConnectTimeout
)

// A verdict says why a session ends. The reason is for the client and the log,
// the cause, which may name addresses, for the log alone.
type verdict struct {
	code   websocket.StatusCode // 0: the client is gone or has closed
	reason string               // a fixed text of at most 123 bytes
	cause  error
	answer []byte // the frame that answers the client's own Close
}
