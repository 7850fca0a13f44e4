package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"strings"
)

func (l *Log) writeSessions(p *printer) {
	for i, s := range l.Sessions {
		p.heading("Session " + grouped(int64(i+1)) + " of " + grouped(int64(len(l.Sessions))))
		p.time("Start", s.Start)
		p.time("End", s.End)
		p.row("Bytes", grouped(s.From)+" up to "+grouped(max(s.From, s.To)))
		p.said("Ended", cmp.Or(s.Ended, "it is not known how: it runs, or was ended from outside"))
		s.Connection.write(p)
		writeOutages(p, s.Outages)
	}
}

func (c Connection) write(p *printer) {
	if !c.Encrypted {
		p.row("Connection", "not encrypted: nothing proves which server answered")
		return
	}
	p.said("Connection", "encrypted up to the server, "+c.Protocol+", "+c.CipherSuite)
	if strings.HasPrefix(c.VerifiedBy, "ca") {
		p.said("Server name", c.ServerName)
	} else {
		p.row("Server name", "not checked")
	}
	p.said("Verified by", cmp.Or(verifiers[c.VerifiedBy], c.VerifiedBy))
	p.said("Subject", c.Subject)
	p.said("Issuer", c.Issuer)
	p.said("Valid from", c.NotBefore)
	p.said("Valid to", c.NotAfter)
	p.said("Pin of its key", c.Pin)
	p.said("Certificate, SHA-256", c.Certificate)
}

var verifiers = map[string]string{
	"ca":      "the CA given",
	"pin":     "the pin given",
	"ca+pin":  "the CA and the pin given",
	"nothing": "nothing: any certificate was accepted",
}

func writeOutages(p *printer, outages []Outage) {
	if len(outages) == 0 {
		return
	}
	p.row("Outages", counted(int64(len(outages)), "time")+" without a connection")
	p.table([]string{"<From", "<To", "<Reason"}, func(yield func([]string) bool) {
		for _, o := range outages {
			to := "not known"
			if !o.End.IsZero() {
				to = utc(o.End)
			}
			if !yield([]string{utc(o.Start), to, visible(o.Reason)}) {
				return
			}
		}
	})
}

func (l *Log) writePasses(p *printer) {
	for i, pass := range l.Passes {
		p.heading("Pass " + grouped(int64(i+1)) + " of " + grouped(int64(len(l.Passes))))
		p.said("Read again", cmp.Or(readings[pass.Of], pass.Of))
		p.time("Start", pass.Start)
		p.time("End", pass.End)
		writeHashes(p, pass.Hashes)
		p.said("Result", pass.result())
	}
}

var readings = map[string]string{"image": "the image", "export": "the export of the server"}

func (pass Pass) result() string {
	switch {
	case pass.Failed != "":
		return "failed: " + pass.Failed
	case pass.End.IsZero():
		return "not known: it runs, or was ended from outside"
	case pass.Equal:
		return "equal: the hashes are those of the acquisition"
	}
	return "NOT equal: the hashes are not those of the acquisition"
}

func (l *Log) writeTool(p *printer) {
	p.heading("Program")
	p.said("Name", l.Tool.Name)
	p.said("Version", l.Tool.Version)
	p.said("Revision", l.Tool.Revision)
	p.said("Platform", l.Tool.Platform)
	if l.Page == nil {
		return
	}
	p.heading("Page, as it says itself")
	p.said("Origin", l.Page.Origin)
	p.said("Address", l.Page.URL)
	p.said("SHA-256 of the list", l.Page.SHA256)
	p.row("Files", grouped(int64(len(l.Page.Files))))
	for _, f := range l.Page.Files {
		p.line(2, visible(f.SHA256)+"  "+visible(f.Path))
	}
}

func (l *Log) writeSigner(p *printer) {
	if l.Signer == nil {
		return
	}
	p.heading("Signature")
	p.line(2, "In a file of its own, over the log in JSON. This text is not signed.")
	p.said("Algorithm", l.Signer.Algorithm)
	p.said("Key, SHA-256", l.Signer.fingerprint())
	p.said("Key", l.Signer.PublicKey)
}

// fingerprint is the SHA-256 of the key, as of `openssl pkey -pubin -outform DER`.
func (s *Signer) fingerprint() string {
	block, _ := pem.Decode([]byte(s.PublicKey))
	if block == nil {
		return "not known: this is no key in PEM"
	}
	digest := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(digest[:])
}
