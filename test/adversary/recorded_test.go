package adversary

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nbdbridge/nbd"
)

// A turn is what one side sent before the other answered.
type turn struct {
	client bool
	data   []byte
}

// A recording is a session as a foreign program took part in it. Its file has
// a line for each turn: C for the client or S for the server, and hex.
type recording []turn

func load(t *testing.T, name string) (r recording) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		r = append(r, turn{line[0] == 'C', must(hex.DecodeString(strings.TrimSpace(line[2:])))})
	}
	return r
}

func (r recording) save(t *testing.T, name, comment string) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n", comment)
	for _, turn := range r {
		who := "S"
		if turn.client {
			who = "C"
		}
		fmt.Fprintf(&b, "%s %x\n", who, turn.data)
	}
	if err := os.WriteFile(filepath.Join("testdata", name+".txt"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// size is how many bytes one side sent.
func (r recording) size(client bool) (n int) {
	for _, turn := range r {
		if turn.client == client {
			n += len(turn.data)
		}
	}
	return n
}

// playServer says what the server said, when the client has said what it
// said, up to n bytes; then it hangs up.
func (r recording) playServer(c net.Conn, n int) error {
	defer c.Close()
	for _, turn := range r {
		if !turn.client {
			_, _ = c.Write(turn.data[:min(n, len(turn.data))])
			if n -= len(turn.data); n < 0 {
				return nil
			}
			continue
		}
		in := &taker{from: c}
		if got := in.take(len(turn.data)); in.err != nil || !bytes.Equal(got, turn.data) {
			return fmt.Errorf("the client sent %x where it once sent %x; record anew with -record", got, turn.data)
		}
	}
	_, _ = io.Copy(io.Discard, c)
	return nil
}

// tour does one of each with a disk, and tells the first error.
func tour(ctx context.Context, c net.Conn, cfg *nbd.Config) error {
	client, err := nbd.NewClient(ctx, c, cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := client.List(ctx); err != nil {
		return err
	}
	if _, err := client.Info(ctx, "vda"); err != nil {
		return err
	}
	disk, err := client.Open(ctx, "vda")
	if err != nil {
		return err
	}
	defer disk.Close()
	err = requests(ctx, disk)
	if err != nil {
		c.Close()
	}
	return err
}

func requests(ctx context.Context, disk *nbd.Disk) error {
	if err := exchange(ctx, disk); err != nil {
		return err
	}
	flags := disk.Info().Flags
	steps := []struct {
		offered bool
		do      func() error
	}{
		{true, func() error { return disk.Read(ctx, make([]byte, 100), diskSize-100) }},
		{len(disk.MetaContexts()) > 0, func() error { _, err := disk.BlockStatus(ctx, 0, diskSize, 0); return err }},
		{flags&nbd.FlagSendWriteZeroes != 0, func() error { return disk.WriteZeroes(ctx, 0, 4096, nbd.FlagFUA) }},
		{flags&nbd.FlagSendTrim != 0, func() error { return disk.Trim(ctx, 4096, 4096, 0) }},
		{flags&nbd.FlagSendCache != 0, func() error { return disk.Cache(ctx, 0, 4096) }},
	}
	for _, s := range steps {
		if !s.offered {
			continue
		}
		if err := s.do(); err != nil {
			return err
		}
	}
	return nil
}

// plainTour is the configuration of a recorded client.
func plainTour() *nbd.Config {
	return &nbd.Config{TLSMode: nbd.TLSOff, MetaContexts: []string{"base:allocation"}}
}

// Whatever byte of a real server is the last that comes: an error, at once.
func TestRecordedServers(t *testing.T) {
	for name := range foreignServers {
		t.Run(name, func(t *testing.T) {
			r := load(t, name)
			whole := r.size(false)
			for n := range whole + 1 {
				err := r.against(t, n)
				if (err == nil) != (n == whole) {
					t.Fatalf("cut after %d of %d bytes: %v", n, whole, err)
				}
			}
		})
	}
}

// against has our client speak to n bytes of a recorded server.
func (r recording) against(t *testing.T, n int) (err error) {
	synctest.Test(t, func(t *testing.T) {
		near, far := newPipe()
		played := make(chan error, 1)
		go func() { played <- r.playServer(far, n) }()
		begin := time.Now()
		err = tour(t.Context(), near, plainTour())
		if took := time.Since(begin); took != 0 {
			t.Errorf("cut after %d bytes: it took %v", n, took)
		}
		near.Close()
		if wrong := <-played; wrong != nil {
			t.Error(wrong)
		}
	})
	return err
}

// Whatever byte of a real client is the last that comes, our server returns,
// and says that the client did not take its leave.
func TestRecordedClients(t *testing.T) {
	for name := range foreignClients {
		t.Run(name, func(t *testing.T) {
			r := load(t, name)
			for n := range r.size(true) {
				if err := r.into(t, n); err == nil {
					t.Errorf("cut after %d of %d bytes: the server is content", n, r.size(true))
				}
			}
			if err := r.into(t, r.size(true)); err != nil {
				t.Errorf("uncut: %v", err)
			}
		})
	}
}

// into has our server hear n bytes of a recorded client.
func (r recording) into(t *testing.T, n int) (err error) {
	synctest.Test(t, func(t *testing.T) {
		near, far := newPipe()
		go func() { _, _ = io.Copy(io.Discard, near) }()
		go r.playClient(near, n)
		begin := time.Now()
		err = serving(nil, 0).ServeConn(context.Background(), far)
		if took := time.Since(begin); took != 0 {
			t.Errorf("cut after %d bytes: it took %v", n, took)
		}
		near.Close()
	})
	return err
}

// playClient says the first n bytes of the client at once, and no more.
func (r recording) playClient(c net.Conn, n int) {
	defer c.(*end).finish()
	for _, turn := range r {
		if turn.client {
			_, _ = c.Write(turn.data[:min(n, len(turn.data))])
			n -= min(n, len(turn.data))
		}
	}
}
