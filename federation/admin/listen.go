//go:build unix

package admin

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// Listen opens the socket, with mode 0600 from the start. It replaces a socket that a dead process left behind, but not
// one that answers, nor any other file.
func Listen(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("%q exists and is not a socket", path)
		}
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return nil, fmt.Errorf("%q is in use: another syncer runs", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	before := syscall.Umask(0o177) // of the process: for this moment, what others create is closed too
	defer syscall.Umask(before)
	return net.Listen("unix", path)
}
