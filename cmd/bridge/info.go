package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"nbdbridge/nbd"
)

type infoCommand struct {
	URL    string  `arg:"" help:"ws://HOST/nbd/TARGET or wss://… for a server behind a bridge; nbd://HOST[:PORT]/EXPORT, nbds://…, nbd+unix:///EXPORT?socket=/PATH or nbds+unix://… for one that is reached directly."`
	JSON   bool    `name:"json" help:"Print one JSON object in place of text; \"tls\" is null in plain text."`
	Export *string `placeholder:"NAME" help:"Only this export (default: that of the URL, else all that the server lists, else its default export)."`
	trustFlags
	tokenFlags
}

// Help is shown by --help.
func (*infoCommand) Help() string {
	return `Each export is opened on a connection of its own and closed again; no data is read or written. Sizes are in bytes. An export that can't be opened is reported with the reason; only if none can be does the command fail.

  bridge info nbds://nbd7.lab/ --ca ca-cert.pem
  bridge info ws://127.0.0.1:8080/nbd/lab7 --ca ca-cert.pem --server-name nbd7.lab
  bridge info "nbd+unix:///vda?socket=/run/nbd.sock"
  bridge info "nbds://nbd7.lab/vda?tls-certificates=/etc/pki/lab"

The port of nbd:// and nbds:// is 10809 unless given. What follows the host's slash is the export's name. tls-certificates names a folder with ca-cert.pem and, for servers that demand one, client-cert.pem and client-key.pem.

A bridge that wants tickets gets the one in --token-file, once for the list and once for each export. If it takes a ticket only once, name the --export: then there is one connection.`
}

// A serverReport is what `bridge info` prints.
type serverReport struct {
	URL     string         `json:"url"`
	TLSMode string         `json:"tlsMode"` // "require", "prefer" or "off"
	TLS     *tlsReport     `json:"tls"`     // null if any export was opened in plain text
	Exports []exportReport `json:"exports"`

	plain bool // an export was opened in plain text
}

type exportReport struct {
	Name         string     `json:"name"`
	Description  string     `json:"description,omitempty"`
	Size         int64      `json:"size"` // bytes
	ReadOnly     bool       `json:"readOnly"`
	Features     []string   `json:"features"`
	MetaContexts []string   `json:"metaContexts"`
	BlockSize    *blockSize `json:"blockSize,omitempty"` // bytes
	Error        string     `json:"error,omitempty"`     // why the server does not open it
}

type blockSize struct {
	Minimum        uint32 `json:"minimum"`
	Preferred      uint32 `json:"preferred"`
	MaximumPayload uint32 `json:"maximumPayload"`
}

func (c *infoCommand) Run(ctx context.Context, log *slog.Logger) error {
	e, cfg, err := reach(c.URL, &c.trustFlags, &c.tokenFlags, log)
	if err != nil {
		return err
	}
	r, err := c.gather(ctx, e, cfg)
	if err != nil {
		return fmt.Errorf("%s: %w", e.url, withAdvice(err))
	}
	if c.JSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false) // the & of a URL stays one
		return enc.Encode(r)
	}
	r.print(os.Stdout)
	return nil
}

// gather opens each export on a connection of its own: nbdkit answers one LIST
// per connection, and nbd-server tells the size only to GO.
func (c *infoCommand) gather(ctx context.Context, e *endpoint, cfg *nbd.Config) (*serverReport, error) {
	r := &serverReport{URL: e.url, TLSMode: cfg.TLSMode.String()}
	entries, err := c.wanted(ctx, e, cfg)
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, entry := range entries {
		x, err := r.open(ctx, e, cfg, entry)
		if err != nil {
			failures = append(failures, err)
		}
		r.Exports = append(r.Exports, x)
	}
	if len(failures) > 0 && len(failures) == len(entries) {
		return nil, failures[0]
	}
	return r, nil
}

// wanted are the exports to report: the one that was named, or the server's
// list, or its default export where it lists none.
func (c *infoCommand) wanted(ctx context.Context, e *endpoint, cfg *nbd.Config) ([]nbd.ExportEntry, error) {
	if c.Export != nil {
		if e.Export != "" && e.Export != *c.Export {
			return nil, usagef("the URL names export %q and --export %q: give one of them", e.Export, *c.Export)
		}
		return []nbd.ExportEntry{{Name: *c.Export}}, nil
	}
	if e.Export != "" {
		return []nbd.ExportEntry{{Name: e.Export}}, nil
	}
	entries, err := listExports(ctx, e, cfg)
	if refused := (*nbd.OptionError)(nil); errors.As(err, &refused) && refused.Option == nbd.OptList && refused.Reply != nbd.RepErrTLSReqd {
		err = nil
	}
	if err == nil && len(entries) == 0 {
		entries = []nbd.ExportEntry{{}}
	}
	return entries, err
}

func listExports(ctx context.Context, e *endpoint, cfg *nbd.Config) ([]nbd.ExportEntry, error) {
	client, err := connectClient(ctx, e, cfg)
	if err != nil {
		return nil, err
	}
	entries, err := client.List(ctx)
	_ = client.Abort(ctx)
	return entries, err
}

