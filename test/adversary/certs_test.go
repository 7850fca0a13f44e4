package adversary

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"time"
)

// An authority issues certificates that are valid on the clock of a synctest
// bubble (the year 2000) as well as on the real one.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

const serverName = "nbd.test"

var (
	ours     = sync.OnceValue(func() *authority { return newAuthority("Test CA") })
	stranger = sync.OnceValue(func() *authority { return newAuthority("Another CA") })

	serverCert  = sync.OnceValue(func() tls.Certificate { return ours().issue(nil) })
	replicaCert = sync.OnceValue(func() tls.Certificate { return ours().issue(nil) })
	otherCert   = sync.OnceValue(func() tls.Certificate { return ours().issue(named("other.test")) })
	clientCert  = sync.OnceValue(func() tls.Certificate { return ours().issue(forClients) })
	forgedCert  = sync.OnceValue(func() tls.Certificate { return stranger().issue(nil) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

func newAuthority(name string) *authority {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	t := template(name)
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign
	der := must(x509.CreateCertificate(rand.Reader, t, t, key.Public(), key))
	return &authority{must(x509.ParseCertificate(der)), key}
}

// issue makes a good server certificate, or what edit turns it into.
func (a *authority) issue(edit func(*x509.Certificate)) tls.Certificate {
	t := template(serverName)
	t.DNSNames, t.KeyUsage = []string{serverName}, x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if edit != nil {
		edit(t)
	}
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := must(x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: must(x509.ParseCertificate(der))}
}

func forClients(t *x509.Certificate) {
	t.Subject.CommonName = "client1"
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
}

func named(name string) func(*x509.Certificate) {
	return func(t *x509.Certificate) { t.DNSNames = []string{name} }
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// serverTLS is a server's configuration with the certificate given.
func serverTLS(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

// mutualTLS also demands a client certificate of our authority.
func mutualTLS(cert tls.Certificate) *tls.Config {
	cfg := serverTLS(cert)
	cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, ours().pool()
	return cfg
}
