package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"nbdbridge/bridge/listen"
)

const (
	// lastBytes is how long sessions that are closed at the end have to hand
	// over their last bytes.
	lastBytes = 10 * time.Second
	// maxWaiting bounds the connections that have not sent the headers of a
	// request, be it the first one or the next, and those that are being
	// answered, on all listeners together.
	maxWaiting = 1000
	// keptAlive is how long a connection may wait for its next request.
	keptAlive = 2 * time.Minute
	// answerTime is what a client may take for an answer; a session is none.
	answerTime = 2 * time.Minute
)

// serve answers on every listener until ctx ends or one of them fails.
func (s *site) serve(ctx context.Context, listeners []net.Listener, hangups <-chan os.Signal) error {
	server := s.server()
	failed := make(chan error, len(listeners))
	var running sync.WaitGroup
	for _, l := range listeners {
		if s.outer != nil {
			l = tls.NewListener(l, s.outer.config())
		}
		running.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
	}
	notify(s.log, daemon.SdNotifyReady)
	err := s.watch(ctx, failed, hangups)
	s.drain(server)
	running.Wait()
	return err
}

// watch reloads when told to, and returns when it is time to end.
func (s *site) watch(ctx context.Context, failed <-chan error, hangups <-chan os.Signal) error {
	for {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
		case <-hangups:
			s.reload()
		}
	}
}

// server has the limits of the configuration.
func (s *site) server() *http.Server {
	limits := s.config.Limits
	waiting := newLobby(maxWaiting, slog.New(&sparse{Handler: s.log.Handler()}))
	server := &http.Server{
		Handler:           waiting.heard(s.outer.guard(s)),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      answerTime,
		IdleTimeout:       keptAlive,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(&sparse{Handler: s.log.Handler()}, slog.LevelWarn),
		ConnState:         waiting.state,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return waiting.context(listen.ConnContext(ctx, c), c)
		},
	}
	if limits.HeaderTimeout > 0 {
		server.ReadHeaderTimeout = time.Duration(limits.HeaderTimeout)
	}
	if limits.HeaderBytes > 0 {
		server.MaxHeaderBytes = int(limits.HeaderBytes)
	}
	// No request has a body for us, and the server would wait for one for ever.
	server.ReadTimeout = server.ReadHeaderTimeout
	return server
}

// defaultDrain is how long sessions may go on at the end.
const defaultDrain = 10 * time.Second

// drain refuses newcomers, and gives the sessions that are there their time.
func (s *site) drain(server *http.Server) {
	notify(s.log, daemon.SdNotifyStopping)
	grace := time.Duration(s.now.Load().Limits.Drain)
	if grace == 0 {
		grace = defaultDrain
	}
	grace = max(0, grace)
	s.log.Info("draining", "sessions", len(s.bridge.Sessions()), "grace", grace)
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	_ = s.bridge.Drain(ctx) // Shutdown ends those who stay
	end, cancel := context.WithTimeout(context.Background(), lastBytes)
	defer cancel()
	if err := errors.Join(s.bridge.Shutdown(end), server.Shutdown(end)); err != nil {
		s.log.Warn("some clients were cut before they took their last bytes", "error", err)
		server.Close()
	}
}
