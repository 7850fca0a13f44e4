package main

import "errors"

// A Stage is how far a call had come when it failed. It is stable:
// web/client/errors.js lists the same ones, and a test compares the two.
type Stage string

const (
	StageClient       Stage = "client"       // the client itself: its files, its Worker, a bug in it
	StageCall         Stage = "call"         // refused before anything was sent
	StageConnect      Stage = "connect"      // the way to the NBD server, which is the bridge's
	StageTLS          Stage = "tls"          // the handshake with the NBD server
	StageNegotiation  Stage = "negotiation"  // what the NBD server offers
	StageTransmission Stage = "transmission" // the disk is open
)

func stageOf(err error, code Code) Stage {
	var (
		call    *callError
		dialled *DialError
		ticket  *TicketError
		closed  *CloseError
	)
	opened := errors.As(err, &call) && call.opened
	switch code {
	case CodeInternal:
		return StageClient
	case CodeInvalidArgument, CodeClosed:
		return StageCall
	case CodeReadOnly, CodeOutOfRange:
		if opened {
			return StageCall
		}
	}
	switch {
	case opened:
		return StageTransmission
	case errors.As(err, &dialled), errors.As(err, &ticket), errors.As(err, &closed) && closed.Code != closeBroken && codeOfClose[closed.Code] != "":
		return StageConnect
	case ofTLS(err) != "":
		return StageTLS
	}
	return StageNegotiation
}
