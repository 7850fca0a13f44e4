// Command embed is a bridge in a program of one's own: see docs/embedding.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"nbdbridge/bridge"
)

// A site is what this program knows, of a file; yours may ask a database.
type site struct {
	PublicURL string
	Disks     bridge.Targets    // by name, each with the users that it is for
	Logins    map[string]string // users, by the key that their page was given
}

// load makes a handler of what the file says now.
func load(file string) (*bridge.Handler, error) {
	var s site
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return &bridge.Handler{Targets: s, PublicURL: []string{s.PublicURL}, Authorize: s.authorize,
		Limits: bridge.Limits{SessionsPerPrincipal: 10}}, err
}

// Target makes a site a bridge.TargetSource: every address comes from here.
func (s site) Target(name string) (bridge.Target, bool) { return s.Disks.Target(name) }

// authorize looks for the key that the page gave to open() as its token. A
// cookie would not do: browsers send it for pages of any site.
func (s site) authorize(r *http.Request, _ string) (bridge.Grant, error) {
	for offer := range strings.SplitSeq(r.Header.Get("Sec-WebSocket-Protocol"), ",") {
		key := strings.TrimPrefix(strings.TrimSpace(offer), "bearer.")
		if user, known := s.Logins[key]; known {
			return bridge.Grant{Principal: user, MaxAge: 12 * time.Hour}, nil
		}
	}
	return bridge.Grant{}, errors.New("no such login")
}

// routes are the bridge beside the program's own pages, which Guard holds to
// PublicURL's host too, and its metrics, which are not for the world.
func routes(h *bridge.Handler, pages http.Handler) (public, private http.Handler) {
	mux, registry := http.NewServeMux(), prometheus.NewRegistry()
	mux.Handle("GET /nbd/{target}", h)
	mux.Handle("/", pages)
	registry.MustRegister(h)
	return h.Guard(mux), promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

func reload(h *bridge.Handler, file string) error {
	next, err := load(file)
	if err == nil {
		err = h.Reload(next)
	}
	return err
}

// drain lets sessions end by themselves for a while, and ends the rest:
// http.Server forgets what became a WebSocket.
func drain(server *http.Server, h *bridge.Handler, while time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), while)
	_ = h.Drain(ctx)
	cancel()
	ctx, cancel = context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(h.Shutdown(ctx), server.Shutdown(ctx))
}

func main() {
	h, err := load("site.json")
	if err != nil {
		log.Fatal(err)
	}
	public, private := routes(h, http.FileServer(http.Dir("pages")))
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: public, ReadHeaderTimeout: 5 * time.Second}
	go func() { log.Print(server.ListenAndServe()) }()
	go func() { log.Print(http.ListenAndServe("127.0.0.1:9090", private)) }()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, os.Interrupt)
	for <-signals == syscall.SIGHUP {
		log.Print("reload: ", reload(h, "site.json"))
	}
	log.Print("drain: ", drain(server, h, 10*time.Second))
}
