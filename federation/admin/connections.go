package admin

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// maxConnections bounds the connections of a listener: far more than scrapers, probes and admins need.
const maxConnections = 64

// connections bounds the connections of a server, so that no client can exhaust the syncer's file descriptors. One
// connection too many closes the one that has been idle for longest or, if none is idle, itself.
type connections struct {
	mu   sync.Mutex
	idle map[net.Conn]time.Time // without a request, since when
	all  map[net.Conn]bool
}

func newConnections() *connections {
	return &connections{idle: map[net.Conn]time.Time{}, all: map[net.Conn]bool{}}
}

// changed is the ConnState hook of an http.Server.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		if len(c.all) >= maxConnections && !c.closeOldest() {
			conn.Close() // it ends as any that the client closes
			return
		}
		c.all[conn], c.idle[conn] = true, time.Now()
	case http.StateActive:
		delete(c.idle, conn)
	case http.StateIdle:
		c.idle[conn] = time.Now()
	case http.StateClosed, http.StateHijacked:
		delete(c.all, conn)
		delete(c.idle, conn)
	}
}

// closeOldest closes the connection that has been idle for longest, and reports whether there was one.
func (c *connections) closeOldest() bool {
	var oldest net.Conn
	for conn, since := range c.idle {
		if oldest == nil || since.Before(c.idle[oldest]) {
			oldest = conn
		}
	}
	if oldest == nil {
		return false
	}
	oldest.Close()
	delete(c.all, oldest)
	delete(c.idle, oldest)
	return true
}
