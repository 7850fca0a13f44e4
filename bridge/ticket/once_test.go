package ticket_test

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/bridge/ticket"
)

// mint makes a ticket for lab by the secret.
func mint(t testing.TB, id string, life time.Duration) string {
	t.Helper()
	token, err := ticket.Mint(newKey(t, secret), ticket.Claims{Audience: audience, Targets: []string{"lab"}, ID: id, Expires: time.Now().Add(life)})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestOnce(t *testing.T) {
	v := verifier(t, secret)
	v.Once = new(ticket.Once)
	token := mint(t, "1", time.Minute)
	for range 3 { // a ticket for another target is not used up
		if _, err := v.Verify(t.Context(), token, "other"); err != ticket.ErrTarget {
			t.Errorf("error %v", err)
		}
	}
	if _, err := v.Verify(t.Context(), token, "lab"); err != nil {
		t.Error(err)
	}
	later := verifier(t, secret) // as a reload makes one
	later.Once = v.Once
	for _, again := range []string{token, mint(t, "1", 2*time.Minute)} {
		c, err := later.Verify(t.Context(), again, "lab")
		if wantRefusal(t, err, again, "was used before"); c.ID != "" {
			t.Error("the claims of a refused ticket were returned")
		}
	}
	_, err := v.Verify(t.Context(), mint(t, "", time.Minute), "lab")
	wantRefusal(t, err, "", "has no jti")
}

func TestWithoutOnce(t *testing.T) {
	v, token := verifier(t, secret), mint(t, "1", time.Minute)
	for range 2 {
		if _, err := v.Verify(t.Context(), token, "lab"); err != nil {
			t.Error(err)
		}
	}
}

func TestOneWins(t *testing.T) {
	v := verifier(t, secret)
	v.Once = new(ticket.Once)
	for n := range 20 {
		token := mint(t, strconv.Itoa(n), time.Minute)
		var wins atomic.Int32
		var users sync.WaitGroup
		for range 8 {
			users.Go(func() {
				if _, err := v.Verify(t.Context(), token, "lab"); err == nil {
					wins.Add(1)
				}
			})
		}
		users.Wait()
		if wins.Load() != 1 {
			t.Fatalf("%d of two uses won", wins.Load())
		}
	}
}

// An ID is remembered as long as its ticket is accepted, and no longer.
func TestOnceForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := verifier(t, secret)
		v.Once = new(ticket.Once)
		token := mint(t, "1", time.Minute)
		if _, err := v.Verify(t.Context(), token, "lab"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute + ticket.Leeway - time.Millisecond)
		_, err := v.Verify(t.Context(), token, "lab")
		wantRefusal(t, err, token, "was used before")
		time.Sleep(time.Second)
		_, err = v.Verify(t.Context(), token, "lab")
		wantRefusal(t, err, token, "expired 6s ago")
		if _, err = v.Verify(t.Context(), mint(t, "1", time.Minute), "lab"); err != nil {
			t.Errorf("an ID of long ago: %v", err)
		}
	})
}

// A full memory refuses, and what was used stays used.
func TestOnceIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := verifier(t, secret)
		v.Once = new(ticket.Once)
		first := mint(t, "first", 2*time.Minute)
		if _, err := v.Verify(t.Context(), first, "lab"); err != nil {
			t.Fatal(err)
		}
		for n := range ticket.MaxUsed - 1 {
			if err := v.Once.Use(strconv.Itoa(n), time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		_, err := v.Verify(t.Context(), mint(t, "more", time.Minute), "lab")
		wantRefusal(t, err, "", "shorter life")
		_, err = v.Verify(t.Context(), first, "lab")
		wantRefusal(t, err, "", "was used before")
		time.Sleep(time.Minute + ticket.Leeway)
		if _, err := v.Verify(t.Context(), mint(t, "more", time.Minute), "lab"); err != nil {
			t.Errorf("after the others have expired: %v", err)
		}
		_, err = v.Verify(t.Context(), first, "lab")
		wantRefusal(t, err, "", "was used before")
		if n := v.Once.Len(); n != 2 {
			t.Errorf("%d are remembered, want 2", n)
		}
	})
}

// Between its check and its use a ticket may expire, and be forgotten.
func TestOnceIsLate(t *testing.T) {
	var once ticket.Once
	err := once.Use("1", time.Now().Add(-ticket.Leeway))
	if err == nil || !strings.Contains(err.Error(), "expired while") {
		t.Errorf("error %v", err)
	}
}
