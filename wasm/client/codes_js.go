package main

// A Code names a failure for programs. It is stable: web/client/errors.js
// lists the same ones, and a test compares the two.
type Code string

const (
	CodeBridgeUnreachable Code = "BRIDGE_UNREACHABLE" // the WebSocket never opened
	CodeUnauthorised      Code = "UNAUTHORISED"       // close code 4001
	CodeForbiddenOrigin   Code = "FORBIDDEN_ORIGIN"   // close code 4003
	CodeUnknownTarget     Code = "UNKNOWN_TARGET"     // close code 4004
	CodeIdle              Code = "IDLE"               // close code 4008
	CodeLimit             Code = "LIMIT"              // close code 4009
	CodeSessionExpired    Code = "SESSION_EXPIRED"    // close code 4010
	CodeEndedByOperator   Code = "ENDED_BY_OPERATOR"  // close code 4011
	CodeTargetUnreachable Code = "TARGET_UNREACHABLE" // close codes 4502 and 4504
	CodeDraining          Code = "DRAINING"           // close code 4503
	CodeDisconnected      Code = "DISCONNECTED"       // the connection ended by itself
	CodeUnknownOutcome    Code = "UNKNOWN_OUTCOME"    // it ended before the answer to a write
	CodeUnflushed         Code = "UNFLUSHED"          // acknowledged writes were lost
	CodeIdentity          Code = "IDENTITY"           // another server, or the export has changed
	CodeTimeout           Code = "TIMEOUT"            // no answer during the negotiation, or to a request

	CodeTLSNotOffered        Code = "TLS_NOT_OFFERED"        // required, and STARTTLS was refused
	CodeTLSDowngrade         Code = "TLS_DOWNGRADE"          // required, and any other way of not coming to it
	CodeTLSRequired          Code = "TLS_REQUIRED"           // the server insists on it, and the mode is off
	CodeTLSUntrusted         Code = "TLS_UNTRUSTED"          // no chain to the CA
	CodeTLSServerName        Code = "TLS_SERVER_NAME"        // a certificate of another name, or of none
	CodeTLSExpired           Code = "TLS_EXPIRED"            // outside the validity period
	CodeTLSPin               Code = "TLS_PIN"                // none of the pinned keys
	CodeTLSClientCertificate Code = "TLS_CLIENT_CERTIFICATE" // missing or refused
	CodeTLSFailed            Code = "TLS_FAILED"             // any other failure of TLS

	CodeUnknownExport   Code = "UNKNOWN_EXPORT"
	CodeOptionRefused   Code = "OPTION_REFUSED"
	CodeProtocol        Code = "PROTOCOL"
	CodeReadOnly        Code = "READ_ONLY"
	CodeOutOfRange      Code = "OUT_OF_RANGE"
	CodeInvalidArgument Code = "INVALID_ARGUMENT"
	CodeClosed          Code = "CLOSED" // after close()

	// What an NBD server answered to a request; nbd.Errno has the meanings.
	CodeEPERM     Code = "EPERM"
	CodeEIO       Code = "EIO"
	CodeENOMEM    Code = "ENOMEM"
	CodeEINVAL    Code = "EINVAL"
	CodeENOSPC    Code = "ENOSPC"
	CodeEOVERFLOW Code = "EOVERFLOW"
	CodeENOTSUP   Code = "ENOTSUP"
	CodeESHUTDOWN Code = "ESHUTDOWN"

	CodeWASMLoad Code = "WASM_LOAD" // told by web/client only
	CodeWorker   Code = "WORKER"    // told by web/client only
	CodeInUse    Code = "IN_USE"    // told by web/client only

	CodeUnsupported Code = "UNSUPPORTED" // this and the next two: told by wasm/inspect only
	CodeDamaged     Code = "DAMAGED"
	CodeNotFound    Code = "NOT_FOUND"

	CodeInternal Code = "INTERNAL"
)

// closeBroken is what browsers report for a connection that was cut.
const closeBroken = 1006

