package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"time"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

const (
	diskSize   = 64 << 20 // bytes
	serverName = "nbd.bench"

	rawWrite = 64 << 10 // bytes of one write of the raw source
)

// A benchDisk is an NBD server with TLS, and what a client needs for it.
type benchDisk struct {
	addr   string
	slow   string         // address of the same server behind a link of linkRate
	config map[string]any // for the page
}

func startDisk(ctx context.Context) (*benchDisk, error) {
	pair, ca, err := selfSigned()
	if err != nil {
		return nil, err
	}
	content := make([]byte, diskSize)
	_, _ = rand.Read(content)
	server := &nbd.Server{
		Exports: []nbd.Export{{Name: "disk", Device: device.NewMemory(content)}},
		TLS:     &tls.Config{Certificates: []tls.Certificate{pair}},
	}
	fast, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	slow, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() { _ = server.Serve(ctx, fast) }()
	go func() { _ = server.Serve(ctx, slowListener{slow}) }()
	return &benchDisk{fast.Addr().String(), slow.Addr().String(), map[string]any{"ca": ca, "serverName": serverName, "size": diskSize}}, nil
}

func selfSigned() (pair tls.Certificate, ca string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair, "", err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: serverName}, DNSNames: []string{serverName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return pair, "", err
	}
	ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, ca, nil
}

// startRaw serves bytes without meaning: for every 4-byte number that comes
// in, as many bytes go out.
func startRaw(ctx context.Context) (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go pour(c)
		}
	}()
	return l.Addr().String(), nil
}

func pour(c net.Conn) {
	defer c.Close()
	r, block := bufio.NewReader(c), make([]byte, rawWrite)
	_, _ = rand.Read(block)
	var number [4]byte
	for {
		if _, err := io.ReadFull(r, number[:]); err != nil {
			return
		}
		for n := int(binary.BigEndian.Uint32(number[:])); n > 0; n -= rawWrite {
			if _, err := c.Write(block[:min(n, rawWrite)]); err != nil {
				return
			}
		}
	}
}
