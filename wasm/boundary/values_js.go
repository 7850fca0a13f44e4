package boundary

import (
	"encoding/json"
	"math"
	"syscall/js"
)

// maxSafeInteger is the largest integer that a JavaScript number holds
// together with all smaller ones, 2^53 - 1.
const maxSafeInteger = 1<<53 - 1

// JSON is how results get to the page, which parses them.
func JSON(v any, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(v)
	return string(text), err
}

// Done is the answer of a call that has none.
func Done(err error) (any, error) { return js.Undefined(), err }

// SafeInteger reads a count or an offset in bytes.
func SafeInteger(name string, v js.Value) (int64, error) {
	if v.Type() != js.TypeNumber {
		return 0, Argumentf("%s must be a number, not %s", name, v.Type())
	}
	f := v.Float()
	if f != math.Trunc(f) || f < 0 || f > maxSafeInteger {
		return 0, Argumentf("%s is %v: want an integer from 0 to 2^53-1", name, f)
	}
	return int64(f), nil
}

// Text reads a string.
func Text(name string, v js.Value) (string, error) {
	if v.Type() != js.TypeString {
		return "", Argumentf("%s must be a string, not %s", name, v.Type())
	}
	return v.String(), nil
}

// Array copies bytes to JavaScript.
func Array(p []byte) js.Value {
	array := uint8Array.New(len(p))
	js.CopyBytesToJS(array, p)
	return array
}
