package adversary

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"nbdbridge/nbd"
)

// handshake is a message of the handshake protocol.
func handshake(typ byte, body ...byte) []byte {
	return cat(u32(uint32(typ)<<24|uint32(len(body))), body)
}

// send is a record that a peer makes after Finished.
func send(typ byte, data []byte) func(f *forger) { return times(1, typ, data) }

func times(n int, typ byte, data []byte) func(f *forger) {
	return func(f *forger) {
		for range n {
			_, _ = f.conn.Write(f.seal(typ, data))
		}
	}
}

// keyUpdate moves to new keys n times.
func keyUpdate(n int, requested byte) func(f *forger) {
	return func(f *forger) {
		for range n {
			_, _ = f.conn.Write(f.seal(recordHandshake, handshake(24, requested)))
			f.update()
		}
	}
}

var ticket = handshake(4, cat(u32(3600), u32(0), []byte{1, 0}, u16(4), []byte("tick"), u16(0))...)

// A postRecord is what a peer with the keys sends between two replies, or two
// requests. What is not allowed must end the session, what is must not.
type postRecord struct {
	name           string
	send           func(f *forger)
	client, server bool // goes on when a client, or a server, gets it
}

var records13 = []postRecord{
	{"nothing", func(*forger) {}, true, true},
	{"KeyUpdate", keyUpdate(1, 0), true, true},
	{"KeyUpdate_requested", keyUpdate(1, 1), true, true},
	{"KeyUpdate_five_times", keyUpdate(5, 1), true, true},
	{"KeyUpdate_flood", keyUpdate(1000, 0), false, false},
	{"KeyUpdate_requested_flood", keyUpdate(1000, 1), false, false},
	{"KeyUpdate_of_another_kind", keyUpdate(1, 2), false, false},
	{"KeyUpdate_without_new_keys", send(recordHandshake, handshake(24, 0)), false, false},
	{"KeyUpdate_with_more", send(recordHandshake, cat(handshake(24, 0), ticket)), false, false},
	{"NewSessionTicket", send(recordHandshake, ticket), true, false},
	{"NewSessionTicket_flood", times(1000, recordHandshake, ticket), false, false},
	{"NewSessionTicket_malformed", send(recordHandshake, handshake(4, 1, 2, 3)), false, false},
	{"HelloRequest", send(recordHandshake, handshake(0)), false, false},
	{"ClientHello", send(recordHandshake, handshake(1, make([]byte, 50)...)), false, false},
	{"ServerHello", send(recordHandshake, handshake(2, make([]byte, 50)...)), false, false},
	{"EndOfEarlyData", send(recordHandshake, handshake(5)), false, false},
	{"EncryptedExtensions", send(recordHandshake, handshake(8, 0, 0)), false, false},
	{"Certificate", send(recordHandshake, handshake(11, 0, 0, 0, 0)), false, false},
	{"CertificateRequest", send(recordHandshake, handshake(13, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3)), false, false},
	{"CertificateVerify", send(recordHandshake, handshake(15, 4, 3, 0, 1, 0)), false, false},
	{"Finished", send(recordHandshake, handshake(20, make([]byte, 32)...)), false, false},
	{"message_hash", send(recordHandshake, handshake(254)), false, false},
	{"unknown_message", send(recordHandshake, handshake(99, 1)), false, false},
	{"empty_handshake_record", send(recordHandshake, nil), false, false},
	{"empty_data_record", send(recordData, nil), true, true},
	{"empty_data_flood", times(1000, recordData, nil), false, false},
	{"ChangeCipherSpec", send(recordCCS, []byte{1}), true, true}, // means nothing here; crypto/tls drops it
	{"ChangeCipherSpec_flood", times(1000, recordCCS, []byte{1}), false, false},
	{"close_notify", send(recordAlert, []byte{1, 0}), false, false},
	{"fatal_alert", send(recordAlert, []byte{2, 80}), false, false},
	{"unknown_type", send(99, []byte{1}), false, false},
}

var records12 = []postRecord{
	{"nothing", func(*forger) {}, true, true},
	{"HelloRequest", send(recordHandshake, handshake(0)), false, false},
	{"ClientHello", send(recordHandshake, handshake(1, make([]byte, 50)...)), false, false},
	{"ServerHello", send(recordHandshake, handshake(2, make([]byte, 50)...)), false, false},
	{"NewSessionTicket", send(recordHandshake, handshake(4, 0, 0, 0, 0, 0, 0)), false, false},
	{"Certificate", send(recordHandshake, handshake(11, 0, 0, 0)), false, false},
	{"Finished", send(recordHandshake, handshake(20, make([]byte, 12)...)), false, false},
	{"KeyUpdate", send(recordHandshake, handshake(24, 0)), false, false},
	{"empty_data_record", send(recordData, nil), true, true},
	{"empty_data_flood", times(1000, recordData, nil), false, false},
	{"ChangeCipherSpec", send(recordCCS, []byte{1}), false, false},
	{"warning_flood", times(1000, recordAlert, []byte{1, 90}), false, false},
	{"close_notify", send(recordAlert, []byte{1, 0}), false, false},
}

// A message that claims more than 64 KiB ends the session too, but is no row:
// crypto/tls of Go 1.26 then sends its alert without the lock that Write takes,
// which the race detector sees.

