package listen_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(activatedKey) != "" {
		activated()
		return
	}
	goleak.VerifyTestMain(m)
}
