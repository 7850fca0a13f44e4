package bridge

import "github.com/coder/websocket"

// Subprotocol is the WebSocket subprotocol that a client must offer. It may
// offer others beside it; this one alone is ever answered.
const Subprotocol = "nbd"

// Close codes that tell a client why there is no session, or no more. An HTTP
// status in place of the upgrade would be invisible to a page's JavaScript, so
// a refusal is an upgrade that is closed at once.
const (
	StatusUnauthorised      websocket.StatusCode = 4001 // Authorize refused
	StatusForbiddenOrigin   websocket.StatusCode = 4003 // the page's origin may not connect
	StatusUnknownTarget     websocket.StatusCode = 4004 // no target of that name, or not for this client
	StatusIdle              websocket.StatusCode = 4008 // Limits.IdleTimeout without data
	StatusLimit             websocket.StatusCode = 4009 // Limits.Connections reached: try later
	StatusTargetUnreachable websocket.StatusCode = 4502 // the target refused the connection
	StatusDraining          websocket.StatusCode = 4503 // the bridge is shutting down: connect again
	StatusTargetTimeout     websocket.StatusCode = 4504 // the target did not answer in Limits.ConnectTimeout
)
