package main

import (
	"context"
	"errors"
	"syscall/js"

	"nbdbridge/disk"
	"nbdbridge/disk/fs"
)

// A session inspects one device. Calls may be under way at once; attach is the
// first one.
type session struct {
	device   *device
	volumes  table[*volume]
	files    table[*file]
	lists    table[*list]
	searches table[*finding]
	reads    chan struct{} // of files, under way
}

func newSession() *session {
	return &session{
		volumes:  table[*volume]{what: "volume", limit: 16},
		files:    table[*file]{what: "file", limit: 256},
		lists:    table[*list]{what: "list", limit: 64},
		searches: table[*finding]{what: "search", limit: 8},
		reads:    make(chan struct{}, maxReads),
	}
}

// api makes functions that live as long as the program. Results are JSON
// unless a comment says otherwise.
func (s *session) api() js.Value {
	api := js.Global().Get("Object").New()
	for _, m := range []struct {
		name string
		args int
		do   work
	}{
		{"attach", 1, s.attach},
		{"detach", 0, s.detach},
		{"layout", 0, s.layout},
		{"signatures", 2, s.signatures},
		{"openVolume", 2, s.openVolume},
		{"closeVolume", 1, s.closeVolume},
		{"list", 2, s.list},
		{"next", 1, s.next},
		{"endList", 1, s.endList},
		{"stat", 2, s.stat},
		{"openFile", 3, s.openFile},
		{"readFile", 3, s.readFile},
		{"closeFile", 1, s.closeFile},
		{"search", 1, s.search},
		{"nextHits", 1, s.nextHits},
		{"endSearch", 1, s.endSearch},
	} {
		api.Set(m.name, method(m.args, m.do).Func)
	}
	return api
}

// attach takes a handle.
func (s *session) attach(_ context.Context, args []js.Value) (_ any, err error) {
	s.device, err = attach(args[0])
	return done(err)
}

// detach ends the handle.
func (s *session) detach(context.Context, []js.Value) (any, error) {
	return done(s.device.close())
}

// headBudget is how much of the device is kept while its tables are read.
const headBudget = 4 << 20

// head is the device as what reads here and there wants it, which is not kept
// longer than a call: another look sees what has changed.
func (s *session) head(ctx context.Context) *fs.Pages {
	return fs.NewPages(s.device.under(ctx), s.device.size, headBudget)
}

func (s *session) layout(ctx context.Context, _ []js.Value) (any, error) {
	return asJSON(disk.ReadLayout(s.head(ctx), s.device.size))
}

// signatures(offset, length) of what can be read, with the failure if there
// are none.
func (s *session) signatures(ctx context.Context, args []js.Value) (any, error) {
	offset, length, err := s.span(args)
	if err != nil {
		return nil, err
	}
	found, err := disk.Probe(s.head(ctx), offset, length)
	if err != nil && len(found) == 0 {
		return nil, err
	}
	if found == nil {
		found = []disk.Signature{}
	}
	return asJSON(found, nil)
}

// span reads the arguments offset and length, which the page has checked.
func (s *session) span(args []js.Value) (offset, length int64, err error) {
	offset, err = safeInteger("offset", args[0])
	if err == nil {
		length, err = safeInteger("length", args[1])
	}
	if err == nil && length > s.device.size-offset {
		err = errors.New("beyond the end of the device")
	}
	return offset, length, err
}
