package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// update writes the files of testdata anew.
var update = flag.Bool("update", false, "write the logs of testdata anew")

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("runtime.handleEvent")) // of the runtime in Node
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// at is a time of the day of all samples, in another zone than UTC.
func at(hour, minute, second int) time.Time {
	return time.Date(2026, 3, 1, hour+2, minute, second, 0, time.FixedZone("", 2*60*60)).UTC()
}

const disk = 1_000_204_886_016

// full is a log in which everything happened.
func full() *Log {
	l := &Log{
		Schema: Schema,
		Tool:   Tool{Name: "forensics", Version: "1.9.0", Revision: "0123456789ab", Platform: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
		Page: &Page{Origin: "https://lab.example", URL: "https://lab.example/forensics/", SHA256: strings.Repeat("5e", 32), Files: []PageFile{
			{"/client/client.wasm", strings.Repeat("01", 32)}, {"/forensics/index.html", strings.Repeat("23", 32)}}},
		Case:     Case{Number: "2026/117", Evidence: "7", Examiner: "M. Weiß", Description: "Disk of the file server", Notes: "Sealed bag 3381.\nLabel torn.\n  Status: Complete\n"},
		Source:   Source{Bridge: "wss://bridge.example/v1/", Target: "rack-3", Export: "sdb", Size: disk, Length: disk, ReadOnly: true, Flags: []string{"flush", "multiple connections"}, MinimumSize: 512},
		Image:    Image{Name: "2026-117-7.zst", Format: "zstd", Size: 412_345_678_901},
		Settings: Settings{Hashes: []string{"sha256", "md5"}, Retries: 2, Smallest: 4096, SkipHoles: true},
		Status:   Complete, Start: at(8, 0, 0), End: at(13, 45, 30),
		Transferred: 700_000_000_000,
		BlockStatus: BlockStatus{Asked: true, Data: 700_000_008_192, Zero: 204_886_016, Hole: 299_999_991_808, Skipped: 300_204_877_824},
		Hashes:      map[string]string{"sha256": strings.Repeat("ab", 32), "md5": strings.Repeat("cd", 16)},
	}
	l.Sessions = []Session{
		{Start: at(8, 0, 0), End: at(9, 10, 11), To: 400_000_000_000, Ended: "the server has hung up", Connection: encrypted(), Outages: []Outage{{at(8, 30, 0), at(8, 30, 12), "the bridge can't be reached"}, {at(9, 10, 0), time.Time{}, "the bridge can't be reached"}}},
		{Start: at(9, 30, 0), End: at(13, 45, 30), From: 400_000_000_000, To: disk, Ended: "it is complete", Connection: Connection{Encrypted: true, Protocol: "TLS 1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", ServerName: "nbd.example", VerifiedBy: "pin", Pin: "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}},
	}
	l.AddError(Error{at(8, 20, 0), "read", 1_048_576, 1_048_576, 19, "read of 1048576 bytes at 1048576: EIO", 4096})
	l.AddError(Error{at(8, 20, 9), "block status", 0, 1_073_741_824, 1, "the server says:\n  None.", 0})
	l.ErrorsOmitted = 3
	for _, offset := range []int64{1_052_672, 500_107_862_016, 1_056_768} {
		if err := l.AddZeroFilled(Range{offset, 4096}); err != nil {
			panic(err)
		}
	}
	l.Passes = []Pass{
		{Of: "image", Start: at(14, 0, 0), End: at(15, 0, 0), Hashes: l.Hashes, Equal: true},
		{Of: "export", Start: at(15, 0, 0), End: at(19, 0, 0), Hashes: map[string]string{"sha256": strings.Repeat("99", 32)}},
		{Of: "export", Start: at(19, 0, 1), Failed: "the server has hung up"},
	}
	l.Signer = &Signer{"ECDSA P-256, SHA-256", "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n"}
	return l
}

func encrypted() Connection {
	return Connection{Encrypted: true, Protocol: "TLS 1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", ServerName: "nbd.example", VerifiedBy: "ca+pin",
		Subject: "CN=nbd.example", Issuer: "CN=Lab CA", NotBefore: "2026-01-01T00:00:00Z", NotAfter: "2027-01-01T00:00:00Z",
		Pin: "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", Certificate: strings.Repeat("e1", 32)}
}

// paused is a log of a small part of a disk, without TLS and much else.
func paused() *Log {
	l := &Log{Schema: Schema, Tool: Tool{Name: "bridge", Version: "1.9.0", Platform: "linux/amd64"}, Status: Paused, Start: at(1, 2, 3),
		Source: Source{Server: "nbd.example:10809", Size: 1 << 30, Offset: 1 << 20, Length: 1000, MinimumSize: 1}, Image: Image{Name: "part.img", Format: "raw"},
		Settings: Settings{Hashes: []string{"sha1"}, Smallest: 512}, Transferred: 599}
	l.Sessions = []Session{{Start: at(1, 2, 3), From: 0, To: 600}}
	l.ZeroFilled = []Range{{17, 1}}
	return l
}

func writeText(t testing.TB, l *Log) string {
	t.Helper()
	var b strings.Builder
	must(t, l.WriteText(&b))
	return b.String()
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		must(t, os.WriteFile(name, got, 0o644))
	}
	want, err := os.ReadFile(name)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("this is not %s (-update writes it anew):\n%s", name, got)
	}
}

func TestGolden(t *testing.T) {
	for name, l := range map[string]*Log{"full": full(), "paused": paused()} {
		encoded, err := l.Encode()
		must(t, err)
		golden(t, name+".json", encoded)
		golden(t, name+".txt", []byte(writeText(t, l)))
		decoded, err := Decode(encoded)
		must(t, err)
		if again, err := decoded.Encode(); err != nil || !bytes.Equal(again, encoded) {
			t.Errorf("%s: decoded and encoded, it is another log, or: %v", name, err)
		}
		if name == "full" {
			l := l.filled()
			if !reflect.DeepEqual(decoded, &l) {
				t.Errorf("decoded, it is %+v", decoded)
			}
		}
	}
}
