package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/activation"
)

// sockets are those that systemd gave to this process.
var sockets inherited

// inherited are sockets that are given out once each (sd_listen_fds(3)).
type inherited struct {
	mu    sync.Mutex
	asked bool
	names []string              // as they were given, for errors
	files map[string][]*os.File // not given out yet
}

func (s *inherited) take(name string) (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ask()
	if len(s.files[name]) == 0 {
		return nil, s.missing(name)
	}
	file := s.files[name][0]
	s.files[name] = s.files[name][1:]
	defer file.Close() // the listener has a descriptor of its own
	l, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("what systemd gave is no socket that streams, as ListenStream= makes them: %w", err)
	}
	return l, nil
}

// ask looks into the environment, once: the variables are for this process
// alone, and are removed.
func (s *inherited) ask() {
	if s.asked {
		return
	}
	s.asked = true
	s.files = activation.FilesWithNames()
	for name := range s.files {
		s.names = append(s.names, name)
	}
	slices.Sort(s.names)
}

func (s *inherited) missing(name string) error {
	switch {
	case len(s.names) == 0:
		return fmt.Errorf("systemd gave this process no sockets: start it by a socket unit with FileDescriptorName=%s", name)
	case slices.Contains(s.names, name):
		return errors.New("every socket of this name is in use already")
	}
	return fmt.Errorf("systemd gave no socket of this name, only %s: see FileDescriptorName= of the socket unit", strings.Join(s.names, ", "))
}
