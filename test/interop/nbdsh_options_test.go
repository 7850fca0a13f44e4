package interop

import (
	"fmt"
	"testing"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// negotiating connects in the phase of options, in which each is a call.
const negotiating = `
def attempt(call):
    try:
        return call()
    except nbd.Error as e:
        return e.errno or str(e)
h.set_opt_mode(True)
h.set_full_info(True)
`

// TestOptions goes through the options in an odd order, failures among them.
func TestOptions(t *testing.T) {
	eachOwn(t, func(t *testing.T, o *ownServer) {
		got := nbdsh(t, negotiating+fmt.Sprintf(`
h.connect_uri(%q)
names = []
print(h.opt_list(lambda name, description: names.append(name)), names)
print(h.opt_list(lambda *a: 0))
h.set_export_name("nobody")
print(attempt(h.opt_info), attempt(h.opt_go))
h.set_export_name("frozen")
h.opt_info()
print(h.get_size(), h.is_read_only())
h.set_export_name("sparse")
h.opt_info()
print(h.get_size(), h.get_canonical_export_name(), h.get_export_description())
contexts = []
print(h.opt_list_meta_context(contexts.append), contexts)
for query in ["base:", "base:allocation", "base:other", "qemu:", "x-a:b", "nonsense"]:
    h.clear_meta_contexts()
    h.add_meta_context(query)
    print(query, h.opt_list_meta_context(lambda name: 0))
h.clear_meta_contexts()
h.add_meta_context("x-a:b")
h.add_meta_context("base:allocation")
h.opt_go()
print(h.can_meta_context("base:allocation"), h.can_meta_context("x-a:b"), h.get_block_size(nbd.SIZE_MAXIMUM))
print(len(h.pread(512, 0)))
h.shutdown()
`, o.uri("memory")))
		want := fmt.Sprintf(`4 ['memory', 'sparse', 'frozen', 'blocks']
4
ENOENT ENOENT
%d True
%d sparse mostly holes
1 ['base:allocation']
base: 1
base:allocation 1
base:other 0
qemu: 0
x-a:b 0
nonsense 0
True False %d
512
`, diskSize, sparseSize, 32*mega)
		if got != want {
			t.Errorf("got %s want %s", got, want)
		}
	})
}

// TestOptionAbort leaves in the middle of the negotiation.
func TestOptionAbort(t *testing.T) {
	eachOwn(t, func(t *testing.T, o *ownServer) {
		got := nbdsh(t, negotiating+fmt.Sprintf(`
h.connect_uri(%q)
h.opt_info()
h.opt_abort()
print(h.aio_is_closed(), h.aio_is_dead())
`, o.uri("memory")))
		if got != "True False\n" {
			t.Errorf("got %s", got)
		}
	})
}

// TestOldClients don't say that they know options with replies. They get their
// export by EXPORT_NAME from a server with Legacy, and nothing from others.
func TestOldClients(t *testing.T) {
	exports := []nbd.Export{{Name: "old", Device: device.NewMemory(pattern(0, mega))}}
	for _, legacy := range []bool{true, false} {
		addr := serveOwn(t, &nbd.Server{Exports: exports, Legacy: legacy})
		for flags, zeroes := range map[string]string{"0": "134 bytes", "nbd.HANDSHAKE_FLAG_NO_ZEROES": "10 bytes"} {
			got := nbdsh(t, fmt.Sprintf(`
h.set_handshake_flags(%s)
try:
    h.connect_uri("nbd://%s/old")
    print(h.get_size(), h.get_protocol(), h.pread(8, 4096).hex())
except nbd.Error:
    print("refused")
`, flags, addr))
			want := "1048576 newstyle 0000000000001000\n"
			if !legacy {
				want = "refused\n"
			}
			if got != want {
				t.Errorf("legacy %t, an answer of %s: got %s", legacy, zeroes, got)
			}
		}
	}
}
