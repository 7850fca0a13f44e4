package bridge_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"nbdbridge/bridge"
)

// wantEndAfter reads frames up to a Close with a code, and tells when it came.
// Pings are answered.
func wantEndAfter(t *testing.T, client *raw, code websocket.StatusCode, after time.Duration) {
	t.Helper()
	begin := time.Now()
	for {
		head, payload, err := client.next()
		if err != nil {
			t.Fatal(err)
		}
		if head == 0x89 {
			client.send(t, 0x8a, payload)
			continue
		}
		if got := websocket.StatusCode(payload[0])<<8 | websocket.StatusCode(payload[1]); head != 0x88 || got != code {
			t.Errorf("frame %x, code %d, want %d", head, got, code)
		}
		break
	}
	if took := time.Since(begin); took != after {
		t.Errorf("the session ended after %s, want %s", took, after)
	}
	client.send(t, 0x88, nil)
}

func TestSessionAge(t *testing.T) {
	for name, c := range map[string]struct{ limit, grant, want time.Duration }{
		"the bridge's":                {time.Hour, 0, time.Hour},
		"the grant's":                 {0, time.Minute, time.Minute},
		"the grant's, sooner":         {time.Hour, time.Minute, time.Minute},
		"the bridge's, sooner":        {time.Minute, time.Hour, time.Minute},
		"the grant's, without limit":  {-1, time.Minute, time.Minute},
		"a grant that is over":        {time.Hour, -time.Second, 0},
		"a grant that is over, alone": {0, -1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := &bridge.Handler{
				Limits:    bridge.Limits{SessionAge: c.limit},
				Authorize: func(*http.Request, string) (bridge.Grant, error) { return bridge.Grant{MaxAge: c.grant}, nil },
			}
			bubbleOf(t, h, func(t *testing.T, client *raw, target net.Conn) {
				wantEndAfter(t, client, bridge.StatusSessionAge, c.want)
				wantEnd(t, target, time.Now(), 0, 0)
			})
		})
	}
}

// Without a limit on their age, sessions last.
func TestNoSessionAge(t *testing.T) {
	bubble(t, bridge.Limits{}, func(t *testing.T, client *raw, target net.Conn) {
		time.AfterFunc(50*time.Hour, func() { target.Close() })
		wantEndAfter(t, client, websocket.StatusNormalClosure, 50*time.Hour)
	})
}

func TestSessions(t *testing.T) {
	targets, conns := newTarget(t)
	h := &bridge.Handler{Targets: targets, Authorize: alice}
	base := serve(t, h)
	if got := h.Sessions(); len(got) != 0 {
		t.Errorf("before the first: %v", got)
	}
	var clients []*websocket.Conn
	for i := range 20 {
		clients = append(clients, dial(t, base, "lab", "User", fmt.Sprint("user", i), "Origin", base))
		receive(t, conns)
	}
	wantClose(t, dial(t, base, "lab"), bridge.StatusUnauthorised) // is not listed
	got := h.Sessions()
	if len(got) != 20 || !slices.IsSortedFunc(got, func(a, b bridge.SessionInfo) int { return int(a.ID) - int(b.ID) }) {
		t.Fatalf("sessions: %+v", got)
	}
	for i, s := range got {
		if s.Target != "lab" || s.Principal != fmt.Sprint("user", i) || s.Origin != base || !strings.HasPrefix(s.Remote, "127.0.0.1:") || s.Age <= 0 || time.Since(s.Begin) < s.Age {
			t.Errorf("%+v", s)
		}
	}
	_ = clients[2].Write(context.Background(), websocket.MessageBinary, make([]byte, 1000))
	waitFor(t, func() bool { return h.Sessions()[2].Up == 1000 })
}

func TestEndSession(t *testing.T) {
	var log logbook
	targets, conns := newTarget(t)
	h := &bridge.Handler{Targets: targets, Log: log.logger()}
	base := serve(t, h)
	c := dial(t, base, "lab")
	target := receive(t, conns)
	id := h.Sessions()[0].ID
	if h.EndSession(id+1) || h.EndSession(0) {
		t.Error("a session ended that is not there")
	}
	if !h.EndSession(id) {
		t.Error("there is no session to end")
	}
	wantReason(t, c, bridge.StatusEnded, "the operator ended the session")
	target.Close()
	waitFor(t, func() bool { return !h.EndSession(id) })
	wantWords(t, log.String(), `msg="session ended"`, "code=4011")
	dial(t, base, "lab")
	receive(t, conns)
	if next := h.Sessions()[0].ID; next == id {
		t.Errorf("the ID %d is used twice", id)
	}
}

// A session can be ended while its target is dialled.
func TestEndSessionWhileDialling(t *testing.T) {
	h := &bridge.Handler{Targets: lab, Dial: func(ctx context.Context, _ bridge.Target) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	c := dial(t, serve(t, h), "lab")
	waitFor(t, func() bool { return len(h.Sessions()) == 1 })
	h.EndSession(h.Sessions()[0].ID)
	wantClose(t, c, bridge.StatusEnded)
}

// A thousand sessions begin and end in random order, by either side, and leave
// nothing behind.
func TestThousandSessions(t *testing.T) {
	const all, atOnce = 1000, 100
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	targets, conns := newTarget(t)
	h := &bridge.Handler{Targets: targets, Limits: bridge.Limits{AddressRate: -1}}
	base := serve(t, h)
	type session struct {
		client *websocket.Conn
		target *net.TCPConn
	}
	var open []session
	for begun := 0; begun < all || len(open) > 0; {
		if begun < all && (len(open) == 0 || len(open) < atOnce && random.IntN(2) == 0) {
			c := dial(t, base, "lab")
			open = append(open, session{c, receive(t, conns)})
			begun++
			continue
		}
		i := random.IntN(len(open))
		s := open[i]
		open = slices.Delete(open, i, i+1)
		switch random.IntN(4) {
		case 0:
			s.target.Close()
			wantClose(t, s.client, websocket.StatusNormalClosure)
		case 1:
			_ = s.target.SetLinger(0)
			_, _ = s.target.Write(make([]byte, random.IntN(1<<16)))
			s.target.Close()
			_ = s.client.CloseNow()
		case 2:
			_ = s.client.CloseNow()
		case 3:
			_ = s.client.Write(context.Background(), websocket.MessageBinary, make([]byte, random.IntN(1<<16)))
			go func() { _, _ = readEnd(s.target); s.target.Close() }()
			_ = s.client.Close(websocket.StatusNormalClosure, "")
		}
		s.target.Close()
	}
	waitFor(t, func() bool { return len(h.Sessions()) == 0 })
}