func TestRecordsAfterFinished(t *testing.T) {
	for version, table := range map[uint16][]postRecord{tls.VersionTLS12: records12, tls.VersionTLS13: records13} {
		for _, r := range table {
			t.Run("client/"+tls.VersionName(version)+"/"+r.name, func(t *testing.T) { recordToClient(t, version, r) })
			t.Run("server/"+tls.VersionName(version)+"/"+r.name, func(t *testing.T) { recordToServer(t, version, r) })
		}
	}
}

// inMemory runs both ends of a connection, and waits for both.
func inMemory(t *testing.T, near, far func(t *testing.T, c net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPipe()
		var work sync.WaitGroup
		work.Go(func() {
			defer b.Close()
			far(t, b)
		})
		defer work.Wait()
		defer a.Close()
		near(t, a)
	})
}

// recordToClient has a server forge a record while a read is under way. A read
// that fails leaves the buffer alone.
func recordToClient(t *testing.T, version uint16, r postRecord) {
	inMemory(t, func(t *testing.T, c net.Conn) {
		err := readTwice(t.Context(), c)
		if (err == nil) != r.client {
			t.Errorf("error: %v", err)
		}
	}, func(t *testing.T, c net.Conn) {
		cfg := serverTLS(serverCert())
		cfg.MaxVersion = version
		f := accept(t, c, cfg)
		if f != nil {
			answerReads(f, func() { r.send(f) })
		}
	})
}

// answerReads serves reads until DISC, and does something before the second.
func answerReads(f *forger, second func()) {
	for n := 0; ; n++ {
		in := &taker{from: f}
		q := in.take(28)
		if in.err != nil || q[7] == 2 { // DISC
			return
		}
		if n == 1 {
			second()
		}
		_, _ = f.Write(cat(u32(0x67446698), u32(0), q[8:16], bytes.Repeat([]byte{'d'}, int(binary.BigEndian.Uint32(q[24:])))))
	}
}

// readTwice reads before and after the forged record.
func readTwice(ctx context.Context, c net.Conn) error {
	client, err := nbd.NewClient(ctx, c, requiring())
	if err != nil {
		return err
	}
	disk, err := client.Open(ctx, "vda")
	if err != nil {
		return err
	}
	defer disk.Close()
	for range 3 {
		p := make([]byte, 64)
		err := disk.Read(ctx, p, 0)
		want := bytes.Repeat([]byte{'d'}, 64)
		if err != nil {
			want = make([]byte, 64)
		}
		if !bytes.Equal(p, want) {
			return errTouched
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// accept is a server up to the transmission, with an export of its own.
func accept(t *testing.T, c net.Conn, cfg *tls.Config) *forger {
	in := &taker{from: c}
	_, _ = c.Write(greeting(3))
	in.take(4 + 16)
	_, _ = c.Write(reply(optStartTLS, repAck, nil))
	f, err := forge(c, cfg, true)
	if err != nil {
		t.Errorf("handshake: %v", err)
		return nil
	}
	for {
		in := &taker{from: f}
		opt := number(in.rest(in.take(16), 12, 4), 8)
		switch {
		case in.err != nil:
			t.Errorf("negotiating: %v", in.err)
			return nil
		case opt == optGo:
			_, _ = f.Write(cat(reply(opt, repInfo, infoExport(diskSize, 1)), reply(opt, repAck, nil)))
			return f
		}
		_, _ = f.Write(reply(opt, errUnsup, nil))
	}
}

// recordToServer has a client forge a record between two requests.
func recordToServer(t *testing.T, version uint16, r postRecord) {
	srv := servingVersion(version)
	inMemory(t, func(t *testing.T, c net.Conn) {
		f := dial(t, c)
		if f == nil {
			return
		}
		for n := range 3 {
			if n == 1 {
				r.send(f)
			}
			_, _ = f.Write(readRequest(uint64(n), 0, 64))
			in := &taker{from: f}
			in.take(16 + 64)
			if n == 0 && in.err != nil || n > 0 && (in.err == nil) != r.server {
				t.Errorf("request %d: %v", n, in.err)
			}
		}
	}, func(t *testing.T, c net.Conn) {
		if err := srv.ServeConn(context.Background(), c); err == nil {
			t.Error("the server is content") // nobody said DISC
		}
	})
}

// enter is a client up to the end of the handshake.
func enter(t *testing.T, c net.Conn) *forger {
	_, _ = c.Write(cat(u32(3), option(optStartTLS, nil)))
	in := &taker{from: c}
	in.take(18 + 20)
	f, err := forge(c, &tls.Config{RootCAs: ours().pool(), ServerName: serverName}, false)
	if err != nil {
		t.Errorf("handshake: %v", err)
		return nil
	}
	return f
}

// dial is a client up to the transmission.
func dial(t *testing.T, c net.Conn) *forger {
	f := enter(t, c)
	if f == nil {
		return nil
	}
	_, _ = f.Write(option(optGo, exportRequest("vda")))
	for typ := uint32(0); typ != repAck; {
		in := &taker{from: f}
		typ = number(in.rest(in.take(20), 16, 4), 12)
		if in.err != nil {
			t.Errorf("GO: %v", in.err)
			return nil
		}
	}
	return f
}
