package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"nbdbridge/bridge/ticket"
)

const testAudience = "https://bridge.example"

// ticketKeys are files with a private key and its public one.
func ticketKeys(t *testing.T) (private, public string) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return newFile(t, "key.pem", encode("PRIVATE KEY", der)), newFile(t, "public.pem", encode("PUBLIC KEY", spki))
}

func verifierOf(t *testing.T, file string) *ticket.Verifier {
	t.Helper()
	keys, err := ticket.OpenKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(keys.Close)
	return &ticket.Verifier{Keys: keys, Audience: testAudience, Once: new(ticket.Once)}
}

// mintTicket runs the command, and returns what it prints.
func mintTicket(t *testing.T, key string, args ...string) string {
	t.Helper()
	code, stdout, stderr := runWith(t, append([]string{"ticket", "--key", key, "--audience", testAudience}, args...)...)
	token, rest, found := strings.Cut(stdout, "\n")
	if code != 0 || stderr != "" || !found || rest != "" {
		t.Fatalf("code %d, %q, it says %s", code, stdout, stderr)
	}
	return token
}

func TestTicket(t *testing.T) {
	private, public := ticketKeys(t)
	v := verifierOf(t, public)
	token := mintTicket(t, private, "--target", "lab", "--target", "a,b", "--principal", "alice", "--ttl", "2m", "--max-session-age", "12h")
	c, err := v.Verify(t.Context(), token, "a,b")
	if err != nil {
		t.Fatal(err)
	}
	life := time.Until(c.Expires)
	if c.Principal != "alice" || !slices.Equal(c.Targets, []string{"lab", "a,b"}) || c.MaxAge != 12*time.Hour || life > 2*time.Minute || life < time.Minute {
		t.Errorf("got %+v", c)
	}
	if d, err := v.Verify(t.Context(), mintTicket(t, private, "--target", "lab"), "lab"); err != nil || len(d.ID) < 22 || d.ID == c.ID || d.MaxAge != 0 || d.Principal != "" {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestTicketRefuses(t *testing.T) {
	private, public := ticketKeys(t)
	for line, want := range map[string]string{
		"--key /no/such/file --target a":                                           "/no/such/file",
		"--key " + public + " --target a":                                          "sign no tickets",
		"--key " + newFile(t, "s", "short") + " --target a":                        "at least 32",
		"--key " + private + " --target a --ttl 0s":                                "--ttl",
		"--key " + private + " --target a --ttl -1m":                               "--ttl",
		"--key " + private + " --target a --ttl 1500ms":                            "whole seconds",
		"--key " + private + " --target a --ttl 99999h":                            "",
		"--key " + private + " --target a --max-session-age 1ms":                   "--max-session-age",
		"--key " + private + " --target a --max-session-age -1h":                   "--max-session-age",
		"--key " + private + " --target a --max-session-age 99999h":                "max_session_age",
		"--key " + private + strings.Repeat(" --target a", 65):                     "65 targets",
		"--key " + private + " --target a --principal " + strings.Repeat("x", 257): "principal",
		"--key " + private: "--target",
	} {
		code, stdout, stderr := runWith(t, append([]string{"ticket", "--audience", testAudience}, strings.Fields(line)...)...)
		if want == "" {
			if code != 0 {
				t.Errorf("%s: code %d, it says %s", line, code, stderr)
			}
			continue
		}
		if code != 2 || stdout != "" || missing(stderr, want) != "" {
			t.Errorf("%s: code %d, stdout %q, it says %s", line, code, stdout, stderr)
		}
	}
}

func TestTicketWarnsOfAReadableKey(t *testing.T) {
	private, _ := ticketKeys(t)
	if err := os.Chmod(private, 0o644); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runWith(t, "ticket", "--key", private, "--audience", testAudience, "--target", "a")
	if code != 0 || strings.Count(stdout, "\n") != 1 || missing(stderr, "every user", private, "chmod 600") != "" {
		t.Errorf("code %d, stdout %q, it says %s", code, stdout, stderr)
	}
}
