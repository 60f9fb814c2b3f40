package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/federation-dns/federation/test/scenario"
)

// listenOutside listens on the user's own loopback interface, for the page, before the private network is entered.
func listenOutside() (*os.File, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close() // the file is another descriptor of the same socket
	return l.(*net.TCPListener).File()
}

// forwarder forwards what comes to the user's loopback interface to the page inside, until it is closed.
type forwarder struct {
	net.Listener
	done chan struct{}
}

// forwardPage forwards to the page of w's syncer, wherever it is at that moment.
func forwardPage(files []*os.File, w *scenario.Play) (*forwarder, error) {
	if len(files) != 1 {
		return nil, errors.New("no socket for the page was handed in")
	}
	l, err := net.FileListener(files[0])
	if err != nil {
		return nil, err
	}
	f := &forwarder{l, make(chan struct{})}
	go func() {
		defer close(f.done)
		for {
			from, err := l.Accept()
			if err != nil {
				return // it was closed
			}
			go relay(from, w)
		}
	}()
	return f, files[0].Close()
}

// stop ends the forwarding of new connections; those that are open end with the program.
func (f *forwarder) stop() {
	_ = f.Close()
	<-f.done
}

func relay(from net.Conn, w *scenario.Play) {
	defer from.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	page, err := w.Page(ctx)
	cancel()
	if err != nil {
		return
	}
	to, err := net.Dial("tcp", page)
	if err != nil {
		return
	}
	defer to.Close()
	go func() { _, _ = io.Copy(to, from); _ = to.(*net.TCPConn).CloseWrite() }()
	_, _ = io.Copy(from, to)
}
