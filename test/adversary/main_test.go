// Package adversary attacks the client and the server of package nbd: a
// hostile bridge between the two, forged TLS records, recorded sessions cut
// short. SECURITY.md lists the attacks; its rows name the tests.
package adversary

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
