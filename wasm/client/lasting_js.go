package main

import (
	"context"
	"crypto/tls"
	"net"
	"syscall/js"
	"time"

	"nbdbridge/nbd"
)

// maxUnflushed is how much of what was written and not flushed is kept for a
// server that restarts, in bytes. It lies in the memory of Go, which only ever
// grows: 64 MiB, nbd's default, would stay with the page for good. A disk that
// is written faster than it is flushed is flushed once for each 16 MiB.
const maxUnflushed = 16 << 20

// A disk is what a session works on.
type disk interface {
	Info() *nbd.ExportInfo
	TLS() *tls.ConnectionState
	ReadOnly() bool
	MetaContexts() []string
	Read(ctx context.Context, p []byte, off int64) error
	Write(ctx context.Context, p []byte, off int64, f nbd.Flags) error
	Flush(ctx context.Context) error
	Trim(ctx context.Context, off, length int64, f nbd.Flags) error
	WriteZeroes(ctx context.Context, off, length int64, f nbd.Flags) error
	Cache(ctx context.Context, off, length int64) error
	BlockStatus(ctx context.Context, off, length int64, f nbd.Flags, contexts ...string) (map[string][]nbd.Extent, error)
	Check(ctx context.Context, within time.Duration) error
	Wait() error
	Close() error
}

// hooks are what the worker gives to open: functions, or undefined. token
// returns a promise of a ticket. event is told of outages.
type hooks struct{ token, event js.Value }

func hooksOf(v js.Value) hooks {
	if v.Type() != js.TypeObject {
		return hooks{}
	}
	return hooks{token: v.Get("token"), event: v.Get("event")}
}

// opens connects, for one connection or for as many as it takes.
func (s *session) opens(ctx context.Context, o *options, h hooks) (disk, error) {
	by := tickets{fixed: o.token, ask: h.token}
	if o.giveUpAfter > 0 {
		return s.lasting(ctx, o, h, by)
	}
	client, err := s.connect(ctx, o, by)
	if err != nil {
		return nil, err
	}
	d, err := client.Open(ctx, o.export)
	if err != nil {
		_ = client.Abort(ctx)
		return nil, err
	}
	return d, nil
}

func (s *session) lasting(ctx context.Context, o *options, h hooks, by tickets) (disk, error) {
	cfg := &nbd.RedialConfig{Config: o.cfg, GiveUpAfter: o.giveUpAfter, MaxUnflushed: maxUnflushed}
	cfg.Events = (&teller{session: s, tls: &o.cfg.TLS, hook: h.event}).tell
	d, err := nbd.Redial(ctx, func(ctx context.Context) (net.Conn, error) {
		unsigned(&o.cfg.TLS)
		c, err := dial(ctx, o.url, by)
		if err != nil {
			return nil, err // no *conn that is nil
		}
		return c, nil
	}, cfg, o.export)
	if err != nil {
		return nil, signing(&o.cfg.TLS, err)
	}
	return d, nil
}

// A teller hands the events of a disk to the worker.
type teller struct {
	session *session
	tls     *nbd.TLSConfig
	hook    js.Value
	opened  bool // the first connection is no event
	tried   bool // causes are those of attempts, no more that of the loss
}

// tell calls hook(kind, detail) with
//
//	"lost"      {cause}
//	"retrying"  {attempt, delay, cause}, the delay in milliseconds
//	"connected" {tls}
//	"ended"     {cause}
//
// where a cause is an object like those that calls reject with.
func (t *teller) tell(e nbd.Event) {
	detail := map[string]any{}
	switch e.Kind {
	case nbd.EventConnected:
		detail["tls"] = tlsFacts(e.TLS, t.tls)
	case nbd.EventLost:
		t.tried = false
	case nbd.EventRetrying:
		detail["attempt"], detail["delay"] = e.Attempt, e.Delay.Milliseconds()
	}
	if e.Cause != nil {
		detail["cause"] = rejection(t.described(e.Cause))
	}
	t.tried = t.tried || e.Kind == nbd.EventRetrying
	if t.opened && t.hook.Type() == js.TypeFunction {
		t.call(e.Kind.String(), detail)
	}
	t.opened = true
}

func (t *teller) described(cause error) error {
	doing := "using "
	if t.tried {
		doing = "connecting again to "
	}
	return &callError{doing: doing + t.session.where, opened: !t.tried, offset: nowhere, err: signing(t.tls, cause)}
}

// call drops what the hook throws: nobody is there to be told.
func (t *teller) call(kind string, detail map[string]any) {
	var err error
	defer catch(&err)
	t.hook.Invoke(kind, detail)
}
