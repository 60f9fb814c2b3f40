package admin

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// maxConnections is how many connections a listener holds: far more than scrapers, probes and admins have.
const maxConnections = 64

// connections bounds those of a server, so that whoever reaches its port cannot use up the file descriptors of the
// syncer. For one too many, the one is closed that has been without a request for longest; if all have one, the new
// one is.
type connections struct {
	mu   sync.Mutex
	idle map[net.Conn]time.Time // without a request, since when
	all  map[net.Conn]bool
}

func newConnections() *connections {
	return &connections{idle: map[net.Conn]time.Time{}, all: map[net.Conn]bool{}}
}

// changed implements the ConnState of a http.Server.
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

// closeOldest closes the connection that has been idle for longest; false if none is.
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
