package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"nbdbridge/bridge/config"
	"nbdbridge/evidence/acquire"
	"nbdbridge/evidence/image"
	"nbdbridge/nbd"
)

type acquireCommand struct {
	URL        string        `arg:"" help:"URL of the export, as for bridge info."`
	File       string        `arg:"" help:"The image to make, which must not exist. Until it is whole it is FILE.part."`
	Export     *string       `placeholder:"NAME" help:"The export (default: that of the URL, else the server's default export)."`
	Partition  int           `placeholder:"N" help:"Only this partition, by its number in the table (default: the whole disk)."`
	Offset     *int64        `placeholder:"BYTES" help:"Only what begins here, in place of --partition."`
	Size       *int64        `placeholder:"BYTES" help:"How much of it (default: up to the end of the disk); needs --offset."`
	Format     string        `placeholder:"WORD" help:"raw, with holes for zeros, or zstd: seekable Zstandard (default: zstd if FILE ends in .zst, else raw)."`
	Hash       []string      `placeholder:"NAME" help:"md5, sha1, sha256 or sha512. Repeatable, or with commas (default sha256,md5)."`
	Retries    *int          `placeholder:"N" help:"How often a read that failed is tried again, at first and in the end (default 2)."`
	Smallest   config.Size   `placeholder:"BYTES" help:"The smallest read for what can't be read in larger ones: what fails then becomes zeros (default 4KiB)."`
	SkipHoles  *bool         `negatable:"" help:"Don't read what the server says reads as zeros (default: yes)."`
	Verify     bool          `help:"When it is whole, read the image back and compare its hashes."`
	SecondPass bool          `help:"When it is whole, read the export once more and compare its hashes."`
	Log        string        `placeholder:"FILE" help:"The log, in JSON; the one for people gets .txt in place of .json (default FILE.log.json)."`
	SignKey    string        `placeholder:"PEM" help:"Private key, ECDSA on P-256, to sign the log with: the signature gets .sig after the log's name (default: none)."`
	Resume     bool          `help:"Go on with FILE.part where the acquisition before was ended."`
	GiveUp     time.Duration `placeholder:"TIME" default:"2m" help:"How long to try to connect again when the connection is lost, until it is left for --resume (default 2m)."`
	caseFlags
	trustFlags
	tokenFlags
}

// caseFlags are for the log alone.
type caseFlags struct {
	CaseNumber     string `placeholder:"TEXT" help:"Number of the case, for the log."`
	EvidenceNumber string `placeholder:"TEXT" help:"Number of the piece of evidence, for the log."`
	Examiner       string `placeholder:"TEXT" help:"Who acquires, for the log."`
	Description    string `placeholder:"TEXT" help:"What is acquired, for the log."`
	Notes          string `placeholder:"TEXT" help:"Anything else, for the log."`
}

// Help is shown by --help.
func (*acquireCommand) Help() string {
	return `Reads an export, or a part of it, into an image, hashes it on the way, and writes a log of all that happened. The export is opened read-only: no command that could change it is ever sent.

  bridge acquire nbds://nbd7.lab/vda vda.img --ca ca-cert.pem
  bridge acquire wss://bridge.example/nbd/lab vda.img.zst --export vda --ca ca-cert.pem --server-name nbd7.lab
  bridge acquire nbd://127.0.0.1/ boot.img --partition 1 --verify --sign-key examiner.pem

Lost connections are made again. What the server can't read is tried again, then in reads of 64 KiB, then in the --smallest; what can't be read even so is zeros in the image, and the log says where.

SIGINT (Ctrl-C) and SIGTERM pause: the same command with --resume goes on, and so it does after a crash, from the last state, which is kept every few seconds. FILE, its log and its signature are there only once the image is whole. One acquisition at a time can write an image.

Exit codes: 0 the image is whole and all was read, 3 it is whole and has zeros in place of what could not be read, 2 a command line that can't be meant, 1 all else: paused, failed, or a --verify or --second-pass that found a difference.`
}

func (c *acquireCommand) Run(ctx context.Context, log *slog.Logger) error {
	if err := c.check(); err != nil {
		return err
	}
	signer, err := c.signer(log)
	if err != nil {
		return err
	}
	e, cfg, err := reach(c.URL, &c.trustFlags, &c.tokenFlags, log)
	if err != nil {
		return err
	}
	a := &acquisition{acquireCommand: c, signer: signer, line: newProgressLine(os.Stderr)}
	defer a.line.clear()
	if err := a.connect(ctx, e, cfg); err != nil {
		return fmt.Errorf("%s: %w", e.url, withAdvice(err))
	}
	defer a.disk.Close()
	return a.run(ctx)
}

