package adversary

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"hash"
	"net"
	"slices"
	"strings"
)

// A forger is one end of a TLS session that makes its records by itself, from
// the secrets of the key log: crypto/tls would not let it send what a peer
// must not send.
type forger struct {
	conn    net.Conn  // raw
	session *tls.Conn // reads
	newHash func() hash.Hash
	secret  []byte // TLS 1.3
	aead    cipher.AEAD
	iv      []byte
	seq     uint64
	old     bool // TLS 1.2
	small   bool // a record for each byte
}

// tapped keeps both directions of a handshake: TLS 1.2 mixes its randoms in.
type tapped struct {
	net.Conn
	read, wrote bytes.Buffer
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Write(p[:n])
	return n, err
}

func (c *tapped) Write(p []byte) (int, error) {
	c.wrote.Write(p)
	return c.Conn.Write(p)
}

// forge shakes hands as a server or as a client, and takes over the sending.
func forge(raw net.Conn, cfg *tls.Config, server bool) (*forger, error) {
	var log bytes.Buffer
	cfg = cfg.Clone()
	cfg.KeyLogWriter, cfg.SessionTicketsDisabled = &log, true
	cfg.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	tap := &tapped{Conn: raw}
	f := &forger{conn: raw}
	if server {
		f.session = tls.Server(tap, cfg)
	} else {
		f.session = tls.Client(tap, cfg)
	}
	if err := f.session.Handshake(); err != nil {
		return nil, err
	}
	if f.session.ConnectionState().Version == tls.VersionTLS12 {
		return f, f.keys12(log.String(), tap, server)
	}
	return f, f.keys13(log.String(), server)
}

// logged finds a secret in the key log.
func logged(log, label string) []byte {
	for line := range strings.Lines(log) {
		if f := strings.Fields(line); f[0] == label {
			return must(hex.DecodeString(f[2]))
		}
	}
	return nil
}

func (f *forger) keys13(log string, server bool) error {
	label := "CLIENT_TRAFFIC_SECRET_0"
	if server {
		label = "SERVER_TRAFFIC_SECRET_0"
	}
	f.secret = logged(log, label)
	switch suite := f.session.ConnectionState().CipherSuite; suite {
	case tls.TLS_AES_128_GCM_SHA256:
		f.newHash = sha256.New
	case tls.TLS_AES_256_GCM_SHA384:
		f.newHash = sha512.New384
	default:
		return fmt.Errorf("%s: this machine has no AES in hardware, and the forger knows nothing else", tls.CipherSuiteName(suite))
	}
	f.rekey()
	return nil
}

// rekey derives the keys of TLS 1.3 from the secret.
func (f *forger) rekey() {
	keySize := 16
	if f.newHash().Size() == sha512.Size384 {
		keySize = 32
	}
	f.aead = must(cipher.NewGCM(must(aes.NewCipher(f.expand("key", keySize)))))
	f.iv, f.seq = f.expand("iv", 12), 0
}

// expand is HKDF-Expand-Label with an empty context, RFC 8446 section 7.1.
func (f *forger) expand(label string, n int) []byte {
	label = "tls13 " + label
	info := cat(u16(uint16(n)), []byte{byte(len(label))}, []byte(label), []byte{0})
	return must(hkdf.Expand(f.newHash, f.secret, string(info), n))
}

// update moves on to the next keys, as everybody must after a KeyUpdate.
func (f *forger) update() {
	f.secret = f.expand("traffic upd", f.newHash().Size())
	f.rekey()
}

// keys12 derives the keys of TLS 1.2, RFC 5246 section 6.3. Finished was this
// end's first record.
func (f *forger) keys12(log string, tap *tapped, server bool) error {
	mine, theirs := tap.wrote.Bytes()[11:43], tap.read.Bytes()[11:43]
	randoms := cat(mine, theirs) // server random, then client random
	if !server {
		randoms = cat(theirs, mine)
	}
	block := prf(logged(log, "CLIENT_RANDOM"), cat([]byte("key expansion"), randoms), 40)
	key, iv := block[:16], block[32:36]
	if server {
		key, iv = block[16:32], block[36:40]
	}
	f.aead, f.iv, f.seq, f.old = must(cipher.NewGCM(must(aes.NewCipher(key)))), iv, 1, true
	return nil
}

// prf is P_SHA256, RFC 5246 section 5.
func prf(secret, seed []byte, n int) (out []byte) {
	sum := func(b []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(b)
		return mac.Sum(nil)
	}
	for a := sum(seed); len(out) < n; a = sum(a) {
		out = append(out, sum(cat(a, seed))...)
	}
	return out[:n]
}

// seal makes a record.
func (f *forger) seal(typ byte, data []byte) []byte {
	defer func() { f.seq++ }()
	if f.old {
		nonce := u64(f.seq)
		head := cat([]byte{typ, 3, 3}, u16(uint16(len(data))))
		sealed := f.aead.Seal(nil, cat(f.iv, nonce), data, cat(nonce, head))
		return record(typ, cat(nonce, sealed))
	}
	nonce := cat(f.iv)
	for i, v := range u64(f.seq) {
		nonce[4+i] ^= v
	}
	inner := cat(data, []byte{typ})
	head := cat([]byte{recordData, 3, 3}, u16(uint16(len(inner)+f.aead.Overhead())))
	return cat(head, f.aead.Seal(nil, nonce, inner, head))
}

// Write sends application data.
func (f *forger) Write(p []byte) (int, error) {
	size := max(len(p), 1)
	if f.small {
		size = 1
	}
	for piece := range slices.Chunk(p, size) {
		if _, err := f.conn.Write(f.seal(recordData, piece)); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (f *forger) Read(p []byte) (int, error) { return f.session.Read(p) }
