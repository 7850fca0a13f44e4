package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/handlers"

	"nbdbridge/bridge"
)

// drainTimeout bounds how long the end of the process waits for its sessions.
const drainTimeout = 10 * time.Second

type serveCommand struct {
	Listen    string            `default:"127.0.0.1:8080" placeholder:"ADDR" help:"HOST:PORT to listen on (default ${default})."`
	Target    map[string]string `required:"" mapsep:"none" placeholder:"NAME=ADDR" help:"An NBD server under the name that clients ask for, at tcp://HOST:PORT or unix:///PATH. Repeatable. Clients reach these and nothing else."`
	Origin    []string          `sep:"none" placeholder:"ORIGIN" help:"A further origin whose pages may connect and, with --ui, import the package: SCHEME://HOST[:PORT] as browsers send it, such as https://app.example; no wildcards. Repeatable (default: none)."`
	TLSCert   string            `name:"tls-cert" placeholder:"FILE" help:"PEM file of the bridge's own certificate, with its chain: serve https and wss (default: http and ws). It has nothing to do with the TLS session between client and NBD server."`
	TLSKey    string            `name:"tls-key" placeholder:"FILE" help:"PEM file of its private key; needed with --tls-cert."`
	PublicURL string            `name:"public-url" placeholder:"URL" help:"Where browsers see this bridge, such as https://bridge.example. Its host is the only one that is answered (default: http or https at 127.0.0.1, localhost and [::1], with the port of --listen)."`
	UI        bool              `name:"ui" help:"Also serve the JavaScript package at /client/ and the pages at /demo/ (default: only /nbd/)."`
}

// Help is shown by --help.
func (*serveCommand) Help() string {
	return `A client asks for ws://HOST/nbd/NAME and is relayed to the target of that name, bytes untouched:

  bridge serve --target lab7=tcp://10.0.0.5:10809 --origin https://app.example

Only a request whose Host is that of --public-url is answered, any other with 421. Pages of that URL's origin and of --origin may connect; native tools, which send no origin, always may.

At most 1000 sessions run at once. A target has 10 s to accept a connection. Clients are pinged every 25 s, and one without a sign of life for 75 s is cut; no session is cut for being idle.

SIGINT and SIGTERM end it: every session is closed with code 4503, which asks the client to connect again, and gets 10 s for its last bytes.`
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
	for _, host := range loopbackNames(addr) {
		urls = append(urls, scheme+"://"+net.JoinHostPort(host, port))
	}
	return urls
}

// loopbackNames begins with the one that is listened at, if it is one of them.
func loopbackNames(addr net.Addr) []string {
	names := []string{"127.0.0.1", "localhost", "::1"}
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		own := tcp.IP.String()
		names = slices.DeleteFunc(names, func(name string) bool { return name == own })
		names = slices.Insert(names, 0, own)
	}
	return names
}

// warn speaks up where tokens and target names would cross a network in the
// clear, and where nobody on that network would be answered.
func (s *site) warn(addr net.Addr) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() {
		return
	}
	if s.certificate == nil {
		s.log.Warn("listening beyond this machine without TLS: everyone on the way can read target names and tokens, "+
			"and change the pages that are served; give --tls-cert and --tls-key, or put a TLS proxy in front", "listen", addr.String())
	}
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
	allowing := handlers.CORS(handlers.AllowedOrigins(s.origins), handlers.AllowedMethods([]string{"GET", "HEAD"}))(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Origin") // the library says so to some only
		allowing.ServeHTTP(w, r)
	})
}

type recoveryLog struct{ log *slog.Logger }

func (r recoveryLog) Println(v ...any) { r.log.Error("panic in a request", "panic", fmt.Sprint(v...)) }
