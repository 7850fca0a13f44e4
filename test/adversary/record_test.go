package adversary

import (
	"context"
	"flag"
	"net"
	"os/exec"
	"slices"
	"sync"
	"testing"
)

// go test ./test/adversary -run TestRecord -record
// writes the files of testdata anew, with the programs that are installed.
var recordAnew = flag.Bool("record", false, "record the sessions of testdata anew")

// A tape keeps what passes a connection, in its order.
type tape struct {
	net.Conn
	client bool // the conversation is recorded at the client's end

	mu    sync.Mutex
	turns recording
}

func (r *tape) keep(client bool, p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.turns); n > 0 && r.turns[n-1].client == client {
		r.turns[n-1].data = append(r.turns[n-1].data, p...)
	} else if len(p) > 0 {
		r.turns = append(r.turns, turn{client, slices.Clone(p)})
	}
}

func (r *tape) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.keep(!r.client, p[:n])
	return n, err
}

func (r *tape) Write(p []byte) (int, error) {
	r.keep(r.client, p)
	return r.Conn.Write(p)
}

// foreignClients run a client against the URI of our server's disk, in one
// connection.
var foreignClients = map[string][]string{
	"nbdinfo":      {"nbdinfo", "URI"},
	"nbdinfo-map":  {"nbdinfo", "--map", "URI"},
	"nbdinfo-list": {"nbdinfo", "--list", "URI"},
	"nbdcopy-up":   {"nbdcopy", "--connections=1", "--requests=1", "--flush", "FILE", "URI"},
	"nbdcopy-down": {"nbdcopy", "--connections=1", "--requests=1", "URI", "null:"},
	"qemu-img":     {"qemu-img", "map", "--output=json", "URI"},
	"qemu-io":      {"qemu-io", "-f", "raw", "-c", "write -P 7 512 16", "-c", "write -f -P 8 1024 16", "-c", "write -z 4096 4096", "-c", "discard 8192 4096", "-c", "read -P 7 512 16", "-c", "flush", "URI"},
}

func TestRecord(t *testing.T) {
	if !*recordAnew {
		return
	}
	for name, start := range foreignServers {
		t.Run(name, func(t *testing.T) { recordServer(t, name, start(t, "")) })
	}
	for name, args := range foreignClients {
		t.Run(name, func(t *testing.T) { recordClient(t, name, args) })
	}
}

func recordServer(t *testing.T, name, addr string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	r := &tape{Conn: c, client: true}
	if err := tour(t.Context(), r, plainTour()); err != nil {
		t.Fatal(err)
	}
	r.turns.save(t, name, "Our client with "+name+".")
}

// recordClient keeps the connection in which the client said most.
func recordClient(t *testing.T, name string, args []string) {
	need(t, args[0])
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	taping := &tapingListener{Listener: l}
	var sessions sync.WaitGroup
	sessions.Go(func() { _ = serving(nil, 0).Serve(ctx, taping) })
	out, err := command(t, args, l.Addr().String()).CombinedOutput()
	cancel()
	sessions.Wait()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	longest := slices.MaxFunc(taping.tapes, func(a, b *tape) int { return a.turns.size(true) - b.turns.size(true) })
	said := slices.DeleteFunc(longest.turns, func(t turn) bool { return !t.client })
	said.save(t, name, "What "+name+" said to our server.")
}

// command fills in what a client is to be run with.
func command(t *testing.T, args []string, addr string) *exec.Cmd {
	args = slices.Clone(args)
	for i, a := range args {
		switch a {
		case "URI":
			args[i] = "nbd://" + addr + "/vda"
		case "FILE":
			args[i] = smallFile(t)
		}
	}
	return exec.Command(args[0], args[1:]...)
}

func smallFile(t *testing.T) string {
	name := t.TempDir() + "/small"
	writeFile(t, name, cat(make([]byte, 700), secret))
	return name
}

type tapingListener struct {
	net.Listener
	tapes []*tape
}

func (l *tapingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	r := &tape{Conn: c}
	l.tapes = append(l.tapes, r)
	return r, nil
}