// check refuses what can't be meant, before anything is connected to.
func (c *acquireCommand) check() error {
	switch {
	case c.Partition < 0:
		return usagef("--partition %d: want a number of the table, from 1", c.Partition)
	case c.Partition != 0 && c.Offset != nil:
		return usagef("--partition and --offset both say what to acquire: drop one of them")
	case c.Size != nil && c.Offset == nil:
		return usagef("--size needs --offset")
	case c.Format != "" && c.Format != string(image.Raw) && c.Format != string(image.Zstd):
		return usagef("--format %q: want raw or zstd", c.Format)
	case c.Retries != nil && (*c.Retries < 0 || *c.Retries > 100):
		return usagef("--retries %d: want 0 to 100", *c.Retries)
	case c.Smallest != 0 && (c.Smallest < 512 || c.Smallest > image.MaxPiece || c.Smallest%512 != 0):
		return usagef("--smallest: want a multiple of 512 bytes, 1MiB at most")
	case c.GiveUp <= 0:
		return usagef("--give-up %v: want a time above zero, such as 30s or 12h", c.GiveUp)
	}
	return cmp.Or(c.checkTexts(), c.checkHashes())
}

// checkTexts refuses what a log can't hold as it is.
func (c *acquireCommand) checkTexts() error {
	for flag, text := range map[string]string{
		"--case-number": c.CaseNumber, "--evidence-number": c.EvidenceNumber, "--examiner": c.Examiner,
		"--description": c.Description, "--notes": c.Notes,
	} {
		if strings.ContainsRune(text, utf8.RuneError) { // the parser's for what is not UTF-8, too
			return usagef("%s %q is not in UTF-8, as all of the log is: does the terminal use another encoding?", flag, text)
		}
	}
	return nil
}

func (c *acquireCommand) checkHashes() error {
	for i, name := range c.Hash {
		if !slices.Contains([]string{"md5", "sha1", "sha256", "sha512"}, name) {
			return usagef("--hash %q: want md5, sha1, sha256 or sha512", name)
		}
		if slices.Contains(c.Hash[:i], name) {
			return usagef("--hash %s is given twice", name)
		}
	}
	return c.checkNames()
}

// checkNames finds out early that there is no place for what is to be written.
func (c *acquireCommand) checkNames() error {
	for _, name := range []string{c.File, partName(c.File), stateName(c.File)} {
		for _, log := range c.logNames() {
			if placeOf(log) == placeOf(name) {
				return usagef("--log: %s is the name of the image, or of what it is made of", log)
			}
		}
	}
	if info, err := os.Stat(filepath.Dir(c.logName())); err != nil || !info.IsDir() {
		return usagef("--log: %s is no folder", filepath.Dir(c.logName()))
	}
	if c.Resume {
		return nil
	}
	return cmp.Or(c.refuseLogs(), refuseExisting(c.File))
}

func (c *acquireCommand) refuseLogs() error {
	for _, name := range c.logNames() {
		if exists(name) {
			return fmt.Errorf("%s is there already, and is not overwritten: choose another name with --log, or remove it", name)
		}
	}
	return nil
}

func (c *acquireCommand) logName() string {
	if c.Log != "" {
		return c.Log
	}
	return c.File + ".log.json"
}

func (c *acquireCommand) textName() string { return strings.TrimSuffix(c.logName(), ".json") + ".txt" }

func (c *acquireCommand) signatureName() string { return c.logName() + ".sig" }

func (c *acquireCommand) logNames() []string {
	return []string{c.logName(), c.textName(), c.signatureName()}
}

// placeOf is the same for all ways to write the name of a file.
func placeOf(name string) string {
	folder, err := filepath.EvalSymlinks(filepath.Dir(name))
	if err != nil {
		folder = filepath.Dir(name)
	}
	if whole, err := filepath.Abs(folder); err == nil {
		folder = whole
	}
	return filepath.Join(folder, filepath.Base(name))
}

// format is that of a new image.
func (c *acquireCommand) format() image.Format {
	switch {
	case c.Format != "":
		return image.Format(c.Format)
	case strings.HasSuffix(c.File, ".zst"):
		return image.Zstd
	}
	return image.Raw
}

// connect opens the export.
func (a *acquisition) connect(ctx context.Context, e *endpoint, cfg *nbd.Config) error {
	export, err := e.exportName(a.Export)
	if err != nil {
		return err
	}
	a.lost = &outages{tell: a.line.tell}
	if a.disk, err = openSource(ctx, e, cfg, export, a.GiveUp, a.lost); err != nil {
		return err
	}
	a.route, a.connection = routeOf(e, export), connectionOf(a.disk.TLS(), &cfg.TLS)
	return nil
}

// newDigests begins hashes, or goes on with them.
func newDigests(names []string, states map[string][]byte, at int64) ([]acquire.Digest, error) {
	var digests []acquire.Digest
	for _, name := range names {
		d, err := acquire.NewDigest(name, states[name], at)
		if err != nil {
			return nil, err
		}
		digests = append(digests, d)
	}
	return digests, nil
}
