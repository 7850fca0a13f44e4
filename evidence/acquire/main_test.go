package acquire

import (
	"testing"

	"go.uber.org/goleak"
)

// What reads ahead and what outlives a context have ended when Run returns. In a
// browser or Node the runtime itself parks a goroutine that handles events.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("runtime.handleEvent"))
}
