package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"time"
)

// A demoPKI is a throwaway CA with one server and one client certificate. Its
// CA key is gone when newDemoPKI returns.
type demoPKI struct {
	ca, clientCert, clientKey string // PEM
	serverCert, serverKey     string // PEM
	pool                      *x509.CertPool
	serverPair                tls.Certificate
}

func newDemoPKI() (*demoPKI, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := demoTemplate("NBD demo CA")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return nil, err
	}
	p := &demoPKI{ca: pemText("CERTIFICATE", der), pool: x509.NewCertPool()}
	p.pool.AppendCertsFromPEM([]byte(p.ca))

	if p.serverCert, p.serverKey, err = issue(ca, caKey, demoServerName, x509.ExtKeyUsageServerAuth); err != nil {
		return nil, err
	}
	if p.clientCert, p.clientKey, err = issue(ca, caKey, "demo browser", x509.ExtKeyUsageClientAuth); err != nil {
		return nil, err
	}
	p.serverPair, err = tls.X509KeyPair([]byte(p.serverCert), []byte(p.serverKey))
	return p, err
}

// demoTemplate is valid from a day before, for clocks that are off, and for a
// month, which no demo outlasts.
func demoTemplate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes([]byte(rand.Text())[:16]),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().AddDate(0, 0, -1),
		NotAfter:     time.Now().AddDate(0, 1, 0),
	}
}

func issue(ca *x509.Certificate, caKey *ecdsa.PrivateKey, name string, usage x509.ExtKeyUsage) (cert, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	t := demoTemplate(name)
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{usage}
	if usage == x509.ExtKeyUsageServerAuth {
		t.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca, private.Public(), caKey)
	if err != nil {
		return "", "", err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", err
	}
	return pemText("CERTIFICATE", der), pemText("PRIVATE KEY", pkcs8), nil
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
