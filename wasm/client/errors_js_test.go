package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"nbdbridge/nbd"
)

func TestCodes(t *testing.T) {
	handshake := func(err error) error {
		return &nbd.TLSError{ServerName: "nbd7.lab", CertificateRequested: true, Err: err}
	}
	refused := func(reply nbd.ReplyType) error {
		return &nbd.OptionError{Option: nbd.OptGo, Reply: reply, Export: "vda"}
	}
	for _, test := range []struct {
		err  error
		code Code
	}{
		{argumentErrorf("option %s", "x"), CodeInvalidArgument},
		{nbd.ErrNoTrust, CodeInvalidArgument},
		{&DialError{Err: io.EOF}, CodeBridgeUnreachable},
		{&DialError{Err: errDialTimeout}, CodeBridgeUnreachable},
		{&TunnelError{Detail: "text"}, CodeProtocol},
		{&CloseError{Code: 4001}, CodeUnauthorised},
		{&CloseError{Code: 4003}, CodeForbiddenOrigin},
		{&CloseError{Code: 4004}, CodeUnknownTarget},
		{&CloseError{Code: 4008}, CodeIdle},
		{&CloseError{Code: 4009}, CodeLimit},
		{&CloseError{Code: 4010}, CodeSessionExpired},
		{&CloseError{Code: 4011}, CodeEndedByOperator},
		{&CloseError{Code: 4502}, CodeTargetUnreachable},
		{&CloseError{Code: 4503}, CodeDraining},
		{&CloseError{Code: 4504}, CodeTargetUnreachable},
		{&CloseError{Code: 1000}, CodeDisconnected},
		{&CloseError{Code: 1006}, CodeDisconnected},
		{&CloseError{Code: 1011}, CodeDisconnected},
		{handshake(&CloseError{Code: 4502}), CodeTargetUnreachable},
		{&nbd.TLSError{CertificateRequested: true, CertificateSent: true, Err: &CloseError{Code: 1006}}, CodeDisconnected},
		{&nbd.TLSError{Err: &CloseError{Code: 1006}}, CodeDisconnected},
		{handshake(&CloseError{Code: 1006}), CodeTLSClientCertificate},
		{io.EOF, CodeDisconnected},
		{io.ErrUnexpectedEOF, CodeDisconnected},
		{nbd.ErrHandshakeTimeout, CodeTimeout},
		{nbd.ErrRequestTimeout, CodeTimeout},
		{fmt.Errorf("%w: %w", nbd.ErrUnknownOutcome, &CloseError{Code: 1006}), CodeUnknownOutcome},
		{fmt.Errorf("%w: %w", nbd.ErrUnknownOutcome, nbd.ErrRequestTimeout), CodeUnknownOutcome},
		{fmt.Errorf("%w: %w", nbd.ErrUnknownOutcome, net.ErrClosed), CodeUnknownOutcome},
		{&nbd.UnflushedError{Offset: 1, Length: 2, Cause: fmt.Errorf("%w: %w", nbd.ErrUnknownOutcome, &CloseError{Code: 1006})}, CodeUnflushed},
		{&nbd.IdentityError{Export: "vda", What: "size"}, CodeIdentity},
		{&TicketError{Detail: "failed", Err: errDialTimeout}, CodeUnauthorised},
		{fmt.Errorf("%w: %w", nbd.ErrTLSRefused, refused(nbd.RepErrPolicy)), CodeTLSNotOffered},
		{fmt.Errorf("%w: oldstyle", nbd.ErrDowngrade), CodeTLSDowngrade},
		{refused(nbd.RepErrTLSReqd), CodeTLSRequired},
		{handshake(x509.UnknownAuthorityError{}), CodeTLSUntrusted},
		{handshake(x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign}), CodeTLSUntrusted},
		{handshake(x509.CertificateInvalidError{Reason: x509.Expired}), CodeTLSExpired},
		{handshake(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "a"}), CodeTLSServerName},
		{handshake(&nbd.PinError{}), CodeTLSPin},
		{handshake(io.EOF), CodeTLSClientCertificate},
		{&nbd.TLSError{Err: io.EOF}, CodeTLSFailed},
		{refused(nbd.RepErrUnknown), CodeUnknownExport},
		{refused(nbd.RepErrPolicy), CodeOptionRefused},
		{refused(nbd.RepErrShutdown), CodeESHUTDOWN},
		{&nbd.ProtocolError{Detail: "x"}, CodeProtocol},
		{nbd.ErrReadOnly, CodeReadOnly},
		{nbd.ErrOutOfRange, CodeOutOfRange},
		{&nbd.OpError{Op: "write", Errno: nbd.ENOSPC}, CodeENOSPC},
		{&nbd.OpError{Op: "read", Errno: nbd.EIO}, CodeEIO},
		{&nbd.OpError{Op: "read", Errno: 4711}, CodeEINVAL},
		{fmt.Errorf("nbd: disk: %w", net.ErrClosed), CodeClosed},
		{errors.New("boom"), CodeInternal},
	} {
		if code := codeOf(fmt.Errorf("in the middle: %w", test.err)); code != test.code {
			t.Errorf("%v: code %s, want %s", test.err, code, test.code)
		}
	}
}

