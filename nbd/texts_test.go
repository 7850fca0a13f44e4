package nbd_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"nbdbridge/nbd"
)

// Every error says what happened and to what, in the words of people and of
// the specification.
func TestTexts(t *testing.T) {
	for _, c := range []struct {
		got  string
		want []string
	}{
		{(&nbd.OpError{Op: "read", Offset: 4096, Length: 512, Errno: nbd.EIO, Message: "bad sector"}).Error(), []string{"read of 512 bytes at 4096", "input/output error (EIO)", `the server says: "bad sector"`}},
		{(&nbd.OpError{Op: "flush", Errno: nbd.ENOTSUP}).Error(), []string{"nbd: flush: operation not supported (ENOTSUP)"}},
		{(&nbd.OptionError{Option: nbd.OptGo, Reply: nbd.RepErrUnknown, Export: "vda"}).Error(), []string{`export "vda"`, "no such export", "ERR_UNKNOWN"}},
		{(&nbd.OptionError{Option: nbd.OptList, Reply: nbd.RepErrPolicy, Message: "no"}).Error(), []string{"LIST", "forbidden", `"no"`}},
		{nbd.Errno(4711).Error(), []string{"errno 4711"}},
		{nbd.EIO.Name(), []string{"EIO"}},
		{nbd.Option(99).String(), []string{"option 99"}},
		{nbd.ReplyType(99).String(), []string{"reply 0x63"}},
	} {
		for _, want := range c.want {
			if !strings.Contains(c.got, want) {
				t.Errorf("%q does not say %q", c.got, want)
			}
		}
	}
	if !errors.Is(&nbd.OpError{Errno: nbd.ENOSPC}, nbd.ENOSPC) {
		t.Error("an OpError is not its Errno")
	}
}

func TestFlagNames(t *testing.T) {
	if got := nbd.TransmissionFlags(0x0ded).Names(); !slices.Equal(got, []string{"flush", "fua", "trim", "write-zeroes", "df", "multi-conn", "cache", "fast-zero"}) {
		t.Errorf("the flags of qemu-nbd: %v", got)
	}
	if got := nbd.TransmissionFlags(0).Names(); got == nil || len(got) != 0 {
		t.Errorf("no flags: %v", got)
	}
}

func TestDiskTellsItsTLS(t *testing.T) {
	srv := testServer(nil)
	srv.TLS = serverTLS(serverCert())
	c, _ := serve(t, srv)
	if state := openDisk(t, c, trusting(), "vda").TLS(); state == nil || len(state.PeerCertificates) != 1 {
		t.Errorf("TLS(): %+v", state)
	}
	c, _ = serve(t, testServer(nil))
	if openDisk(t, c, plain(), "vda").TLS() != nil {
		t.Error("TLS() without TLS")
	}
}
