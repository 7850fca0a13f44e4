package adversary

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"nbdbridge/nbd"
)

// intercept has a bridge end TLS with its own certificate and open a session
// of its own to the server. It returns the user's error and what was read on
// the way.
func intercept(t *testing.T, cfg *nbd.Config, own tls.Certificate) (seen []byte, err error) {
	synctest.Test(t, func(t *testing.T) {
		user, near := newPipe()
		far, server := newPipe()
		var work sync.WaitGroup
		work.Go(func() { _ = forced().ServeConn(context.Background(), server) })
		work.Go(func() { seen = stepBetween(near, far, own) })
		err = session(t.Context(), user, cfg)
		user.Close()
		work.Wait()
	})
	return seen, err
}

func stepBetween(near, far net.Conn, own tls.Certificate) (seen []byte) {
	defer near.Close()
	defer far.Close()
	user, server := upgradeUser(near, own), upgradeServer(far)
	if user == nil || server == nil {
		return nil
	}
	var work sync.WaitGroup
	work.Go(func() { copyAll(user, server, nil) })
	copyAll(server, user, &seen)
	work.Wait()
	return seen
}

// copyAll copies until either end fails, and keeps what passed.
func copyAll(to, from *tls.Conn, seen *[]byte) {
	defer to.NetConn().Close()
	defer from.NetConn().Close()
	b := make([]byte, 16<<10)
	for {
		n, err := from.Read(b)
		if seen != nil {
			*seen = append(*seen, b[:n]...)
		}
		if _, failed := to.Write(b[:n]); failed != nil || err != nil {
			return
		}
	}
}

func upgradeUser(near net.Conn, own tls.Certificate) *tls.Conn {
	in := &taker{from: near}
	_, _ = near.Write(greeting(3))
	in.take(4 + 16)
	_, _ = near.Write(reply(optStartTLS, repAck, nil))
	session := tls.Server(near, serverTLS(own))
	if in.err != nil || session.Handshake() != nil {
		return nil
	}
	return session
}

func upgradeServer(far net.Conn) *tls.Conn {
	in := &taker{from: far}
	in.take(18)
	_, _ = far.Write(cat(u32(3), option(optStartTLS, nil)))
	in.take(20)
	session := tls.Client(far, &tls.Config{InsecureSkipVerify: true})
	if in.err != nil || session.Handshake() != nil {
		return nil
	}
	return session
}

func intercepted(cfg *nbd.Config, own tls.Certificate) func(t *testing.T) {
	return func(t *testing.T) {
		if seen, err := intercept(t, cfg, own); !isTLSError(err) || len(seen) > 0 {
			t.Errorf("error: %v; the bridge read %q", err, seen)
		}
	}
}

// What is called insecure is: this is also how the plays above could fail.
func insecureIsInsecure(t *testing.T) {
	seen, err := intercept(t, &nbd.Config{TLS: nbd.TLSConfig{Insecure: true}}, forgedCert())
	if err != nil || !bytes.Contains(seen, secret) {
		t.Errorf("error: %v; the bridge read %q", err, seen)
	}
}
