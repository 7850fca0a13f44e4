package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"nbdbridge/evidence/report"
	"nbdbridge/nbd"
)

// defaultHashes: SHA-256 is what proves, and MD5 what older reports and sets of
// known hashes can be compared with.
var defaultHashes = []string{"sha256", "md5"}

// newLog is the log of an acquisition that has not begun.
func (a *acquisition) newLog() *report.Log {
	info, source := a.disk.Info(), a.route
	source.Size, source.ReadOnly, source.Flags = info.Size, info.ReadOnly(), info.Flags.Names()
	source.MinimumSize = int64(info.BlockSize.Minimum)
	source.Offset, source.Length = a.source.offset, a.source.size
	return &report.Log{
		Schema: report.Schema, Tool: thisTool(), Case: a.caseOf(), Source: source,
		Image:    report.Image{Name: filepath.Base(a.File), Format: string(a.format())},
		Settings: a.settings(), Status: report.Paused,
		Sessions: []report.Session{}, Errors: []report.Error{}, ZeroFilled: []report.Range{},
		Hashes: map[string]string{}, Passes: []report.Pass{},
	}
}

func (f *caseFlags) caseOf() report.Case {
	return report.Case{Number: f.CaseNumber, Evidence: f.EvidenceNumber, Examiner: f.Examiner, Description: f.Description, Notes: f.Notes}
}

func (c *acquireCommand) settings() report.Settings {
	s := report.Settings{Hashes: defaultHashes, Retries: 2, Smallest: 4 << 10, SkipHoles: true}
	if len(c.Hash) > 0 {
		s.Hashes = c.Hash
	}
	if c.Retries != nil {
		s.Retries = *c.Retries
	}
	if c.Smallest != 0 {
		s.Smallest = int64(c.Smallest)
	}
	if c.SkipHoles != nil {
		s.SkipHoles = *c.SkipHoles
	}
	return s
}

func thisTool() report.Tool {
	t := report.Tool{Name: "bridge acquire", Version: "unknown", Platform: runtime.GOOS + "/" + runtime.GOARCH}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return t
	}
	t.Version = build.Main.Version
	for _, s := range build.Settings {
		switch {
		case s.Key == "vcs.revision":
			t.Revision = s.Value + t.Revision
		case s.Key == "vcs.modified" && s.Value == "true":
			t.Revision += ", modified"
		}
	}
	return t
}

// routeOf is how an export is reached, without secrets.
func routeOf(e *endpoint, export string) report.Source {
	if e.Bridge == "" {
		return report.Source{Server: e.Address, Export: export}
	}
	url, _, _ := strings.Cut(e.Bridge, "?")
	slash := strings.LastIndexByte(url, '/') + 1
	return report.Source{Bridge: url[:slash], Target: url[slash:], Export: export}
}

// connectionOf is who the server has proved to be.
func connectionOf(state *tls.ConnectionState, cfg *nbd.TLSConfig) report.Connection {
	if state == nil {
		return report.Connection{}
	}
	t, sum := newTLSReport(state, cfg), sha256.Sum256(state.PeerCertificates[0].Raw)
	return report.Connection{
		Encrypted: true, Protocol: t.Version, CipherSuite: t.CipherSuite, ServerName: t.ServerName, VerifiedBy: t.VerifiedBy,
		Subject: t.Subject, Issuer: t.Issuer,
		NotBefore: t.NotBefore.UTC().Format(time.RFC3339), NotAfter: t.NotAfter.UTC().Format(time.RFC3339),
		Pin: t.Pin, Certificate: hex.EncodeToString(sum[:]),
	}
}

// finish writes the log, and then gives the image its name: so none is ever
// without its log. Another acquisition may have taken the log's name meanwhile.
func (a *acquisition) finish() error {
	if err := a.agreesWithLogs(); err != nil {
		return err
	}
	_ = os.Remove(a.signatureName()) // of a log that this one replaces
	if a.signer != nil {
		signer, err := report.NewSigner(a.signer.Public())
		if err != nil {
			return err
		}
		a.log.Signer = signer
	}
	encoded, err := a.log.Encode()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := a.log.WriteText(&text); err != nil {
		return err
	}
	if err := writeDurably(a.logName(), encoded); err != nil {
		return withRoom(err)
	}
	if err := writeDurably(a.textName(), text.Bytes()); err != nil {
		return withRoom(err)
	}
	if err := a.sign(encoded); err != nil {
		return withRoom(err)
	}
	return a.part.finish()
}

func (a *acquisition) sign(encoded []byte) error {
	if a.signer == nil {
		return nil
	}
	signature, err := report.Sign(a.signer, encoded)
	if err != nil {
		return err
	}
	return writeDurably(a.signatureName(), signature)
}
