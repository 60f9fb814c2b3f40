// Package ports listens where a test's DNS server needs it.
package ports

import (
	"errors"
	"net"
	"syscall"
)

// tries bounds how often a port is chosen: one that is free for UDP may be taken by TCP.
const tries = 50

// Listen listens on the same port for UDP and TCP. If the port of address is 0, the kernel picks it.
func Listen(address string) (net.PacketConn, net.Listener, error) {
	for try := 1; ; try++ {
		packets, err := net.ListenPacket("udp", address)
		if err != nil {
			return nil, nil, err
		}
		listener, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, listener, nil
		}
		packets.Close()
		if _, port, _ := net.SplitHostPort(address); port != "0" || try == tries ||
			!errors.Is(err, syscall.EADDRINUSE) {
			return nil, nil, err
		}
	}
}
