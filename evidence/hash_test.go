package evidence

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

// vectors are those of RFC 1321, RFC 3174 and FIPS 180, and the check value of
// CRC-32.
var vectors = []struct{ algorithm, text, sum string }{
	{"md5", "", "d41d8cd98f00b204e9800998ecf8427e"},
	{"md5", "abc", "900150983cd24fb0d6963f7d28e17f72"},
	{"sha1", "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
	{"sha1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
	{"sha256", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{"sha256", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{"sha512", "abc", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
	{"crc32", "", "00000000"},
	{"crc32", "123456789", "cbf43926"},
}

var algorithms = []string{"md5", "sha1", "sha256", "sha512", "crc32"}

func begin(t *testing.T, algorithm string) *Hash {
	t.Helper()
	h, err := New(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		h := begin(t, v.algorithm)
		if err := h.ReadDisk(bytes.NewReader([]byte(v.text)), int64(len(v.text))); err != nil {
			t.Error(err)
		}
		if got := hex.EncodeToString(h.Sum()); got != v.sum {
			t.Errorf("%s of %q is %s, want %s", v.algorithm, v.text, got, v.sum)
		}
	}
}

func disk() []byte {
	content := make([]byte, 300_001)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	clear(content[1000:150_000])
	return content
}

func TestResume(t *testing.T) {
	content := disk()
	for _, algorithm := range algorithms {
		whole := begin(t, algorithm)
		_, _ = whole.Write(content)
		for _, at := range []int64{0, 1, 63, 64, 777, 200_000, int64(len(content))} {
			first := begin(t, algorithm)
			_, _ = first.Write(content[:at])
			state, err := first.State()
			if err != nil {
				t.Fatal(err)
			}
			_, _ = first.Write([]byte("the state is a copy"))
			second, err := Resume(algorithm, state, at)
			if err != nil {
				t.Fatal(err)
			}
			if err := second.ReadDisk(bytes.NewReader(content), int64(len(content))); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(second.Sum(), whole.Sum()) {
				t.Errorf("%s resumed at %d differs", algorithm, at)
			}
		}
	}
}

func TestZeros(t *testing.T) {
	for _, algorithm := range algorithms {
		for _, n := range []int64{0, 1, chunk - 1, chunk, chunk + 1, 5*chunk + 3} {
			written, told := begin(t, algorithm), begin(t, algorithm)
			_, _ = written.Write(make([]byte, n))
			told.WriteZeros(n)
			if !bytes.Equal(written.Sum(), told.Sum()) || told.Position() != n {
				t.Errorf("%s of %d zeros differs, at %d", algorithm, n, told.Position())
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	if _, err := New("md4"); err == nil {
		t.Error("md4 is known")
	}
	state, err := begin(t, "sha256").State()
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{"empty": nil, "cut": state[:50], "long": append(state[:len(state):len(state)], 0)} {
		if _, err := Resume("sha256", damaged, 0); err == nil {
			t.Errorf("a state that is %s was taken", name)
		}
	}
	for _, algorithm := range algorithms {
		state, err := begin(t, algorithm).State()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Resume(algorithm, state, 1); err == nil {
			t.Errorf("%s took a state of position 0 for one of position 1", algorithm)
		}
	}
	for _, other := range []string{"md5", "sha1", "sha512", "crc32", "md4"} {
		if _, err := Resume(other, state, 0); err == nil {
			t.Errorf("%s took a state of sha256", other)
		}
	}
}

// A brokenDisk can't be read from a byte on.
type brokenDisk struct {
	content []byte
	from    int64
}

var errBroken = errors.New("a bad sector")

func (d brokenDisk) ReadAt(p []byte, at int64) (int, error) {
	n := copy(p, d.content[at:max(at, d.from)])
	if n < len(p) {
		return n, errBroken
	}
	return n, nil
}

func TestReadDiskKeepsWhatCame(t *testing.T) {
	content := disk()
	h := begin(t, "sha1")
	if err := h.ReadDisk(brokenDisk{content, 200_000}, int64(len(content))); !errors.Is(err, errBroken) {
		t.Errorf("the error is %v", err)
	}
	if h.Position() != 200_000 {
		t.Errorf("at %d", h.Position())
	}
	if err := h.ReadDisk(bytes.NewReader(content), int64(len(content))); err != nil {
		t.Error(err)
	}
	whole := begin(t, "sha1")
	_, _ = whole.Write(content)
	if !bytes.Equal(h.Sum(), whole.Sum()) {
		t.Error("it does not go on where it stopped")
	}
	if err := h.ReadDisk(bytes.NewReader(content), int64(len(content))+1); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a disk that is shorter than its size: %v", err)
	}
}
