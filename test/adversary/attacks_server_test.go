package adversary

import (
	"errors"
	"testing"

	"nbdbridge/nbd"
)

// serverAttacks are those of a bridge that speaks to the server by itself, in
// the user's place.
var serverAttacks = []attack{
	{"A27_client_impersonation", []play{
		{name: "optional/plain", do: impersonates(optional, nobody, served)},
		{name: "selective/plain", do: impersonates(selective, nobody, demandsTLS)},
		{name: "selective/plain_open_export", do: impersonates(halfOpen, nobody, served)},
		{name: "selective/TLS", do: impersonates(selective, anybody, served)},
		{name: "selective_with_certificates/plain", do: impersonates(selectiveMutual, nobody, demandsTLS)},
		{name: "selective_with_certificates/none", do: impersonates(selectiveMutual, anybody, turnedAway)},
		{name: "selective_with_certificates/forged", do: impersonates(selectiveMutual, impostor, turnedAway)},
		{name: "selective_with_certificates/user", do: impersonates(selectiveMutual, user, served)},
		{name: "forced/plain", do: impersonates(forced, nobody, demandsTLS)},
		{name: "forced/TLS", do: impersonates(forced, anybody, served)},
		{name: "forced_with_certificates/none", do: impersonates(forcedMutual, anybody, turnedAway)},
		{name: "forced_with_certificates/forged", do: impersonates(forcedMutual, impostor, turnedAway)},
		{name: "forced_with_certificates/user", do: impersonates(forcedMutual, user, served)},
		{name: "allow_list/another_user", do: impersonates(allowing("CN=client2"), user, turnedAway)},
		{name: "allow_list/user", do: impersonates(allowing("CN=client1"), user, served)},
	}},
}

// The ways in which the bridge comes to the server.
func nobody() *nbd.Config  { return &nbd.Config{TLSMode: nbd.TLSOff} }
func anybody() *nbd.Config { return &nbd.Config{TLS: nbd.TLSConfig{Insecure: true}} }
func user() *nbd.Config    { return withCertificate(anybody()) }

func impostor() *nbd.Config {
	cfg := anybody()
	cfg.TLS.Certificates = append(cfg.TLS.Certificates, stranger().issue(forClients))
	return cfg
}

// selective serves its disk inside TLS only, to everybody who comes so.
func selective() *nbd.Server {
	srv := serving(serverTLS(serverCert()), nbd.SelectiveTLS)
	srv.Exports[0].TLSOnly = true
	return srv
}

func halfOpen() *nbd.Server { return serving(serverTLS(serverCert()), nbd.SelectiveTLS) }

// selectiveMutual also wants the user's certificate.
func selectiveMutual() *nbd.Server {
	srv := selective()
	srv.TLS = mutualTLS(serverCert())
	return srv
}

func forcedMutual() *nbd.Server { return serving(mutualTLS(serverCert()), 0) }

func allowing(name string) func() *nbd.Server {
	return func() *nbd.Server {
		srv := forcedMutual()
		srv.AllowClients = []string{name}
		return srv
	}
}

func impersonates(server func() *nbd.Server, as func() *nbd.Config, want verdict) func(t *testing.T) {
	return func(t *testing.T) {
		o := scene{cfg: as(), server: server()}.play(t)
		if wrong := want(o); wrong != "" {
			t.Errorf("%s: %v (the server: %v)", wrong, o.err, o.served)
		}
	}
}

// served: the bridge can use the disk, as SECURITY.md says.
func served(o outcome) string { return harmless(o) }

func demandsTLS(o outcome) string {
	refused := (*nbd.OptionError)(nil)
	if !errors.As(o.err, &refused) || refused.Reply != nbd.RepErrTLSReqd {
		return "TLS was not demanded"
	}
	return untouched(o)
}

// turnedAway: the server ended the session for want of a certificate.
func turnedAway(o outcome) string {
	if !isTLSError(o.err) || o.served == nil {
		return "the bridge was not turned away"
	}
	return untouched(o)
}
