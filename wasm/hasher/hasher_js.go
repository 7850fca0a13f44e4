// Package hasher is one hash, as JavaScript calls it.
package hasher

import (
	"syscall/js"

	"nbdbridge/evidence"
)

var uint8Array = js.Global().Get("Uint8Array")

// A hasher is what JavaScript calls. Calls come one after the other, begin first.
type hasher struct {
	hash *evidence.Hash
	buf  []byte // as large as the largest write
}

// New makes functions that live as long as the program: begin, write, zeros,
// state and sum.
func New() js.Value {
	h := new(hasher)
	api := js.Global().Get("Object").New()
	for _, f := range []struct {
		name string
		do   func(args []js.Value) (any, error)
	}{
		{"begin", h.begin},
		{"write", h.write},
		{"zeros", h.zeros},
		{"state", h.state},
		{"sum", h.sum},
	} {
		api.Set(f.name, js.FuncOf(func(_ js.Value, args []js.Value) any {
			value, err := f.do(args)
			if err != nil {
				return rejected(err)
			}
			return value
		}))
	}
	return api
}

// begin takes the algorithm and, to go on with a hash, its state and position;
// otherwise undefined.
func (h *hasher) begin(args []js.Value) (_ any, err error) {
	if args[1].IsUndefined() {
		h.hash, err = evidence.New(args[0].String())
		return nil, err
	}
	h.hash, err = evidence.Resume(args[0].String(), bytesOf(args[1]), int64(args[2].Float()))
	return nil, err
}

// write takes a Uint8Array.
func (h *hasher) write(args []js.Value) (any, error) {
	if n := args[0].Length(); n > len(h.buf) {
		h.buf = make([]byte, n)
	}
	n := js.CopyBytesToGo(h.buf, args[0])
	_, err := h.hash.Write(h.buf[:n])
	return nil, err
}

// zeros takes a count. Nothing else happens in the Worker meanwhile.
func (h *hasher) zeros(args []js.Value) (any, error) {
	h.hash.WriteZeros(int64(args[0].Float()))
	return nil, nil
}

// state and sum return a Uint8Array.
func (h *hasher) state([]js.Value) (any, error) {
	state, err := h.hash.State()
	return arrayOf(state), err
}

func (h *hasher) sum([]js.Value) (any, error) {
	return arrayOf(h.hash.Sum()), nil
}

func bytesOf(array js.Value) []byte {
	p := make([]byte, array.Length())
	js.CopyBytesToGo(p, array)
	return p
}

func arrayOf(p []byte) js.Value {
	array := uint8Array.New(len(p))
	js.CopyBytesToJS(array, p)
	return array
}

// rejected is a promise: what fails here are arguments, and their callers
// know the code.
func rejected(err error) js.Value {
	return js.Global().Get("Promise").Call("reject", map[string]any{"code": "INVALID_ARGUMENT", "message": err.Error()})
}
