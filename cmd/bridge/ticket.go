package main

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"time"

	"nbdbridge/bridge/ticket"
)

type ticketCommand struct {
	Key           string        `required:"" placeholder:"FILE" help:"File of the key to sign with: a private key in PEM (Ed25519, P-256, or RSA of 2048 bits at least), a JWK, a JWK set, or a raw secret of at least 32 bytes. The first that can sign is used."`
	Audience      string        `required:"" placeholder:"URL" help:"The bridge that the ticket is for, as its auth.tickets.audience has it."`
	Target        []string      `required:"" sep:"none" placeholder:"NAME" help:"A target that the ticket opens. Repeatable, up to 64."`
	Principal     string        `placeholder:"NAME" help:"Whom the ticket admits, for the bridge's log and limits (default: nobody in particular)."`
	TTL           time.Duration `name:"ttl" default:"60s" placeholder:"TIME" help:"How long the ticket can be used to connect, in whole seconds (default ${default})."`
	MaxSessionAge time.Duration `placeholder:"TIME" help:"How long a session may last, in whole seconds, such as 12h (default: as long as the bridge lets it)."`
}

// Help is shown by --help.
func (*ticketCommand) Help() string {
	return `Prints a ticket, for tests and scripts; a web application makes its own with any JWT library. The bridge needs the public key alone, or the secret:

  openssl genpkey -algorithm ed25519 -out ticket-key.pem
  openssl pkey -in ticket-key.pem -pubout -out tickets.pem
  bridge ticket --key ticket-key.pem --audience https://bridge.example --target lab7 > lab7.ticket
  bridge connect wss://bridge.example/nbd/lab7 --token-file lab7.ticket --listen unix:///run/lab.sock

A ticket is a JWT with aud, exp, targets and a random jti, so that a bridge can take it once; with sub and max_session_age if they are given. Who has it can connect: keep it out of URLs and logs.`
}

func (c *ticketCommand) Run(log *slog.Logger) error {
	if c.TTL < time.Second || c.TTL%time.Second != 0 {
		return usagef("--ttl %v: want whole seconds, one at least", c.TTL)
	}
	if c.MaxSessionAge < 0 || c.MaxSessionAge%time.Second != 0 {
		return usagef("--max-session-age %v: want whole seconds", c.MaxSessionAge)
	}
	keys, err := ticket.LoadKeys(c.Key)
	if err != nil {
		return usagef("--key: %w", err)
	}
	key, err := keys.Signer()
	if err != nil {
		return usagef("--key %s: %w", c.Key, err)
	}
	warnReadable(log, "--key", c.Key)
	token, err := ticket.Mint(key, ticket.Claims{
		Principal: c.Principal, Audience: c.Audience, Targets: c.Target,
		Expires: time.Now().Add(c.TTL), ID: rand.Text(), MaxAge: c.MaxSessionAge,
	})
	if err != nil {
		return usageError{err}
	}
	_, err = fmt.Fprintln(os.Stdout, token)
	return err
}