func connectClient(ctx context.Context, e *endpoint, cfg *nbd.Config) (*nbd.Client, error) {
	conn, err := e.dial(ctx)
	if err != nil {
		return nil, err
	}
	return nbd.NewClient(ctx, conn, cfg)
}

func (r *serverReport) open(ctx context.Context, e *endpoint, cfg *nbd.Config, entry nbd.ExportEntry) (exportReport, error) {
	x := exportReport{Name: entry.Name, Description: entry.Description, Features: []string{}, MetaContexts: []string{}}
	client, err := connectClient(ctx, e, cfg)
	if err != nil {
		x.Error = err.Error()
		return x, err
	}
	if contexts, err := client.ListMetaContexts(ctx, entry.Name); err == nil {
		x.MetaContexts = append(x.MetaContexts, contexts...)
	} // a server without them says so; one that is gone says so to Open
	disk, err := client.Open(ctx, entry.Name)
	if err != nil {
		_ = client.Abort(ctx)
		x.Error = err.Error()
		return x, err
	}
	defer disk.Close()
	r.note(disk.TLS(), &cfg.TLS)
	return x.with(disk.Info()), nil
}

// note keeps the worst of several sessions: with prefer, one may have TLS and
// the next go without.
func (r *serverReport) note(state *tls.ConnectionState, cfg *nbd.TLSConfig) {
	if r.plain = r.plain || state == nil; r.plain {
		r.TLS = nil
		return
	}
	r.TLS = newTLSReport(state, cfg)
}

func (x exportReport) with(info *nbd.ExportInfo) exportReport {
	if info.Description != "" {
		x.Description = info.Description
	}
	b := info.BlockSize
	x.Size, x.ReadOnly, x.Features = info.Size, info.ReadOnly(), info.Flags.Names()
	x.BlockSize = &blockSize{b.Minimum, b.Preferred, b.MaximumPayload}
	return x
}

// withAdvice says what to do about the errors that a user can mend.
func withAdvice(err error) error {
	var refused *nbd.OptionError
	switch {
	case errors.Is(err, nbd.ErrTLSRefused):
		return fmt.Errorf("%w\nThe server offers no TLS. If you trust the way to it, use --tls off", err)
	case errors.As(err, &refused) && refused.Reply == nbd.RepErrTLSReqd:
		return fmt.Errorf("%w\nUse --tls require with --ca FILE and, behind a bridge or socket, --server-name NAME", err)
	case errors.As(err, &refused) && refused.Reply == nbd.RepErrUnknown && refused.Export == "":
		return fmt.Errorf("%w\nThe server has no default export: name one with --export NAME", err)
	case errors.As(err, &refused) && refused.Reply == nbd.RepErrUnknown:
		return fmt.Errorf("%w\nWithout --export and a path in the URL, bridge info lists the exports", err)
	}
	return withTLSAdvice(err)
}

// withTLSAdvice names the flag behind a certificate that was not accepted: by
// us, which x509 words, or by the server.
func withTLSAdvice(err error) error {
	var failed *nbd.TLSError
	switch {
	case !errors.As(err, &failed):
		return err
	case errors.As(err, new(*nbd.PinError)):
		return fmt.Errorf("%w\nCompare it with the key on the server before you give it as --pin", err)
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Errorf("%w\nGive the CA that signed the server's certificate with --ca FILE", err)
	case errors.As(err, new(x509.HostnameError)):
		return fmt.Errorf("%w\nGive the name in the server's certificate with --server-name NAME", err)
	case failed.CertificateRequested:
		return fmt.Errorf("%w\nGive a client certificate that the server accepts with --cert FILE and --key FILE", err)
	}
	return err
}

func (r *serverReport) print(w io.Writer) {
	switch {
	case r.TLS != nil:
		r.TLS.print(w)
	case r.TLSMode == nbd.TLSPrefer.String():
		fmt.Fprintln(w, "encryption: none: TLS was preferred and refused, by the server or by somebody on the path")
	default:
		fmt.Fprintln(w, "encryption: none")
	}
	for _, x := range r.Exports {
		x.print(w)
	}
}

func (x *exportReport) print(w io.Writer) {
	fmt.Fprintf(w, "export %q:\n", x.Name)
	if x.Description != "" {
		fmt.Fprintf(w, "\tdescription: %q\n", x.Description)
	}
	if x.Error != "" {
		fmt.Fprintf(w, "\terror: %s\n", x.Error)
		return
	}
	fmt.Fprintf(w, "\tsize: %d bytes (%s)\n", x.Size, humanSize(x.Size))
	fmt.Fprintf(w, "\tread-only: %t\n", x.ReadOnly)
	fmt.Fprintf(w, "\tfeatures: %v\n", x.Features)
	if len(x.MetaContexts) > 0 {
		fmt.Fprintf(w, "\tmetadata contexts: %q\n", x.MetaContexts)
	}
	fmt.Fprintf(w, "\tblock sizes: minimum %d, preferred %d, maximum payload %d\n", x.BlockSize.Minimum, x.BlockSize.Preferred, x.BlockSize.MaximumPayload)
}

// humanSize writes a number of bytes in the largest binary unit below it.
func humanSize(n int64) string {
	units, v := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}, float64(n)
	for v >= 1024 && len(units) > 1 {
		v, units = v/1024, units[1:]
	}
	return fmt.Sprintf("%.4g %s", v, units[0])
}
