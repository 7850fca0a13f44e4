package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"

	"nbdbridge/bridge/config"
)

// hangups are the signals to reload, if there is anything to read again.
func (s *site) hangups() (signals <-chan os.Signal, stop func()) {
	if s.reread == nil {
		return nil, func() {}
	}
	c := make(chan os.Signal, 1) // one that waits is enough: it reads what is there then
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// reload takes over the configuration as it is now, all of it or nothing.
func (s *site) reload() {
	notify(s.log, reloading())
	defer notify(s.log, daemon.SdNotifyReady)
	c, err := s.reread()
	if err == nil {
		err = s.apply(c)
	}
	if err != nil {
		s.log.Error("not reloaded: all stays as it was", "error", err)
		return
	}
	s.warn(c)
	if keys := needRestart(s.config, c); len(keys) > 0 {
		s.log.Warn("some changes wait for a restart", "keys", strings.Join(keys, ", "))
	}
	s.log.Info("reloaded", "targets", len(c.Targets))
}

// apply reads keys and certificates anew before it changes anything. Sessions
// go on.
func (s *site) apply(c *config.Config) error {
	outer, err := newOuterTLS(c, s.log)
	if err != nil {
		return err
	}
	h, keys, err := s.handler(c)
	if err != nil {
		return err
	}
	if err := s.bridge.Reload(h); err != nil {
		if keys != s.keys {
			keys.Close()
		}
		return err
	}
	s.outer.replace(outer)
	s.use(c)
	s.keys.replace(keys)
	s.keys = keys
	return nil
}

// needRestart names what a running site can't change.
func needRestart(running, next *config.Config) (keys []string) {
	for _, k := range []struct {
		name string
		of   func(*config.Config) any
	}{
		{"listen", func(c *config.Config) any { return c.Listen }},
		{"ui", func(c *config.Config) any { return is(c.UI, false) }},
		{"socketMode", func(c *config.Config) any { return c.SocketMode }},
		{"tls, on or off", func(c *config.Config) any { return c.TLS.Cert != "" }},
		{"proxies.protocol", func(c *config.Config) any { return c.Proxies.Protocol }},
		{"limits.headerBytes", func(c *config.Config) any { return c.Limits.HeaderBytes }},
		{"limits.headerTimeout", func(c *config.Config) any { return c.Limits.HeaderTimeout }},
		{"admin", func(c *config.Config) any { return c.Admin }},
		{"log.format", func(c *config.Config) any { return c.Log.Format }},
	} {
		if !reflect.DeepEqual(k.of(running), k.of(next)) {
			keys = append(keys, k.name)
		}
	}
	return keys
}

// is reads a switch that may not be set.
func is(set *bool, otherwise bool) bool {
	if set == nil {
		return otherwise
	}
	return *set
}

// notify tells systemd, if it started us and wants to know: sd_notify(3).
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd can't be told", "state", state, "error", err)
	}
}

// reloading says since when, for units of Type=notify-reload.
func reloading() string {
	return fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, monotonic().Microseconds())
}
