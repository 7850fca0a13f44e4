package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"nbdbridge/bridge/config"
	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// demoTarget is the bridge's name for the embedded server; demoServerName the
// name in its certificate.
const (
	demoTarget     = "demo"
	demoServerName = "nbd.demo"
)

type demoCommand struct {
	Listen string   `default:"127.0.0.1:8080" placeholder:"ADDR" help:"HOST:PORT to listen on (default ${default})."`
	Image  []string `sep:"none" type:"existingfile" placeholder:"FILE" help:"Export this disk image, read-only, in place of the sample disk: a file or block device that is not empty. Repeatable; names must differ (default: the sample disk)."`
	Images string   `type:"existingdir" placeholder:"DIR" help:"Also export the files of this folder, for reading and writing, by an nbdkit that is started and ended; the page begins with these (default: none)."`
}

// Help is shown by --help.
func (*demoCommand) Help() string {
	return `The embedded NBD server demands TLS and a client certificate of a CA that is made at start and forgotten when this process ends. The page gets the CA and a client key from this same process: a convenience of the demo, and no protection from a bridge that serves its own page.

The sample disk is 32 MiB in memory, with an MBR, a FAT16 and an ext4 partition. It can be written to, and is made anew at every start. An image keeps its size in bytes, is called by its file name without the folder, and is never written to.

With --images the bridge has a second target, "images": an nbdkit behind a Unix socket with the same TLS, which writes to the files what the page writes. Its keys are in a temporary folder, readable by this user alone and removed at the end. Its end ends the demo.

SIGINT (Ctrl-C) and SIGTERM end it; sessions get 10 s for their last bytes.`
}

func (c *demoCommand) Run(ctx context.Context, log *slog.Logger) error {
	ui, err := newAssets()
	if err != nil {
		return err
	}
	exports, closeAll, err := c.exports()
	if err != nil {
		return err
	}
	defer closeAll()
	pki, err := newDemoPKI()
	if err != nil {
		return err
	}
	var images *nbdkit
	if c.Images != "" {
		if images, err = startNbdkit(log, c.Images, pki); err != nil {
			return err
		}
		defer images.close()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	return c.serve(ctx, log, l, &nbd.Server{Exports: exports, TLS: pki.server(), Log: log}, images, &demoUI{
		assets: ui, config: demoConfig(pki, exports, images),
	})
}

// serve runs the NBD server and the site until ctx ends or one of them fails,
// or nbdkit, which may be nil.
func (c *demoCommand) serve(ctx context.Context, log *slog.Logger, l net.Listener, server *nbd.Server, images *nbdkit, ui http.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	nbdDone := make(chan error, 1)
	go func() {
		nbdDone <- server.Serve(ctx, l)
		cancel()
	}()
	go func() {
		images.wait(ctx)
		cancel()
	}()
	s := &site{config: c.config(l.Addr(), images), ui: ui, log: log}
	err := s.run(ctx, func(base string) {
		fmt.Printf("Open %s%s in a browser. Stop with Ctrl-C.\n", base, demoPage(images))
	})
	cancel()
	return errors.Join(err, <-nbdDone, images.failure())
}

// demoPage is the one to begin with.
func demoPage(images *nbdkit) string {
	if images == nil {
		return "/demo/"
	}
	return "/demo/vm/"
}

// config is a bridge to the server at an address, and to nbdkit. Sessions that
// go on have no reason to be waited for when the disks go away with them.
func (c *demoCommand) config(server net.Addr, images *nbdkit) *config.Config {
	targets := map[string]config.Target{demoTarget: {Address: config.Address{Network: "tcp", Address: server.String()}}}
	if images != nil {
		targets[imagesTarget] = images.target()
	}
	return &config.Config{
		Listen: []config.Listener{config.Listener(c.Listen)}, Targets: targets,
		Limits: config.Limits{Drain: -1},
	}
}

// exports are the images, or the sample disk.
func (c *demoCommand) exports() (exports []nbd.Export, closeAll func(), err error) {
	if len(c.Image) == 0 {
		exports, err = sampleExports()
		return exports, func() {}, err
	}
	exports, closeAll, err = openDisks(c.Image, true)
	if err != nil {
		return nil, nil, fmt.Errorf("--image: %w", err)
	}
	return exports, closeAll, nil
}

func sampleExports() ([]nbd.Export, error) {
	disk, err := sampleDisk()
	if err != nil {
		return nil, fmt.Errorf("making the sample disk: %w", err)
	}
	sparse := device.NewSparse(int64(len(disk)))
	if _, err := sparse.WriteAt(disk, 0); err != nil {
		return nil, fmt.Errorf("making the sample disk: %w", err)
	}
	return []nbd.Export{{
		Name: "sample", Description: "MBR with a FAT and an ext4 partition, in memory",
		Device: sparse,
	}}, nil
}

// demoConfig is what the pages fetch: how to reach nbdkit, or else the embedded
// server. It holds a private key that opens nothing but this process's disks.
func demoConfig(pki *demoPKI, exports []nbd.Export, images *nbdkit) []byte {
	target, names := demoTarget, []string{}
	for _, e := range exports {
		names = append(names, e.Name)
	}
	if images != nil {
		target, names = imagesTarget, images.exports
	}
	b, err := json.Marshal(map[string]any{
		"target": target, "serverName": demoServerName, "exports": names,
		"ca": pki.ca, "cert": pki.clientCert, "key": pki.clientKey,
	})
	if err != nil {
		panic(err) // strings always marshal
	}
	return b
}

// demoUI is the pages and the demo's configuration beside them.
type demoUI struct {
	*assets
	config []byte
}

func (u *demoUI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/demo/local.json" {
		u.assets.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(u.config)
}

// server demands a client certificate: without, the bridge, or anyone who
// reaches the port, could open the disks itself.
func (p *demoPKI) server() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{p.serverPair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    p.pool,
		MinVersion:   tls.VersionTLS13,
	}
}
