package main

import (
	"context"
	"fmt"
	"log/slog"
	"os/signal"
	"syscall"

	"nbdbridge/bridge"
	"nbdbridge/bridge/config"
)

type serveCommand struct {
	Config    string             `placeholder:"FILE" env:"BRIDGE_CONFIG" help:"YAML file that says everything that the flags say, and more. SIGHUP reads it again (default: none)."`
	Listen    []config.Listener  `placeholder:"ADDR" env:"BRIDGE_LISTEN" help:"HOST:PORT, unix:/PATH or systemd:NAME to listen on. Repeatable (default 127.0.0.1:8080)."`
	Target    map[string]string  `mapsep:";" placeholder:"NAME=ADDR" env:"BRIDGE_TARGET" help:"An NBD server under the name that clients ask for, at tcp://HOST:PORT or unix:///PATH. Repeatable, or several with semicolons between. Clients reach these, those of the file, and nothing else."`
	Origin    []config.Origin    `placeholder:"ORIGIN" env:"BRIDGE_ORIGIN" help:"A further origin whose pages may connect and, with --ui, import the package: SCHEME://HOST[:PORT] as browsers send it, such as https://app.example; no wildcards. Repeatable (default: none)."`
	TLSCert   string             `name:"tls-cert" placeholder:"FILE" env:"BRIDGE_TLS_CERT" help:"PEM file of the bridge's own certificate, with its chain: serve https and wss (default: http and ws). Read again on SIGHUP, and when it changes. It has nothing to do with the TLS session between client and NBD server."`
	TLSKey    string             `name:"tls-key" placeholder:"FILE" env:"BRIDGE_TLS_KEY" help:"PEM file of its private key; needed with --tls-cert."`
	PublicURL []config.PublicURL `name:"public-url" placeholder:"URL" env:"BRIDGE_PUBLIC_URL" help:"Where browsers see this bridge, such as https://bridge.example. Its host is the only one that is answered. Repeatable (default: http or https at 127.0.0.1, localhost and [::1], with the port of --listen)."`
	UI        *bool              `name:"ui" negatable:"" env:"BRIDGE_UI" help:"Also serve the JavaScript package at /client/ and the pages at /demo/ (default: only /nbd/)."`

	rarerFlags `embed:""`
	limitFlags `embed:"" group:"Limits; 0 is none, where there may be none"`
}

// Help is shown by --help.
func (*serveCommand) Help() string {
	return `A client asks for ws://HOST/nbd/NAME and is relayed to the target of that name, bytes untouched:

  bridge serve --target lab7=tcp://10.0.0.5:10809 --origin https://app.example

Only a request whose Host is that of --public-url is answered, any other with 421. Pages of that URL's origin and of --origin may connect; native tools, which send no origin, always may. Without tickets, certificates or a header nobody has to prove who he is.

A flag, or else its environment variable, takes the place of the same key of the file: a list as a whole, of a target its address. What may be repeated may also stand in one value, with commas between.

At most 1000 sessions run at once. A target has 10 s to accept a connection. Clients are pinged every 25 s, and one without a sign of life for 75 s is cut; no session is cut for being idle, unless --idle-timeout says so.

SIGHUP reads the file, keys and certificates again, and no session is lost. What is wrong with them is logged, and all stays as it was.

SIGINT and SIGTERM end it: newcomers are refused with code 4503, which asks the client to connect again, sessions may go on for 10 s (--drain), then they are closed with that code and get 10 s for their last bytes. A second signal ends it at once.`
}

func (c *serveCommand) Run(ctx context.Context, log *slog.Logger) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	s := &site{config: cfg, reread: c.load}
	s.log = newLogger(cfg.Log.Format, log, &s.level)
	s.level.Set(cfg.Log.Level.Slog())
	signal.Ignore(syscall.SIGPIPE) // who reads the log may go, and sessions stay
	if is(cfg.UI, false) {
		if s.ui, err = newAssets(); err != nil {
			return err
		}
	}
	return s.run(ctx, func(base string) {
		s.log.Info("serving", "url", base, "listen", fmt.Sprint(s.at), "targets", len(cfg.Targets), "ui", is(cfg.UI, false))
	})
}

// load reads the file, if there is one, and lets the flags overrule it.
func (c *serveCommand) load() (*config.Config, error) {
	cfg := &config.Config{}
	if c.Config != "" {
		var err error
		if cfg, err = config.Read(c.Config); err != nil {
			return nil, badFile(err)
		}
	}
	if err := c.overrule(cfg); err != nil {
		return nil, err
	}
	if len(cfg.Targets) == 0 {
		return nil, usagef("there is no target, so nothing to connect to: name one with --target NAME=tcp://HOST:PORT, or under targets in the file of --config")
	}
	if err := cfg.Check(); err != nil {
		return nil, badFile(err)
	}
	return cfg, nil
}

// overrule lets what was given on the command line take the place of the file.
func (c *serveCommand) overrule(cfg *config.Config) error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return usagef("--tls-cert and --tls-key belong together")
	}
	givenList(&cfg.Listen, c.Listen)
	givenList(&cfg.Origins, c.Origin)
	givenList(&cfg.PublicURL, c.PublicURL)
	given(&cfg.UI, c.UI)
	given(&cfg.TLS.Cert, c.TLSCert)
	given(&cfg.TLS.Key, c.TLSKey)
	c.rarerFlags.overrule(cfg)
	c.limitFlags.overrule(&cfg.Limits)
	return c.addTargets(cfg)
}

func (c *serveCommand) addTargets(cfg *config.Config) error {
	if cfg.Targets == nil {
		cfg.Targets = map[string]config.Target{}
	}
	for name, addr := range c.Target {
		t, err := bridge.ParseTarget(addr)
		if err != nil {
			return usagef("--target %s=%s: %v", name, addr, err)
		}
		target := cfg.Targets[name] // what the file demands of clients stays
		target.Address = config.Address{Network: t.Network, Address: t.Address}
		cfg.Targets[name] = target
	}
	return nil
}
