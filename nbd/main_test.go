package nbd_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Every goroutine of a client and of a server has an owner that ends it. In a
// browser or Node the runtime itself parks one that handles events.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("runtime.handleEvent"))
}
