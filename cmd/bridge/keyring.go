package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"nbdbridge/bridge/config"
	"nbdbridge/bridge/ticket"
)

// A keyring is what tickets are checked by; nil is none.
type keyring struct {
	from   string // config.Tickets.Keys
	source ticket.KeySource
}

// newKeyring reads keys from a file, or gets them from a URL as tickets come.
// Of the same URL it is the keyring of before: the keys that it holds are all
// that there are while their source is down.
func newKeyring(t config.Tickets, before *keyring) (*keyring, error) {
	if !t.Remote() {
		keys, err := ticket.LoadKeys(t.Keys)
		if errors.As(err, new(*fs.PathError)) && mayBeSecret(t.Keys) {
			err = errors.New("it can't be read: want the name of a file, not what is in it; write ./ before a name as long as this")
		}
		return &keyring{t.Keys, keys}, err
	}
	if before != nil && before.from == t.Keys {
		return before, nil
	}
	keys, err := ticket.NewJWKS(t.Keys)
	return &keyring{t.Keys, keys}, err
}

// mayBeSecret tells a text that must not be logged: a secret that was put where
// the name of its file belongs.
func mayBeSecret(name string) bool {
	return len(name) >= 32 && !filepath.IsAbs(name) && !strings.HasPrefix(name, "./")
}

// replace ends a keyring when another takes its place. If it is the same one,
// its keys are fetched again.
func (k *keyring) replace(next *keyring) {
	if k != next {
		k.Close()
	} else if k != nil {
		k.source.(*ticket.JWKS).Refetch()
	}
}

func (k *keyring) Close() {
	if k != nil {
		k.source.Close()
	}
}
