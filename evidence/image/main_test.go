package image

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain checks that nothing here has a goroutine that outlives its call.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("runtime.handleEvent")) // of the runtime in Node
}
