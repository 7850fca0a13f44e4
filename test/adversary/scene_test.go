package adversary

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// secret is what the user stores; the bridge must never see it.
var secret = []byte("only for the eyes of the disk")

const diskSize = 1 << 20

// A scene is a user, a hostile bridge and a server.
type scene struct {
	cfg    *nbd.Config
	server *nbd.Server
	alter  rule
	use    func(ctx context.Context, c net.Conn, cfg *nbd.Config) error // nil: session
}

// An outcome is how a scene ended.
type outcome struct {
	err    error         // of the user
	took   time.Duration // until the user knew
	served error         // of the server
	sent   []byte        // what the client sent, as it sent it
	disk   []byte        // what the server has stored at offset 0
}

// requiring is the user's configuration: TLS required, one CA.
func requiring() *nbd.Config {
	return &nbd.Config{TLS: nbd.TLSConfig{RootCAs: ours().pool(), ServerName: serverName}}
}

// forced is a server that serves nothing before TLS.
func forced() *nbd.Server { return serving(serverTLS(serverCert()), 0) }

// play runs a scene on a clock of its own. A goroutine that is left, or a
// hang, fails it.
func (s scene) play(t *testing.T) (o outcome) {
	t.Helper()
	if s.cfg == nil {
		s.cfg = requiring()
	}
	if s.server == nil {
		s.server = forced()
	}
	if s.use == nil {
		s.use = session
	}
	synctest.Test(t, func(t *testing.T) {
		user, near := newPipe()
		far, server := newPipe()
		b := newBridge(near, far, s.alter)
		var work sync.WaitGroup
		work.Go(func() { o.served = s.server.ServeConn(context.Background(), server) })
		begin := time.Now()
		o.err = s.use(t.Context(), user, s.cfg)
		o.took = time.Since(begin)
		user.Close()
		b.work.Wait()
		work.Wait()
		o.sent, o.disk = b.heard(), make([]byte, len(secret))
		if len(s.server.Exports) > 0 {
			_, _ = s.server.Exports[0].Device.ReadAt(o.disk, 0)
		}
	})
	return o
}

// session opens a disk, stores the secret and reads it again.
func session(ctx context.Context, c net.Conn, cfg *nbd.Config) error {
	client, err := nbd.NewClient(ctx, c, cfg)
	if err != nil {
		return err
	}
	disk, err := client.Open(ctx, "vda")
	if err != nil {
		return err
	}
	err = exchange(ctx, disk)
	if err != nil { // the connection has ended, or is of no more use
		c.Close()
	}
	disk.Close()
	return err
}

// errTouched is a read that failed and left something in the buffer.
var errTouched = errors.New("a failed read changed the buffer")

func exchange(ctx context.Context, disk *nbd.Disk) error {
	if err := disk.Write(ctx, secret, 0, 0); err != nil {
		return err
	}
	p := make([]byte, len(secret))
	if err := disk.Read(ctx, p, 0); err != nil {
		if !bytes.Equal(p, make([]byte, len(p))) {
			err = errors.Join(errTouched, err)
		}
		return err
	}
	if !bytes.Equal(p, secret) {
		return errors.New("the disk gave other bytes than were stored")
	}
	return disk.Flush(ctx)
}

// serving is a server with one disk; mode 0 is forced where there is TLS.
func serving(cfg *tls.Config, mode nbd.ServerTLSMode) *nbd.Server {
	return &nbd.Server{TLS: cfg, TLSMode: mode, Exports: []nbd.Export{{Name: "vda", Device: device.NewMemory(make([]byte, diskSize))}}}
}

// A verdict judges an outcome; it returns what is wrong with it.
type verdict func(o outcome) string

func isProtocolError(err error) bool {
	broken := (*nbd.ProtocolError)(nil)
	return errors.As(err, &broken)
}

func isTLSError(err error) bool {
	failed := (*nbd.TLSError)(nil)
	return errors.As(err, &failed)
}

// downgraded: the user is told of it, at once.
func downgraded(o outcome) string {
	if !errors.Is(o.err, nbd.ErrDowngrade) || o.took != 0 {
		return "no downgrade was reported at once"
	}
	return untouched(o)
}

// broken: the user is told that the peer broke the protocol, at once.
func broken(o outcome) string {
	if !isProtocolError(o.err) || o.took != 0 {
		return "no protocol error was reported at once"
	}
	return untouched(o)
}

// distrusted: the user is told that TLS failed, at once.
func distrusted(o outcome) string {
	if !isTLSError(o.err) || o.took != 0 {
		return "no failure of TLS was reported at once"
	}
	return untouched(o)
}

// ended: the user gets some error, at once.
func ended(o outcome) string {
	if o.err == nil || o.took != 0 {
		return "no error was reported at once"
	}
	return ""
}

// timedOut: the negotiation was given up after its limit.
func timedOut(o outcome) string {
	if !errors.Is(o.err, nbd.ErrHandshakeTimeout) || o.took != nbd.DefaultHandshakeTimeout {
		return "the negotiation was not given up after its limit"
	}
	return untouched(o)
}

// harmless: everything went as if there were no attack.
func harmless(o outcome) string {
	if o.err != nil || o.served != nil || !bytes.Equal(o.disk, secret) {
		return "it did harm"
	}
	return ""
}

// untouched: nothing has reached the disk.
func untouched(o outcome) string {
	if !bytes.Equal(o.disk, make([]byte, len(secret))) {
		return "the disk was written"
	}
	return ""
}

// says is a verdict that also wants a word of the error.
func (v verdict) says(text string) verdict {
	return func(o outcome) string {
		if wrong := v(o); wrong != "" {
			return wrong
		}
		if !strings.Contains(o.err.Error(), text) {
			return "the error does not say " + text
		}
		return ""
	}
}

// inClear checks what a client that requires TLS may show: its flags,
// STARTTLS, ABORT, and TLS records.
func inClear(sent []byte) bool {
	if len(sent) == 0 {
		return true
	}
	head := cat(u32(3), option(optStartTLS, nil))
	if len(sent) <= 4 || len(sent) < len(head) { // the flags are an echo of what was offered
		return true
	}
	rest, ok := bytes.CutPrefix(sent[4:], head[4:])
	return ok && (bytes.Equal(rest, option(optAbort, nil)) || onlyTLS(rest))
}
