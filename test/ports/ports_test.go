package ports

import (
	"net"
	"testing"
)

func TestListen(t *testing.T) {
	packets, listener, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	defer listener.Close()
	udp := packets.LocalAddr().(*net.UDPAddr).Port
	if tcp := listener.Addr().(*net.TCPAddr).Port; udp != tcp {
		t.Errorf("UDP %d, TCP %d", udp, tcp)
	}
	t.Run("a port that is taken is an error", func(t *testing.T) {
		if _, _, err := Listen(listener.Addr().String()); err == nil {
			t.Error("no error")
		}
	})
}
