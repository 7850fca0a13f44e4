package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"nbdbridge/bridge/admin"
	"nbdbridge/bridge/listen"
)

// operator serves the admin listener, if there is one, until it is closed.
func (s *site) operator() (closer, error) {
	a := s.config.Admin
	if a.Listen == "" {
		return nil, nil
	}
	l, err := listen.Listen(string(a.Listen), listen.Options{}) // the default mode, whatever socketMode is
	if err != nil {
		return nil, fmt.Errorf("admin.listen: %w", err)
	}
	if !loopback(l.Addr()) {
		s.log.Warn("the admin listener is reachable beyond this machine, and asks nobody for a password", "listen", l.Addr().String())
	}
	server := &http.Server{
		Handler: &admin.Handler{
			Bridge: s.bridge, Metrics: s.metrics(), Ready: s.ready(), Hosts: append(hostsOf(l.Addr()), a.Hosts...), Pprof: a.Pprof,
		},
		ReadHeaderTimeout: 5 * time.Second, IdleTimeout: keptAlive, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	s.log.Info("serving the operator", "listen", l.Addr().String())
	return func() {
		server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the admin listener ended", "error", err)
		}
	}, nil
}

// hostsOf are the loopback names of a listener, as a Host header has them.
func hostsOf(addr net.Addr) (hosts []string) {
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return nil
	}
	for _, name := range loopbackNames(addr) {
		hosts = append(hosts, net.JoinHostPort(name, port))
	}
	return hosts
}

func (s *site) metrics() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), s.bridge)
	return registry
}

// ready is what /readyz asks.
func (s *site) ready() func(context.Context) error {
	var targets prober
	return func(ctx context.Context) error {
		switch {
		case s.bridge.Draining():
			return errors.New("the bridge is shutting down")
		case s.config.Admin.ProbeTargets:
			return targets.probe(ctx, s.now.Load())
		}
		return nil
	}
}
