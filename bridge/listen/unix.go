package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

const defaultMode fs.FileMode = 0o660

// listenUnix takes over the socket of a process that has died.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if mode == 0 {
		mode = defaultMode
	}
	l, err := bindUnix(path, mode)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err := removeStale(path); err != nil {
			return nil, err
		}
		l, err = bindUnix(path, mode)
	}
	if errors.Is(err, syscall.EINVAL) {
		err = fmt.Errorf("%w (some systems bound a socket's path to 103 bytes)", err)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil { // the umask took from it
		l.Close()
		return nil, err
	}
	return l, nil
}

func bindUnix(path string, mode fs.FileMode) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return restrict(c, mode) }}
	return config.Listen(context.Background(), "unix", path)
}

// removeStale makes room where nobody listens. Only a refused connection says
// so: a live socket may be full, of another kind or not for us.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return errors.New("there is a file that is no socket: remove it or choose another path")
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		c.Close()
		return errors.New("somebody listens there already: end that process or choose another path")
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return fmt.Errorf("there is a socket, and whether somebody listens can't be told: remove it or choose another path: %w", err)
}
