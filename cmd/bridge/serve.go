package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/handlers"

	"nbdbridge/bridge"
)

// drainTimeout bounds how long the end of the process waits for its sessions.
const drainTimeout = 10 * time.Second

type serveCommand struct {
	Listen    string            `default:"127.0.0.1:8080" placeholder:"ADDR" help:"HOST:PORT to listen on (default ${default})."`
	Target    map[string]string `required:"" mapsep:"none" placeholder:"NAME=ADDR" help:"An NBD server under the name that clients ask for, at tcp://HOST:PORT or unix:///PATH. Repeatable. Clients reach these and nothing else."`
	Origin    []string          `sep:"none" placeholder:"ORIGIN" help:"A further origin whose pages may connect, exactly, such as https://app.example. Repeatable."`
	TLSCert   string            `name:"tls-cert" placeholder:"FILE" help:"PEM file of the bridge's own certificate: serve https and wss."`
	TLSKey    string            `name:"tls-key" placeholder:"FILE" help:"PEM file of its private key."`
	PublicURL string            `name:"public-url" placeholder:"URL" help:"Where browsers see this bridge, such as https://bridge.example. It defines the same origin and the only Host that is answered (default: the loopback names of --listen)."`
	UI        bool              `name:"ui" help:"Also serve the JavaScript package and the demo pages."`
}

func (c *serveCommand) Run(ctx context.Context, log *slog.Logger) error {
	targets := bridge.Targets{}
	for name, addr := range c.Target {
		t, err := bridge.ParseTarget(addr)
		if err != nil {
			return usagef("--target %s=%s: %v", name, addr, err)
		}
		targets[name] = t
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return usagef("--tls-cert and --tls-key belong together")
	}
	s := &site{listen: c.Listen, publicURL: c.PublicURL, origins: c.Origin, targets: targets, log: log}
	if c.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return fmt.Errorf("--tls-cert: %w", err)
		}
		s.certificate = &pair
	}
	if c.UI {
		ui, err := newAssets()
		if err != nil {
			return err
		}
		s.ui = ui
	}
	return s.run(ctx, func(base string) {
		log.Info("serving", "url", base, "targets", len(targets), "ui", c.UI)
	})
}

// A site is one HTTP listener with the bridge on it, and the pages if asked.
type site struct {
	listen, publicURL string
	origins           []string
	targets           bridge.TargetSource
	certificate       *tls.Certificate
	ui                http.Handler // nil for none
	log               *slog.Logger
}

// run serves until ctx ends, then drains. ready is told the base URL.
func (s *site) run(ctx context.Context, ready func(base string)) error {
	l, err := net.Listen("tcp", s.listen)
	if err != nil {
		return fmt.Errorf("%w\nChoose another address with --listen", err)
	}
	defer l.Close()
	public := s.public(l.Addr())
	h := &bridge.Handler{Targets: s.targets, PublicURL: public, Origins: s.origins, Log: s.log}
	if err := h.Validate(); err != nil {
		return usageError{err}
	}
	s.warn(l.Addr())
	server := &http.Server{
		Handler:           s.routes(h),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	if s.certificate != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*s.certificate}, MinVersion: tls.VersionTLS12})
	}
	ready(public[0])
	return serveAndDrain(ctx, server, l, h)
}

func serveAndDrain(ctx context.Context, server *http.Server, l net.Listener, h *bridge.Handler) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	err := errors.Join(h.Shutdown(drain), server.Shutdown(drain))
	<-failed
	if err != nil {
		return fmt.Errorf("draining: %w", err)
	}
	return nil
}

// public are the base URLs by which browsers may name this site; the first is
// the one to show.
func (s *site) public(addr net.Addr) []string {
	if s.publicURL != "" {
		return []string{s.publicURL}
	}
	scheme := "http"
	if s.certificate != nil {
		scheme = "https"
	}
	_, port, _ := net.SplitHostPort(addr.String())
	var urls []string
	for _, host := range []string{"127.0.0.1", "localhost", "::1"} {
		urls = append(urls, scheme+"://"+net.JoinHostPort(host, port))
	}
	return urls
}

// warn speaks up where tokens and target names would cross a network in the clear.
func (s *site) warn(addr net.Addr) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() || s.certificate != nil {
		return
	}
	s.log.Warn("listening beyond this machine without TLS: everyone on the way can read target names and tokens, "+
		"and change the pages that are served; give --tls-cert and --tls-key, or put a TLS proxy in front", "listen", addr.String())
	if s.publicURL == "" {
		s.log.Warn("only requests for loopback names are answered: give --public-url with the URL that browsers use")
	}
}

// routes is everything that the site answers.
func (s *site) routes(h *bridge.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /nbd/{target}", h)
	if s.ui != nil {
		mux.Handle("GET /{$}", http.RedirectHandler("/demo/", http.StatusFound))
		mux.Handle("GET /demo/", s.ui)
		mux.Handle("GET /client/", s.cors(s.ui))
	}
	return handlers.RecoveryHandler(handlers.RecoveryLogger(recoveryLog{s.log}))(h.Guard(mux))
}

// cors lets the pages of --origin import the package from here.
func (s *site) cors(next http.Handler) http.Handler {
	if len(s.origins) == 0 {
		return next
	}
	return handlers.CORS(handlers.AllowedOrigins(s.origins), handlers.AllowedMethods([]string{"GET", "HEAD"}))(next)
}

type recoveryLog struct{ log *slog.Logger }

func (r recoveryLog) Println(v ...any) { r.log.Error("panic in a request", "panic", fmt.Sprint(v...)) }