// Close codes of the bridge; package bridge has the same list, and a test compares the two.
const (
	closeUnauthorised      = 4001
	closeForbiddenOrigin   = 4003
	closeUnknownTarget     = 4004
	closeIdle              = 4008
	closeLimit             = 4009
	closeSessionAge        = 4010
	closeEnded             = 4011
	closeTargetUnreachable = 4502
	closeDraining          = 4503
	closeTargetTimeout     = 4504
)

var codeOfClose = map[int]Code{
	closeUnauthorised:      CodeUnauthorised,
	closeForbiddenOrigin:   CodeForbiddenOrigin,
	closeUnknownTarget:     CodeUnknownTarget,
	closeIdle:              CodeIdle,
	closeLimit:             CodeLimit,
	closeSessionAge:        CodeSessionExpired,
	closeEnded:             CodeEndedByOperator,
	closeTargetUnreachable: CodeTargetUnreachable,
	closeTargetTimeout:     CodeTargetUnreachable,
	closeDraining:          CodeDraining,
	closeBroken:            CodeDisconnected,
}

// advice says what to do next, where the text of the error does not.
var advice = map[Code]string{
	CodeBridgeUnreachable: "Check that the bridge runs at this URL and that its certificate is trusted, that it admits this page's origin, and that an https: page uses wss: and a connect-src that allows it.",
	CodeUnauthorised:      "Get a fresh ticket for this bridge and give it as the option token; a ticket may serve for one connection only.",
	CodeForbiddenOrigin:   "Start the bridge with --origin and the origin of this page.",
	CodeUnknownTarget:     "Check the last part of the URL against the names given to the bridge with --target, and that the ticket and this page's origin are admitted to this target.",
	CodeIdle:              "Open the disk again; the bridge ends connections that stay idle.",
	CodeLimit:             "Close other disks, or raise the limit of the bridge.",
	CodeSessionExpired:    "The time for one connection was over: open the disk again, with a fresh ticket if the bridge wants one. Writes that were not flushed may be lost.",
	CodeEndedByOperator:   "Ask the operator of the bridge before you open the disk again. Writes that were not flushed may be lost.",
	CodeTargetUnreachable: "Check that the NBD server behind this target runs and that the bridge can reach it.",
	CodeDraining:          "The bridge is shutting down: try again when it is back.",
	CodeDisconnected:      "Check that the bridge and the NBD server still run, then open the disk again. Writes that were not flushed may be lost.",
	CodeUnknownOutcome:    "The write may have happened or not: open the disk again and read, or write the same once more.",
	CodeUnflushed:         "Write that range again, or what was built on it.",
	CodeTimeout:           "Check that the target is an NBD server and that it is not overloaded.",

	CodeTLSNotOffered:        "Turn TLS on in the NBD server. If it is on there, somebody on the way suppresses it. tls.mode \"off\" gives up all protection.",
	CodeTLSDowngrade:         "The server has no usable TLS, or somebody on the way interferes. Nothing was sent that matters.",
	CodeTLSRequired:          "Leave tls.mode at \"require\" and say whom to trust.",
	CodeTLSUntrusted:         "Give as tls.ca the certificate of the CA that signed the server's. If it is right, somebody on the way impersonates the server.",
	CodeTLSServerName:        "Give as tls.serverName a name that stands in the server's certificate (subjectAltName).",
	CodeTLSExpired:           "Renew the server's certificate, and check this computer's clock.",
	CodeTLSPin:               "Compare the pin with the server's real key before you change tls.pins.",
	CodeTLSClientCertificate: "Give tls.cert and tls.key with a certificate that the server's CA signed.",
	CodeTLSFailed:            "Check the TLS settings and the log of the NBD server.",

	CodeUnknownExport: "list() tells the names of the exports, if the server does.",
	CodeProtocol:      "Check that the target is an NBD server.",
	CodeReadOnly:      "Open the disk with readOnly: false, and export it writable.",
	CodeInternal:      "This is a bug in the client; please report it.",
}
