package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// openssl alone tells whether a log is what the examiner has signed.
func TestAcquireSigns(t *testing.T) {
	need(t, "openssl", "openssl")
	l := newLab(t, randomDisk(t, 1<<20))
	for name, args := range map[string][]string{
		"pkcs8": {"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"},
		"sec1":  {"ecparam", "-genkey", "-name", "prime256v1", "-out"},
	} {
		key, public, image := l.image(name+".key"), l.image(name+".pub"), l.image(name+".img")
		must(t, "openssl", append(args, key)...)
		must(t, "openssl", "pkey", "-in", key, "-pubout", "-out", public)
		if err := os.Chmod(key, 0o600); err != nil {
			t.Fatal(err)
		}
		stdout, _ := l.acquire(t, 0, image, "--sign-key", key)
		log, signature := image+".log.json", image+".log.json.sig"
		if missing(stdout, "signature: "+signature) != "" {
			t.Error(stdout)
		}
		if got := must(t, "openssl", "dgst", "-sha256", "-verify", public, "-signature", signature, log); missing(got, "Verified OK") != "" {
			t.Error(got)
		}
		want, _ := os.ReadFile(public)
		if s := readLog(t, image).Signer; s == nil || s.PublicKey != string(want) {
			t.Errorf("%+v, want %s", s, want)
		}
		flip(t, log)
		if out, err := exec.Command("openssl", "dgst", "-sha256", "-verify", public, "-signature", signature, log).CombinedOutput(); err == nil {
			t.Errorf("a log that was changed is verified: %s", out)
		}
	}
}

func TestParseSignKey(t *testing.T) {
	need(t, "openssl", "openssl")
	for args, want := range map[string]string{
		"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384":                                   "want an ECDSA key on P-256",
		"genpkey -algorithm ED25519":                                                               "want an ECDSA key on P-256",
		"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -pass pass:x":              "the key is encrypted",
		"ecparam -name prime256v1":                                                                 "no private key",
		"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256":                                   "",
		"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve": "",
	} {
		text, err := exec.Command("openssl", strings.Fields(args)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		_, err = parseSignKey(text)
		if (err == nil) != (want == "") || err != nil && missing(err.Error(), want) != "" {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
