package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gorilla/handlers"

	"nbdbridge/bridge"
	"nbdbridge/bridge/config"
	"nbdbridge/bridge/listen"
	"nbdbridge/bridge/ticket"
)

// A site is the bridge on its listeners, with the pages if asked.
type site struct {
	config *config.Config // as it was at the start
	// reread reads the configuration anew, on SIGHUP; nil leaves that signal
	// alone.
	reread func() (*config.Config, error)
	ui     http.Handler // nil for none
	log    *slog.Logger
	level  slog.LevelVar // of log, if that heeds it

	once   ticket.Once // of all configurations, so that a reload forgets no ticket
	at     []net.Addr  // of the listeners
	public []string    // PublicURL, if the configuration has none
	bridge *bridge.Handler
	keys   *keyring  // of the tickets that are checked now
	outer  *outerTLS // nil for none
	now    atomic.Pointer[config.Config]
	front  atomic.Pointer[http.Handler] // what requests go to
}

// run serves until ctx ends, then drains. ready is told the base URL.
func (s *site) run(ctx context.Context, ready func(base string)) error {
	hangups, stop := s.hangups()
	defer stop()
	listeners, err := s.listen()
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	s.at = addresses(listeners)
	if err := s.begin(); err != nil {
		return err
	}
	defer func() { s.keys.Close() }()
	operator, err := s.operator()
	if err != nil {
		return err
	}
	defer operator.Close()
	s.warn(s.config)
	ready(s.bridge.PublicURL[0])
	return s.serve(ctx, listeners, hangups)
}

func (s *site) warn(c *config.Config) {
	for _, text := range warnings(c, s.at) {
		s.log.Warn(text)
	}
}

const defaultListen = "127.0.0.1:8080"

// listen opens every listener, or none.
func (s *site) listen() (listeners []net.Listener, err error) {
	from := s.config.Listen
	if len(from) == 0 {
		from = []config.Listener{defaultListen}
	}
	for _, address := range from {
		l, err := listen.Listen(string(address), listen.Options{
			Mode: uint32(s.config.SocketMode), ProxyProtocol: proxies(s.config.Proxies.Protocol),
			HeaderTimeout: time.Duration(s.config.Limits.HeaderTimeout), Log: s.log,
		})
		if err != nil {
			closeAll(listeners)
			return nil, fmt.Errorf("%w\nChoose another address with --listen", err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

func addresses(listeners []net.Listener) (all []net.Addr) {
	for _, l := range listeners {
		all = append(all, l.Addr())
	}
	return all
}

func proxies(from []config.Peer) (p listen.Proxies) {
	for _, peer := range from {
		p.Unix = p.Unix || peer.Unix
		if !peer.Unix {
			p.Networks = append(p.Networks, peer.Network)
		}
	}
	return p
}

// begin makes everything of the configuration that a request needs.
func (s *site) begin() error {
	s.public = publicURLs(s.at, s.config.TLS.Cert != "")
	outer, err := newOuterTLS(s.config, s.log)
	if err != nil {
		return err
	}
	h, keys, err := s.handler(s.config)
	if err != nil {
		return err
	}
	if err := h.Validate(); err != nil {
		keys.Close()
		return usageError{err}
	}
	s.outer, s.bridge, s.keys = outer, h, keys
	s.use(s.config)
	return nil
}

// handler is the bridge of a configuration, and the keys of its tickets.
func (s *site) handler(c *config.Config) (*bridge.Handler, *keyring, error) {
	h := c.Handler()
	h.Log = s.log
	if len(h.PublicURL) == 0 {
		h.PublicURL = s.public
	}
	var keys *keyring
	var err error
	h.Authorize, keys, err = authorize(c, &s.once, s.keys)
	return h, keys, err
}

// use lets requests from now on go by a configuration.
func (s *site) use(c *config.Config) {
	front := listen.Forwarded(proxies(c.Proxies.Forwarded), s.routes(s.bridge, c.Handler().Origins))
	s.front.Store(&front)
	s.now.Store(c)
	s.level.Set(c.Log.Level.Slog())
}

// ServeHTTP answers by the newest configuration.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*s.front.Load()).ServeHTTP(w, r) }

// publicURLs are the base URLs by which browsers on this machine may name the
// listeners; the first is the one to show.
func publicURLs(at []net.Addr, secure bool) (urls []string) {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	for _, addr := range at {
		base := scheme + "://localhost" // for clients of a Unix socket
		if _, port, err := net.SplitHostPort(addr.String()); err == nil {
			for _, host := range loopbackNames(addr) {
				urls = append(urls, scheme+"://"+net.JoinHostPort(host, port))
			}
			continue
		}
		if !slices.Contains(urls, base) {
			urls = append(urls, base)
		}
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

// routes is everything that the site answers.
func (s *site) routes(h *bridge.Handler, origins []string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /nbd/{target}", h)
	if s.ui != nil {
		mux.Handle("GET /{$}", http.RedirectHandler("/demo/", http.StatusFound))
		mux.Handle("GET /demo/", s.ui)
		mux.Handle("GET /client/", cors(origins, s.ui))
	}
	return handlers.RecoveryHandler(handlers.RecoveryLogger(recoveryLog{s.log}))(h.Guard(mux))
}

// cors lets the pages of further origins import the package from here.
func cors(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	allowing := handlers.CORS(handlers.AllowedOrigins(origins), handlers.AllowedMethods([]string{"GET", "HEAD"}))(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Origin") // the library says so to some only
		allowing.ServeHTTP(w, r)
	})
}

type recoveryLog struct{ log *slog.Logger }

func (r recoveryLog) Println(v ...any) { r.log.Error("panic in a request", "panic", fmt.Sprint(v...)) }

// A closer ends what a configuration has started; nil does nothing.
type closer func()

func (c closer) Close() {
	if c != nil {
		c()
	}
}
