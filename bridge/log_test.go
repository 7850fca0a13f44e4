package bridge_test

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/bridge"
)

func TestRefusalLog(t *testing.T) {
	var log logbook
	h := &bridge.Handler{Targets: lab, Log: log.logger(), Authorize: func(*http.Request, string) (bridge.Grant, error) {
		return bridge.Grant{Principal: "eve"}, errors.New("ticket expired")
	}}
	base := serve(t, h)
	wantClose(t, dial(t, base, "lab", "Origin", base), bridge.StatusUnauthorised)
	waitFor(t, func() bool { return strings.Contains(log.String(), "\n") })
	wantWords(t, log.String(), `msg="session refused"`, "target=lab", "remote=127.0.0.1:", "origin="+base, "principal=eve",
		"code=4001", `reason="not authorised"`, `cause="ticket expired"`)
	if got := log.String(); strings.Count(got, "\n") != 1 || strings.Contains(got, "omitted") {
		t.Errorf("log: %s", got)
	}
}

// Nothing that a client sends makes a line long.
func TestLogIsClipped(t *testing.T) {
	var log logbook
	long := strings.Repeat("x", 2000)
	h := &bridge.Handler{Targets: lab, Log: log.logger(), Authorize: func(*http.Request, string) (bridge.Grant, error) {
		return bridge.Grant{Principal: long}, errors.New(long)
	}, Origins: []string{"https://" + long}}
	wantClose(t, dial(t, serve(t, h), long, "Origin", "https://"+long), bridge.StatusUnauthorised)
	waitFor(t, func() bool { return log.String() != "" })
	if n := len(log.String()); n > 1200 {
		t.Errorf("a line of %d bytes: %s", n, log.String())
	}
}

// A flood of refused clients fills no disk, and is not passed over in silence.
func TestRefusalLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logbook
		h := newKnocked(bridge.Limits{AddressRate: 0.001})
		h.Log = log.logger()
		knock(h, "192.0.2.1:1") // can't be taken over: a line too
		for range 10_000 {
			wantStatus(t, h, "192.0.2.1:1", tooFast)
		}
		if n := strings.Count(log.String(), "\n"); n != 100 {
			t.Errorf("%d lines", n)
		}
		time.Sleep(100 * time.Millisecond)
		wantStatus(t, h, "192.0.2.1:1", tooFast)
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		found := regexp.MustCompile(`omitted=(\d+)`).FindStringSubmatch(lines[len(lines)-1])
		if found == nil {
			t.Fatalf("the last line: %s", lines[len(lines)-1])
		}
		if n, _ := strconv.Atoi(found[1]); n != 9901 {
			t.Errorf("%d were omitted", n)
		}
		wantWords(t, lines[len(lines)-1], "code=429", "remote=192.0.2.1:1")
	})
}
