package nbd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// DefaultMaxConnections is the limit of a Server that names none.
const DefaultMaxConnections = 256

// Limits of the server.
const (
	serverHandshakeTimeout = 30 * time.Second // of one whole negotiation
	serverFarewellTimeout  = 10 * time.Second // for the replies under way at DISC
	serverMaxOptions       = 1024             // in one negotiation
	serverMaxOptionData    = 64 << 10         // bytes of one option that are looked at
	serverMaxOptionSkip    = 16 << 20         // bytes of one option that are read at all
	serverMaxPayload       = defaultMaxPayload
	serverMaxRequests      = 16       // of one connection, under way at once
	serverMaxInFlight      = 64 << 20 // bytes of one connection's requests under way
)

// An Export is a device under a name.
type Export struct {
	Name        string // at most 4096 bytes
	Description string // for people; at most 4096 bytes, may be empty
	Device      Device
	ReadOnly    bool      // writes are refused with EPERM
	TLSOnly     bool      // with SelectiveTLS: not served in plain text
	BlockSize   BlockSize // bytes; a zero field means 1, 4096 and 33554432
}

// A Server serves exports over connections that it is handed. Set the fields
// before the first connection.
//
// With TLS nil it is a NOTLS server of the specification; otherwise FORCEDTLS:
// it tells nothing, and serves nothing, before the client is inside TLS.
type Server struct {
	// Exports are listed in this order. The empty name asks for the first one.
	Exports []Export
	// TLS holds the server's certificate and, with ClientAuth and ClientCAs,
	// what is asked of clients. The minimum version is 1.2 whatever it says,
	// and sessions are not resumed.
	TLS *tls.Config
	// TLSMode is when TLS is demanded; 0 means ForcedTLS, or NoTLS without TLS.
	TLSMode ServerTLSMode
	// AllowClients are the identities of the clients that may connect, each
	// as the subject of the client's certificate ("CN=client1,O=Lab"), as one
	// of its alternative names, or as its pin ("sha256/…"). It makes the
	// server demand a certificate that TLS.ClientCAs verify; nil lets in
	// everyone that TLS does.
	AllowClients []string
	// HideNames keeps those who are not inside TLS from learning names: with
	// SelectiveTLS, exports that are TLSOnly are not listed to them, and an
	// export that does not exist is answered as one that is TLSOnly.
	HideNames bool
	// Legacy also serves clients of the time before NBD_OPT_GO, by
	// NBD_OPT_EXPORT_NAME, and only in plain text.
	Legacy bool
	// MaxConnections is how many clients are served at once; more are closed
	// without a greeting. 0 means DefaultMaxConnections.
	MaxConnections int
	// Log receives one line per connection; nil for none.
	Log *slog.Logger
}

// Serve accepts connections until ctx ends or l fails, closes them all and
// returns when the last one has ended. It closes l. The error is nil when ctx
// has ended.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var sessions sync.WaitGroup
	defer sessions.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				c.Close() // came at the same moment
			}
			return nil
		}
		if err != nil {
			l.Close()
			return fmt.Errorf("nbd: accepting: %w", err)
		}
		sessions.Go(func() { _ = s.ServeConn(ctx, c) })
	}
}

// ServeConn serves one connection until the client leaves, breaks the
// protocol, or ctx ends. It closes c. The error is nil after a polite end.
func (s *Server) ServeConn(ctx context.Context, c net.Conn) error {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	defer c.Close()
	conn := &serverConn{server: s, conn: c, raw: c}
	begin := time.Now()
	err := conn.serve()
	if errors.Is(err, errPolite) {
		err = nil
	}
	s.log().Info("nbd session ended", "remote", c.RemoteAddr().String(), "export", conn.exportName(),
		"tls", conn.secure, "duration", time.Since(begin), "error", err)
	return err
}

func (s *Server) log() *slog.Logger {
	if s.Log != nil {
		return s.Log
	}
	return slog.New(slog.DiscardHandler)
}

// tlsConfig tightens what the caller gave.
func (s *Server) tlsConfig() *tls.Config {
	cfg := s.TLS.Clone()
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	cfg.SessionTicketsDisabled = true // a resumed session would skip the look at the client's certificate
	cfg.DynamicRecordSizingDisabled = true
	return cfg
}

// find returns the export of that name; the empty name is the first one.
func (s *Server) find(name string) *Export {
	for i := range s.Exports {
		if s.Exports[i].Name == name {
			return &s.Exports[i]
		}
	}
	if name == "" && len(s.Exports) > 0 {
		return &s.Exports[0]
	}
	return nil
}

// flags are the transmission flags of an export.
func (e *Export) flags() TransmissionFlags {
	f := FlagHasFlags | FlagSendFlush | FlagSendFUA | FlagCanMultiConn
	if e.ReadOnly {
		f |= FlagReadOnly
	}
	return f
}
