package nbd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ErrTooManyConnections is a client that a Server turned away because
// MaxConnections others are being served.
var ErrTooManyConnections = errors.New("nbd: too many connections")

// DefaultMaxConnections is the limit of a Server that names none.
const DefaultMaxConnections = 256

// An Export is a device under a name.
type Export struct {
	Name        string // at most 4096 bytes
	Description string // for people; at most 4096 bytes, may be empty
	Device      Device
	ReadOnly    bool // writes are refused with EPERM
	TLSOnly     bool // with SelectiveTLS: not served in plain text
	// BlockSize, in bytes: a zero field means 1, 4096 (or the minimum, if that
	// is more) and 33554432. With a minimum above 512 clients that don't ask
	// for the block sizes are refused: they could read nothing.
	BlockSize BlockSize
}

// A Server serves exports over connections that it is handed. Set the fields
// before the first connection; see Validate for what can't be meant.
//
// By default it is a FORCEDTLS server of the specification, which tells
// nothing and serves nothing before the client is inside TLS, or a NOTLS
// server if it has no certificate.
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
	// as the subject of the client's certificate ("CN=client1,O=Lab", as
	// pkix.Name writes it), as one of its alternative names (DNS, email, URI
	// or IP), or as its pin ("sha256/…"). Nothing but the exact text counts. It
	// makes the server demand a certificate that TLS.ClientCAs verify; nil
	// lets in everyone that TLS does.
	AllowClients []string
	// HideNames keeps those who are not inside TLS from learning names: with
	// SelectiveTLS, exports that are TLSOnly are not listed to them, and an
	// export that does not exist is answered as one that is TLSOnly.
	HideNames bool
	// Legacy also serves clients of the time before NBD_OPT_GO, by
	// NBD_OPT_EXPORT_NAME, and only in plain text: ForcedTLS has no use for it.
	Legacy bool
	// MaxConnections is how many clients are served at once; more are closed
	// without a greeting. 0 means DefaultMaxConnections. Each may hold 64 MiB
	// for its requests under way, and keep its place for as long as it likes.
	MaxConnections int
	// Log receives one line per connection, and one more for a connection
	// whose device fails; nil for none.
	Log *slog.Logger

	serving atomic.Int64 // connections
}

// Serve accepts connections until ctx ends or l fails, closes them all and
// returns when the last one has ended. It closes l. The error is nil when ctx
// has ended, and that of Validate for a server that can't be meant.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if err := s.Validate(); err != nil {
		l.Close()
		return err
	}
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
		if s.outlasts(ctx, err) {
			continue
		}
		if err != nil {
			l.Close()
			return fmt.Errorf("nbd: accepting: %w", err)
		}
		sessions.Go(func() { _ = s.ServeConn(ctx, c) })
	}
}

// outlasts waits where accepting failed for now: the process may be out of
// descriptors, which is no reason to end the sessions that have them.
func (s *Server) outlasts(ctx context.Context, err error) bool {
	var passing interface{ Temporary() bool }
	if !errors.As(err, &passing) || !passing.Temporary() {
		return false
	}
	s.log().Warn("nbd server can't accept", "error", err)
	select {
	case <-time.After(serverAcceptPause):
	case <-ctx.Done():
	}
	return true
}

// ServeConn serves one connection until the client leaves, breaks the
// protocol, or ctx ends. It closes c. The error is nil after a polite end, and
// ErrTooManyConnections when the limit turned the client away.
func (s *Server) ServeConn(ctx context.Context, c net.Conn) error {
	defer c.Close()
	if err := s.Validate(); err != nil {
		return err
	}
	defer s.serving.Add(-1)
	if s.serving.Add(1) > int64(s.maxConnections()) {
		s.log().Warn("nbd client refused", "remote", remote(c), "error", ErrTooManyConnections)
		return ErrTooManyConnections
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	return s.session(ctx, c)
}

func (s *Server) session(ctx context.Context, c net.Conn) error {
	conn := &serverConn{server: s, conn: c, raw: c}
	begin := time.Now()
	err := conn.serve(ctx)
	if errors.Is(err, errPolite) {
		err = nil
	}
	s.log().Info("nbd session ended", "remote", remote(c), "export", conn.exportName(),
		"tls", conn.secure, "client", conn.subject, "duration", time.Since(begin), "error", err)
	return err
}

func remote(c net.Conn) string {
	if a := c.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}

func (s *Server) log() *slog.Logger {
	if s.Log != nil {
		return s.Log
	}
	return slog.New(slog.DiscardHandler)
}

func (s *Server) maxConnections() int {
	if s.MaxConnections > 0 {
		return s.MaxConnections
	}
	return DefaultMaxConnections
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