func TestFailureValue(t *testing.T) {
	err := fmt.Errorf("opening: %w", &CloseError{Code: 4004, Reason: "no\x00such"})
	v := describe(err).value()
	wantText(t, v.Get("message").String(), "opening", "4004", "no\ufffdsuch", "--target")
	if v.Get("code").String() != "UNKNOWN_TARGET" || v.Get("details").Get("closeCode").Int() != 4004 {
		t.Errorf("code %v, details %v", v.Get("code"), v.Get("details"))
	}
	for code, remedy := range map[int]string{
		closeUnauthorised: "option token", closeSessionAge: "fresh ticket", closeEnded: "Ask the operator",
	} {
		wantText(t, describe(fmt.Errorf("reading: %w", &CloseError{Code: code})).message, remedy)
	}
	wantText(t, describe(&TicketError{Detail: "failed: no network."}).message, "no network. Get a fresh")
	op := describe(&nbd.OpError{Op: "read", Offset: 1 << 40, Length: 512, Errno: nbd.EIO}).value().Get("details")
	if op.Get("offset").Float() != 1<<40 || op.Get("length").Int() != 512 {
		t.Errorf("details of a request: %v, %v", op.Get("offset"), op.Get("length"))
	}
}

func TestStages(t *testing.T) {
	during := func(opened bool, err error) error {
		return &callError{doing: "reading the disk", opened: opened, offset: 4096, err: err}
	}
	for _, test := range []struct {
		err   error
		stage Stage
	}{
		{errors.New("boom"), StageClient},
		{argumentErrorf("no"), StageCall},
		{during(true, nbd.ErrReadOnly), StageCall},
		{during(true, nbd.ErrOutOfRange), StageCall},
		{during(false, nbd.ErrOutOfRange), StageNegotiation},
		{during(false, &DialError{Err: io.EOF}), StageConnect},
		{during(false, &CloseError{Code: closeUnknownTarget}), StageConnect},
		{during(false, &TicketError{Detail: "failed"}), StageConnect},
		{during(false, &nbd.IdentityError{What: "size"}), StageNegotiation},
		{during(false, &nbd.TLSError{Err: &CloseError{Code: closeTargetUnreachable}}), StageConnect},
		{during(false, &CloseError{Code: closeBroken}), StageNegotiation},
		{during(false, &nbd.TLSError{Err: io.EOF}), StageTLS},
		{during(false, nbd.ErrTLSRefused), StageTLS},
		{during(false, &nbd.OptionError{Option: nbd.OptGo, Reply: nbd.RepErrUnknown}), StageNegotiation},
		{during(true, &CloseError{Code: closeSessionAge}), StageTransmission},
		{during(true, &nbd.OpError{Op: "read", Errno: nbd.EIO}), StageTransmission},
	} {
		if f := describe(test.err); f.stage != test.stage {
			t.Errorf("%v: stage %s, want %s", test.err, f.stage, test.stage)
		}
	}
}

func TestFailureOfCall(t *testing.T) {
	v := describe(&callError{doing: "reading the disk", opened: true, offset: 4096, err: &CloseError{Code: closeBroken}}).value()
	if offset := v.Get("details").Get("offset").Int(); offset != 4096 {
		t.Errorf("offset %d", offset)
	}
	if cause := v.Get("cause").Get("message").String(); cause != "the connection to the bridge broke (close code 1006)" {
		t.Errorf("cause %q", cause)
	}
	sent := describe(&callError{offset: 4096, err: &nbd.OpError{Op: "read", Offset: 8192, Length: 512, Errno: nbd.EIO}}).value()
	unsent := describe(&callError{offset: nowhere, err: &nbd.OpError{Op: "flush", Errno: nbd.ENOTSUP}}).value()
	if sent.Get("details").Get("offset").Int() != 8192 || !unsent.Get("details").Get("offset").IsUndefined() {
		t.Errorf("offsets %v and %v", sent.Get("details").Get("offset"), unsent.Get("details").Get("offset"))
	}
}
