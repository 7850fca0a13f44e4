package main

import (
	"context"
	"errors"
	"syscall/js"

	"nbdbridge/disk"
	"nbdbridge/disk/fs"
	"nbdbridge/wasm/boundary"
)

// A session inspects one device. Calls may be under way at once; attach is the
// first one.
type session struct {
	device   *boundary.Device
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
		reads:    make(chan struct{}, boundary.MaxReads),
	}
}

// api is what the page calls. Results are JSON unless a comment says otherwise.
func (s *session) api() *boundary.API {
	api := boundary.NewAPI(codeOf)
	api.Add("attach", 1, s.attach)
	api.Add("detach", 0, s.detach)
	api.Add("layout", 0, s.layout)
	api.Add("signatures", 2, s.signatures)
	api.Add("openVolume", 2, s.openVolume)
	api.Add("closeVolume", 1, s.closeVolume)
	api.Add("list", 2, s.list)
	api.Add("next", 1, s.next)
	api.Add("endList", 1, s.endList)
	api.Add("stat", 2, s.stat)
	api.Add("openFile", 3, s.openFile)
	api.Add("readFile", 3, s.readFile)
	api.Add("closeFile", 1, s.closeFile)
	api.Add("search", 1, s.search)
	api.Add("nextHits", 1, s.nextHits)
	api.Add("endSearch", 1, s.endSearch)
	return api
}

// attach takes a handle.
func (s *session) attach(_ context.Context, args []js.Value) (_ any, err error) {
	s.device, err = boundary.Attach(args[0])
	return boundary.Done(err)
}

// detach ends the handle.
func (s *session) detach(context.Context, []js.Value) (any, error) {
	return boundary.Done(s.device.Close())
}

// headBudget is how much of the device is kept while its tables are read.
const headBudget = 4 << 20

// head is the device as what reads here and there wants it, which is not kept
// longer than a call: another look sees what has changed.
func (s *session) head(ctx context.Context) *fs.Pages {
	return fs.NewPages(s.device.Under(ctx), s.device.Size(), headBudget)
}

func (s *session) layout(ctx context.Context, _ []js.Value) (any, error) {
	return boundary.JSON(disk.ReadLayout(s.head(ctx), s.device.Size()))
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
	return boundary.JSON(found, nil)
}

// span reads the arguments offset and length, which the page has checked.
func (s *session) span(args []js.Value) (offset, length int64, err error) {
	offset, err = boundary.SafeInteger("offset", args[0])
	if err == nil {
		length, err = boundary.SafeInteger("length", args[1])
	}
	if err == nil && length > s.device.Size()-offset {
		err = errors.New("beyond the end of the device")
	}
	return offset, length, err
}
